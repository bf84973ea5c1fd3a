"""Lists: a page of 100 with two filters among 1,000,000 jobs, the 99th percentile."""

from tests.bench import tools

REFERENCE = "the bare query through pgbench, with as many clients"
GOALS = {"ratio_p99": "<= 3"}
CLIENTS = 4

QUERY = """\\set name random(0, 49)
SELECT j.*, s.spec, p.name, u.name FROM jobs j JOIN job_specs s ON s.job_id = j.id \
JOIN projects p ON p.id = j.project_id JOIN users u ON u.id = j.user_id \
WHERE j.project_id = {project} AND j.state = 'failed' AND j.name = 'train-' || :name \
ORDER BY j.id DESC LIMIT 100;
"""


def prepare(world):
    world.gateway.start()
    # Fewer make another question of it: pages are not full, and the reference is planned another way.
    world.store(100000 if world.smoke else 1000000, "mixed")
    world.bare = world.file("list.sql", QUERY.format(project=world.project))
    world.lists = world.file("lists.txt", "".join(f"train-{n}\n" for n in range(50)))
    lists(world, seconds=1)  # what a session does at first only is more than one in a hundred of a short run


def lists(world, seconds=None):
    return tools.wrk(world, world.gateway.url, "get.lua", CLIENTS, world.member.token, world.lists,
                     "/v1/jobs?state=failed&limit=100&name=", seconds=seconds)


def run(world):
    ours = lists(world)
    theirs = tools.pgbench_p99_ms(world, world.bare, CLIENTS)
    return {"ratio_p99": ours["p99_ms"] / theirs, "list_p99_ms": ours["p99_ms"], "reference_p99_ms": theirs,
            "lists_per_s": ours["rate"]}
