"""Memory of the gateway for 10,000 jobs that wait in the cluster and are watched.

A gateway that is started with them in the record, beside the same one when there was one job; and what it had before,
when it had just submitted them.
"""

import re

from tests.bench import kube
from tests.harness import system

REFERENCE = "the same gateway with one job: MiB more"
GOALS = {"rss_mib_more": "<= 60"}


def prepare(world):
    jobs = 50 if world.smoke else 10000
    kube.prepare(world)
    world.few_mib = settled_mib(world)
    kube.submit(world, jobs)
    world.submitted_mib = settled_mib(world)
    world.jobs = live(world)


def live(world):
    """How many the gateway has in the cluster, as far as it knows."""
    shown = world.member.client.get("/metrics").text
    return int(re.search(r'^jobgate_backend_submissions\{backend="kubernetes"\} (\d+)', shown, re.M)[1])


def settled_mib(world):
    """Once it does not change for three seconds."""
    last = 0

    def stays():
        nonlocal last
        before, last = last, world.gateway.rss_kib()
        return before == last

    return system.wait_until(stays, 60, "the end of what it does", every=3) and last / 1024


def run(world):
    world.gateway.stop()
    world.gateway.start()
    system.wait_until(lambda: live(world) == world.jobs, 60, "all jobs", every=0.5)
    return {"rss_mib_more": settled_mib(world) - world.few_mib, "rss_mib_few": world.few_mib,
            "rss_mib_submitted": world.submitted_mib}
