"""What clients that read status cost the API server: 1,000 of them beside one, at 1,000 waiting jobs.

Requests are those that the API server counts itself, by kind. A phase of many clients has one between two of one
client, and one request of a kind more than in either is no more than where the phase began.
"""

import threading
import time

from tests.bench import kube, tools

REFERENCE = "the same gateway with one client that reads status, before and after"
GOALS = {"extra_requests": "<= 0"}


def prepare(world):
    world.jobs, world.many, world.seconds = (20, 20, 1) if world.smoke else (1000, 1000, 30)
    kube.prepare(world)
    kube.submit(world, world.jobs)
    ids = [row[0] for row in world.query("SELECT id::text FROM jobs")]
    world.ids = world.file("ids.txt", "\n".join(ids) + "\n")


def phase(world, clients):
    """What the API server was asked, while so many clients read all the time."""
    found = []
    readers = threading.Thread(target=lambda: found.append(tools.wrk(
        world, world.gateway.url, "get.lua", clients, world.member.token, world.ids, "/v1/jobs/",
        seconds=world.seconds + 3)))
    readers.start()
    time.sleep(1)
    before = kube.requests(world)
    time.sleep(world.seconds)
    asked = kube.requests(world) - before
    readers.join()
    return asked, found[0]["rate"]


def run(world):
    (one, one_rate), (many, many_rate), (other, _) = [phase(world, clients) for clients in (1, world.many, 1)]
    extra = sum(max(0, count - max(one[kind], other[kind]) - 1) for kind, count in many.items())
    return {"extra_requests": extra, "requests_1": one.total(), "requests_many": many.total(),
            "reads_1_per_s": one_rate, "reads_many_per_s": many_rate}
