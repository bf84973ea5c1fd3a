"""deploy/up --with kubernetes: a gateway with a real Kubernetes of its own beside it, or on one that is there."""

import json
import os
import pathlib
import signal
import stat
import time

import pytest

from tests.harness import kubernetes, system
from tests.harness.deployment import DOWN, UP, call, curl, gateway_pid, said

pytestmark = pytest.mark.timeout(900)
NAMESPACE = "jobgate-main"


class House:
    """A state folder that was brought up with Kubernetes."""

    def __init__(self, folder, *options, **environment):
        self.folder, self.environment = folder, environment
        self.done = self.up("--port", system.free_port(), *options)
        self.found = said(self.done)

    def up(self, *arguments):
        done = call(UP, "--dir", self.folder, *arguments, **self.environment)
        assert done.returncode == 0, done.stderr
        return done

    def run(self, **spec):
        """A job on Kubernetes, at its end."""
        body = {"backend": "kubernetes", "image": kubernetes.IMAGE, "command": ["true"]} | spec
        return json.loads(curl(self.found, "/v1/jobs?wait=50", "-H", "Content-Type: application/json", "-d",
                               json.dumps(body)))

    def log(self, job):
        return curl(self.found, f"/v1/jobs/{job}/logs")

    def contents(self):
        """The files that a call which has nothing to do must leave alone."""
        names = ("token", "jobgate.yaml", "kubernetes.kubeconfig", "kubernetes-identity", "first-kubernetes-job")
        return {name: (self.folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def cluster():
    """That of the house, as its administrator has it."""
    return kubernetes.Kubernetes("with", folder=pathlib.Path("/tmp") / f"jg-k8s-with-{os.getpid()}" / "kubernetes")


@pytest.fixture(scope="module")
def house(cluster):
    folder = cluster.folder.parent
    try:
        made = House(folder, "--with", "kubernetes", "--kubernetes-number", cluster.number)
        cluster.config, cluster.program = pathlib.Path(made.found["KUBECONFIG"]), cluster.folder / "bin/kubectl"
        yield made
    finally:
        call(DOWN, "--dir", folder, "--purge")


def test_the_first_job_ran_there_in_the_projects_namespace(house, cluster):
    job = (house.folder / "first-kubernetes-job").read_text().strip()
    assert json.loads(curl(house.found, f"/v1/jobs/{job}"))["state"] == "succeeded"
    assert f"job {job}: succeeded on node1" in house.done.stderr
    assert "| step=200 loss=" in house.done.stderr and "step=200 loss=" in house.log(job)
    (made,) = cluster.get("jobs", "-l", f"jobgate.dev/job={job}", namespace=NAMESPACE)["items"]
    assert made["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_gateway_has_no_rights_but_in_that_namespace(house, cluster):
    own = house.folder / "kubernetes.kubeconfig"
    gateway = pathlib.Path(f"/proc/{gateway_pid(house.found)}").stat().st_uid
    assert stat.S_IMODE(own.stat().st_mode) == 0o600 and own.stat().st_uid == gateway != 0
    may = {place: cluster.kubectl("auth", "can-i", "create", "jobs", namespace=place, config=own).stdout.strip()
           for place in (NAMESPACE, "default")}
    assert may == {NAMESPACE: "yes", "default": "no"}


def test_a_second_call_is_quick_and_changes_nothing(house, cluster):
    before = gateway_pid(house.found), cluster.pids(), house.contents()
    started = time.monotonic()
    again = house.up("--with", "kubernetes")
    assert time.monotonic() - started < 20 * system.PATIENCE
    assert said(again) == house.found
    assert (gateway_pid(house.found), cluster.pids(), house.contents()) == before
    assert "it ran before" in again.stderr


def test_a_cluster_that_is_there_is_used_as_it_is(house, cluster):
    """As its administrator's kubeconfig says, and with a kubectl that is in the way."""
    folder = pathlib.Path("/tmp") / f"jg-k8s-there-{os.getpid()}"
    cluster.checked("create", "namespace", "before")
    try:
        path = f"{cluster.program.parent}:{os.environ['PATH']}"
        other = House(folder, "--no-demo", "--with", "kubernetes", "--kubeconfig", house.found["KUBECONFIG"],
                      "--context", cluster.checked("config", "current-context").strip(), PATH=path)
        assert other.found["KUBECONFIG"] == house.found["KUBECONFIG"] and not (folder / "kubernetes").exists()
        job = other.run(command=["sh", "-c", "exit 7"])
        assert (job["state"], job["exit_code"]) == ("failed", 7)
    finally:
        done = call(DOWN, "--dir", folder, "--purge")
    assert done.returncode == 0 and not folder.exists()
    assert cluster.get("namespace", "before") and house.run()["state"] == "succeeded"


def test_what_died_is_started_again(house, cluster):
    before = gateway_pid(house.found), cluster.pids()
    cluster.kill("kube-apiserver")
    os.kill(before[0], signal.SIGKILL)
    system.wait_until(lambda: not system.alive(before[0]), what="its end")
    house.up()
    changed = {name for name, pid in cluster.pids().items() if pid != before[1][name]}
    assert "kube-apiserver" in changed and "etcd" not in changed and gateway_pid(house.found) != before[0]
    assert house.run(command=["sh", "-c", "exit 3"])["exit_code"] == 3


def test_down_stops_all_of_it_and_up_brings_it_back(house, cluster):
    before = {gateway_pid(house.found), *cluster.pids().values()}
    done = call(DOWN, "--dir", house.folder)
    assert done.returncode == 0 and not [pid for pid in before if system.alive(pid)], done.stderr
    assert said(house.up()) == house.found
    assert house.run()["state"] == "succeeded"


def test_purge_leaves_nothing(house, cluster):
    before = {gateway_pid(house.found), *cluster.pids().values()}
    done = call(DOWN, "--dir", house.folder, "--purge")
    assert done.returncode == 0, done.stderr
    assert not house.folder.exists() and not [pid for pid in before if system.alive(pid)]
