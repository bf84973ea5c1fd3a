#!/usr/bin/env bash
# Shell scripts pass shellcheck and stop at the first error.
set -euo pipefail
cd "${1:-.}"
status=0
while IFS= read -r -d '' file; do
        read -r first <"$file" || true
        case $first in
        '#!'*bash* | '#!/bin/sh'*) ;;
        *) continue ;;
        esac
        shellcheck -x -f gcc "$file" || status=1
        if ! grep -Eq '^set -E?eu' "$file"; then
                echo "$file:1: no set -eu at the start"
                status=1
        fi
done < <(find . \( -name .git -o -name build -o -name 'build-*' -o -path ./tests/fuzz/corpus \) -prune -o -type f -perm -u+x -print0)
exit "$status"
