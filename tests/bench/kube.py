"""A real Kubernetes for the benchmarks, and the gateway on it as the backend `kubernetes`.

Its controllers stand still: what is handed over costs all that handing over costs, and nothing runs.
"""

import base64
import collections
import http.client
import json
import re
import signal
import ssl
import tempfile
import urllib.parse

import yaml

from tests.bench import tools
from tests.harness import kubernetes, kubernetes_site, system

SPEC = {"name": "true", "backend": "kubernetes", "image": kubernetes.IMAGE, "command": ["true"], "time_limit": 600,
        "resources": {"cpus": 1, "memory": "100Mi"}}
COUNTED = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.M)


def prepare(world):
    """Starts both, and hands over a first job. The gateway hands over as much as it can."""
    world.kube = world.keep(kubernetes.Kubernetes("bench"))
    world.namespace = world.keep(world.kube.namespace("bench"))
    backend = kubernetes_site.settings(world.kube, system.make_folder(world.folder / "kubernetes"), world.namespace)
    world.config = backend["kubeconfig"]
    world.path = f"/apis/batch/v1/namespaces/{world.namespace}/jobs"
    world.gateway.write_settings({"log": {"level": "warn"}, "backends": [backend | {"window": 100000}]})
    world.gateway.start()
    world.gateway.cli("project", "identity", world.member.project, "kubernetes", world.namespace)
    world.kube.kill("kube-controller-manager", signal.SIGSTOP)
    submit(world, 1)


def submit(world, count):
    """Submits jobs in one request, and waits until the cluster has them all and the gateway knows it."""
    tools.post_lines(world, [SPEC] * count)
    with world.cluster.connect(world.database) as watcher:
        waits = "SELECT EXISTS (SELECT FROM jobs WHERE state = 'queued')"
        system.wait_until(lambda: not watcher.execute(waits).fetchone()[0], 600, "the last job", every=0.02)


def requests(world):
    """What the API server was asked about jobs and what belongs to them, by its own count: what of whose, and how."""
    found = collections.Counter()
    for labels, count in COUNTED.findall(world.kube.checked("get", "--raw", "/metrics")):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        # Who works in the whole cluster is not the gateway.
        if labels["scope"] in ("namespace", "resource") and labels["resource"] in ("jobs", "pods", "events"):
            found[labels["resource"], labels["subresource"], labels["verb"]] += int(float(count))
    return found


class Api:
    """A connection to the API server that is kept, as whom a kubeconfig has."""

    def __init__(self, config):
        with open(config, encoding="ascii") as file:
            found = yaml.safe_load(file)
        cluster, user = found["clusters"][0]["cluster"], found["users"][0]["user"]
        self.url, self.token = cluster["server"], user.get("token")
        context = ssl.create_default_context(cadata=decoded(cluster["certificate-authority-data"]))
        if not self.token:
            with tempfile.NamedTemporaryFile("w") as pair:
                pair.write(decoded(user["client-certificate-data"]) + decoded(user["client-key-data"]))
                pair.flush()
                context.load_cert_chain(pair.name)
        self.connection = http.client.HTTPSConnection(urllib.parse.urlsplit(self.url).netloc, context=context)

    def request(self, method, path, body=None, kind="application/json"):
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        self.connection.request(method, path, body and json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, text
        return json.loads(text)


def decoded(data):
    return base64.b64decode(data).decode()
