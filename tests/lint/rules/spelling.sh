#!/usr/bin/env bash
# No common misspelling.
set -euo pipefail
cd "${1:-.}"
exec codespell --quiet-level=2 --skip='./.git,./build,./build-*,./tests/fuzz/corpus,__pycache__,./LICENSE,./tests/unit,./tests/lint/rules_test.py' \
        --ignore-words-list='statics,ro,te,fo,sting,afterall,crate,memroy,comand' .
