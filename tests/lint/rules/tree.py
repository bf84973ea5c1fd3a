#!/usr/bin/env python3
"""The top of the tree is closed; migrations are numbered without a gap; tests mirror the tree."""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import sources

TOP = {
    "server", "routes", "backends", "db", "migrations", "openapi", "deploy", "tests",
    "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE",
    "CMakeLists.txt", "CMakePresets.json",
}
MIGRATION = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
tree = sources.root()
findings = [f"{entry.name}: has no place at the top of the tree" for entry in sorted(tree.iterdir())
            if entry.name not in TOP and not entry.name.startswith(".") and entry.name not in sources.SKIPPED
            and not entry.name.startswith("build-")]

names = [path for path in sources.files(tree) if path.parts[0] == "migrations"]
findings += [f"{path}: not named NNNN_name.sql" for path in names
             if not MIGRATION.match(path.name) and path.suffix == ".sql"]
numbers = sorted(int(path.name[:4]) for path in names if MIGRATION.match(path.name))
if numbers != list(range(1, len(numbers) + 1)):
    findings.append(f"migrations: the numbers are {numbers}, not 1 to {len(numbers)}")

for path in sources.files(tree, ".c"):
    if path.parts[:2] == ("tests", "unit") and path.name.endswith("_test.c"):
        mirrored = tree.joinpath(*path.parts[2:-1])
        if not mirrored.is_dir():
            findings.append(f"{path}: there is no folder {mirrored.relative_to(tree)} it could mirror")
sources.finish(findings)
