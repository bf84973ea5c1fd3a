"""The user that everything runs as, the folder it runs in, and waiting.

Neither PostgreSQL nor a job may run as root. When the tests are started by root, servers
and jobs run as `nobody`; otherwise as whoever started them.
"""

import contextlib
import fcntl
import functools
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUNNER = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())

# Everything is slower under a sanitizer.
SANITIZED = any(word in os.environ.get("JOBGATE_BUILD", "") for word in ("asan", "tsan"))
# Freed memory that AddressSanitizer holds back (its quarantine is 256 MiB), in KiB.
HELD_BACK_KIB = 512 * 1024 if SANITIZED else 0
PATIENCE = 4.0 if SANITIZED else 1.0

# Processes of tests that run at once on a machine, at most.
SLOTS = 48
_slots = []  # the lock of this one's, held as long as it lives
_ports, _ports_lock = set(), threading.Lock()  # that were given


def build_folder():
    """The build under test: the folder named by JOBGATE_BUILD, else build/dev."""
    return pathlib.Path(os.environ.get("JOBGATE_BUILD") or ROOT / "build" / "dev").absolute()


def as_runner():
    """Arguments for subprocess that make a process run as RUNNER."""
    if os.geteuid() != 0:
        return {}
    return {"user": RUNNER.pw_uid, "group": RUNNER.pw_gid, "extra_groups": []}


def prefix():
    """The same for a shell: words in front of a command."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={RUNNER.pw_uid}", f"--regid={RUNNER.pw_gid}", "--clear-groups"]


def own(path):
    """Gives a file or folder to RUNNER."""
    if os.geteuid() == 0:
        os.chown(path, RUNNER.pw_uid, RUNNER.pw_gid)
    return pathlib.Path(path)


def make_folder(path):
    path = pathlib.Path(path)
    path.mkdir(mode=0o700)
    return own(path)


def temporary_folder(prefix):
    """A new folder of RUNNER's with a short name: socket paths have 107 bytes at most."""
    return own(tempfile.mkdtemp(prefix=f"jg-{prefix}-", dir="/tmp"))


def remove_folder(path):
    shutil.rmtree(path, ignore_errors=True)


def run(arguments, timeout=60, **options):
    """Runs a program as RUNNER to its end; its output is text."""
    return subprocess.run(
        [str(a) for a in arguments], capture_output=True, text=True, timeout=timeout * PATIENCE,
        stdin=subprocess.DEVNULL, **as_runner(), **options,
    )


def checked(arguments, **options):
    done = run(arguments, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def free_port():
    """A port that no outgoing connection is given: it stays free while its server is down."""
    return free_ports(1)


@functools.cache
def slot():
    """Below SLOTS: a number that no other process of any run of the tests on this machine has while this one lives."""
    for number in range(SLOTS):
        lock = open(f"/tmp/jobgate-tests-{number}.lock", "w", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        _slots.append(lock)
        return number
    raise RuntimeError(f"{SLOTS} processes run tests already")


def free_ports(count):
    """The first of some such ports in a row. Each process of the tests has ports of its own, and gives none twice as
    long as it has others: one that was seen to be free is not bound yet."""
    lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    share = (max(4096, lowest) - 1024) // SLOTS
    while True:
        first = 1024 + slot() * share + random.SystemRandom().randrange(share - count)
        with _ports_lock:
            if len(_ports) > share // 2:
                _ports.clear()
            wanted = set(range(first, first + count))
            if wanted & _ports:
                continue
            _ports.update(wanted)
        with contextlib.ExitStack() as probes:
            try:
                for port in range(first, first + count):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
                return first
            except OSError:
                pass


def alive(pid):
    """Is there such a process, other than as a zombie?"""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def children(pid):
    """The pids of a process's children, whoever their parent is now excluded."""
    try:
        listed = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in listed.split()]


def kill(pid, signal_number=signal.SIGKILL):
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        pass


class Late(AssertionError):
    """What a test waited for did not come in time: it may be the machine that is slow."""


def wait_until(condition, seconds=10.0, what="the condition", every=0.02):
    """Polls `condition` until it returns something true, which is returned."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Late(f"{what} did not come within {seconds * PATIENCE:.0f} s")
        time.sleep(every)


def own_file(path, text=""):
    """Writes a file that RUNNER may change."""
    pathlib.Path(path).write_text(text)
    return own(path)
