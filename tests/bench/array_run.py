"""Arrays run: /bin/true tasks of a local array, from submit to recorded end, per second."""

import time

from tests.bench import local
from tests.harness import system

REFERENCE = "as many plain local jobs on the same gateway"
GOALS = {"ratio": ">= 1"}


def prepare(world):
    local.prepare(world)


def array(world):
    spec = local.SPEC | {"array": {"indices": f"0-{world.jobs - 1}"}}
    started = time.monotonic()
    answer = world.member.client.post("/v1/jobs", spec)
    assert answer.status == 201, answer.text
    path = f"/v1/jobs/{answer.json()['id']}"
    system.wait_until(lambda: world.member.client.get(path).json()["terminal"], 300, "the end of all tasks", every=0.05)
    seconds = time.monotonic() - started
    assert world.member.client.get(path).json()["counts"]["succeeded"] == world.jobs
    return world.jobs / seconds


def run(world):
    tasks, jobs = array(world), local.ours(world)
    return {"ratio": tasks / jobs, "tasks_per_s": tasks, "jobs_per_s": jobs}
