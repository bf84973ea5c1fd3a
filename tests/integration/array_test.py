"""Arrays: many tasks of one spec, through the API and the local backend."""

import json

import pytest

from tests.harness import system


def indices_of(api, job, **query):
    return [task["index"] for task in api.pages(f"/v1/jobs/{job['id']}/tasks", **query)]


def shell(api, script, array, **spec):
    return api.submit(["/bin/sh", "-c", script], array=array,
                      resources={"cpus": 0.5, "memory": "16Mi"}, **spec)


def test_each_task_knows_its_index_and_values(api):
    job = shell(api, "echo $JOBGATE_TASK_INDEX $lr $seed; exit $((seed - 1))",
                {"matrix": {"lr": [0.1, "a b"], "seed": [1, 2]}})
    assert job["task_count"] == 4 and job["counts"]["queued"] == 4
    ended = api.wait(job["id"])
    assert (ended["state"], ended["reason"]) == ("failed", "exit_code")
    assert ended["counts"] == {"queued": 0, "pending": 0, "running": 0, "succeeded": 2, "failed": 2, "cancelled": 0}
    tasks = list(api.pages(f"/v1/jobs/{job['id']}/tasks"))
    assert [(t["index"], t["state"], t["exit_code"], t["attempts"]) for t in tasks] == [
        (0, "succeeded", 0, 1), (1, "failed", 1, 1), (2, "succeeded", 0, 1), (3, "failed", 1, 1)]
    assert all(t["started_at"] and t["ended_at"] for t in tasks)


def test_tasks_are_named_by_their_indices(api):
    job = shell(api, "exit 0", {"indices": "10-18:4,3"})
    api.wait(job["id"])
    assert indices_of(api, job) == [3, 10, 14, 18]
    assert api.get(f"/v1/jobs/{job['id']}/tasks/14").json()["state"] == "succeeded"
    attempts = api.get(f"/v1/jobs/{job['id']}/tasks/18/attempts").json()["items"]
    assert [a["state"] for a in attempts] == ["succeeded"]
    for index in (0, 4, 19, 2147483647):
        assert api.get(f"/v1/jobs/{job['id']}/tasks/{index}").status == 404
        assert api.get(f"/v1/jobs/{job['id']}/tasks/{index}/attempts").status == 404
    events = [e for e in api.events(f"/v1/jobs/{job['id']}/events") if e["kind"] == "tasks"]
    assert ("pending", "3,10-18:4") in {(e["state"], e["indices"]) for e in events}


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_pages_of_tasks_join_without_a_gap(api, limit):
    job = shell(api, "exit $((JOBGATE_TASK_INDEX % 3))", {"indices": "0-19"})
    api.wait(job["id"])
    assert indices_of(api, job, limit=limit) == list(range(20))
    assert indices_of(api, job, limit=limit, state="failed") == [n for n in range(20) if n % 3]
    assert indices_of(api, job, limit=limit, state="queued,cancelled") == []


def test_a_waiting_array_has_no_row_and_all_its_tasks(api):
    job = shell(api, "exit 0", {"indices": "0-999999"}, hold=True)
    page = api.get(f"/v1/jobs/{job['id']}/tasks", limit=2).json()
    shown = [(task["index"], task["state"], task["reason"]) for task in page["items"]]
    assert shown == [(0, "queued", "held"), (1, "queued", "held")]
    assert api.get(f"/v1/jobs/{job['id']}/tasks/999999").json()["state"] == "queued"
    assert api.get(f"/v1/jobs/{job['id']}/tasks", state="running").json()["items"] == []


def test_no_more_run_at_once_than_wanted(api, tmp_path_shared):
    log = tmp_path_shared / "running"
    job = shell(api, f"echo + >> {log}; sleep 0.2; echo - >> {log}", {"indices": "0-5", "max_parallel": 1})
    assert api.wait(job["id"])["state"] == "succeeded"
    assert log.read_text().split() == ["+", "-"] * 6


def test_how_many_run_is_changed_while_they_do(api, other, tmp_path_shared):
    """More at once, then fewer: no more follow before there are fewer."""
    gate = tmp_path_shared / "gate"
    script = f"until [ -e {gate}.$JOBGATE_TASK_INDEX ]; do sleep 0.02; done"
    job = shell(api, script, {"matrix": {"seed": [1, 2], "lr": [0.1, 1e-3, 2, 30]}, "max_parallel": 1})
    path, change = f"/v1/jobs/{job['id']}", {"array": {"max_parallel": 3}}

    def counts(running, succeeded):
        wanted = {"running": running, "succeeded": succeeded, "queued": 8 - running - succeeded}
        system.wait_until(lambda: wanted.items() <= api.job(job["id"])["counts"].items(), what=f"{wanted}")

    counts(1, 0)
    changed = api.request("PATCH", path, change)
    assert changed.status == 200
    # Nothing else of the spec is another, nor its order: that of a matrix numbers its tasks.
    told = json.dumps(changed.json()["spec"])
    assert told == json.dumps(job["spec"]).replace('"max_parallel": 1', '"max_parallel": 3')
    counts(3, 0)
    version = api.get(path).headers["ETag"]
    assert api.request("PATCH", path, change).status == 200 and api.get(path).headers["ETag"] == version
    assert api.request("PATCH", path, {"array": {"max_parallel": 1}}).status == 200
    for index in range(2):
        system.own_file(f"{gate}.{index}")
    counts(1, 2)
    system.own_file(f"{gate}.2")
    counts(1, 3)
    assert [e["kind"] for e in api.events(f"{path}/events") if e["kind"] == "changed"] == ["changed"] * 2
    assert other.client.request("PATCH", path, change).status == 404
    for wrong in ({}, {"array": {}}, {"array": {"max_parallel": 0}}, {"array": {"max_parallel": 1, "indices": "1"}}):
        assert api.request("PATCH", path, wrong).status == 400, wrong
    plain = api.submit(["true"], hold=True)
    assert api.request("PATCH", f"/v1/jobs/{plain['id']}", change).status == 409
    api.post(f"{path}/cancel")
    assert api.wait(job["id"])["state"] == "cancelled"
    refused = api.request("PATCH", path, change)
    assert (refused.status, "cancelled" in refused.json()["detail"]) == (409, True)


def test_an_array_that_runs_is_held(api, tmp_path_shared):
    gate = tmp_path_shared / "gate"
    job = shell(api, f"until [ -e {gate} ]; do sleep 0.02; done", {"indices": "0-3", "max_parallel": 1})
    path = f"/v1/jobs/{job['id']}"
    api.wait(job["id"], until="started")
    held = api.post(f"{path}/hold")
    assert (held.status, held.json()["held"]) == (200, True)
    system.own_file(gate)
    system.wait_until(lambda: api.job(job["id"])["reason"] == "held", what="the end of what ran")
    assert api.job(job["id"])["counts"] | {"queued": 3, "succeeded": 1} == api.job(job["id"])["counts"]
    assert {(t["state"], t["reason"]) for t in api.pages(f"{path}/tasks", state="queued")} == {("queued", "held")}
    assert api.post(f"{path}/release").json()["held"] is False
    assert api.wait(job["id"])["counts"]["succeeded"] == 4
    assert api.post(f"{path}/hold").status == 409


def test_a_task_is_retried_by_itself(api):
    job = shell(api, "[ $JOBGATE_TASK_INDEX != 2 ] || [ $JOBGATE_ATTEMPT = 2 ] || exit 75",
                {"indices": "0-4"}, retry={"limit": 1, "delay": 0, "on": [75]})
    assert api.wait(job["id"])["state"] == "succeeded"
    assert [t["attempts"] for t in api.pages(f"/v1/jobs/{job['id']}/tasks")] == [1, 1, 2, 1, 1]


def test_cancelling_all(api):
    job = shell(api, "exec sleep 60", {"indices": "0-9999"})
    system.wait_until(lambda: api.job(job["id"])["state"] == "running", what="a task that runs")
    assert api.post(f"/v1/jobs/{job['id']}/cancel").status == 202
    ended = api.wait(job["id"])
    assert (ended["state"], ended["counts"]["cancelled"]) == ("cancelled", 10000)


def test_cancelling_some(api, other):
    job = shell(api, "exec sleep 60", {"indices": "100-199"})
    path = f"/v1/jobs/{job['id']}/tasks/cancel"
    system.wait_until(lambda: api.job(job["id"])["state"] == "running", what="a task that runs")
    assert api.post(path, {"indices": "100,150-199"}).status == 202
    system.wait_until(lambda: api.job(job["id"])["counts"]["cancelled"] == 51, what="the cancels")
    assert indices_of(api, job, state="cancelled") == [100, *range(150, 200)]
    assert api.post(path, {"indices": "100"}).status == 202  # it has ended
    refused = api.post(path, {"indices": "99"})
    assert (refused.status, refused.json()["errors"][0]["pointer"]) == (422, "/indices")
    assert api.post(path, {"indices": "5-"}).status == 400
    assert api.post(path, {"index": 5}).status == 400
    assert other.client.post(path, {"indices": "100"}).status == 404
    plain = api.submit(["true"], hold=True)
    assert api.post(f"/v1/jobs/{plain['id']}/tasks/cancel", {"indices": "0"}).status == 409
    api.post(f"/v1/jobs/{job['id']}/cancel")
    assert api.wait(job["id"])["state"] == "cancelled"
    assert api.post(path, {"indices": "101"}).status == 202  # all have ended


def test_an_array_outlives_the_gateway(new_gateway, cluster, tmp_path_shared):
    gateway = new_gateway(cluster=cluster).start()
    api = gateway.member("u", "p").client
    script = f"echo $JOBGATE_ATTEMPT >> {tmp_path_shared}/$JOBGATE_TASK_INDEX; sleep 0.05"
    job = shell(api, script, {"indices": "0-199"})
    for least in (5, 50, 100):
        system.wait_until(lambda least=least: api.job(job["id"])["counts"]["succeeded"] > least, 60, "progress")
        gateway.kill()
        gateway.start()
    assert api.wait(job["id"], seconds=60)["state"] == "succeeded"
    assert [(tmp_path_shared / str(n)).read_text() for n in range(200)] == ["1\n"] * 200


def test_what_failed_is_run_again_alone(api, tmp_path_shared):
    (tmp_path_shared / "bad").touch()
    job = shell(api, f"echo $JOBGATE_TASK_INDEX $seed; [ $seed != 2 ] || [ ! -e {tmp_path_shared}/bad ]",
                {"matrix": {"lr": [1, 2, 3], "seed": [1, 2]}})
    api.wait(job["id"])
    assert indices_of(api, job, state="failed") == [1, 3, 5]
    (tmp_path_shared / "bad").unlink()
    answer = api.post(f"/v1/jobs/{job['id']}/retry", headers={"Idempotency-Key": "again"})
    again = answer.json()
    assert (answer.status, again["retry_of"], again["task_count"]) == (201, job["id"], 3)
    assert api.wait(again["id"])["state"] == "succeeded"
    assert indices_of(api, again) == [1, 3, 5]
    assert api.post(f"/v1/jobs/{again['id']}/retry").status == 409  # none has failed
    named = api.post(f"/v1/jobs/{again['id']}/retry?indices=5").json()
    api.wait(named["id"])
    assert indices_of(api, named) == [5]
    inside = api.post(f"/v1/jobs/{again['id']}/retry", {"indices": "1,3"}, headers={"Idempotency-Key": "inside"}).json()
    api.wait(inside["id"])
    assert indices_of(api, inside) == [1, 3]
    nothing = api.request("POST", f"/v1/jobs/{again['id']}/retry", raw=b"null",
                          headers={"Content-Type": "application/json"})
    assert nothing.status == 409  # as without: none has failed
    for body, target, pointer in ((None, "?indices=2", "?indices"), ({"indices": "2"}, "", "/indices"),
                                  ({"indices": "1"}, "?indices=1", "?indices")):
        refused = api.post(f"/v1/jobs/{again['id']}/retry{target}", body)
        assert (refused.status, refused.json()["errors"][0]["pointer"]) == (422, pointer)
    other = api.post(f"/v1/jobs/{again['id']}/retry", {"indices": "1"}, headers={"Idempotency-Key": "inside"})
    assert other.status == 422  # the key was of other indices
    plain = api.submit(["true"], query={"wait": 30})
    assert api.post(f"/v1/jobs/{plain['id']}/retry?indices=0").status == 409


def test_each_task_has_its_log(api):
    job = shell(api, "echo task $JOBGATE_TASK_INDEX attempt $JOBGATE_ATTEMPT; [ $JOBGATE_ATTEMPT = 2 ] || exit 75",
                {"indices": "7,9"}, retry={"limit": 1, "delay": 0, "on": [75]})
    path = f"/v1/jobs/{job['id']}/logs"
    assert "task 9 attempt 2\n" in api.get(path, task=9, follow="true").text
    api.wait(job["id"])
    assert api.get(path, task=9, attempt=1, follow="true").text == "task 9 attempt 1\n"
    assert api.get(path, task=7).text == "task 7 attempt 2\n"
    assert api.get(path, task=7, attempt=1).text == "task 7 attempt 1\n"
    assert api.get(path, task=8).status == api.get(path).status == 404
    waiting = shell(api, "true", {"indices": "0-1"}, hold=True)
    answer = api.get(f"/v1/jobs/{waiting['id']}/logs", task=1)
    assert (answer.status, answer.code) == (404, "not_yet")
