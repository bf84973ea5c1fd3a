"""deploy/up --with slurm: a gateway with a real Slurm of its own beside it."""

import json
import os
import pathlib
import pwd
import signal
import stat
import subprocess
import time

import pytest

from tests.harness import system
from tests.harness.deployment import DOWN, UP, call, curl, gateway_pid, one_line, said

pytestmark = pytest.mark.timeout(600)
SERVERS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd-jgwith1", "slurmd-jgwith2")


class House:
    """A state folder that was brought up without Slurm, and then with."""

    def __init__(self):
        self.folder = pathlib.Path("/tmp") / f"jg-with-{os.getpid()}"
        self.plain = self.up("--port", system.free_port(), "--no-demo")
        self.done = self.up("--with", "slurm", "--slurm-port", system.free_ports(6), "--slurm-name", "jgwith")
        self.found = said(self.done)

    def up(self, *arguments):
        done = call(UP, "--dir", self.folder, *arguments)
        assert done.returncode == 0, done.stderr
        return done

    def pid(self, server):
        return int((self.folder / f"slurm/run/{server}.pid").read_text())

    def pids(self):
        ours = {"gateway": gateway_pid(self.found), "as-user": int((self.folder / "as-user.pid").read_text())}
        return {name: self.pid(name) for name in SERVERS} | ours

    def slurm(self, *command):
        """What one of Slurm's programs prints."""
        environment = {"PATH": os.environ["PATH"], "SLURM_CONF": self.found["SLURM_CONF"]}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd="/",
                              env=environment).stdout

    def log(self, job):
        return curl(self.found, f"/v1/jobs/{job['id']}/logs")

    def run(self, **spec):
        """A job on Slurm, at its end."""
        body = {"backend": "slurm", "command": ["true"], "resources": {"cpus": 1, "memory": "100Mi"}} | spec
        return json.loads(curl(self.found, "/v1/jobs?wait=50", "-H", "Content-Type: application/json", "-d",
                               json.dumps(body)))

    def contents(self):
        """The files that a call which has nothing to do must leave alone."""
        names = ("token", "jobgate.yaml", "slurm.key", "slurm-identity", "first-slurm-job", "slurm/etc/slurm.conf")
        return {name: (self.folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def house():
    try:
        yield House()
    finally:
        call(DOWN, "--dir", pathlib.Path("/tmp") / f"jg-with-{os.getpid()}", "--purge")


def test_it_is_added_to_what_was_up_without(house):
    assert set(said(house.plain)) == {"JOBGATE_URL", "JOBGATE_TOKEN_FILE", "JOBGATE_PID_FILE"}
    assert house.found == said(house.plain) | {"SLURM_CONF": f"{house.folder}/slurm/etc/slurm.conf"}
    assert "[9/9]" in house.done.stderr
    backends = {item["name"]: item for item in json.loads(curl(house.found, "/v1/backends"))["items"]}
    assert backends["slurm"]["type"] == "slurm" and backends["local"]["type"] == "local"


def test_the_first_job_ran_there_as_the_projects_own_user(house):
    job = json.loads(curl(house.found, f"/v1/jobs/{(house.folder / 'first-slurm-job').read_text().strip()}"))
    assert job["state"] == "succeeded" and f"job {job['id']}: succeeded on jgwith" in house.done.stderr
    assert "| step=200 loss=" in house.done.stderr and "step=200 loss=" in house.log(job)

    def ran():
        return house.slurm("sacct", "-n", "-P", "-X", "-a", "-o", "state,user,account,reqtres").strip()
    system.wait_until(lambda: ran().startswith("COMPLETED"), 60, "its record")
    assert ran().startswith("COMPLETED|jobgate-alice|research|") and "gres/gpu=1" in ran()


def test_the_key_is_for_the_gateway_only(house):
    found = (house.folder / "slurm.key").stat()
    gateway = pathlib.Path(f"/proc/{gateway_pid(house.found)}").stat().st_uid
    assert stat.S_IMODE(found.st_mode) == 0o400 and found.st_uid == gateway != 0
    assert gateway != pwd.getpwnam("jobgate-alice").pw_uid


def test_only_the_gateway_may_ask_the_service_of_root(house):
    path = house.folder / "as-user.socket"
    assert path.stat().st_uid == 0
    ask = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r}); print(s.recv(1))"
    told = subprocess.run(["python3", "-c", ask], user="jobgate-bob", cwd="/", capture_output=True, text=True,
                          timeout=60)
    assert told.stdout == "b''\n", told.stderr
    assert (house.folder / "as-user.log").stat().st_uid == house.folder.stat().st_uid == 0


def test_a_second_call_is_quick_and_changes_nothing(house):
    before = house.pids(), house.contents()
    started = time.monotonic()
    again = house.up("--with", "slurm")
    assert time.monotonic() - started < 10
    assert said(again) == house.found and (house.pids(), house.contents()) == before
    assert "it ran before" in again.stderr


def test_what_died_is_started_again(house):
    before = house.pids()
    killed = {"slurmctld", "slurmd-jgwith2", "gateway", "as-user"}
    for name in killed:
        os.kill(before[name], signal.SIGKILL)
        system.wait_until(lambda: not system.alive(before[name]), what="its end")
    house.up()
    changed = {name for name, pid in house.pids().items() if pid != before[name]}
    assert changed == killed
    job = house.run(command=["id", "-un"])
    assert job["state"] == "succeeded" and house.log(job) == "jobgate-alice\n"


def test_down_stops_all_of_it_and_up_brings_it_back(house):
    before = house.pids()
    assert call(DOWN, "--dir", house.folder).returncode == 0
    assert not [name for name, pid in before.items() if system.alive(pid)]
    again = house.up()
    assert said(again) == house.found
    assert house.run(command=["sh", "-c", "exit 7"])["exit_code"] == 7


def test_purge_leaves_nothing(house):
    before = house.pids()
    done = call(DOWN, "--dir", house.folder, "--purge")
    assert done.returncode == 0, done.stderr
    assert not house.folder.exists() and not [name for name, pid in before.items() if system.alive(pid)]


@pytest.mark.parametrize("arguments, word", [
    (("--with", "nomad"), "slurm and kubernetes only"), (("--with",), "--with"),
    (("--slurm-port", "17000"), "--with slurm"),
    (("--with", "slurm", "--dir", "/tmp/a b"), "letters"), (("--with", "slurm", "--dir", "/" + "x" * 79), "74 bytes"),
])
def test_a_wrong_option_is_told_in_one_line(arguments, word):
    assert word in one_line(call(UP, *arguments))


def test_root_is_needed():
    done = subprocess.run([*system.prefix(), UP, "--with", "slurm", "--dir", "/tmp/jg-not-there"], capture_output=True,
                          text=True, cwd="/", stdin=subprocess.DEVNULL)
    assert "needs root" in one_line(done)
