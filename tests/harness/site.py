"""Gateways on a real Slurm, and a project for each of its users."""

import contextlib
import os
import pathlib
import shutil
import time

from tests.harness import house, system


def settings(site, folder):
    key = folder / "jwt.key"
    shutil.copy2(site.folder / "etc/jwt.key", key)
    os.chmod(key, 0o600)
    system.own(key)
    return {"name": "slurm", "type": "slurm", "conf": str(site.conf), "directory": str(folder / "agents"),
            "jwt_key": str(key), "token_life": "10s", "message_timeout": "2s"}


class Site:
    """A gateway on the cluster, and a project for each of its users."""

    def __init__(self, gateway, cluster):
        self.gateway, self.slurm = gateway, cluster
        self.members = []
        for number, user in enumerate(cluster.users):
            name = f"m{number}-{os.getpid()}-{time.monotonic_ns()}"
            gateway.cli("user", "create", name)
            gateway.cli("project", "create", name, "--default-backend", "slurm", "--member", f"{name}:submitter")
            gateway.cli("project", "identity", name, "slurm", user)
            self.members.append(gateway.client(gateway.token(name)))

    @property
    def api(self):
        return self.members[0]

    def backend(self):
        """What the gateway says of the cluster."""
        return {item["name"]: item for item in self.api.get("/v1/backends").json()["items"]}["slurm"]

    def held(self, **spec):
        """A job that the controller holds without our doing; its number."""
        assert self.slurm.run("scontrol", "update", "partitionname=main", "state=down").returncode == 0
        job = self.api.submit(**spec)
        number = system.wait_until(lambda: self.numbers(job), 60, "the job at slurmctld")[0]
        assert self.slurm.run("scontrol", "hold", number).returncode == 0
        assert self.slurm.run("scontrol", "update", "partitionname=main", "state=up").returncode == 0
        return job, number

    def requeue(self, name):
        """As an administrator does, for the first time. Slurm lets the job wait for two minutes: not here, but longer
        than the second in which its nodes were told that it is over."""
        def control(*command):
            done = self.slurm.run("scontrol", *command)
            assert done.returncode == 0, done.stderr

        def waits():
            job = self.slurm.job(name)
            return (job.get("JobState"), job.get("Restarts")) == ("PENDING", "1")
        control("update", f"jobid={name}", "requeue=1")
        control("requeue", name)
        system.wait_until(waits, 90, "the requeue", every=0.2)
        control("update", f"jobid={name}", "starttime=now+2")

    def home(self, number=0):
        return pathlib.Path(os.path.expanduser(f"~{self.slurm.users[number]}"))

    def output(self, job, number=0, submission=1):
        return (self.home(number) / f"jobgate-{job['id']}.{submission}.out").read_text()

    def numbers_of(self, jobs):
        """The number that slurmctld has given each of some plain jobs, by their ids."""
        done = self.slurm.run("squeue", "-h", "-a", "-t", "all", "-o", "%A %k")
        found = {line.split()[1].removeprefix("jobgate:").split(".")[0]: int(line.split()[0])
                 for line in done.stdout.splitlines() if " jobgate:" in line}
        return {job["id"]: found[job["id"]] for job in jobs}

    def numbers(self, job):
        """What slurmctld has of a job of ours."""
        done = self.slurm.run("squeue", "-h", "-a", "-t", "all", "-o", "%A %k")
        return [int(line.split()[0]) for line in done.stdout.splitlines() if f"jobgate:{job['id']}." in line]


def start(gateway, site, folder, logs, changes):
    place = system.make_folder(folder / f"slurm{next(house.NAMES)}")
    section = settings(site, place) | changes
    backend = {name: value for name, value in section.items() if value is not None}
    gateway.write_settings({"backends": [backend], **({"logs": logs} if logs else {})})
    gateway.start()


@contextlib.contextmanager
def gateway_on(site, folder, binaries, contract, cluster, logs=None, **changes):
    """logs: what is kept of outputs; changes: of the backend's settings. None takes one away."""
    gateway = house.build_gateway(folder, binaries, cluster, contract)
    start(gateway, site, folder, logs, changes)
    yield Site(gateway, site)
    house.end_gateway(gateway)


@contextlib.contextmanager
def gateway_beside(made, folder, binaries, contract, **changes):
    """Another on the same record, which leads nothing as long as the first lives: the first's user there."""
    first = made.gateway
    gateway = house.build_gateway(folder, binaries, first.cluster, contract, database=first.database)
    start(gateway, made.slurm, folder, None, changes)
    other = gateway.client(None)
    other.headers.update(made.api.headers)
    yield other
    house.end_gateway(gateway)


def outcome(job):
    return job["state"], job["reason"], job["exit_code"], job["signal"]
