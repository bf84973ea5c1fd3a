"""Reads by id: GET /v1/jobs/{id} with 64 connections, spread over 50,000 jobs, per second."""

from tests.bench import tools
from tests.harness import system

REFERENCE = "nginx with two workers serving the same bytes from as many files"
GOALS = {"ratio_live": ">= 0.6", "ratio_finished": ">= 1.2"}


def prepare(world):
    world.gateway.start()
    count = 500 if world.smoke else 50000
    world.ids = {"live": world.store(count, "running"), "finished": world.store(count, "succeeded")}
    world.paths = {state: world.file(f"{state}.txt", "\n".join(ids) + "\n") for state, ids in world.ids.items()}
    root = world.memory_folder()
    for state, ids in world.ids.items():
        answer = world.member.client.get(f"/v1/jobs/{ids[0]}")
        assert answer.status == 200, answer.body
        folder = system.make_folder(root / state)
        for name in ids:
            (folder / name).write_bytes(answer.body.replace(ids[0].encode(), name.encode()))
        folder.chmod(0o755)
    root.chmod(0o755)
    world.www = root


def rate(world, url, state, token, prefix, **options):
    return tools.wrk(world, url, "get.lua", 64, token, world.paths[state], prefix, **options)


def run(world):
    found = {}
    with tools.nginx(world, world.www) as url:
        for state in ("live", "finished"):
            rate(world, world.gateway.url, state, world.member.token, "/v1/jobs/", seconds=1 if world.smoke else 6)
            ours = rate(world, world.gateway.url, state, world.member.token, "/v1/jobs/")
            theirs = rate(world, url, state, "-", f"/{state}/")
            found[f"ratio_{state}"] = ours["rate"] / theirs["rate"]
            found[f"{state}_per_s"] = ours["rate"]
            found[f"{state}_p99_ms"] = ours["p99_ms"]
            found[f"nginx_{state}_per_s"] = theirs["rate"]
    return found
