"""Jobs handed to slurmctld per second by the gateway, into a queue that does not move.

They are submitted in one request. Each reference follows, into the same queue, emptied before.
"""

import time

from tests.bench import cluster, tools
from tests.harness import system

REFERENCE = "a plain loop around libslurm's submit on as many connections, and sbatch one after the other"
GOALS = {"ratio_libslurm": ">= 0.8", "ratio_sbatch": ">= 2"}
CONNECTIONS = 2  # the default of the setting `workers`


def prepare(world):
    world.jobs, world.few = (20, 5) if world.smoke else (1500, 100)
    cluster.prepare(world)
    world.loop = cluster.build(world, "submit_loop")
    cluster.clear(world)


def gateway(world):
    before = cluster.taken(world)
    started = time.monotonic()
    tools.post_lines(world, [cluster.SPEC] * world.jobs)
    system.wait_until(lambda: cluster.taken(world) - before >= world.jobs, 300, "the last job", every=0.1)
    seconds = time.monotonic() - started
    cluster.clear(world)
    return world.jobs / seconds


def libslurm(world):
    done = world.slurm.run(world.loop, world.jobs, CONNECTIONS, "parked", user=world.user)
    assert done.returncode == 0, done.stderr
    cluster.clear(world)
    return world.jobs / float(done.stdout)


def sbatch(world):
    started = time.monotonic()
    done = world.slurm.run("sh", "-ec", f"for i in $(seq {world.few}); do sbatch -Q -p parked --mem=100M --wrap=true; "
                           "done", user=world.user)
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    cluster.clear(world)
    return world.few / seconds


def run(world):
    ours, loop, one_by_one = gateway(world), libslurm(world), sbatch(world)
    return {"ratio_libslurm": ours / loop, "ratio_sbatch": ours / one_by_one, "gateway_per_s": ours,
            "libslurm_per_s": loop, "sbatch_per_s": one_by_one}
