"""Growth: submits and reads with a million jobs stored (three with --full) beside ten thousand."""

from tests.bench import submit, tools

REFERENCE = "the same gateway with 10,000 jobs stored, reading an equal number of ids"
GOALS = {"ratio_submit": ">= 0.85", "ratio_read": ">= 0.85"}


def prepare(world):
    submit.prepare(world)
    world.rounds = []


def sample(world, paths):
    read = tools.wrk(world, world.gateway.url, "get.lua", 64, world.member.token, paths, "/v1/jobs/")["rate"]
    return submit.submits(world, 64)["rate"], read


def run(world):
    """The small figures are taken before the first filling, and serve all runs."""
    if not world.rounds:
        ids = world.store(200 if world.smoke else 10000, "running")
        world.few = world.file("few.txt", "\n".join(ids) + "\n")
        world.rounds = [sample(world, world.few) for _ in range(1 if world.smoke else 3)]
        many = world.store(2000 if world.smoke else 3000000 if world.full else 1000000, "running")
        world.many = world.file("many.txt", "\n".join(many[:: max(1, len(many) // len(ids))][: len(ids)]) + "\n")
    small_submit, small_read = (sorted(values)[len(values) // 2] for values in zip(*world.rounds, strict=True))
    large_submit, large_read = sample(world, world.many)
    return {"ratio_submit": large_submit / small_submit, "ratio_read": large_read / small_read,
            "submits_per_s": large_submit, "submits_small_per_s": small_submit, "reads_per_s": large_read,
            "reads_small_per_s": small_read}
