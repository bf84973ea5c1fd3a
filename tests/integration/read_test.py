"""Reading one job: fields, ETag, long-poll, and the result for sensors."""

import concurrent.futures
import threading
import uuid

import pytest


def test_a_job_that_does_not_exist(api):
    answer = api.get(f"/v1/jobs/{uuid.uuid4()}")
    assert (answer.status, answer.code) == (404, "not_found")


def test_fields_make_a_small_answer(api):
    job = api.submit(["true"], hold=True)
    assert api.job(job["id"], fields="state,reason") == {"id": job["id"], "state": "queued", "reason": "held"}


def test_an_etag_saves_the_body_until_the_job_changes(api):
    job = api.submit(["true"], hold=True)
    path = f"/v1/jobs/{job['id']}"
    tag = api.get(path).headers["ETag"]
    unchanged = api.get(path, headers={"If-None-Match": tag})
    assert unchanged.status == 304 and unchanged.body == b"" and unchanged.headers["ETag"] == tag
    assert api.get(path, headers={"If-None-Match": f'"other", W/{tag}'}).status == 304
    assert api.get(path, headers={"If-None-Match": "*"}).status == 304
    assert api.get(path, headers={"If-None-Match": '"other"'}).status == 200
    api.post(path + "/release")
    api.wait(job["id"])
    changed = api.get(path, headers={"If-None-Match": tag})
    assert changed.status == 200 and changed.headers["ETag"] != tag


def test_a_living_job_that_is_read_often_shows_each_change(api, other):
    """Its answer is kept, and is sent only while it is still the job's."""
    job = api.submit(["true"], hold=True)
    for change, shown in (("", "held"), ("/release", None), ("/cancel", None)):
        if change:
            api.post(f"/v1/jobs/{job['id']}{change}")
            api.wait(job["id"])
        answers = [api.get(f"/v1/jobs/{job['id']}") for _ in range(3)]
        assert len({answer.text for answer in answers}) == 1
        assert all(answer.headers["ETag"] == answers[0].headers["ETag"] for answer in answers)
        assert shown is None or answers[0].json()["reason"] == shown
        assert other.client.get(f"/v1/jobs/{job['id']}").status == 404
    assert api.job(job["id"])["terminal"]
    assert api.delete(f"/v1/jobs/{job['id']}").status == 204
    assert api.get(f"/v1/jobs/{job['id']}").status == 404


def test_a_change_by_another_gateway_is_seen_at_once(gateway, new_gateway, member):
    other = new_gateway(cluster=gateway.cluster, database=gateway.database).start()
    here, there = member.client, other.client(member.token)
    job = here.submit(["true"], hold=True)
    for _ in range(2):
        assert here.job(job["id"])["reason"] == there.job(job["id"])["reason"] == "held"
    there.post(f"/v1/jobs/{job['id']}/cancel")
    assert here.job(job["id"])["cancel_requested_at"]


def test_different_fields_have_different_etags(api):
    job = api.submit(["true"], hold=True)
    whole = api.get(f"/v1/jobs/{job['id']}")
    part = api.get(f"/v1/jobs/{job['id']}", fields="state")
    assert whole.headers["ETag"] != part.headers["ETag"]


def test_waiting_for_the_end_returns_at_the_end(api):
    job = api.sh("sleep 0.3")
    ended = api.get(f"/v1/jobs/{job['id']}", wait=30)
    assert ended.json()["state"] == "succeeded"
    assert ended.seconds < 15


def test_waiting_for_a_finished_job_returns_at_once(api):
    job = api.submit(["true"], query={"wait": 30})
    for until in ("terminal", "started"):
        assert api.get(f"/v1/jobs/{job['id']}", wait=60, until=until).seconds < 5


def test_waiting_for_a_change_returns_when_it_changes(api):
    job = api.submit(["true"], hold=True)
    path = f"/v1/jobs/{job['id']}"
    tag = api.get(path).headers["ETag"]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, path, wait=30, until="change", headers={"If-None-Match": tag})
        api.post(path + "/release")
        answer = waiting.result()
    assert answer.status == 200 and answer.headers["ETag"] != tag and answer.seconds < 15


def test_waiting_for_a_change_that_has_come_returns_at_once(api):
    job = api.submit(["true"], hold=True)
    path = f"/v1/jobs/{job['id']}"
    tag = api.get(path).headers["ETag"]
    api.post(path + "/release")
    api.wait(job["id"])
    assert api.get(path, wait=60, until="change", headers={"If-None-Match": tag}).seconds < 5


def test_waiting_for_a_change_that_does_not_come(api):
    job = api.submit(["true"], hold=True)
    path = f"/v1/jobs/{job['id']}"
    tag = api.get(path).headers["ETag"]
    answer = api.get(path, wait=1, until="change", headers={"If-None-Match": tag})
    assert answer.status == 304 and answer.seconds >= 0.9


@pytest.mark.parametrize("wait", [241, -1, "soon", "1.5", ""])
def test_a_wait_out_of_bounds_is_refused_not_clamped(api, wait):
    job = api.submit(["true"], hold=True)
    answer = api.get(f"/v1/jobs/{job['id']}", wait=wait)
    assert answer.status == 400 and "?wait" in answer.pointers()


def test_many_wait_for_one_job(api):
    job = api.submit(["true"], hold=True)
    everybody_asks = threading.Barrier(65)

    def wait(_):
        everybody_asks.wait()
        return api.get(f"/v1/jobs/{job['id']}", wait=60)

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        waiting = [pool.submit(wait, number) for number in range(64)]
        everybody_asks.wait()
        api.post(f"/v1/jobs/{job['id']}/release")
        assert {future.result().json()["state"] for future in waiting} == {"succeeded"}


def test_the_result_is_not_there_yet_and_then_it_is(api):
    job = api.submit(["/bin/sh", "-c", "exit 3"], hold=True)
    path = f"/v1/jobs/{job['id']}/result"
    early = api.get(path)
    assert (early.status, early.code) == (404, "not_yet")
    assert int(early.headers["Retry-After"]) >= 1 and early.json()["retryable"]
    api.post(f"/v1/jobs/{job['id']}/release")
    there = api.get(path, wait=30)
    assert there.status == 200
    assert (there.json()["state"], there.json()["reason"], there.json()["exit_code"]) == ("failed", "exit_code", 3)
    assert there.headers["ETag"]


def test_the_result_of_no_job(api):
    answer = api.get(f"/v1/jobs/{uuid.uuid4()}/result")
    assert (answer.status, answer.code) == (404, "not_found") and "Retry-After" not in answer.headers


def test_the_result_waits_no_longer_than_asked(api):
    job = api.submit(["true"], hold=True)
    answer = api.get(f"/v1/jobs/{job['id']}/result", wait=1)
    assert answer.status == 404 and 0.9 <= answer.seconds < 10


def test_tasks_and_attempts_of_a_plain_job(api):
    job = api.submit(["/bin/sh", "-c", "exit 3"], query={"wait": 30})
    base = f"/v1/jobs/{job['id']}/tasks"
    (task,) = api.get(base).json()["items"]
    assert task == api.get(base + "/0").json()
    assert (task["index"], task["state"], task["exit_code"], task["attempts"]) == (0, "failed", 3, 1)
    (attempt,) = api.get(base + "/0/attempts").json()["items"]
    assert (attempt["attempt"], attempt["state"], attempt["reason"]) == (1, "failed", "exit_code")
    assert attempt["exit_code"] == 3
    assert attempt["started_at"] <= attempt["ended_at"]
    assert api.get(base, state="succeeded").json()["items"] == []
    assert len(api.get(base, state="failed,cancelled").json()["items"]) == 1


def test_a_waiting_job_has_a_task_and_no_attempt(api):
    job = api.submit(["true"], hold=True)
    assert api.get(f"/v1/jobs/{job['id']}/tasks/0").json()["attempts"] == 0
    assert api.get(f"/v1/jobs/{job['id']}/tasks/0/attempts").json()["items"] == []


def test_a_task_that_does_not_exist(api):
    job = api.submit(["true"], hold=True)
    for path in ("tasks/1", "tasks/1/attempts"):
        assert api.get(f"/v1/jobs/{job['id']}/{path}").status == 404
    for path in ("tasks", "tasks/0", "tasks/0/attempts"):
        assert api.get(f"/v1/jobs/{uuid.uuid4()}/{path}").status == 404


# -- for clients that look at the status code only ------------------------------------------------

@pytest.mark.parametrize("command", ["exit 3", "kill -9 $$"])
def test_a_failed_job_is_a_failure_when_asked_so(api, command):
    job = api.wait(api.sh(command, retry={"limit": 0})["id"])
    path = f"/v1/jobs/{job['id']}"
    for query in ({}, {"wait": 30}, {"until": "started", "wait": 30}, {"fields": "state"}):
        answer = api.get(path, fail_on_failure="true", **query)
        assert answer.status == 424 and answer.json()["state"] == "failed", query
        assert answer.headers["ETag"] == api.get(path, **query).headers["ETag"]
    assert api.get(path, fail_on_failure="false").status == api.get(path).status == 200


def test_a_failed_job_that_the_client_knows_is_still_a_failure(api):
    """304 would hide it."""
    job = api.wait(api.submit(["false"])["id"])
    path = f"/v1/jobs/{job['id']}"
    for query in ({}, {"fields": "state"}):
        known = {"If-None-Match": api.get(path, **query).headers["ETag"]}
        assert api.get(path, headers=known, **query).status == 304
        answer = api.get(path, headers=known, fail_on_failure="true", **query)
        assert answer.status == 424 and answer.json()["state"] == "failed"


def test_a_failure_is_told_from_the_record_and_from_the_kept_answer_alike(api):
    job = api.submit(["false"], hold=True)
    path = f"/v1/jobs/{job['id']}"
    api.post(path + "/release")
    first = api.get(path, wait=30, fail_on_failure="true")
    again = api.get(path, fail_on_failure="true")
    assert first.status == again.status == 424 and first.body == again.body


def test_a_cancelled_job_is_a_failure_when_asked_so(api):
    job = api.submit(["true"], hold=True)
    api.cancel(job["id"])
    answer = api.get(f"/v1/jobs/{job['id']}", wait=30, fail_on_failure="true")
    assert answer.status == 424 and answer.json()["state"] == "cancelled"


def test_what_has_not_failed_is_no_failure(api):
    waits, well = api.submit(["true"], hold=True), api.wait(api.submit(["true"])["id"])
    for job in (waits, well):
        for _ in range(2):
            assert api.get(f"/v1/jobs/{job['id']}", fail_on_failure="true").status == 200
    answer = api.get(f"/v1/jobs/{well['id']}", fail_on_failure="perhaps")
    assert answer.status == 400 and "?fail_on_failure" in answer.pointers()
