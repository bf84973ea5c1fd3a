"""Jobs outlive the gateway, however it ends; and PostgreSQL may go and come back."""

import concurrent.futures
import dataclasses

import pytest

from tests.harness import calls, house, system
from tests.harness.contract import Contract

GUARDED = [call.id for call in calls.every_call(Contract()) if not call.public]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_running_and_waiting_jobs_outlive_the_gateway(new_gateway, tmp_path_shared, end):
    made = new_gateway().start()
    member = made.member("u", "p")
    gate, runs = tmp_path_shared / "gate", tmp_path_shared / "runs"
    api = member.client
    running = api.sh(f"echo a >> {runs}; while [ ! -e {gate} ]; do sleep 0.05; done; echo done; exit 7",
                     query={"wait": 20, "until": "started"})
    held = api.submit(["true"], hold=True)
    quick = api.sh(f"while [ ! -e {gate}0 ]; do sleep 0.05; done; exit 9", query={"wait": 20, "until": "started"})
    getattr(made, end)()
    system.own_file(f"{gate}0")
    shims = made.shims()
    assert shims, "no supervisor is left"
    system.wait_until(lambda: len(made.shims()) < 2, 10, "the end of the quick job while nobody looks")
    made.start()
    assert api.wait(quick["id"])["exit_code"] == 9
    assert api.job(running["id"])["state"] == "running"
    system.own_file(gate)
    done = api.wait(running["id"])
    assert (done["state"], done["exit_code"]) == ("failed", 7)
    assert api.log(running["id"]) == "done\n" and runs.read_text() == "a\n"
    assert api.job(held["id"])["reason"] == "held"
    assert len(api.get(f"/v1/jobs/{running['id']}/tasks/0/attempts").json()["items"]) == 1


def test_more_live_jobs_than_one_report_holds(new_gateway, tmp_path_shared):
    """They are reported in several batches after a restart; none of them is taken for gone."""
    made = new_gateway(backend={"window": 1000, "memory": "64Gi"}).start()
    api = made.member("u", "p").client
    gate = tmp_path_shared / "gate"
    jobs = [api.sh(f"while [ ! -e {gate} ]; do sleep 0.2; done", resources={"cpus": 0.1, "memory": "16Mi"})["id"]
            for _ in range(150)]
    for job in jobs:
        api.wait(job, until="started")
    made.kill()
    made.start()
    api.close()
    system.own_file(gate)
    outcomes = [api.wait(job) for job in jobs]
    assert {(job["state"], job["reason"]) for job in outcomes} == {("succeeded", "completed")}


def test_a_running_job_can_be_cancelled_after_a_restart(new_gateway):
    made = new_gateway().start()
    api = made.member("u", "p").client
    job = api.submit(["sleep", "300"], query={"wait": 20, "until": "started"})
    made.kill()
    made.start()
    api.close()
    api.cancel(job["id"])
    assert api.wait(job["id"])["reason"] == "cancelled_by_user"


def test_a_deadline_that_passed_while_the_gateway_was_away(new_gateway):
    made = new_gateway().start()
    api = made.member("u", "p").client
    job = api.submit(["true"], hold=True, deadline=2)
    made.kill()
    made.start()
    assert api.wait(job["id"])["reason"] == "deadline"


@pytest.fixture(scope="module")
def stranded(folder, binaries, contract):
    """A gateway whose PostgreSQL has gone, a client, and a token nobody has used yet."""
    cluster = house.make_cluster(folder / "stranded", binaries, contract)
    gateway = house.build_gateway(folder, binaries, cluster, contract).start()
    member = gateway.member("u", "p")
    fresh = gateway.token("u")
    assert member.client.get("/v1/me").status == 200
    cluster.stop("immediate")
    system.wait_until(lambda: gateway.probe("/ready") == 503, what="the gateway to notice")
    yield gateway, member, fresh
    house.end_gateway(gateway)


@pytest.mark.parametrize("name", GUARDED)
def test_without_a_database_every_call_says_when_to_try_again(contract, stranded, name):
    gateway, member, fresh = stranded
    call = {call.id: call for call in calls.every_call(contract)}[name]
    if name == "cancelJobs":  # without a project of somebody else's, which needs no database
        call = dataclasses.replace(call, body={"state": ["queued"]})
    # What was known of a token is kept for a while: getMe answers from it.
    token = fresh if name == "getMe" else member.token
    answer = calls.send(gateway.client(token), call)
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1 and answer.json()["retryable"]
    assert answer.seconds < 20


def test_without_a_database_the_probes_tell_it_apart(stranded):
    gateway = stranded[0]
    client = gateway.client()
    assert client.get("/healthz").status == 200
    assert (client.get("/ready").status, client.get("/metrics").status) == (503, 200)
    assert client.get("/openapi.json").status == 200 and client.get("/docs").status == 200


def test_a_gateway_that_starts_before_its_database(new_cluster, new_gateway):
    cluster = new_cluster()
    made = new_gateway(cluster=cluster)
    cluster.stop("immediate")
    made.spawn()
    client = made.client()
    system.wait_until(lambda: made.probe("/healthz") == 200 or not made.running(), what="a start")
    assert made.running(), made.tail()
    assert client.get("/startup").status == 503 and client.get("/ready").status == 503
    cluster.start()
    made.wait_ready()
    assert client.get("/startup").status == 200
    assert made.member("u", "p").client.submit(["true"], query={"wait": 30})["state"] == "succeeded"


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_database_goes_and_comes_back(new_cluster, new_gateway, how):
    cluster = new_cluster()
    made = new_gateway(cluster=cluster).start()
    api = made.member("u", "p").client
    held = api.submit(["true"], hold=True)
    running = api.sh("sleep 2; exit 4", query={"wait": 20, "until": "started"})
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(api.get, f"/v1/jobs/{held['id']}", wait=20) for _ in range(3)]
        cluster.kill() if how == "kill" else cluster.stop("fast")
        refused = api.post("/v1/jobs", {"command": ["true"]})
        assert refused.status == 503 and "Retry-After" in refused.headers
        cluster.start()
        made.wait_ready()
        api.post(f"/v1/jobs/{held['id']}/release")
        for future in waiting:
            assert future.result().status in (200, 503)
    assert api.wait(held["id"])["state"] == "succeeded"
    assert api.wait(running["id"])["exit_code"] == 4
    assert api.submit(["true"], query={"wait": 30})["state"] == "succeeded"


def test_a_gateway_stops_while_its_database_is_away(new_cluster, new_gateway):
    cluster = new_cluster()
    made = new_gateway(cluster=cluster).start()
    cluster.kill()
    system.wait_until(lambda: made.probe("/ready") == 503, what="the gateway to notice")
    made.stop(seconds=20)
