"""What an array costs the API server: requests until it has all of 1,000 tasks, and the time that takes.

Requests are those that the API server counts itself; a watch that ends meanwhile is one, too.
"""

import time

from tests.bench import kube
from tests.harness import system

REFERENCE = "none: the API server's own count"
GOALS = {"requests": "<= 2"}


def prepare(world):
    world.tasks = 100 if world.smoke else 1000
    kube.prepare(world)


def run(world):
    before = kube.requests(world)
    answer = world.member.client.post("/v1/jobs", kube.SPEC | {"array": {"indices": f"0-{world.tasks - 1}"}})
    accepted = time.monotonic()
    assert answer.status == 201, answer.text
    path = f"/v1/jobs/{answer.json()['id']}"
    system.wait_until(lambda: world.member.client.get(path).json()["counts"]["pending"] == world.tasks, 120,
                      "all tasks in the cluster", every=0.01)
    took_ms = (time.monotonic() - accepted) * 1000
    return {"requests": (kube.requests(world) - before).total(), "handover_ms": took_ms}
