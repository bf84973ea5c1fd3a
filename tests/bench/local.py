"""Local jobs: /bin/true from submit to recorded end, per second, two cores' worth at a time.

They are submitted in one request: what a client costs is not measured.
"""

import subprocess
import time

from tests.bench import tools
from tests.harness import system

REFERENCE = "a shell loop that starts /bin/true, two in parallel"
GOALS = {"ratio": ">= 0.2"}
SPEC = {"name": "true", "backend": "local", "command": ["/bin/true"], "resources": {"cpus": 1, "memory": "16Mi"}}
LIVE = "SELECT EXISTS (SELECT FROM jobs WHERE state IN ('queued', 'pending', 'running'))"


def prepare(world):
    world.gateway.start()
    world.jobs = 20 if world.smoke else 1000


def ours(world):
    """Looking whether all have ended costs what it can least: it is not what is measured."""
    before = finished(world)
    with world.cluster.connect(world.database) as watcher:
        started = time.monotonic()
        tools.post_lines(world, [SPEC] * world.jobs)
        system.wait_until(lambda: not watcher.execute(LIVE).fetchone()[0], 300, "the end of all jobs", every=0.05)
        seconds = time.monotonic() - started
    assert finished(world) - before == world.jobs
    return world.jobs / seconds


def finished(world):
    return world.query("SELECT count(*) FROM jobs WHERE state = 'succeeded'")[0][0]


def theirs(world):
    started = time.monotonic()
    subprocess.run(["xargs", "-P", "2", "-I", "{}", "/bin/true"], input="x\n" * world.jobs, text=True, check=True)
    return world.jobs / (time.monotonic() - started)


def run(world):
    mine, reference = ours(world), theirs(world)
    return {"ratio": mine / reference, "jobs_per_s": mine, "reference_per_s": reference}
