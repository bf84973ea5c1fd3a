#!/usr/bin/env python3
"""Every .c says first what it is for; every .h has a guard named after its path."""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import sources

tree, findings = sources.root(), []
for path in sources.production(tree):
    text = sources.read(tree, path)
    if not text.startswith("/*"):
        findings.append(f"{path}:1: does not begin with a comment that says what it is for")
    if path.suffix == ".h":
        parts = path.with_suffix("").parts
        names = {"GW_" + re.sub(r"\W", "_", "_".join(parts[start:])).upper() + "_H" for start in range(len(parts))}
        guard = re.search(r"^#ifndef (\w+)\n#define (\w+)$", text, re.M)
        if not guard or guard.group(1) != guard.group(2) or guard.group(1) not in names:
            findings.append(f"{path}: the guard is not one of {', '.join(sorted(names))}")
sources.finish(findings)
