"""Arrays accepted: POST /v1/jobs with an array of 1,000,000 tasks, the time of one."""

import json

from tests.bench import rows, tools

REFERENCE = "the same gateway accepting a plain job of the same spec"
GOALS = {"ratio": "<= 3"}
CONNECTIONS = 8


def prepare(world):
    world.gateway.start()
    world.plain = world.file("plain.json", json.dumps(rows.SPEC))
    world.array = world.file("array.json", json.dumps(rows.SPEC | {"array": {"indices": "0-999999"}}))


def run(world):
    plain, array = (tools.wrk(world, world.gateway.url, "submit.lua", CONNECTIONS, world.member.token, spec)
                    for spec in (world.plain, world.array))
    return {"ratio": plain["rate"] / array["rate"], "arrays_per_s": array["rate"], "jobs_per_s": plain["rate"],
            "array_p50_ms": array["p50_ms"], "job_p50_ms": plain["p50_ms"]}
