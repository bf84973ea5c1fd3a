#!/usr/bin/env python3
"""cppcheck finds nothing in the program."""

import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import sources

SUPPRESSED = (
    "missingInclude", "missingIncludeSystem",  # libraries are not looked into
    "unmatchedSuppression",
    "unknownMacro",
    "normalCheckLevelMaxBranches",
    "internalAstError",  # its parser, not the code: a cast of a compound literal with ?:
    "readdirCalled",  # safe on a DIR of one thread's own; readdir_r is the deprecated one
    "resourceLeak", "memleak",  # it does not know the cleanup attribute; the sanitizers do
    "invalidFunctionArg",  # its library file refuses the -1 of an anonymous mmap
)
tree = sources.root()
paths = [str(path) for path in sources.production(tree) if path.suffix == ".c"]
if not paths:
    sources.finish([])
cache = pathlib.Path(tempfile.gettempdir()) / f"jobgate-cppcheck-{os.getuid()}"
cache.mkdir(exist_ok=True, mode=0o700)
# It does not look into system headers; these macros it has to know.
queue = next(pathlib.Path("/usr/include").glob("*/sys/queue.h"))
done = subprocess.run(
    ["cppcheck", "--enable=warning,performance,portability", "--std=c11", "--library=posix", "--inline-suppr",
     "--error-exitcode=1", "--quiet", "--template={file}:{line}: {id}: {message}", "-j2", "-D_GNU_SOURCE",
     f"--cppcheck-build-dir={cache}", "-I.", f"--include={queue}",
     *(f"--suppress={name}" for name in SUPPRESSED), *paths],
    cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
sources.finish(done.stdout.splitlines() if done.returncode else [])
