#!/usr/bin/env python3
"""Nothing unfinished, and nothing of the machine it was written on, in any text file."""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import sources

UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
SHARED_PARENTS = {"/", "/tmp", "/var/tmp", "/root", "/home", "/srv", "/opt", "/usr/src"}


def here(tree):
    """Paths only this machine has: where the tree lies and whose home it is."""
    places = {str(tree), str(pathlib.Path.home())} - SHARED_PARENTS
    parent = str(tree.parent)
    if parent not in SHARED_PARENTS and not parent.startswith("/tmp/"):
        places.add(parent)
    return [re.compile(r"(?<![\w.])" + re.escape(place) + r"(?![\w-])") for place in sorted(places)]


def main():
    tree, findings = sources.root(), []
    forbidden = here(tree)
    for path in sources.files(tree):
        data = (tree / path).read_bytes()
        if b"\0" in data or "corpus" in path.parts:
            continue
        for number, line in enumerate(data.decode(errors="replace").split("\n"), 1):
            if UNFINISHED.search(line):
                findings.append(f"{path}:{number}: unfinished: {line.strip()[:80]}")
            if any(place.search(line) for place in forbidden):
                findings.append(f"{path}:{number}: a path of this machine: {line.strip()[:80]}")
            if path.suffix in (".c", ".h", ".py", ".sh", ".yaml", ".md", ".sql") and line.rstrip() != line:
                findings.append(f"{path}:{number}: blanks at the end of the line")
    sources.finish(findings)


main()
