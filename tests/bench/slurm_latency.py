"""From the answer to a submit until slurmctld has the job, on an idle gateway, one job at a time.

slurmctld writes into its log when it has taken a job, to the millisecond.
"""

import datetime
import re
import statistics
import time

from tests.bench import cluster
from tests.harness import system

REFERENCE = "none: the gateway's own answer, and slurmctld's log"
GOALS = {"p50_ms": "<= 50"}
TAKEN = re.compile(r"^\[(.+?)\] _slurm_rpc_submit_batch_job: JobId=", re.M)


def prepare(world):
    cluster.prepare(world)


def times(world):
    """When slurmctld took each job, in seconds since 1970."""
    log = (world.slurm.folder / "log/slurmctld.log").read_text(errors="replace")
    return [datetime.datetime.fromisoformat(text).timestamp() for text in TAKEN.findall(log)]


def latency_ms(world):
    before = len(times(world))
    asked = time.time()
    answer = world.member.client.post("/v1/jobs", cluster.SPEC)
    accepted = time.time()
    assert answer.status == 201, answer.text
    system.wait_until(lambda: len(times(world)) > before, 60, "the job")
    return (times(world)[before] - accepted) * 1000, (times(world)[before] - asked) * 1000


def run(world):
    measured = []
    for _ in range(5 if world.smoke else 40):
        measured.append(latency_ms(world))
        # It has been idle, but not long enough for its worker to be gone.
        time.sleep(0.05 if world.smoke else 0.3)
    cluster.clear(world)
    from_answer, from_request = zip(*measured, strict=True)
    return {"p50_ms": statistics.median(from_answer), "p90_ms": statistics.quantiles(from_answer, n=10)[-1],
            "from_request_p50_ms": statistics.median(from_request)}
