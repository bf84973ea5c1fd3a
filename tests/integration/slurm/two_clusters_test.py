"""One gateway before two clusters of Slurm and this machine: a controller that hangs is in the way of its own jobs
alone."""

import contextlib
import os
import pathlib
import signal

import pytest

from tests.harness import as_user, house, slurm, system
from tests.harness.site import outcome, settings

NAMES = ("left", "right")
MANY = 40  # more than there are workers, and places in line


class Both:
    """A gateway on both, and a user of both and of this machine."""

    def __init__(self, gateway, sites):
        self.sites, user = sites, sites["left"].users[0]
        self.home = pathlib.Path(os.path.expanduser(f"~{user}"))
        name = f"both-{os.getpid()}"
        gateway.cli("user", "create", name)
        gateway.cli("project", "create", name, "--default-backend", "local", "--member", f"{name}:submitter")
        for backend in NAMES:
            gateway.cli("project", "identity", name, backend, user)
        self.api = gateway.client(gateway.token(name))

    def backend(self, name):
        return {item["name"]: item for item in self.api.get("/v1/backends").json()["items"]}[name]

    def begin(self, backend, **more):
        """A job that has begun, and said so."""
        job = self.api.submit(["sh", "-c", "echo begun; exec sleep 600"], backend=backend,
                              resources={"cpus": 1, "memory": "20Mi"}, **more)
        log = f"/v1/jobs/{job['id']}/logs"
        system.wait_until(lambda: self.api.get(log).text == "begun\n", 60, f"output of {backend}")
        return job["id"]

    def state(self, job):
        return self.api.job(job)["state"]


@pytest.fixture(scope="module")
def made(folder, binaries, contract, cluster):
    with contextlib.ExitStack() as stack:
        backends, sites = [], {}
        for name in NAMES:
            site = stack.enter_context(slurm.Slurm(f"jg{name}", append="SlurmdTimeout=300\n"))
            service = stack.enter_context(as_user.AsUser.of(site))
            place = system.make_folder(folder / f"slurm{next(house.NAMES)}")
            backends.append({**settings(site, place), "name": name, "as_user": str(service.socket)})
            sites[name] = site
        gateway = house.build_gateway(folder, binaries, cluster, contract)
        local = {"name": "local", "type": "local", "directory": str(gateway.spool), "cpus": 4, "memory": "4Gi"}
        gateway.write_settings({"backends": [*backends, local]})
        gateway.start()
        stack.callback(house.end_gateway, gateway)
        yield Both(gateway, sites)


@pytest.mark.timeout(300)
def test_a_controller_that_hangs_is_in_no_others_way(made):
    api = made.api
    stuck, theirs = made.begin("left"), [made.begin("right") for _ in range(2)]
    here = made.begin("local")
    made.sites["left"].kill("slurmctld", signal.SIGSTOP)
    try:
        waiting = [api.submit(command=["true"], backend="left")["id"] for _ in range(MANY)]
        api.cancel(stuck)
        system.wait_until(lambda: not made.backend("left")["reachable"], 90, "the silence")
        for backend in ("right", "local"):
            assert made.backend(backend)["reachable"]
            job = api.wait(api.submit(command=["sh", "-c", "echo after"], backend=backend)["id"], seconds=60)
            assert outcome(job) == ("succeeded", "completed", 0, None)
            assert api.log(job["id"]) == "after\n"
        array = api.submit(command=["true"], backend="right", array={"indices": "0-3"}, resources={"memory": "20Mi"})
        assert api.wait(array["id"], seconds=60)["counts"]["succeeded"] == 4
        assert api.post("/v1/jobs", {"command": ["true"], "backend": "right"}, dry_run="true").status == 200
        for job in (theirs[0], here):
            api.cancel(job)
            assert outcome(api.wait(job, seconds=60))[:2] == ("cancelled", "cancelled_by_user")
        assert made.state(theirs[1]) == "running" and api.log(theirs[1]) == "begun\n"
        assert api.log(stuck) == "begun\n"  # its file is no matter of the controller's
        assert {made.state(job) for job in waiting} == {"queued"} and made.state(stuck) == "running"
    finally:
        made.sites["left"].kill("slurmctld", signal.SIGCONT)
    assert outcome(api.wait(stuck, seconds=90))[:2] == ("cancelled", "cancelled_by_user")
    assert {outcome(api.wait(job, seconds=120)) for job in waiting} == {("succeeded", "completed", 0, None)}
    api.cancel(theirs[1])
    assert made.state(theirs[1]) in ("running", "cancelled")
