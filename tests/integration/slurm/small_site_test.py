"""A small site: no tokens; the gateway is the cluster's SlurmUser, and submits for those who may."""

import pytest

from tests.harness import slurm, system
from tests.harness.site import gateway_on, outcome


@pytest.fixture(scope="module")
def made(folder, binaries, contract, cluster):
    with slurm.Slurm("jgsmall", slurm_user=system.RUNNER.pw_name) as site:
        users = [site.users[0], "root"]
        with gateway_on(site, folder, binaries, contract, cluster, jwt_key=None, token_life=None, users=users) as found:
            yield found


def test_each_job_runs_as_its_projects_user_and_group(made):
    job = made.api.wait(made.api.submit(command=["sh", "-c", "id -un; id -gn; id -G; pwd"])["id"], seconds=60)
    assert outcome(job) == ("succeeded", "completed", 0, None)
    user = made.slurm.users[0]
    groups = made.slurm.run("id", "-G", user).stdout.strip()
    assert made.output(job) == f"{user}\n{user}\n{groups}\n{made.home()}\n"


def test_who_is_not_listed_does_not_submit(made):
    other = made.members[1]
    job = other.wait(other.submit(command=["true"])["id"], seconds=60)
    assert outcome(job)[:2] == ("failed", "rejected")
    assert job["message"].endswith(f"{made.slurm.users[1]} is none of those that submit here")


def test_a_running_job_is_cancelled(made):
    job = made.api.submit(command=["sleep", "300"])
    system.wait_until(lambda: made.api.get(f"/v1/jobs/{job['id']}").json()["state"] == "running", 60, "its start")
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("cancelled", "cancelled_by_user")


def test_root_never_submits(made):
    made.gateway.cli("user", "create", "rooted")
    made.gateway.cli("project", "create", "rooted", "--default-backend", "slurm", "--member", "rooted:submitter")
    made.gateway.cli("project", "identity", "rooted", "slurm", "root")
    api = made.gateway.client(made.gateway.token("rooted"))
    job = api.wait(api.submit(command=["id"])["id"], seconds=60)
    assert outcome(job)[:2] == ("failed", "rejected") and "root" in job["message"]
    assert made.numbers(job) == []
