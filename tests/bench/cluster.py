"""A real Slurm for the benchmarks, and the gateway on it as the backend `slurm`.

Jobs in the partition `parked` wait: it is down. What is handed over costs all that handing over
costs, and nothing runs.
"""

import subprocess
import time

from tests.bench import tools
from tests.harness import site, slurm, system

PARKED = "PartitionName=parked Nodes=ALL MaxTime=INFINITE State=DOWN\n"
SPEC = {"name": "true", "backend": "slurm", "queue": "parked", "command": ["true"], "time_limit": 600,
        "resources": {"cpus": 1, "memory": "100Mi"}}

CPU_CLOCK = 2  # clock_getcpuclockid(3) makes a clock's number of a process and this


def prepare(world):
    """Starts both. The gateway hands over as much as it can, and not only as a user may have waiting."""
    world.slurm = world.keep(slurm.Slurm("jgbench", append=PARKED))
    backend = site.settings(world.slurm, system.make_folder(world.folder / "slurm"))
    for name in ("token_life", "message_timeout"):
        del backend[name]
    world.gateway.write_settings({"log": {"level": "warn"}, "backends": [backend | {"window": 100000}]})
    world.gateway.start()
    world.user = world.slurm.users[0]
    world.gateway.cli("project", "identity", world.member.project, "slurm", world.user)
    tools.post_lines(world, [SPEC])
    system.wait_until(lambda: taken(world) > 0, 60, "the first job")


def build(world, name):
    """Compiles a program of this folder that links libslurm; its path."""
    program = world.folder / name
    subprocess.run(["cc", "-O2", "-o", program, tools.HERE / f"{name}.c", "-lslurm"], check=True)
    return program


def taken(world):
    """How many jobs slurmctld was given since its start."""
    return world.slurm.statistics()[0]


def clear(world):
    """Cancels all that wait in Slurm, and waits until the gateway has heard of it."""
    world.slurm.run("scancel", "--partition=parked")
    system.wait_until(lambda: live(world) == 0, 300, "the end of all jobs", every=0.2)


def live(world):
    return world.query("SELECT count(*) FROM jobs WHERE ended_at IS NULL")[0][0]


def controller_cpu_s(world):
    """Seconds of CPU that slurmctld has used, to the nanosecond: /proc has hundredths."""
    return time.clock_gettime(~world.slurm.server_pid("slurmctld") << 3 | CPU_CLOCK)
