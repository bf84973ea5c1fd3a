"""Gateways on a real Kubernetes, each with a namespace of it and no rights but jobgate's there."""

import contextlib
import os
import signal
import time

from tests.harness import house, kubernetes, system

LABEL = "jobgate.dev/job"


def settings(kube, folder, namespace):
    config = folder / "kubeconfig"
    done = kubernetes.call(kubernetes.GRANT, "--namespace", namespace, "--output", config, "--kubeconfig", kube.config,
                           "--kubectl", kube.program)
    assert done.returncode == 0, done.stderr
    os.chmod(config, 0o600)
    system.own(config)
    return {"name": "kubernetes", "type": "kubernetes", "kubeconfig": str(config), "image": kubernetes.IMAGE,
            "pull_policy": "Never", "grace": "1s"}


class Site:
    """A gateway on a namespace, and a project that has it."""

    def __init__(self, gateway, kube, namespace):
        self.gateway, self.kube, self.namespace = gateway, kube, namespace
        self.project = name = f"k-{os.getpid()}-{time.monotonic_ns()}"
        gateway.cli("user", "create", name)
        gateway.cli("project", "create", name, "--default-backend", "kubernetes", "--member", f"{name}:submitter")
        gateway.cli("project", "identity", name, "kubernetes", namespace)
        self.api = gateway.client(gateway.token(name))

    def start(self, environment=None):
        self.api.close()  # what was kept open to the gateway before
        self.gateway.start(environment)

    def kill(self):
        self.gateway.process.send_signal(signal.SIGKILL)
        self.gateway.wait_end()

    def backend(self):
        """What the gateway says of the cluster."""
        return {item["name"]: item for item in self.api.get("/v1/backends").json()["items"]}["kubernetes"]

    def job(self, job):
        return self.api.get(f"/v1/jobs/{job['id']}").json()

    def objects(self, job, kind="job"):
        """What the cluster has of a job of ours."""
        return self.kube.get(kind, "-l", f"{LABEL}={job['id']}", namespace=self.namespace)["items"]

    def wait_for(self, job, field, *wanted, seconds=60):
        """The job, once a member of it is one of these."""
        def found():
            shown = self.job(job)
            return shown if shown[field] in wanted else None
        try:
            return system.wait_until(found, seconds, f"{field} to be {' or '.join(map(str, wanted))}", every=0.1)
        except system.Late as late:
            raise system.Late(f"{late}; the job is {self.job(job)}") from None

    def ended(self, seconds=90, **spec):
        return self.api.wait(self.api.submit(**spec)["id"], seconds=seconds)

    def made_pods(self, job):
        """How many pods the cluster's controller has ever made for a job, by its Events."""
        events = self.kube.get("events", "--field-selector", "reason=SuccessfulCreate", namespace=self.namespace)
        return sum(event.get("count") or 1 for event in events["items"] if job["id"] in event["involvedObject"]["name"])


@contextlib.contextmanager
def gateway_on(kube, folder, binaries, contract, cluster, environment=None, **changes):
    """changes: of the backend's settings. None takes one away."""
    gateway = house.build_gateway(folder, binaries, cluster, contract)
    with kube.namespace("jg") as namespace:
        place = system.make_folder(folder / f"kubernetes{next(house.NAMES)}")
        section = settings(kube, place, namespace) | changes
        backend = {name: value for name, value in section.items() if value is not None}
        gateway.write_settings({"backends": [backend]})
        gateway.start(environment)
        yield Site(gateway, kube, namespace)
        house.end_gateway(gateway)


def outcome(job):
    return job["state"], job["reason"], job["exit_code"], job["signal"]
