"""A Debian 13 in a folder, for its newer Slurm: made once, and entered by the processes that need it.

Programs in it see this machine's processes, devices, users, homes, /tmp and this source tree, and for
everything else the folder. Needs root.
"""

import atexit
import fcntl
import os
import pathlib
import shutil
import subprocess

from tests.ecosystem.install import CACHE, Failed, run
from tests.harness import system

FOLDER = CACHE / "debian13"
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "slurm-wlm-jwt-plugin", "libslurm-dev",
            "libjansson4", "munge", "procps")
FILES = ("passwd", "group", "hosts", "hostname")
BOUND = ("/dev", "/tmp", "/home", str(system.ROOT))
# Sees to it that what the folder shows ends with this process, and then waits to be ended.
HOLD = """set -e
mount -t proc proc "$0/proc"
for place; do mount --rbind "$place" "$0$place"; done
echo ready
exec sleep infinity"""


def install():
    """Makes the folder, unless it is there. tests.ecosystem.install.Failed when it cannot."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "debian13.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not FOLDER.exists():
            _make(FOLDER.with_suffix(".new"))


def _make(folder):
    if os.geteuid() != 0:
        raise Failed("a Debian 13 in a folder needs root")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if not shutil.which("debootstrap"):
        run("the list of packages", "apt-get", "update", "-q", env=environment)
        run("debootstrap", "apt-get", "install", "-q", "-y", "--no-install-recommends", "debootstrap", env=environment)
    shutil.rmtree(folder, ignore_errors=True)
    sites = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)", "Codename: bookworm", "Component: main"],
                           check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.split()
    run("Debian 13", "debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "trixie", folder, sites[0],
        env=environment)
    # What a build needs of it (CMakePresets.json), apart from the headers of its C library.
    (folder / "slurm-include").mkdir()
    (folder / "slurm-include/slurm").symlink_to("../usr/include/slurm")
    [library] = (folder / "usr/lib").glob("*/libslurm.so")
    (folder / "libslurm.so").symlink_to(library.relative_to(folder))
    for name in FILES:
        (folder / "etc" / name).touch()
    folder.rename(FOLDER)


class _Inside:
    """A process that holds the mounts, which no other can see."""

    def __init__(self):
        places = [*BOUND, *(f"/etc/{name}" for name in FILES)]
        for place in BOUND:
            pathlib.Path(f"{FOLDER}{place}").mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", HOLD, FOLDER, *places],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"
        atexit.register(self.process.kill)


_inside = []


def enter():
    """Words that make the command behind them run inside, in its root folder."""
    if not _inside:
        _inside.append(_Inside())
    return ["nsenter", "--mount", f"--target={_inside[0].process.pid}", "/usr/sbin/chroot", str(FOLDER)]
