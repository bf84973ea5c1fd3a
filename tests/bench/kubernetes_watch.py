"""From a change in the API server to the event of it that a client waits for.

What the cluster's controller, which stands still, says of a suspended job is said here, one change at a time.
"""

import statistics
import time

from tests.bench import kube

REFERENCE = "none: the API server's own answer to the change"
GOALS = {"p50_ms": "<= 20", "p99_ms": "<= 150"}


def prepare(world):
    world.changes = 10 if world.smoke else 200
    kube.prepare(world)
    world.admin = kube.Api(world.kube.config)
    (made,) = world.admin.request("GET", world.path)["items"]
    world.path += "/" + made["metadata"]["name"]
    change(world, "", {"spec": {"suspend": True}})
    world.job = world.member.client.get("/v1/jobs").json()["items"][0]["id"]


def change(world, what, patch):
    world.admin.request("PATCH", world.path + what, patch, "application/merge-patch+json")


def events(world, **query):
    return world.member.client.get(f"/v1/jobs/{world.job}/events", **query).json()


def latency_ms(world, cursor, suspended):
    condition = {"type": "Suspended", "status": str(suspended)}
    change(world, "/status", {"status": {"conditions": [condition]}})
    changed = time.monotonic()
    page = events(world, after=cursor, wait=30)
    took_ms = (time.monotonic() - changed) * 1000
    (event,) = page["items"]
    assert event["reason"] == ("suspended" if suspended else None), event
    return took_ms, page["next"]


def run(world):
    cursor = events(world)["next"]
    found = []
    for n in range(world.changes):
        took_ms, cursor = latency_ms(world, cursor, n % 2 == 0)
        found.append(took_ms)
    return {"p50_ms": statistics.median(found), "p99_ms": statistics.quantiles(found, n=100)[-1]}
