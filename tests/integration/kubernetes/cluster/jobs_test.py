"""Jobs on a real Kubernetes, by the gateway, with jobgate's own rights in a namespace and no others."""

import pytest

from tests.harness import system
from tests.harness.kubernetes_site import gateway_on, outcome


def shell(script):
    return {"command": ["sh", "-c", script]}


def test_the_backend_is_reachable(made):
    system.wait_until(lambda: made.backend()["reachable"], 30, "the backend")
    assert made.backend()["type"] == "kubernetes"


@pytest.mark.parametrize("script, expected", [
    ("exit 0", ("succeeded", "completed", 0, None)),
    ("exit 3", ("failed", "exit_code", 3, None)),
    ("exit 143", ("failed", "signal", None, 15)),
    ("sh -c 'kill -SEGV $$'; exit $?", ("failed", "signal", None, 11)),
    ("no-such-command", ("failed", "exit_code", 127, None)),
])
def test_outcomes(made, script, expected):
    job = made.ended(**shell(script))
    assert outcome(job) == expected
    assert job["started_at"] and job["ended_at"]


def test_what_it_is_in_the_cluster(made):
    job = made.ended(name="train-7", labels={"team": "vision"}, **shell("exit 0"))
    (found,) = made.objects(job)
    assert found["metadata"]["name"] == f"jg-{job['id']}-1"
    labels = found["metadata"]["labels"]
    assert (labels["jobgate.dev/name"], labels["team"]) == ("train-7", "vision")
    attempt = made.api.get(f"/v1/jobs/{job['id']}/tasks/0/attempts").json()["items"][0]
    assert attempt["node"] == made.kube.node
    assert len(made.objects(job, "pod")) == 1


def started(site, **spec):
    return site.wait_for(site.api.submit(**spec), "state", "running")


def test_cancelling_what_runs(made):
    job = started(made, **shell("trap 'exit 0' TERM; sleep 300 & wait"))
    answer = made.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert answer.status == 202
    job = made.api.wait(job["id"], seconds=60)
    assert outcome(job)[:2] == ("cancelled", "cancelled_by_user")
    assert made.objects(job) == [] and made.objects(job, "pod") == []


def test_cancelling_what_waits(made):
    job = made.api.submit(resources={"gpus": 400, "cpus": 1, "memory": "16Mi"}, **shell("exit 0"))
    job = made.wait_for(job, "reason", "unschedulable")
    assert job["state"] == "pending" and "Insufficient nvidia.com/gpu" in job["message"]
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    job = made.api.wait(job["id"], seconds=60)
    assert outcome(job)[:2] == ("cancelled", "cancelled_by_user") and not job["started_at"]


def test_somebody_else_deletes_the_job(made):
    job = started(made, **shell("sleep 300"))
    made.kube.checked("delete", "job", f"jg-{job['id']}-1", "--wait=false", namespace=made.namespace)
    assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("cancelled", "cancelled_externally")
    system.wait_until(lambda: made.objects(job, "pod") == [], 60, "the end of its pod")


def test_somebody_else_deletes_the_job_and_leaves_its_pod(made):
    """It has not ended before that has."""
    job = started(made, **shell("while [ ! -e /tmp/go ]; do sleep 0.2; done; exit 4"))
    (pod,) = (found["metadata"]["name"] for found in made.objects(job, "pod"))
    made.kube.checked("delete", "job", f"jg-{job['id']}-1", "--cascade=orphan", namespace=made.namespace)
    system.wait_until(lambda: made.objects(job) == [], 60, "the Job's end")
    assert made.job(job)["state"] == "running"
    made.kube.checked("exec", pod, "--", "touch", "/tmp/go", namespace=made.namespace)
    assert outcome(made.api.wait(job["id"], seconds=60)) == ("failed", "exit_code", 4, None)


def test_somebody_else_deletes_the_pod(made):
    job = started(made, **shell("sleep 300"))
    (pod,) = (found["metadata"]["name"] for found in made.objects(job, "pod"))
    made.kube.checked("delete", "pod", pod, "--wait=false", namespace=made.namespace)
    assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("cancelled", "cancelled_externally")


def test_holding_and_releasing_what_waits(made):
    job = made.api.submit(resources={"gpus": 400, "cpus": 1, "memory": "16Mi"}, **shell("exit 0"))
    job = made.wait_for(job, "reason", "unschedulable")
    assert made.api.post(f"/v1/jobs/{job['id']}/hold").status == 200
    made.wait_for(job, "reason", "held")
    system.wait_until(lambda: made.objects(job)[0]["spec"]["suspend"], 60, "the suspension")
    system.wait_until(lambda: made.objects(job, "pod") == [], 60, "the end of its pod")
    assert made.api.post(f"/v1/jobs/{job['id']}/release").status == 200
    assert made.wait_for(job, "reason", "unschedulable")["state"] == "pending"
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert made.api.wait(job["id"], seconds=60)["state"] == "cancelled"


def test_somebody_else_suspends_it(made):
    job = made.api.submit(resources={"gpus": 400, "cpus": 1, "memory": "16Mi"}, **shell("exit 0"))
    made.wait_for(job, "reason", "unschedulable")
    made.kube.checked("patch", "job", f"jg-{job['id']}-1", "--patch", '{"spec": {"suspend": true}}',
                      namespace=made.namespace)
    assert made.wait_for(job, "reason", "suspended")["state"] == "pending"
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert made.api.wait(job["id"], seconds=60)["state"] == "cancelled"


def test_an_image_that_is_not_there(made):
    job = made.wait_for(made.api.submit(image="docker.io/local/nothing:7", **shell("exit 0")), "reason", "image_pull")
    assert job["state"] == "pending" and "docker.io/local/nothing:7" in job["message"]
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert made.api.wait(job["id"], seconds=60)["state"] == "cancelled"


def test_a_time_limit_is_the_pods(made):
    job = made.ended(time_limit="2s", **shell("sleep 300"))
    assert outcome(job)[:2] == ("failed", "time_limit")


def test_a_refusal_is_told_in_the_clusters_words(folder, binaries, contract, cluster, kube):
    wrong = [{"key": "spot", "operator": "Perhaps"}]
    with gateway_on(kube, folder, binaries, contract, cluster, tolerations=wrong) as made:
        job = made.ended(script="#!/bin/sh\n" + "# a line of a long script\n" * 10000)
        assert outcome(job)[:2] == ("failed", "rejected")
        system.wait_until(lambda: made.objects(job, "configmap") == [], 60, "the end of its files")
        assert "spec.template.spec.tolerations[0].operator" in job["message"] and made.objects(job) == []


def test_what_was_made_beside_a_job_goes_with_its_submission(made):
    job = made.api.submit(script="#!/bin/sh\n" + f": {'x' * 1000}\n" * 400 + "exit 4\n")
    system.wait_until(lambda: made.objects(job, "configmap"), 60, "its files")
    assert outcome(made.api.wait(job["id"], seconds=90)) == ("failed", "exit_code", 4, None)
    system.wait_until(lambda: made.objects(job, "configmap") == [], 60, "the end of its files")


def test_a_quota_holds_up_a_job_until_there_is_room(made):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
             "spec": {"hard": {"count/jobs.batch": "0"}}}
    made.kube.apply(quota, namespace=made.namespace)
    try:
        system.wait_until(lambda: made.kube.get("quota", "none", namespace=made.namespace)["status"].get("hard"), 60,
                          "the quota")
        job = made.wait_for(made.api.submit(**shell("exit 0")), "reason", "limit")
        assert job["state"] == "queued" and "exceeded quota" in job["message"]
    finally:
        made.kube.checked("delete", "quota", "none", namespace=made.namespace)
    assert made.api.wait(job["id"], seconds=90)["state"] == "succeeded"


def test_a_project_without_a_namespace(made):
    made.gateway.cli("user", "create", "nowhere")
    made.gateway.cli("project", "create", "nowhere", "--default-backend", "kubernetes", "--member", "nowhere:submitter")
    api = made.gateway.client(made.gateway.token("nowhere"))
    job = api.wait(api.submit(**shell("exit 0"))["id"], seconds=30)
    assert outcome(job)[:2] == ("failed", "rejected") and "namespace" in job["message"]


def test_a_job_outlives_the_gateway(made):
    running = started(made, **shell("sleep 8; exit 5"))
    ending = started(made, **shell("sleep 1; exit 6"))
    made.kill()
    system.wait_until(lambda: made.objects(ending)[0]["status"].get("failed"), 60, "its end")
    made.start()
    assert outcome(made.api.wait(ending["id"], seconds=60)) == ("failed", "exit_code", 6, None)
    assert outcome(made.api.wait(running["id"], seconds=60)) == ("failed", "exit_code", 5, None)
    assert [len(made.objects(job, "pod")) for job in (running, ending)] == [1, 1]


def test_a_job_that_is_deleted_while_nobody_looks_is_lost(made):
    job = started(made, **shell("sleep 300"))
    made.kill()
    made.kube.checked("delete", "job", f"jg-{job['id']}-1", "--cascade=foreground", namespace=made.namespace)
    made.start()
    assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("failed", "lost")


def test_an_array(made):
    job = made.api.submit(array={"indices": "3-7:2"}, **shell("exit $((JOBGATE_TASK_INDEX - 3))"))
    job = made.api.wait(job["id"], seconds=90)
    assert (job["state"], job["counts"]["succeeded"], job["counts"]["failed"]) == ("failed", 1, 2)
    tasks = made.api.get(f"/v1/jobs/{job['id']}/tasks").json()["items"]
    assert [(task["index"], task["exit_code"]) for task in tasks] == [(3, 0), (5, 2), (7, 4)]
    assert len(made.objects(job)) == 1 and len(made.objects(job, "pod")) == 3


def test_cancelling_some_tasks_of_an_array(made):
    job = made.api.submit(array={"indices": "10-13", "max_parallel": 2},
                          **shell("[ $((JOBGATE_TASK_INDEX % 3)) = 1 ] && sleep 300; exit 0"))
    system.wait_until(lambda: made.objects(job, "pod"), 60, "a pod")
    assert made.api.post(f"/v1/jobs/{job['id']}/tasks/cancel", {"indices": "10,13"}).status == 202
    job = made.api.wait(job["id"], seconds=90)
    tasks = made.api.get(f"/v1/jobs/{job['id']}/tasks").json()["items"]
    assert [(task["index"], task["state"], task["reason"]) for task in tasks] == [
        (10, "cancelled", "cancelled_by_user"), (11, "succeeded", "completed"), (12, "succeeded", "completed"),
        (13, "cancelled", "cancelled_by_user")]
    assert job["state"] == "cancelled"
