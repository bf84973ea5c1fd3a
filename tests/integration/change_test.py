"""Cancel, hold, release, delete, retry."""

import uuid

import pytest

from tests.harness import system


def test_cancelling_a_running_job_ends_it_with_all_it_started(api, tmp_path_shared):
    marker = tmp_path_shared / "pids"
    job = api.sh(f"sleep 300 & echo $! > {marker}; echo $$ >> {marker}; wait", query={"wait": 20, "until": "started"})
    pids = system.wait_until(lambda: marker.exists() and len(marker.read_text().split()) == 2
                             and [int(pid) for pid in marker.read_text().split()], what="the job's pids")
    asked = api.cancel(job["id"])
    assert asked["cancel_requested_at"]
    ended = api.wait(job["id"])
    assert (ended["state"], ended["reason"]) == ("cancelled", "cancelled_by_user")
    assert not any(map(system.alive, pids))


def test_cancelling_a_waiting_job(api):
    job = api.submit(["true"], hold=True)
    api.cancel(job["id"])
    ended = api.wait(job["id"])
    assert (ended["state"], ended["reason"], ended["started_at"]) == ("cancelled", "cancelled_by_user", None)


def test_a_job_that_ended_first_keeps_its_outcome(api):
    job = api.submit(["true"], query={"wait": 30})
    assert api.cancel(job["id"])["state"] == "succeeded"
    assert api.job(job["id"])["cancel_requested_at"] is None


def test_cancelling_again_is_harmless(api):
    job = api.submit(["true"], hold=True)
    first, again = api.cancel(job["id"]), api.cancel(job["id"])
    assert first["cancel_requested_at"] == again["cancel_requested_at"]
    api.wait(job["id"])
    assert api.cancel(job["id"])["state"] == "cancelled"


def test_a_job_that_ignores_the_polite_signal_is_ended_all_the_same(api):
    job = api.sh("trap '' TERM; echo deaf; while :; do sleep 1; done", query={"wait": 20, "until": "started"})
    system.wait_until(lambda: api.get(f"/v1/jobs/{job['id']}/logs").text == "deaf\n", what="the job's word")
    api.cancel(job["id"])
    assert api.wait(job["id"], seconds=60)["state"] == "cancelled"


def test_cancelling_by_ids_and_by_filter(api, other):
    jobs = [api.submit(["true"], hold=True, name=f"c{number % 2}", labels={"s": "1"})["id"] for number in range(4)]
    foreign = other.client.submit(["true"], hold=True, name="c0", labels={"s": "1"})["id"]
    done = api.post("/v1/jobs/cancel", {"ids": [jobs[0], foreign, str(uuid.uuid4())]})
    assert done.status == 202 and done.json() == {"count": 1, "ids": [jobs[0]]}
    done = api.post("/v1/jobs/cancel", {"name": "c1", "labels": {"s": "1"}, "state": ["queued"]}).json()
    assert done["count"] == 2 and set(done["ids"]) == {jobs[1], jobs[3]}
    assert {api.wait(job)["state"] for job in (jobs[0], jobs[1], jobs[3])} == {"cancelled"}
    assert api.job(jobs[2])["state"] == "queued"
    assert other.client.job(foreign)["state"] == "queued"


def test_cancelling_more_than_one_statement_takes(new_gateway):
    """5,000 at a time, one answer (db/jobs.h)."""
    gateway = new_gateway().start()
    api = gateway.member("u", "p").client
    gateway.cluster.query(
        """WITH i AS (SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint + n), 12, '0') || '7000'
                              || '8000' || lpad(to_hex(n), 12, '0'))::uuid AS id FROM generate_series(1, 5001) n),
           s AS (INSERT INTO job_specs (job_id, spec)
                 SELECT id, '{"command":["true"],"name":"n","resources":{"cpus":1,"memory":"1Gi"}}' FROM i)
           INSERT INTO jobs (id, project_id, user_id, backend, name, reason, cpus, memory, gpus, held, claimable)
           SELECT i.id, p.id, u.id, 'local', 'n', 'held', 1000, 1, 0, true, false FROM i, projects p, users u""",
        database=gateway.database)
    done = api.post("/v1/jobs/cancel", {"name": "n"}).json()
    assert done["count"] == 5001 and len(done["ids"]) == 1000
    states = "SELECT count(*) FROM jobs WHERE state = 'cancelled'"
    system.wait_until(lambda: gateway.cluster.query(states, database=gateway.database) == [(5001,)], 60, "all to end")


def test_cancelling_nothing_in_particular_is_refused(api):
    assert api.post("/v1/jobs/cancel", {}).status == 400
    assert api.post("/v1/jobs/cancel", {"state": ["succeeded"]}).status == 400
    assert api.post("/v1/jobs/cancel", {"labels": {}}).status == 400


def test_hold_and_release(api):
    job = api.submit(["true"], hold=True)
    path = f"/v1/jobs/{job['id']}"
    assert (job["state"], job["reason"], job["held"]) == ("queued", "held", True)
    assert api.post(path + "/hold").json()["held"] is True
    released = api.post(path + "/release")
    assert released.status == 200 and released.json()["held"] is False
    assert api.wait(job["id"])["state"] == "succeeded"


def test_a_held_job_keeps_its_time_limit(api):
    """The backend has it already, and waits for room."""
    everything = {"resources": {"cpus": 16}}
    first = api.sh("sleep 60", **everything)
    api.wait(first["id"], until="started")
    second = api.sh("sleep 60", time_limit=1, **everything)
    system.wait_until(lambda: api.job(second["id"])["state"] == "pending", what="the hand-over")
    assert api.post(f"/v1/jobs/{second['id']}/hold").status == 200
    system.wait_until(lambda: api.job(second["id"])["reason"] == "held", what="the hold")
    assert api.post(f"/v1/jobs/{second['id']}/release").status == 200
    api.cancel(first["id"])
    assert api.wait(second["id"])["reason"] == "time_limit"


def test_a_running_job_cannot_be_held(api):
    job = api.sh("sleep 60", query={"wait": 20, "until": "started"})
    for verb in ("hold", "release"):
        answer = api.post(f"/v1/jobs/{job['id']}/{verb}")
        assert (answer.status, answer.code) == (409, "conflict")
    api.cancel(job["id"])
    api.wait(job["id"])
    assert api.post(f"/v1/jobs/{job['id']}/hold").status == 409
    assert api.post(f"/v1/jobs/{job['id']}/release").status == 409


def test_deleting_a_finished_job(api):
    job = api.submit(["echo", "x"], query={"wait": 30})
    path = f"/v1/jobs/{job['id']}"
    gone = api.delete(path)
    assert gone.status == 204 and gone.body == b""
    for below in ("", "/result", "/logs", "/events", "/tasks", "/tasks/0"):
        assert api.get(path + below).status == 404
    assert api.delete(path).status == 404
    assert api.get("/v1/jobs", ids=job["id"]).json()["items"] == []


def test_a_living_job_cannot_be_deleted(api):
    job = api.submit(["true"], hold=True)
    answer = api.delete(f"/v1/jobs/{job['id']}")
    assert (answer.status, answer.code) == (409, "conflict")
    assert api.job(job["id"])["state"] == "queued"


def test_retrying_a_finished_job_makes_a_new_one(api):
    spec = {"name": "again", "labels": {"a": "b"}, "command": ["/bin/sh", "-c", "exit 5"], "priority": 3}
    job = api.submit(**spec, query={"wait": 30})
    answer = api.post(f"/v1/jobs/{job['id']}/retry")
    assert answer.status == 201
    new = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{new['id']}"
    assert new["id"] != job["id"] and new["retry_of"] == job["id"]
    assert (new["name"], new["labels"], new["spec"]["command"]) == ("again", {"a": "b"}, spec["command"])
    assert api.wait(new["id"])["exit_code"] == 5
    assert api.job(job["id"]) == {key: job[key] for key in api.job(job["id"])}


def test_a_held_job_is_retried_unheld(api):
    job = api.submit(["true"], hold=True)
    api.cancel(job["id"])
    api.wait(job["id"])
    new = api.post(f"/v1/jobs/{job['id']}/retry").json()
    assert api.wait(new["id"])["state"] == "succeeded"


def test_a_living_job_cannot_be_retried(api):
    job = api.submit(["true"], hold=True)
    answer = api.post(f"/v1/jobs/{job['id']}/retry")
    assert (answer.status, answer.code) == (409, "conflict")


@pytest.mark.parametrize("verb", ["cancel", "hold", "release", "retry"])
def test_verbs_on_no_job(api, verb):
    assert api.post(f"/v1/jobs/{uuid.uuid4()}/{verb}").status == 404
