#!/usr/bin/env python3
"""Functions this program does not call. Exceptions are counted in banned.allow.

banned.allow: one `path function count reason…` a line. More calls than counted fail, and
so do fewer: an exception that is not needed any more goes.
"""

import collections
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import sources

BANNED = {
    "strcpy strcat sprintf vsprintf gets strncpy strncat stpcpy": "server/base/str.h, buf.h, snprintf",
    "strtok": "strtok_r or strcspn", "atoi atol atoll atof": "a parser that reports errors",
    "scanf sscanf fscanf": "a parser that bounds and reports",
    "system popen": "fork and execve", "alloca": "the heap, checked", "strdupa": "the heap, checked",
    "setenv putenv unsetenv": "an environment built for the child",
    "pthread_cancel pthread_kill": "a message to the thread",
    "localtime gmtime ctime asctime strerror": "the _r variant",
    "signal": "the signalfd in main.c (sigaction in a child)",
    "rand srand random drand48": "gw_random", "tmpnam tempnam mktemp": "mkstemp",
    "usleep sleep": "a deadline in a poll", "abort": "assert for the programmer's mistakes",
    "exit": "returning to main", "printf perror": "gw_log",
    "longjmp setjmp": "a return value", "select": "poll",
}
FUNCTIONS = {name: instead for names, instead in BANNED.items() for name in names.split()}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(FUNCTIONS) + r")\s*\(")


def allowed(path):
    counted = collections.Counter()
    for line in path.read_text().splitlines() if path.exists() else ():
        if line and not line.startswith("#"):
            name, function, count, reason = line.split(None, 3)
            counted[name, function] = int(count)
    return counted


def main():
    tree = sources.root()
    seen, lines = collections.Counter(), collections.defaultdict(list)
    for path in sources.production(tree):
        text = sources.bare(sources.read(tree, path))
        for match in CALL.finditer(text):
            key = (str(path), match.group(1))
            seen[key] += 1
            lines[key].append(text.count("\n", 0, match.start()) + 1)
    counted, findings = allowed(tree / "tests/lint/banned.allow"), []
    for key in sorted(set(seen) | set(counted)):
        path, function = key
        if seen[key] > counted[key]:
            findings += [f"{path}:{line}: {function}(): use {FUNCTIONS[function]}" for line in lines[key]]
        elif seen[key] < counted[key]:
            findings.append(f"banned.allow: {path} {function}: {counted[key]} counted, {seen[key]} there")
    sources.finish(findings)


main()
