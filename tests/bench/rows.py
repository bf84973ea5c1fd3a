"""Rows as a gateway writes them, for what needs many at once; and one spec for all benchmarks."""

import json

SPEC = {
    "name": "train-resnet-42",
    "labels": {"model": "resnet50", "team": "vision"},
    "backend": "parked",
    "command": ["python3", "train.py", "--config", "configs/resnet50.yaml", "--lr", "0.001", "--epochs", "90"],
    "environment": {"NCCL_DEBUG": "INFO", "OMP_NUM_THREADS": "4", "WANDB_MODE": "offline",
                    "DATA_ROOT": "/data/imagenet"},
    "working_directory": "/home/ada/train",
    "setup": ["module load cuda/12.2", "source venv/bin/activate"],
    "resources": {"cpus": 4, "memory": "16Gi"},
    "time_limit": "2h30m",
    "retry": {"limit": 3, "delay": 30},
}

# One id in the order of n, made as UUIDv7 (RFC 9562) from a clock that ticks once per row and ends now.
_STORE = """
WITH n AS (SELECT n, (extract(epoch FROM now()) * 1000)::bigint - %(count)s + n AS ms
           FROM generate_series(1, %(count)s) n),
i AS (SELECT n, (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(n %% 4096), 3, '0') || '8'
      || substr(md5(n::text || random()::text), 1, 15))::uuid AS id FROM n),
s AS (INSERT INTO job_specs (job_id, spec) SELECT id, %(spec)s FROM i)
INSERT INTO jobs (id, project_id, user_id, backend, name, labels, state, reason, exit_code, cpus, memory, gpus,
                  claimable, submission, attempt, started_at, ended_at)
SELECT id, %(project)s, %(user)s, 'parked', 'train-' || n %% 50, %(labels)s,
       CASE WHEN %(state)s = 'mixed' THEN (ARRAY['succeeded', 'failed', 'cancelled'])[1 + n %% 3] ELSE %(state)s END,
       CASE WHEN %(state)s IN ('queued', 'running') THEN NULL ELSE 'completed' END,
       CASE WHEN %(state)s IN ('queued', 'running') THEN NULL ELSE 0 END, 4000, 17179869184, 0,
       %(state)s = 'queued', 1, 1,
       CASE WHEN %(state)s = 'queued' THEN NULL ELSE now() END,
       CASE WHEN %(state)s IN ('queued', 'running') THEN NULL ELSE now() END
FROM i RETURNING id
"""


def store(world, count, state):
    resolved = dict(SPEC, project="vision")
    ids = []
    for start in range(0, count, 100000):
        found = world.query(_STORE, {"count": min(100000, count - start), "state": state, "spec": json.dumps(resolved),
                                     "labels": json.dumps(SPEC["labels"]), "project": world.project,
                                     "user": world.user})
        ids += [str(row[0]) for row in found]
    world.query("VACUUM ANALYZE jobs")
    world.query("VACUUM ANALYZE job_specs")
    return ids
