"""Jobs made per second by the gateway on the API server, nothing of which runs.

They are submitted in one request. The gateway has one connection with many requests on it, so the reference has as
many connections as serve it best.
"""

import json
import time

from tests.bench import kube, tools

REFERENCE = "wrk making the same objects on kept connections, at its best number of them"
GOALS = {"ratio": ">= 0.8"}


def prepare(world):
    world.jobs = 20 if world.smoke else 1000
    kube.prepare(world)
    world.api = kube.Api(world.config)
    (made,) = world.api.request("GET", world.path)["items"]
    meta = made["metadata"]
    world.object = world.file("job.json", json.dumps({
        "apiVersion": "batch/v1", "kind": "Job", "spec": new(made["spec"]),
        "metadata": {"name": "NAME", "labels": new(meta["labels"]), "annotations": meta["annotations"]}}))
    counts = (4,) if world.smoke else (4, 16, 32)
    world.best = max(counts, key=lambda connections: reference(world, connections, 2))


def new(made):
    """Without what the server has put into it."""
    if isinstance(made, dict):
        return {name: new(value) for name, value in made.items()
                if name != "selector" and not name.endswith(("controller-uid", "job-name"))}
    return [new(value) for value in made] if isinstance(made, list) else made


def reference(world, connections, seconds=None):
    found = tools.wrk(world, world.api.url, "post_job.lua", connections, world.api.token, world.object,
                      world.path, seconds=seconds)
    return found["rate"]


def gateway(world):
    started = time.monotonic()
    kube.submit(world, world.jobs)
    return world.jobs / (time.monotonic() - started)


def run(world):
    ours, theirs = gateway(world), reference(world, world.best)
    return {"ratio": ours / theirs, "gateway_per_s": ours, "reference_per_s": theirs, "connections": world.best}
