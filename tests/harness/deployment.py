"""deploy/up and deploy/down as programs, and what they print."""

import os
import pathlib
import subprocess

from tests.harness import system

UP, DOWN = (system.ROOT / "deploy" / name for name in ("up", "down"))


def call(program, *arguments, timeout=900, **environment):
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, cwd="/", env=os.environ | environment)


def said(done):
    """The JOBGATE_ lines of standard output; nothing else may be there."""
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def curl(found, path, *arguments):
    netrc = pathlib.Path(found["JOBGATE_TOKEN_FILE"]).with_name("netrc")
    return subprocess.run(["curl", "-sS", "--netrc-file", netrc, found["JOBGATE_URL"] + path, *arguments],
                          capture_output=True, text=True, timeout=60).stdout


def gateway_pid(found):
    return int(pathlib.Path(found["JOBGATE_PID_FILE"]).read_text())


def one_line(done):
    """A failure: what it said after the step it was in."""
    assert done.returncode != 0 and done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith("[")]
    assert len(lines) == 1, done.stderr
    return lines[0]
