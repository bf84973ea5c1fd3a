"""A real Slurm of one machine, by deploy/slurm/up: this Debian's, or with JOBGATE_TEST_SLURM=debian13 that of the next.
"""

import fcntl
import functools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from tests.harness import debian13, system

RUNNING = []  # the clusters of this process, for what a failed test shows
UP, DOWN = (system.ROOT / "deploy/slurm" / name for name in ("up", "down"))


def enter():
    """Words before a command that is to find the programs and libraries of the Slurm under test."""
    if os.environ.get("JOBGATE_TEST_SLURM") != "debian13":
        return []
    make_users()  # inside they are those of this machine, as it was when it was entered first
    return debian13.enter()


def user_names():
    """Each process of the tests has users of its own: what a test does in a home is in no other's way."""
    return [f"jobgate-{name}-{system.slot()}" for name in ("alice", "bob")]


@functools.cache
def make_users():
    """With homes that have nothing of whoever had these users before: a test that failed may leave its files."""
    with open("/tmp/jobgate-tests-users.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for user in user_names():
            if subprocess.run(["id", user], capture_output=True).returncode != 0:
                subprocess.run(["useradd", "--create-home", "--user-group", "--shell", "/bin/bash", user], check=True)
    skeleton = os.listdir("/etc/skel")
    for user in user_names():
        for path in pathlib.Path(os.path.expanduser(f"~{user}")).iterdir():
            if path.name not in skeleton:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def own_name(prefix):
    """One that no other process of the tests has: nodes are named after it, and their control groups."""
    return f"{prefix}{system.slot()}n"


def next_second():
    """Under the number of a run that was just killed slurmd starts nothing in that second: that is revoked."""
    then = int(time.time())
    system.wait_until(lambda: int(time.time()) > then, what="the next second")


class Slurm:
    """A cluster in a folder of its own. Its users' homes hold what jobs write."""

    def __init__(self, name="jgtest", accounting=False, append="", slurm_user=None, nodes=2):
        self.name = own_name(name)
        self.folder = pathlib.Path("/tmp") / f"jg-slurm-{self.name}-{os.getpid()}"
        self.port = system.free_ports(4 + nodes)  # slurmctld's
        self.options = ["--name", self.name, "--port", str(self.port), "--nodes", str(nodes)]
        make_users()
        for user in user_names():
            self.options += ["--user", user]
        if not accounting:
            self.options.append("--no-accounting")
        if slurm_user:
            self.options += ["--slurm-user", slurm_user]
        self._append = append
        self.users = []

    def __enter__(self):
        if self._append:
            more = system.own_file(self.folder.with_suffix(".more"), self._append)
            self.options += ["--append", str(more)]
        done = self.up(*self.options)
        if done.returncode != 0:
            self.down("--purge")
            raise RuntimeError(done.stderr)
        said = dict(line.split("=", 1) for line in done.stdout.splitlines())
        self.conf, self.users = pathlib.Path(said["SLURM_CONF"]), said["SLURM_USERS"].split()
        self.address = re.search(r"^SlurmctldHost=.*\((.*)\)$", self.conf.read_text(), re.M)[1]
        RUNNING.append(self)
        return self

    def __exit__(self, *_):
        RUNNING.remove(self)
        self.down("--purge")
        self.folder.with_suffix(".more").unlink(missing_ok=True)

    def up(self, *options):
        """Starts it, or what of it died."""
        return self._call(UP, *options)

    def down(self, *options):
        return self._call(DOWN, *options)

    def _call(self, program, *options):
        return subprocess.run([*enter(), program, "--dir", self.folder, *options], capture_output=True, text=True,
                              timeout=600, stdin=subprocess.DEVNULL, cwd="/")

    def run(self, *command, user=None, **options):
        """Runs one of Slurm's programs, as root or a user in the user's home."""
        home = os.path.expanduser(f"~{user}") if user else "/"
        environment = {"PATH": os.environ["PATH"], "SLURM_CONF": str(self.conf), "HOME": home, "LANG": "C.UTF-8"}
        prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        return subprocess.run([*enter(), "env", f"--chdir={home}", *prefix, *map(str, command)], capture_output=True,
                              text=True, timeout=120, cwd="/", env=environment,
                              **{"stdin": subprocess.DEVNULL, **options})

    def submit(self, user, *options, script):
        """Submits with sbatch; the job's number."""
        done = self.run("sbatch", "--parsable", *options, user=user, stdin=None, input=script)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def job(self, number):
        """What slurmctld says of a job, by name."""
        done = self.run("scontrol", "-o", "show", "job", number)
        return dict(word.split("=", 1) for word in done.stdout.split() if "=" in word)

    def state(self, number):
        return self.job(number).get("JobState")

    def statistics(self):
        """What slurmctld counts since its start: the jobs it was given, and the requests by their names."""
        text = self.run("sdiag").stdout
        requests = re.findall(r"^\t([A-Z_]+) +\( *\d+\) +count:(\d+)", text, re.M)
        return int(re.search(r"Jobs submitted: (\d+)", text)[1]), {name: int(count) for name, count in requests}

    def describe(self):
        """Nodes, jobs and the last words of the servers, for whoever reads why a test failed."""
        def tail(path):
            return "\n".join(path.read_text(errors="replace").splitlines()[-25:])

        asked = ["sinfo -N -o '%N %T %H %E'", "squeue -a -o '%i %u %T %R %S'"]
        logs = sorted((self.folder / "log").glob("slurm*.log"))
        return "\n".join([*(f"$ {line}\n{self.run('sh', '-c', line).stdout}" for line in asked),
                          *(f"-- {path.name}\n{tail(path)}" for path in logs)])

    def server_pid(self, name):
        return int((self.folder / "run" / f"{name}.pid").read_text())

    def kill(self, name, sign=signal.SIGKILL):
        os.kill(self.server_pid(name), sign)

    def stop(self, name):
        """In order: it writes its state down."""
        pid = self.server_pid(name)
        self.kill(name, signal.SIGTERM)
        system.wait_until(lambda: not system.alive(pid), 60, f"{name}'s end")

    def restart(self, name):
        self.stop(name)
        assert self.up().returncode == 0

    def keep_state(self):
        """Sets aside what the controller has on its disk when it ends in order; and starts it again."""
        self.stop("slurmctld")
        kept = self.folder / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.folder / "slurmctld", kept)
        assert self.up().returncode == 0

    def take_up_the_kept_state(self):
        """The controller dies, and begins with that."""
        self.kill("slurmctld")
        state = self.folder / "slurmctld"
        shutil.copytree(self.folder / "kept", state, dirs_exist_ok=True)
        for path in (state, *state.rglob("*")):
            shutil.chown(path, "slurm", "slurm")
        assert self.up().returncode == 0
