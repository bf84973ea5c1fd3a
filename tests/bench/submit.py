"""Durable submits: POST /v1/jobs with token, key, job, spec and event rows, per second.

The reference stores a job as one row, its spec and its idempotency key in it, with the five
indexes that row needs: the least that makes a job durable. What pgbench does with the narrow
row of `jobs` alone, which holds neither, is printed beside it.
"""

import json

from tests.bench import rows, tools

REFERENCE = "pgbench inserting a job as one row, one per transaction, prepared, at its best client count"
GOALS = {"ratio_c64": ">= 1.15", "ratio_c1": ">= 0.5"}

WHOLE = """
CREATE TABLE whole_jobs (LIKE jobs INCLUDING DEFAULTS, spec json NOT NULL, key text, request_sha256 bytea,
                         PRIMARY KEY (id));
CREATE UNIQUE INDEX ON whole_jobs (project_id, user_id, key);
CREATE INDEX ON whole_jobs (project_id, id);
CREATE INDEX ON whole_jobs (project_id, state, id);
CREATE INDEX ON whole_jobs (backend, project_id, priority DESC, id) WHERE claimable;
"""

# A UUIDv7 whose clock ticks once per row; the client's number keeps clients apart.
INSERT = """\\set n :n + 1
\\set hi (:base + :n) * 65536 + 28672 + :client_id
\\set lo random(-9000000000000000000, -4700000000000000000)
INSERT INTO {table} (id, project_id, user_id, backend, name, labels, cpus, memory, gpus, priority, held, claimable\
{columns}) VALUES (encode(int8send(:hi) || int8send(:lo), 'hex')::uuid, {project}, {user}, 'parked', \
'train-resnet-42', '{labels}'::jsonb, 4000, 17179869184, 0, 0, false, true{values});
"""


def prepare(world):
    world.query(WHOLE)
    world.spec = world.file("spec.json", json.dumps(rows.SPEC))
    world.whole = insert(world, "whole_jobs", ", spec, key, request_sha256",
                         f", '{json.dumps(rows.SPEC)}'::json, '1764000000-'::text || :lo, "
                         "decode(repeat('5a', 32), 'hex')")
    world.narrow = insert(world, "jobs")
    world.gateway.start()
    counts = (8,) if world.smoke else (8, 16, 32)
    world.best = max(counts, key=lambda clients: reference(world, world.whole, clients, 2))


def insert(world, table, columns="", values=""):
    labels = json.dumps(rows.SPEC["labels"])
    return world.file(f"insert-{table}.sql", INSERT.format(table=table, columns=columns, values=values, labels=labels,
                                                           project=world.project, user=world.user))


def reference(world, script, clients, seconds=None):
    # Each run begins a day's worth of ticks before the last one ended, so ids never meet.
    world.base = getattr(world, "base", None) or world.query("SELECT (extract(epoch FROM now()) * 1000)::bigint")[0][0]
    world.base -= 10_000_000
    return tools.pgbench(world, script, clients, "-D", f"base={world.base}", "-D", "n=0", seconds=seconds)


def submits(world, connections):
    return tools.wrk(world, world.gateway.url, "submit.lua", connections, world.member.token, world.spec)


def run(world):
    one, whole_one = submits(world, 1), reference(world, world.whole, 1)
    many, whole_many = submits(world, 64), reference(world, world.whole, world.best)
    narrow_one, narrow_many = reference(world, world.narrow, 1), reference(world, world.narrow, world.best)
    return {
        "ratio_c64": many["rate"] / whole_many,
        "ratio_c1": one["rate"] / whole_one,
        "narrow_ratio_c64": many["rate"] / narrow_many,
        "narrow_ratio_c1": one["rate"] / narrow_one,
        "submits_c64_per_s": many["rate"],
        "reference_per_s": whole_many,
        "c64_p50_ms": many["p50_ms"],
        "c64_p99_ms": many["p99_ms"],
        "submits_c1_per_s": one["rate"],
        "reference_c1_per_s": whole_one,
        "c1_p50_ms": one["p50_ms"],
        "c1_p99_ms": one["p99_ms"],
    }
