"""Growth: submits and reads with a million jobs stored (three with --full) beside ten thousand."""

from tests.bench import submit, tools

REFERENCE = "the same gateway with 10,000 jobs stored, reading an equal number of ids"
GOALS = {"ratio_submit": ">= 0.85", "ratio_read": ">= 0.85"}


def prepare(world):
    """Two gateways, so that what changes on the machine meanwhile meets both."""
    count = 200 if world.smoke else 10000
    large = 2000 if world.smoke else 3000000 if world.full else 1000000
    world.small = world.beside()
    for one, stored in (world.small, count), (world, large):
        submit.prepare(one)
        ids = one.store(stored, "running")
        one.paths = one.file("ids.txt", "\n".join(ids[:: stored // count]) + "\n")


def sample(world):
    read = tools.wrk(world, world.gateway.url, "get.lua", 64, world.member.token, world.paths, "/v1/jobs/")["rate"]
    return submit.submits(world, 64)["rate"], read


def run(world):
    (small_submit, small_read), (large_submit, large_read) = sample(world.small), sample(world)
    return {"ratio_submit": large_submit / small_submit, "ratio_read": large_read / small_read,
            "submits_per_s": large_submit, "submits_small_per_s": small_submit, "reads_per_s": large_read,
            "reads_small_per_s": small_read}
