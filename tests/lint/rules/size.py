#!/usr/bin/env python3
"""No function over 90 lines, no file over 900; half of all functions are short."""

import pathlib
import re
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import sources

FUNCTION_LINES, FILE_LINES, MEDIAN_LINES = 90, 900, 20
NAME = re.compile(r"(\w+)\s*\(")


def functions(text):
    """(name, first line, lines) of each: with this format a body is between { and } in column 0."""
    lines, start = text.split("\n"), None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            head = start - 1
            while head > 0 and lines[head - 1].strip() and lines[head][:1] in (" ", ")"):
                head -= 1
            named = NAME.search(lines[head])
            yield (named.group(1) if named else "?"), start + 1, number - start - 1
            start = None


def main():
    tree, findings, lengths = sources.root(), [], []
    for path in sources.c_files(tree):
        text = sources.read(tree, path)
        if text.count("\n") > FILE_LINES:
            findings.append(f"{path}: {text.count(chr(10))} lines, at most {FILE_LINES}")
        for name, line, length in functions(sources.bare(text)):
            if path.parts[0] != "tests":
                lengths.append(length)
            if length > FUNCTION_LINES:
                findings.append(f"{path}:{line}: {name}() has {length} lines, at most {FUNCTION_LINES}")
    if lengths and statistics.median(lengths) > MEDIAN_LINES:
        findings.append(f"the median function has {statistics.median(lengths)} lines, at most {MEDIAN_LINES}")
    sources.finish(findings)


main()
