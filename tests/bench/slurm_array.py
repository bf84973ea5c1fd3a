"""What an array costs slurmctld: requests to submit until it has all the tasks, and the time that takes.

A thousand tasks, and then as many as there may be in one array of the cluster. Requests are those
that slurmctld counts itself.
"""

import time

from tests.bench import cluster
from tests.harness import system

REFERENCE = "none: slurmctld's own count"
GOALS = {"requests": "<= 1"}


def prepare(world):
    world.few, world.many = (100, 1000) if world.smoke else (1000, 20000)
    cluster.prepare(world)
    cluster.clear(world)


def submits(world):
    return world.slurm.statistics()[1].get("REQUEST_SUBMIT_BATCH_JOB", 0)


def pending(world, job):
    return world.member.client.get(f"/v1/jobs/{job}").json()["counts"]["pending"]


def hand_over(world, tasks):
    """Requests, and milliseconds from the answer until the gateway was told that slurmctld has them all."""
    before = submits(world)
    answer = world.member.client.post("/v1/jobs", cluster.SPEC | {"array": {"indices": f"0-{tasks - 1}"}})
    accepted = time.monotonic()
    assert answer.status == 201, answer.text
    system.wait_until(lambda: pending(world, answer.json()["id"]) == tasks, 120, "all tasks in the queue", every=0.01)
    took_ms = (time.monotonic() - accepted) * 1000
    requests = submits(world) - before
    cluster.clear(world)
    return requests, took_ms


def run(world):
    (requests, few_ms), (many_requests, many_ms) = hand_over(world, world.few), hand_over(world, world.many)
    return {"requests": requests, "requests_many": many_requests, "handover_ms": few_ms, "handover_many_ms": many_ms}
