"""Pages of tasks: 100 failed tasks of an array of 100,000 finished ones, the 99th percentile."""

import json

from tests.bench import rows, tools

REFERENCE = "the bare query through pgbench, with as many clients"
GOALS = {"ratio_p99": "<= 3"}
CLIENTS = 4
FAILS = 20  # each so-manieth task

QUERY = """SELECT t.lo, t.state, t.reason, a.* FROM tasks t JOIN attempts a ON a.job_id = t.job_id \
AND a.ordinal = t.lo AND a.no = t.attempt WHERE t.job_id = '{job}' AND t.state = 'failed' ORDER BY t.lo LIMIT 100;
"""

# Runs as the leader leaves them: a task that failed, then those up to the next that succeeded.
STORE = """
WITH n AS (SELECT n FROM generate_series(0, %(count)s - 1) n),
t AS (INSERT INTO tasks (job_id, lo, hi, state, reason, tries, attempt)
      SELECT %(job)s::uuid, n, n, 'failed', 'exit_code', 1, 1 FROM n WHERE n %% %(every)s = 0
      UNION ALL SELECT %(job)s::uuid, n, n + %(every)s - 2, 'succeeded', 'completed', 1, 1 FROM n
      WHERE n %% %(every)s = 1),
a AS (INSERT INTO attempts (job_id, ordinal, no, submission, state, reason, exit_code, node, started_at, ended_at)
      SELECT %(job)s::uuid, n, 1, 1, CASE WHEN n %% %(every)s = 0 THEN 'failed' ELSE 'succeeded' END,
             CASE WHEN n %% %(every)s = 0 THEN 'exit_code' ELSE 'completed' END,
             CASE WHEN n %% %(every)s = 0 THEN 1 ELSE 0 END, 'node-1', now(), now() FROM n)
UPDATE jobs SET state = 'failed', reason = 'exit_code', claimable = false, ended_at = now(), attempt = 1,
       counts = ARRAY[0, 0, 0, %(count)s - %(count)s / %(every)s, %(count)s / %(every)s, 0] WHERE id = %(job)s::uuid
RETURNING id
"""


def prepare(world):
    count = 2000 if world.smoke else 100000
    world.gateway.start()
    spec = rows.SPEC | {"array": {"indices": f"0-{count - 1}"}}
    job = world.member.client.post("/v1/jobs", spec).json()["id"]
    world.query(STORE, {"job": job, "count": count, "every": FAILS})
    for table in ("tasks", "attempts", "jobs"):
        world.query(f"VACUUM ANALYZE {table}")
    world.path = f"/v1/jobs/{job}/tasks?state=failed&limit="
    page = world.member.client.get(world.path + "100").json()
    assert [task["index"] for task in page["items"]] == [n * FAILS for n in range(100)], json.dumps(page)[:300]
    world.limits = world.file("limits.txt", "100\n")
    world.bare = world.file("tasks.sql", QUERY.format(job=job))
    pages(world, seconds=1)  # what a session does at first only is more than one in a hundred of a short run


def pages(world, seconds=None):
    return tools.wrk(world, world.gateway.url, "get.lua", CLIENTS, world.member.token, world.limits, world.path,
                     seconds=seconds)


def run(world):
    ours = pages(world)
    theirs = tools.pgbench_p99_ms(world, world.bare, CLIENTS)
    return {"ratio_p99": ours["p99_ms"] / theirs, "tasks_p99_ms": ours["p99_ms"], "reference_p99_ms": theirs,
            "pages_per_s": ours["rate"]}
