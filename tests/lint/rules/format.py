#!/usr/bin/env python3
"""C files are as clang-format writes them."""

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import sources

tree = sources.root()
paths = [str(path) for path in sources.c_files(tree)]
done = subprocess.run(["clang-format", "--style=file", "--dry-run", "-Werror", "--ferror-limit=1", *paths],
                      cwd=tree, capture_output=True, text=True)
sources.finish([line for line in done.stderr.splitlines() if "error:" in line or "No such" in line]
               if done.returncode or "error:" in done.stderr else [])
