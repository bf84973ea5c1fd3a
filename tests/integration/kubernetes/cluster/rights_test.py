"""Rights of jobgate's in a namespace that are taken away one by one: who runs it is told, what was accepted goes on as
far as it can, and all of it once the right is back."""

import contextlib
import copy

import pytest

from tests.harness import system
from tests.harness.kubernetes_site import outcome

# Without which nothing can be handed over, heard of, or ended, and where it is then told.
NEEDED = [("jobs", "create"), ("jobs", "list"), ("jobs", "watch"), ("jobs", "delete"), ("pods", "list"),
          ("pods", "watch")]
# What is needed where something went wrong, or is found out in another way.
SPARE = [("jobs", "get"), ("jobs", "patch"), ("pods", "get"), ("pods", "delete"), ("events", "list"),
         ("resourcequotas", "list")]


@contextlib.contextmanager
def without(site, resource, verb):
    role = site.kube.get("role", "jobgate", namespace=site.namespace)
    del role["metadata"]["resourceVersion"]
    less = copy.deepcopy(role)
    for rule in less["rules"]:
        if resource in rule["resources"]:
            rule["verbs"] = [other for other in rule["verbs"] if other != verb] or ["none"]
    site.gateway.stop()
    site.kube.apply(less, namespace=site.namespace)
    try:
        site.start()
        yield
    finally:
        site.kube.apply(role, namespace=site.namespace)


def begin(site):
    """A job that ends by itself, and one that is to be ended."""
    jobs = [site.api.submit(command=["sh", "-c", f"echo hello; sleep {seconds}"]) for seconds in (1, 600)]
    site.api.post(f"/v1/jobs/{jobs[1]['id']}/cancel")
    return jobs


def all_goes_on(site, jobs):
    assert outcome(site.api.wait(jobs[0]["id"], seconds=120)) == ("succeeded", "completed", 0, None)
    assert site.api.wait(jobs[1]["id"], seconds=120)["state"] == "cancelled"
    assert site.made_pods(jobs[0]) == 1


@pytest.mark.parametrize("resource, verb", NEEDED)
def test_what_is_needed_is_told_and_waited_for(made, resource, verb):
    before = len(made.gateway.log.read_text())
    with without(made, resource, verb):
        running = made.api.submit(command=["sleep", "600"])
        if (resource, verb) == ("jobs", "delete"):
            made.wait_for(running, "state", "running")
        jobs = begin(made)
        made.api.post(f"/v1/jobs/{running['id']}/cancel")
        words = f'cannot {verb} resource \\"{resource}\\"'
        system.wait_until(lambda: words in made.gateway.log.read_text()[before:], 60, "its words")
        if (resource, verb) == ("jobs", "create"):
            shown = made.wait_for(jobs[0], "reason", "backend_unavailable")
            assert 'cannot create resource "jobs"' in shown["message"]
        assert made.api.get("/v1/me").status == 200
    all_goes_on(made, jobs)
    assert made.api.wait(running["id"], seconds=120)["state"] == "cancelled"


@pytest.mark.parametrize("resource, verb", SPARE)
def test_what_is_spare_keeps_nothing_up(made, resource, verb):
    with without(made, resource, verb):
        jobs = begin(made)
        all_goes_on(made, jobs)
        assert made.api.log(jobs[0]["id"]) == "hello\n"


def test_who_may_not_read_output_says_so(made):
    with without(made, "pods/log", "get"):
        job = made.api.submit(command=["sh", "-c", "echo hello; sleep 600"])
        made.wait_for(job, "state", "running")
        answer = made.api.get(f"/v1/jobs/{job['id']}/logs")
        assert answer.status == 503 and 'cannot get resource "pods/log"' in answer.json()["detail"]
    system.wait_until(lambda: made.api.get(f"/v1/jobs/{job['id']}/logs").text == "hello\n", 60, "its output")
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert made.api.wait(job["id"], seconds=120)["state"] == "cancelled"
