"""What clients that read status cost the API server: 1,000 of them beside one, at 1,000 waiting jobs.

Requests are those that the API server counts itself, by kind.
"""

from tests.bench import kube, polling

REFERENCE = "the same gateway with one client that reads status, before and after"
GOALS = {"extra_requests": "<= 0"}


def prepare(world):
    world.jobs, world.many, world.seconds = (20, 20, 1) if world.smoke else (1000, 1000, 30)
    kube.prepare(world)
    kube.submit(world, world.jobs)
    ids = [row[0] for row in world.query("SELECT id::text FROM jobs")]
    world.ids = world.file("ids.txt", "\n".join(ids) + "\n")


def phase(world, clients):
    before, after, rate = polling.phase(world, clients, lambda: kube.requests(world))
    return after - before, rate


def run(world):
    (one, one_rate), (many, many_rate), (other, _) = [phase(world, clients) for clients in (1, world.many, 1)]
    return {"extra_requests": polling.extra(one, many, other), "requests_1": one.total(),
            "requests_many": many.total(), "reads_1_per_s": one_rate, "reads_many_per_s": many_rate}
