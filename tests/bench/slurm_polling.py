"""What clients that read status cost slurmctld: 1,000 of them beside one, at 10,000 queued jobs.

Requests are those that slurmctld counts itself, by kind.
"""

import collections
import time

from tests.bench import cluster, polling, tools
from tests.harness import system

REFERENCE = "the same gateway with one client that reads status, before and after"
GOALS = {"extra_requests": "<= 0", "ratio_cpu": "<= 1.1"}


def prepare(world):
    world.jobs, world.many, world.seconds = (50, 20, 1) if world.smoke else (10000, 1000, 30)
    cluster.prepare(world)
    _, ids = tools.post_lines(world, [cluster.SPEC] * world.jobs)
    world.ids = world.file("ids.txt", "\n".join(ids) + "\n")
    system.wait_until(lambda: waiting(world) > world.jobs, 600, "all jobs in the queue", every=0.5)


def waiting(world):
    return world.query("SELECT count(*) FROM jobs WHERE state = 'pending'")[0][0]


def requests(world):
    """What slurmctld was asked by clients, but for how much it was asked."""
    return collections.Counter({kind: count for kind, count in world.slurm.statistics()[1].items()
                                if kind.startswith("REQUEST_") and kind != "REQUEST_STATS_INFO"})


def phase(world, clients):
    """What slurmctld was asked, and its seconds of CPU in a second, while so many clients read all the time."""
    begin, end, rate = polling.phase(world, clients, lambda: (requests(world), cluster.controller_cpu_s(world),
                                                              time.monotonic()))
    asked, cpu, seconds = (after - before for before, after in zip(begin, end, strict=True))
    return asked, cpu / seconds, rate


def run(world):
    phases = [phase(world, clients) for clients in (1, world.many, 1)]
    (one, one_cpu, one_rate), (many, many_cpu, many_rate), (other, other_cpu, _) = phases
    return {"extra_requests": polling.extra(one, many, other), "ratio_cpu": many_cpu / ((one_cpu + other_cpu) / 2),
            "requests_1": one.total(), "requests_many": many.total(), "cpu_1": one_cpu, "cpu_many": many_cpu,
            "reads_1_per_s": one_rate, "reads_many_per_s": many_rate}
