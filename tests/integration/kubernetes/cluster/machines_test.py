"""A job of several machines: an Indexed Job whose pods know each other. There is no DNS on this cluster, so how their
names resolve is not seen here."""

from tests.harness import system
from tests.harness.kubernetes_site import outcome

SMALL = {"nodes": 2, "cpus": "10m", "memory": "16Mi"}


def shell(script):
    return {"command": ["sh", "-c", script], "resources": SMALL}


def pod_logs(made, job):
    return [made.kube.checked("logs", pod["metadata"]["name"], namespace=made.namespace)
            for pod in sorted(made.objects(job, "pod"), key=lambda pod: pod["metadata"]["name"])]


def test_each_machine_knows_its_place(made):
    words = "$RANK $NODE_RANK $WORLD_SIZE $MASTER_ADDR $MASTER_PORT $JOBGATE_TASK_INDEX"
    job = made.ended(**shell(f"echo {words}; hostname"))
    assert outcome(job) == ("succeeded", "completed", 0, None), job["message"]
    name = f"jg-{job['id']}-1"
    assert pod_logs(made, job) == [f"{rank} {rank} 2 {name}-0.{name} 29500 0\n{name}-{rank}\n" for rank in (0, 1)]
    assert made.api.log(job["id"]) == f"0 0 2 {name}-0.{name} 29500 0\n{name}-0\n"  # the first one's
    assert {pod["spec"]["subdomain"] for pod in made.objects(job, "pod")} == {name}
    assert job["task_count"] == 1 and made.objects(job)[0]["spec"]["completionMode"] == "Indexed"


def test_one_that_fails_ends_all(made):
    job = made.ended(retry={"limit": 0}, **shell("[ $RANK = 1 ] && exit 7; sleep 300"))
    assert outcome(job) == ("failed", "exit_code", 7, None)
    system.wait_until(lambda: all(pod["status"]["phase"] == "Failed" for pod in made.objects(job, "pod")), 60,
                      "the end of the others")


def test_a_cancel_ends_all(made):
    job = made.wait_for(made.api.submit(**shell("sleep 300")), "state", "running")
    (service,) = made.objects(job, "service")
    assert service["metadata"]["name"] == f"jg-{job['id']}-1" and service["spec"]["clusterIP"] == "None"
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert made.api.wait(job["id"], seconds=60)["state"] == "cancelled"
    assert made.objects(job) == [] and made.objects(job, "pod") == []
    system.wait_until(lambda: made.objects(job, "service") == [], 60, "the end of its Service")


def test_an_array_has_one_machine_for_each_task(made):
    answer = made.api.post("/v1/jobs", {**shell("exit 0"), "array": {"indices": "0-1"}})
    assert answer.status == 422 and "/resources/nodes" in answer.pointers()
