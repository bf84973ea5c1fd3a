"""Runs that Slurm ends at their time limit, and those that it starts again by itself."""

import pytest

from tests.harness import as_user, slurm, system
from tests.harness.site import gateway_on, outcome

# The runs of a task: the first waits to be taken back, the next goes on.
TWICE = """#!/bin/bash
echo "run ${SLURM_RESTART_COUNT:-0}"
[ "${SLURM_RESTART_COUNT:-0}" != 0 ] || sleep 1000
"""
# What slurmctld does at the limit is SIGTERM, and SIGKILL after KillWait.
LIMITED = {"plain": "sleep 1000", "trap, exit 0": "trap 'exit 0' TERM\nsleep 1000 & wait",
           "trap, exit 7": "trap 'exit 7' TERM\nsleep 1000 & wait"}


@pytest.fixture(scope="module")
def site():
    with slurm.Slurm("jgagain", append="OverTimeLimit=0\n") as made:
        yield made


@pytest.fixture(scope="module")
def made(folder, binaries, contract, cluster, site):
    with as_user.AsUser.of(site) as service:
        with gateway_on(site, folder, binaries, contract, cluster, as_user=str(service.socket),
                        logs={"keep_head": 0, "keep_tail": 0}) as gateway:
            yield gateway


@pytest.fixture(scope="module", autouse=True)
def limited(made):
    """Jobs whose minute passes while the other tests run."""
    small = {"resources": {"memory": "10Mi"}, "time_limit": "1m"}
    jobs = {name: made.api.submit(script=f"#!/bin/bash\n{script}\n", **small) for name, script in LIMITED.items()}
    script = '#!/bin/bash\n[ "$JOBGATE_TASK_INDEX" = 3 ] || sleep 1000\n'
    return jobs | {"array": made.api.submit(script=script, array={"indices": "2-3"}, **small)}


def attempts(made, job, index):
    return made.api.get(f"/v1/jobs/{job['id']}/tasks/{index}/attempts").json()["items"]


def what_ran(made, job, index):
    return [(each["origin"], *outcome(each)) for each in attempts(made, job, index)]


@pytest.mark.parametrize("array, index", [(None, 0), ({"indices": "4-5"}, 5)], ids=["plain", "task"])
def test_a_run_that_slurm_starts_again_is_an_attempt(made, array, index):
    job = made.api.submit(script=TWICE, resources={"memory": "10Mi"}, **({"array": array} if array else {}))
    log = f"/v1/jobs/{job['id']}/logs"
    system.wait_until(lambda: made.api.get(log, task=index).text == "run 0\n", 60, "its first run")
    number = min(made.numbers(job))
    made.requeue(f"{number}_{index}" if array else number)
    system.wait_until(lambda: len(attempts(made, job, index)) == 2, 90, "the second attempt")
    if array:
        assert what_ran(made, job, 4) == [("jobgate", "running", None, None, None)]
        made.api.post(f"/v1/jobs/{job['id']}/tasks/cancel", {"indices": "4"})
    ended = made.api.wait(job["id"], seconds=60)
    assert ended["counts"]["succeeded"] == 1 and ended["state"] == ("cancelled" if array else "succeeded")
    assert what_ran(made, job, index) == [("jobgate", "failed", "preempted", None, None),
                                          ("scheduler", "succeeded", "completed", 0, None)]
    first, second = attempts(made, job, index)
    assert first["started_at"] < first["ended_at"] and first["node"] and second["node"]
    assert made.api.get(log, task=index).text == made.api.get(log, task=index, attempt=2).text == "run 1\n"
    first = made.api.get(log, task=index, attempt=1)
    assert first.status == 410 and "written over" in first.json()["detail"]


def test_the_time_limit_ends_a_run(made, limited):
    codes = {"plain": (None, 15), "trap, exit 0": (0, None), "trap, exit 7": (7, None)}
    assert {name: outcome(made.api.wait(limited[name]["id"], seconds=150)) for name in LIMITED} == {
        name: ("failed", "time_limit", *code) for name, code in codes.items()}
    job = made.api.wait(limited["array"]["id"], seconds=150)
    assert {task["index"]: outcome(task) for task in made.api.pages(f"/v1/jobs/{job['id']}/tasks")} == {
        2: ("failed", "time_limit", None, 15), 3: ("succeeded", "completed", 0, None)}
    assert job["state"] == "failed" and job["counts"]["failed"] == 1
