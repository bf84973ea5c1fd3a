"""Why jobs do not start, where only their Events say so. Each waits for something of its own, so all wait at once."""

import contextlib

from tests.harness import system
from tests.harness.kubernetes_site import outcome

RUN = {"command": ["sh", "-c", "exit 0"]}
LONG = "#!/bin/sh\n" + f": {'x' * 1000}\n" * 400  # more than annotations hold


@contextlib.contextmanager
def quota(site, **hard):
    """A quota that counts already."""
    wanted = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": hard}}
    site.kube.apply(wanted, namespace=site.namespace)
    system.wait_until(lambda: site.kube.get("quota", "few", namespace=site.namespace)["status"].get("hard"), 60,
                      "the quota")
    try:
        yield
    finally:
        site.kube.checked("delete", "quota", "few", namespace=site.namespace)


def test_a_quota_of_pods(made):
    """It is told of the tasks of an array that have none, too; and what waited runs when there is room."""
    with quota(made, pods="0"):
        job = made.api.submit(**RUN)
        array = made.api.submit(array={"indices": "0-2"}, **RUN)
        job = made.wait_for(job, "reason", "quota")
        assert job["state"] == "pending" and "exceeded quota: few" in job["message"]
        array = made.wait_for(array, "reason", "quota")
        tasks = made.api.get(f"/v1/jobs/{array['id']}/tasks").json()["items"]
        assert [(task["state"], task["reason"]) for task in tasks] == [("pending", "quota")] * 3
    assert outcome(made.api.wait(job["id"], seconds=180))[:2] == ("succeeded", "completed")
    assert made.api.wait(array["id"], seconds=180)["counts"]["succeeded"] == 3


def test_a_volume_that_is_not_there(made):
    with quota(made, pods="0"):
        job = made.wait_for(made.api.submit(script=LONG), "reason", "quota")
        (name,) = (found["metadata"]["name"] for found in made.objects(job, "configmap"))
        made.kube.checked("delete", "configmap", name, namespace=made.namespace)
    job = made.wait_for(job, "reason", "unschedulable", seconds=180)
    assert job["state"] == "pending" and f'configmap "{name}" not found' in job["message"]
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert made.api.wait(job["id"], seconds=90)["state"] == "cancelled"


def test_a_service_account_that_is_not_there(made):
    made.gateway.cli("project", "identity", made.project, "kubernetes", made.namespace, "--service-account", "ghost")
    try:
        job = made.wait_for(made.api.submit(**RUN), "reason", "unschedulable")
        assert job["state"] == "pending" and 'serviceaccount "ghost" not found' in job["message"]
        # What is new is read though the last list was not long ago.
        other = made.wait_for(made.api.submit(**RUN), "reason", "unschedulable")
    finally:
        made.gateway.cli("project", "identity", made.project, "kubernetes", made.namespace)
    for it in (job, other):
        made.api.post(f"/v1/jobs/{it['id']}/cancel")
        assert made.api.wait(it["id"], seconds=90)["state"] == "cancelled"


def test_without_the_right_to_read_events(made):
    """All else goes on."""
    role = made.kube.get("role", "jobgate", namespace=made.namespace)
    fewer = [rule for rule in role["rules"] if rule["resources"] != ["events"]]
    assert len(fewer) < len(role["rules"])
    made.kube.apply(role | {"rules": fewer}, namespace=made.namespace)
    try:
        with quota(made, pods="0"):
            job = made.wait_for(made.api.submit(**RUN), "state", "pending")
            system.wait_until(lambda: any("kubernetes.events_unread" in str(line) for line in made.gateway.log_lines()),
                              60, "its complaint")
            assert not made.job(job)["reason"]
    finally:
        made.kube.apply({key: role[key] for key in ("apiVersion", "kind", "rules")} |
                        {"metadata": {"name": "jobgate"}}, namespace=made.namespace)
    assert outcome(made.api.wait(job["id"], seconds=180))[:2] == ("succeeded", "completed")
