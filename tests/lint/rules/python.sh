#!/usr/bin/env bash
# Python passes ruff: errors, unused and undefined names, likely bugs.
set -euo pipefail
cd "${1:-.}"
exec ruff check --no-cache --quiet --isolated --target-version py311 --line-length 120 \
        --select E,F,W,B,I,UP --ignore E402,B904,B023,I001 --output-format concise .
