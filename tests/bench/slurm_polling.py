"""What clients that read status cost slurmctld: 1,000 of them beside one, at 10,000 queued jobs.

Requests are those that slurmctld counts itself. A phase begins when the gateway has just read the
table and lasts half a second longer than a number of seconds, so that both hold as many reads.
"""

import time

from tests.bench import cluster, tools
from tests.harness import system

REFERENCE = "the same gateway with one client that reads status"
GOALS = {"extra_requests": "<= 0", "ratio_cpu": "<= 1.1"}


def prepare(world):
    world.jobs, world.many, world.seconds = (50, 20, 2) if world.smoke else (10000, 1000, 20)
    cluster.prepare(world)
    _, ids = tools.post_lines(world, [cluster.SPEC] * world.jobs)
    world.ids = world.file("ids.txt", "\n".join(ids) + "\n")
    system.wait_until(lambda: waiting(world) > world.jobs, 600, "all jobs in the queue", every=0.5)


def waiting(world):
    return world.query("SELECT count(*) FROM jobs WHERE state = 'pending'")[0][0]


def requests(world):
    """What slurmctld was asked, but for how much it was asked."""
    return sum(count for name, count in world.slurm.statistics()[1].items() if name != "REQUEST_STATS_INFO")


def phase(world, clients):
    """Requests and seconds of CPU while so many clients read."""
    before = requests(world)
    system.wait_until(lambda: requests(world) > before, 60, "a read of the table")
    before, cpu, started = requests(world), cluster.controller_cpu_s(world), time.monotonic()
    found = tools.wrk(world, world.gateway.url, "get.lua", clients, world.member.token, world.ids, "/v1/jobs/",
                      seconds=world.seconds)
    time.sleep(max(0.0, started + world.seconds + 0.5 - time.monotonic()))
    seconds = time.monotonic() - started
    return requests(world) - before, (cluster.controller_cpu_s(world) - cpu) / seconds, found["rate"]


def run(world):
    (few, few_cpu, few_rate), (many, many_cpu, many_rate) = phase(world, 1), phase(world, world.many)
    return {"extra_requests": max(0, many - few), "ratio_cpu": many_cpu / few_cpu, "requests_1": few,
            "requests_many": many, "cpu_1": few_cpu, "cpu_many": many_cpu, "reads_1_per_s": few_rate,
            "reads_many_per_s": many_rate}
