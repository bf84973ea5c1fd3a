"""Durable submits: POST /v1/jobs with token, key, job, spec and event rows, per second."""

import json

from tests.bench import rows, tools

REFERENCE = "pgbench inserting the row of jobs alone, one per transaction, prepared, at its best client count"
GOALS = {"ratio_c64": ">= 1.15", "ratio_c1": ">= 0.5"}

# A UUIDv7 whose clock ticks once per row; the client's number keeps clients apart.
INSERT = """\\set n :n + 1
\\set hi (:base + :n) * 65536 + 28672 + :client_id
\\set lo random(-9000000000000000000, -4700000000000000000)
INSERT INTO jobs (id, project_id, user_id, backend, name, labels, cpus, memory, gpus, priority, held, claimable) \
VALUES (encode(int8send(:hi) || int8send(:lo), 'hex')::uuid, {project}, {user}, 'parked', 'train-resnet-42', \
'{labels}'::jsonb, 4000, 17179869184, 0, 0, false, true);
"""


def prepare(world):
    world.spec = world.file("spec.json", json.dumps(rows.SPEC))
    world.insert = world.file("insert.sql", INSERT.format(project=world.project, user=world.user,
                                                          labels=json.dumps(rows.SPEC["labels"])))
    world.gateway.start()
    counts = (8,) if world.smoke else (8, 16, 32)
    world.best = max(counts, key=lambda clients: reference(world, clients, 2))


def reference(world, clients, seconds=None):
    # Each run begins a day's worth of ticks before the last one ended, so ids never meet.
    world.base = getattr(world, "base", None) or world.query("SELECT (extract(epoch FROM now()) * 1000)::bigint")[0][0]
    world.base -= 10_000_000
    return tools.pgbench(world, world.insert, clients, "-D", f"base={world.base}", "-D", "n=0", seconds=seconds)


def submits(world, connections):
    return tools.wrk(world, world.gateway.url, "submit.lua", connections, world.member.token, world.spec)


def run(world):
    one, reference_one = submits(world, 1), reference(world, 1)
    many, reference_many = submits(world, 64), reference(world, world.best)
    return {
        "ratio_c64": many["rate"] / reference_many,
        "ratio_c1": one["rate"] / reference_one,
        "submits_c64_per_s": many["rate"],
        "reference_per_s": reference_many,
        "c64_p50_ms": many["p50_ms"],
        "c64_p99_ms": many["p99_ms"],
        "submits_c1_per_s": one["rate"],
        "reference_c1_per_s": reference_one,
        "c1_p50_ms": one["p50_ms"],
        "c1_p99_ms": one["p99_ms"],
    }
