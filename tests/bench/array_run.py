"""Arrays run: /bin/true tasks of a local array, from submit to recorded end, per second."""

import time

from tests.bench import local
from tests.harness import system

REFERENCE = "as many plain local jobs on the same gateway"
GOALS = {"ratio": ">= 1"}


def prepare(world):
    """A fresh gateway's first tasks are slow, of whatever job: the first measured would pay for it."""
    local.prepare(world)
    array(world, 4)


def array(world, count):
    spec = local.SPEC | {"array": {"indices": f"0-{count - 1}"}}
    started = time.monotonic()
    answer = world.member.client.post("/v1/jobs", spec)
    assert answer.status == 201, answer.text
    path = f"/v1/jobs/{answer.json()['id']}"
    system.wait_until(lambda: world.member.client.get(path).json()["terminal"], 300, "the end of all tasks", every=0.05)
    seconds = time.monotonic() - started
    assert world.member.client.get(path).json()["counts"]["succeeded"] == count
    return count / seconds


def run(world):
    tasks, jobs = array(world, world.jobs), local.ours(world)
    return {"ratio": tasks / jobs, "tasks_per_s": tasks, "jobs_per_s": jobs}
