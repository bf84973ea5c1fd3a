"""What clients that read status cost slurmctld: 1,000 of them beside one, at 10,000 queued jobs.

Requests are those that slurmctld counts itself, by kind. The gateway asks in a rhythm of its own, so a phase of many
clients has one between two of one client, and one request of a kind more than in either is no more than where the
phase began.
"""

import collections
import threading
import time

from tests.bench import cluster, tools
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
    found = []
    readers = threading.Thread(target=lambda: found.append(tools.wrk(
        world, world.gateway.url, "get.lua", clients, world.member.token, world.ids, "/v1/jobs/",
        seconds=world.seconds + 3)))
    readers.start()
    time.sleep(1)
    before, cpu, started = requests(world), cluster.controller_cpu_s(world), time.monotonic()
    time.sleep(world.seconds)
    cpu = (cluster.controller_cpu_s(world) - cpu) / (time.monotonic() - started)
    asked = requests(world) - before
    readers.join()
    return asked, cpu, found[0]["rate"]


def run(world):
    phases = [phase(world, clients) for clients in (1, world.many, 1)]
    (one, one_cpu, one_rate), (many, many_cpu, many_rate), (other, other_cpu, _) = phases
    extra = sum(max(0, count - max(one[kind], other[kind]) - 1) for kind, count in many.items())
    return {"extra_requests": extra, "ratio_cpu": many_cpu / ((one_cpu + other_cpu) / 2), "requests_1": one.total(),
            "requests_many": many.total(), "cpu_1": one_cpu, "cpu_many": many_cpu, "reads_1_per_s": one_rate,
            "reads_many_per_s": many_rate}
