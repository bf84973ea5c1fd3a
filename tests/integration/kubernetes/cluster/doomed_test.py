"""Jobs that would wait for ever for what they cannot start without are ended, and say why."""

import pytest

from tests.harness import system
from tests.harness.kubernetes_site import gateway_on, outcome

RUN = {"command": ["sh", "-c", "exit 0"]}
NOWHERE = "docker.io/local/nothing:7"
GATEWAY = {"give_up": "2s"}


@pytest.fixture(scope="module")
def patient(folder, binaries, contract, cluster, kube):
    """One that gives up only what is hopeless; whose containers run as root, which a namespace may not take."""
    with gateway_on(kube, folder, binaries, contract, cluster, give_up="30d", user=0, group=0, allow_root=True) as site:
        yield site


def test_an_image_that_is_not_there(made):
    job = made.ended(image=NOWHERE, **RUN)
    assert outcome(job)[:2] == ("failed", "image_pull") and NOWHERE in job["message"]
    assert not job["started_at"] and made.objects(job, "pod") == []


def test_the_same_of_an_array(made):
    """Also of those that never had a pod, for no more than one could have."""
    job = made.api.submit(image=NOWHERE, array={"indices": "0-2", "max_parallel": 1}, **RUN)
    job = made.api.wait(job["id"], seconds=90)
    tasks = made.api.get(f"/v1/jobs/{job['id']}/tasks").json()["items"]
    assert [(task["state"], task["reason"]) for task in tasks] == [("failed", "image_pull")] * 3


def test_it_is_known_after_a_crash_at_that_moment(made):
    made.kill()
    made.start({"JOBGATE_CRASH": "kubernetes.given_up"})
    job = made.api.submit(image=NOWHERE, **RUN)
    made.gateway.wait_end(90)
    made.start()
    job = made.api.wait(job["id"], seconds=90)
    assert outcome(job)[:2] == ("failed", "image_pull") and NOWHERE in job["message"]


def test_what_only_waits_for_room_is_not_given_up(made):
    """And what cannot be pulled is ended beside it."""
    waits = made.api.submit(resources={"gpus": 400, "cpus": 1, "memory": "16Mi"}, **RUN)
    made.wait_for(waits, "reason", "unschedulable")
    assert outcome(made.ended(image=NOWHERE, **RUN))[:2] == ("failed", "image_pull")
    assert made.job(waits)["state"] == "pending"
    made.api.post(f"/v1/jobs/{waits['id']}/cancel")
    assert made.api.wait(waits["id"], seconds=60)["state"] == "cancelled"


def test_what_is_held_is_not_given_up(patient):
    job = patient.wait_for(patient.api.submit(image=NOWHERE, **RUN), "reason", "image_pull")
    assert patient.api.post(f"/v1/jobs/{job['id']}/hold").status == 200
    patient.wait_for(job, "reason", "held")
    patient.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert patient.api.wait(job["id"], seconds=60)["state"] == "cancelled"


def test_a_name_that_is_none_of_an_image(patient):
    job = patient.ended(image="docker.io/Local/busybox:1", **RUN)
    assert outcome(job)[:2] == ("failed", "rejected") and "docker.io/Local/busybox:1" in job["message"]


def test_a_pod_that_the_namespace_would_never_take(patient):
    patient.kube.checked("label", "namespace", patient.namespace, "pod-security.kubernetes.io/enforce=restricted")
    try:
        job = patient.ended(**RUN)
        assert outcome(job)[:2] == ("failed", "rejected") and "violates PodSecurity" in job["message"]
        assert system.wait_until(lambda: patient.objects(job), 30, "its Job")[0]["status"].get("failed") is None
    finally:
        patient.kube.checked("label", "namespace", patient.namespace, "pod-security.kubernetes.io/enforce-")
