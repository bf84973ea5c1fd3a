"""The gateway is killed while it hands over, watches and ends a job: none runs twice, none is lost."""

import contextlib
import http.client
import re
import signal
import time

import pytest

from tests.harness import system
from tests.harness.kubernetes_site import outcome

LEADER = ("leader.intended", "leader.handed", "leader.answered", "leader.recorded", "leader.ended")
NOT_OF_ONE_JOB = {"kubernetes.told", "kubernetes.resolving", "kubernetes.given_up"}


def crash_points():
    """Those of the backend, and the leader's."""
    found = set(LEADER)
    for path in (system.ROOT / "backends/kubernetes").glob("*.c"):
        found.update(re.findall(r'gw_crash_point\("([^"]+)"\)', path.read_text()))
    return sorted(found - NOT_OF_ONE_JOB)


def die_at(site, point):
    site.gateway.stop()
    site.start({"JOBGATE_CRASH": point})


def wait_for_death(site):
    assert site.gateway.wait_end(60) == -signal.SIGKILL


def submit_to_death(site, point):
    """Submits a job that exits with 7 to a gateway that dies at a point; a call that has the job, later."""
    key = f"{point}-{time.monotonic_ns()}"

    def submit():
        return site.api.submit(command=["sh", "-c", "exit 7"], headers={"Idempotency-Key": key})
    die_at(site, point)
    with contextlib.suppress(OSError, http.client.HTTPException):
        submit()
    wait_for_death(site)
    return submit


def ran_once(site, job):
    """Of one that ended with 7."""
    assert outcome(site.api.wait(job["id"], seconds=90)) == ("failed", "exit_code", 7, None)
    assert site.made_pods(job) == 1
    assert len(site.api.get(f"/v1/jobs/{job['id']}/tasks/0/attempts").json()["items"]) == 1


@pytest.mark.parametrize("point", crash_points())
def test_a_death_at_each_step(made, point):
    submit = submit_to_death(made, point)
    made.start()
    ran_once(made, submit())


def test_a_death_while_it_finds_out(made):
    submit = submit_to_death(made, "leader.intended")
    made.start({"JOBGATE_CRASH": "kubernetes.resolving"})
    wait_for_death(made)
    made.start()
    ran_once(made, submit())


def test_a_death_while_it_cancels(made):
    job = made.wait_for(made.api.submit(command=["sleep", "300"]), "state", "running")
    die_at(made, "kubernetes.told")
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    wait_for_death(made)
    made.start()
    assert outcome(made.api.wait(job["id"], seconds=90))[:2] == ("cancelled", "cancelled_by_user")
    assert made.objects(job, "pod") == []


def test_what_ran_and_was_deleted_unseen_does_not_run_again(made):
    """Nobody has told the gateway that the cluster took it, and nothing but Events knows."""
    submit = submit_to_death(made, "kubernetes.created")
    made.kube.checked("wait", "job", "--for=condition=Failed", "--all", "--timeout=60s", namespace=made.namespace)
    made.kube.checked("delete", "job", "--all", "--cascade=foreground", namespace=made.namespace)
    made.start()
    job = submit()
    assert outcome(made.api.wait(job["id"], seconds=90))[:2] == ("failed", "lost")
    assert made.made_pods(job) == 1 and made.objects(job) == []


def test_a_closed_job_that_appears_again_is_deleted(made):
    job = made.api.wait(made.api.submit(command=["sh", "-c", "exit 7"])["id"], seconds=90)
    manifest = made.api.get(f"/v1/jobs/{job['id']}/manifest").text
    name = f"jg-{job['id']}-1"
    made.kube.checked("delete", "job", name, "--cascade=foreground", namespace=made.namespace)
    made.kube.checked("create", "-f", "-", namespace=made.namespace, input=manifest)
    system.wait_until(lambda: made.objects(job) == [], 60, "its deletion")
    assert made.job(job) == job
