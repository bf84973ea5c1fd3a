"""What the rules share: which files there are, and C text without comments and strings.

A rule is a program in rules/: it takes the root of a tree, prints one line per finding,
`path:line: what`, and exits non-zero when there was one.
"""

import pathlib
import re
import sys

SKIPPED = {".git", "build", "__pycache__", ".hypothesis", ".pytest_cache", ".ruff_cache", "node_modules"}
CODE_FOLDERS = ("server", "routes", "backends", "db", "tests")


def root():
    return pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()


def files(tree, *suffixes):
    """Every file of the tree, as paths relative to it; of these suffixes when given."""
    found, folders = [], [tree]
    while folders:
        for entry in sorted(folders.pop().iterdir()):
            if entry.name in SKIPPED or entry.name.startswith("build-"):
                continue
            if entry.is_dir():
                folders.append(entry)
            elif not suffixes or entry.suffix in suffixes:
                found.append(entry.relative_to(tree))
    return sorted(found)


def c_files(tree):
    return [path for path in files(tree, ".c", ".h") if path.parts[0] in CODE_FOLDERS]


def production(tree):
    """The C files of the program itself."""
    return [path for path in c_files(tree) if path.parts[0] != "tests"]


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def bare(text):
    """C text with comments and literals blanked, line by line as before."""
    def blank(match):
        found = match.group()
        if found[0] in "\"'":
            return found[0] + " " * (len(found) - 2) + found[0]
        return re.sub(r"[^\n]", " ", found)
    return TOKEN.sub(blank, text)


def read(tree, path):
    return (tree / path).read_text(encoding="utf-8", errors="replace")


def finish(findings):
    """Prints the findings and ends the rule."""
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
