"""POST /v1/jobs: what is accepted, with which defaults, and repeated safely."""

import concurrent.futures

import pytest

HELLO = {"command": ["/bin/echo", "hello"]}


def test_a_command_runs_and_answers_with_wait(api, member):
    answer = api.post("/v1/jobs", HELLO, wait=30)
    assert answer.status == 201
    job = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["reason"], job["exit_code"]) == ("succeeded", "completed", 0)
    assert job["terminal"] and job["succeeded"]
    assert (job["project"], job["owner"], job["backend"]) == (member.project, member.user, "local")
    assert job["counts"]["succeeded"] == job["task_count"] == 1
    assert job["created_at"] <= job["started_at"] <= job["ended_at"]


def test_a_job_is_readable_at_once_under_its_location(api):
    answer = api.post("/v1/jobs", HELLO | {"hold": True})
    assert api.get(answer.headers["Location"]).json()["id"] == answer.json()["id"]


def test_a_script_runs_with_its_own_interpreter(api):
    job = api.submit(script="#!/usr/bin/env python3\nprint(6 * 7)\n")
    assert api.wait(job["id"])["state"] == "succeeded"
    assert api.log(job["id"]) == "42\n"


def test_a_script_without_an_interpreter_is_a_shell_script(api):
    job = api.submit(script="echo $((6 * 7))\n")
    assert api.wait(job["id"])["state"] == "succeeded"
    assert api.log(job["id"]) == "42\n"


def test_the_defaults_chosen_are_shown(api):
    spec = api.submit(["true"], hold=True)["spec"]
    assert spec["command"] == ["true"]
    assert spec["name"] == "job" and spec["priority"] == 0 and spec["hold"] is True
    assert spec["retry"]["limit"] == 3
    assert spec["retry"]["on"] == ["node_failure", "preempted", "evicted", "launch_failed"]
    assert spec["resources"]["gpus"] == 0 and "cpus" in spec["resources"]


def test_a_gpu_brings_cores_and_memory(api):
    resources = api.submit(["true"], hold=True, resources={"gpus": 1})["spec"]["resources"]
    assert resources["cpus"] == 4
    assert resources["memory"] in ("8Gi", 8 * 2**30)


def test_rules_of_thumb_are_warnings(api):
    warnings = api.submit(["true"], hold=True, retry={"limit": 50})["warnings"]
    rules = {warning["rule"]: warning["pointer"] for warning in warnings}
    assert rules["time_limit"] == "/time_limit"
    assert "/retry/limit" in rules.values()
    assert all(warning["detail"] for warning in warnings)


def test_what_the_backend_leaves_out_is_a_warning(api):
    job = api.submit(["true"], resources={"scratch": "1Ti", "shared_memory": "64Mi", "nodes": 1, "tasks_per_node": 1},
                     node_selector={}, options={"slurm": {"qos": "high", "exclusive": True, "nice": 5}})
    ignored = {warning["pointer"] for warning in job["warnings"] if warning["rule"] == "ignored"}
    assert ignored == {"/resources/scratch", "/resources/shared_memory", "/options/slurm"}
    assert job["spec"]["options"] == {"slurm": {"qos": "high", "exclusive": True, "nice": 5}}
    assert api.wait(job["id"])["state"] == "succeeded"


def test_memory_for_each_core_is_that_of_all(api):
    job = api.submit(["sh", "-c", "echo whole"], resources={"cpus": 2, "memory_per_cpu": "32Mi"})
    assert "memory" not in job["spec"]["resources"]
    assert api.wait(job["id"])["state"] == "succeeded"
    big = api.post("/v1/jobs", {"command": ["true"], "resources": {"cpus": 3, "memory_per_cpu": "999Ti"}})
    assert big.status == 422 and big.json()["errors"][0]["pointer"] == "/resources/memory_per_cpu"


def test_until_started_answers_before_the_end(api):
    job = api.sh("sleep 30", query={"wait": 20, "until": "started"})
    assert job["state"] == "running" and not job["terminal"]
    api.cancel(job["id"])


def test_wait_answers_when_the_time_is_over(api):
    answer = api.post("/v1/jobs", HELLO | {"hold": True}, wait=1)
    assert answer.status == 201 and answer.json()["reason"] == "held"
    assert 0.9 <= answer.seconds < 10


@pytest.mark.parametrize("key", ["dag/run:1+a/task", "x", "k" * 255, "with blanks inside", "~!@#$%^&*()"])
def test_a_key_makes_one_job(api, key):
    first = api.post("/v1/jobs", HELLO | {"hold": True}, headers={"Idempotency-Key": key})
    again = api.post("/v1/jobs", HELLO | {"hold": True}, headers={"Idempotency-Key": key})
    assert first.status == again.status == 201
    assert first.json()["id"] == again.json()["id"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]


def test_a_replay_shows_the_job_as_it_is_now(api):
    key = {"Idempotency-Key": "now"}
    job = api.submit(**HELLO, headers=key)
    api.wait(job["id"])
    assert api.submit(**HELLO, headers=key)["state"] == "succeeded"


def test_a_key_with_another_body_is_refused(api):
    key = {"Idempotency-Key": "once"}
    api.submit(**HELLO, hold=True, headers=key)
    answer = api.post("/v1/jobs", HELLO | {"hold": True, "priority": 1}, headers=key)
    assert (answer.status, answer.code) == (422, "idempotency_mismatch")


def test_a_key_whose_job_was_deleted_is_gone(api):
    key = {"Idempotency-Key": "deleted"}
    job = api.submit(**HELLO, headers=key)
    api.wait(job["id"])
    assert api.delete(f"/v1/jobs/{job['id']}").status == 204
    answer = api.post("/v1/jobs", HELLO, headers=key)
    assert (answer.status, answer.code) == (410, "gone")


def test_a_refused_submit_does_not_use_up_its_key(api):
    key = {"Idempotency-Key": "second try"}
    assert api.post("/v1/jobs", {"command": []}, headers=key).status == 400
    assert api.post("/v1/jobs", HELLO, headers=key).status == 201


def test_keys_belong_to_the_user_and_project(api, other):
    key = {"Idempotency-Key": "shared"}
    assert api.submit(**HELLO, headers=key)["id"] != other.client.submit(**HELLO, headers=key)["id"]


def test_one_key_at_once_from_many_clients_makes_one_job(api):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(
            lambda _: api.post("/v1/jobs", HELLO | {"hold": True}, headers={"Idempotency-Key": "race"}), range(32)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1


def test_a_dry_run_shows_defaults_warnings_and_script_and_records_nothing(api):
    spec = {"name": "dry", "command": ["python3", "train.py", "--lr", "it's"], "setup": ["export A=1"]}
    answer = api.post("/v1/jobs", spec, dry_run="true")
    assert answer.status == 200
    shown = answer.json()
    assert shown["backend"] == "local"
    assert shown["spec"]["command"] == spec["command"] and shown["spec"]["retry"]["limit"] == 3
    assert {warning["rule"] for warning in shown["warnings"]} >= {"time_limit"}
    assert "export A=1" in shown["rendered"] and "train.py" in shown["rendered"]
    assert api.get("/v1/jobs", name="dry").json()["items"] == []


def test_a_dry_run_refuses_what_a_submit_refuses(api):
    assert api.post("/v1/jobs", {"command": ["true"], "image": "debian"}, dry_run="true").status == 422


MEANINGLESS = [
    ({}, "/command"),
    ({"command": ["true"], "script": "true"}, "/script"),
    ({"command": [""]}, "/command/0"),
    ({"command": ["true"], "image": "debian:12"}, "/image"),
    ({"command": ["true"], "environment": {"JOBGATE_JOB_ID": "x"}}, "/environment/JOBGATE_JOB_ID"),
    ({"command": ["true"], "time_limit": "99999999d"}, "/time_limit"),
    ({"command": ["true"], "resources": {"memory": "99Ei"}}, "/resources/memory"),
    ({"command": ["true"], "resources": {"cpus": "9e9"}}, "/resources/cpus"),
    ({"command": ["true"], "backend": "nowhere"}, "/backend"),
    ({"command": ["true"], "resources": {"nodes": 2}}, "/resources/nodes"),
    ({"command": ["true"], "resources": {"tasks_per_node": 2}}, "/resources/tasks_per_node"),
    ({"command": ["true"], "resources": {"memory": "1Gi", "memory_per_cpu": "1Gi"}}, "/resources/memory_per_cpu"),
    ({"command": ["true"], "resources": {"shared_memory": "2Gi"}}, "/resources/shared_memory"),
    ({"command": ["true"], "node_selector": {"zone": "a"}}, "/node_selector"),
    ({"command": ["true"], "secrets": {"A": {"secret": "s", "key": "k"}}}, "/secrets"),
    ({"command": ["true"], "volumes": [{"path": "/data", "claim": "c"}]}, "/volumes"),
    ({"command": ["true"], "secrets": {"JOBGATE_A": {"secret": "s", "key": "k"}}}, "/secrets/JOBGATE_A"),
    ({"command": ["true"], "secrets": {"A": {"secret": "s", "key": "k"}}, "environment": {"A": ""}}, "/secrets/A"),
]


@pytest.mark.parametrize("spec,pointer", MEANINGLESS, ids=[pointer for _, pointer in MEANINGLESS])
def test_a_wrong_meaning_is_422_with_its_pointer(api, spec, pointer):
    answer = api.post("/v1/jobs", spec)
    assert (answer.status, answer.code) == (422, "unprocessable")
    assert pointer in answer.pointers(), answer.text


def test_every_wrong_field_is_named_at_once(api):
    answer = api.post("/v1/jobs", {"comand": ["true"], "priority": "high", "resources": {"memroy": "1Gi", "gpus": -1},
                                   "labels": {"a": 1}, "retry": {"on": ["bad luck"]}})
    assert (answer.status, answer.code) == (400, "invalid")
    faults = answer.pointers()
    assert set(faults) >= {"/comand", "/priority", "/resources/memroy", "/resources/gpus", "/labels/a", "/retry/on/0"}
    assert '"command"' in faults["/comand"] and '"memory"' in faults["/resources/memroy"]


def test_a_project_without_a_default_backend_needs_one(gateway, member):
    gateway.cli("project", "create", f"bare-{member.project}", "--member", f"{member.user}:submitter")
    spec = {"command": ["true"], "project": f"bare-{member.project}"}
    answer = member.client.post("/v1/jobs", spec)
    assert answer.status == 422 and "/backend" in answer.pointers()
    assert member.client.post("/v1/jobs", spec | {"backend": "local"}).status == 201


def test_a_member_of_two_projects_must_say_which(gateway, member):
    gateway.cli("project", "create", f"two-{member.project}", "--default-backend", "local",
                "--member", f"{member.user}:submitter")
    answer = member.client.post("/v1/jobs", HELLO)
    assert answer.status == 422 and "/project" in answer.pointers()
    bound = gateway.client(gateway.token(member.user, "--project", f"two-{member.project}"))
    assert bound.submit(**HELLO)["project"] == f"two-{member.project}"


# -- fail_on_failure -------------------------------------------------------------------------------

def test_a_submit_that_waits_can_fail_with_its_job(api):
    for command, status in (("exit 0", 201), ("exit 3", 424)):
        answer = api.post("/v1/jobs", {"command": ["/bin/sh", "-c", command]}, wait=60, fail_on_failure="true")
        job = answer.json()
        assert answer.status == status and job["terminal"] and "warnings" in job
        assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
        assert api.job(job["id"])["succeeded"] == (status == 201)


def test_a_submit_that_does_not_wait_is_made_and_not_failed(api):
    answer = api.post("/v1/jobs", {"command": ["false"], "hold": True}, fail_on_failure="true")
    assert answer.status == 201


def test_a_repeat_tells_of_the_failure_and_makes_no_second_job(api):
    key = {"Idempotency-Key": "sweep/7"}
    first = api.post("/v1/jobs", {"command": ["false"]}, headers=key, wait=60, fail_on_failure="true")
    again = api.post("/v1/jobs", {"command": ["false"]}, headers=key, fail_on_failure="true")
    assert first.status == again.status == 424
    assert first.json()["id"] == again.json()["id"] and again.headers["Idempotent-Replayed"] == "true"


def test_a_failed_job_too_large_for_a_common_answer_is_told_in_full(api):
    script = "#!/bin/sh\nexit 1\n#" + "x" * 100_000 + "\n"
    answer = api.post("/v1/jobs", {"script": script}, wait=60, fail_on_failure="true")
    assert answer.status == 424 and answer.json()["spec"]["script"] == script
    read = api.get(f"/v1/jobs/{answer.json()['id']}", fail_on_failure="true")
    assert read.status == 424 and read.json()["spec"]["script"] == script
