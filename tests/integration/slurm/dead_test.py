"""A node of a real Slurm that never comes back: who knows that it is dead says so, and what ran there ends."""

import pytest

from tests.harness import slurm, system
from tests.harness.site import gateway_on, outcome


@pytest.fixture(scope="module")
def made(folder, binaries, contract, cluster):
    with slurm.Slurm("jgdead", append="SlurmdTimeout=300\n") as site, \
            gateway_on(site, folder, binaries, contract, cluster) as gateway:
        yield gateway


def test_what_ran_on_a_dead_node_is_ended_by_a_manager(made):
    api = made.api
    dead, lives = sorted(set(made.slurm.run("sinfo", "-h", "-N", "-o", "%N").stdout.split()))

    def on(node, retry=None, **spec):
        return api.submit(command=["sleep", "300"], retry={"limit": 0} | (retry or {}),
                          resources={"memory": "500Mi"}, options={"slurm": {"nodelist": node}}, **spec)
    ends, cancelled, array = on(dead), on(dead), on(dead, array={"indices": "5-7"})
    given_up = [on(dead, retry={"orphan_wait": "10s"}, **spec) for spec in ({}, {"array": {"indices": "5-6"}})]
    runs = on(lives, retry={"orphan_wait": "10s"})
    for job in (ends, cancelled, array, runs, *given_up):
        system.wait_until(lambda: api.job(job["id"])["state"] == "running", 60, "its start")
    for job in (array, given_up[1]):
        system.wait_until(lambda: api.job(job["id"])["counts"]["running"] == job["task_count"], 60, "all of its tasks")
    made.slurm.kill(f"slurmd-{dead}")
    made.slurm.run("scontrol", "update", f"nodename={dead}", "state=down", "reason=test")
    for job in (ends, cancelled, array):
        system.wait_until(lambda: api.job(job["id"])["reason"] == "node_unavailable", 60, "the silence")
    assert dead in api.job(ends["id"])["message"]

    name = f"boss-{made.gateway.database}"
    manager = made.gateway.member(name, api.job(ends["id"])["project"], "manager", new_project=False).client

    def confirm(client, job, attempt=1, **query):
        text = "&".join(f"{key}={value}" for key, value in query.items())
        return client.post(f"/v1/jobs/{job['id']}/attempts/{attempt}/confirm-dead" + (f"?{text}" if text else ""))
    assert confirm(api, ends).status == 403
    assert confirm(made.members[1], ends).status == 404
    assert confirm(manager, ends, attempt=0).status == 400
    assert confirm(manager, ends, attempt=2).status == 409
    assert confirm(manager, runs).status == 409
    assert confirm(manager, ends, indices="0").status == 409
    assert confirm(manager, array).status == 409
    assert confirm(manager, array, indices="9").status == 422

    answer = confirm(manager, ends)
    assert (answer.status, answer.json()["id"]) == (202, ends["id"])
    assert outcome(api.wait(ends["id"], seconds=60)) == ("failed", "node_failure", None, None)
    [told] = [event for event in api.get(f"/v1/jobs/{ends['id']}/events").json()["items"]
              if event["kind"] == "confirmed_dead"]
    assert (told["actor"], told["attempt"], told["indices"]) == (name, 1, None)
    [attempt] = api.get(f"/v1/jobs/{ends['id']}/tasks/0/attempts").json()["items"]
    assert (attempt["state"], attempt["reason"], attempt["node"]) == ("failed", "node_failure", dead)
    assert confirm(manager, ends).status == 409

    assert api.post(f"/v1/jobs/{cancelled['id']}/cancel").status == 202
    assert confirm(manager, cancelled).status == 202
    assert outcome(api.wait(cancelled["id"], seconds=60))[:2] == ("cancelled", "cancelled_by_user")

    assert confirm(manager, array, indices="6").status == 202
    system.wait_until(lambda: api.job(array["id"])["counts"]["failed"] == 1, 60, "the end of one")
    assert api.get(f"/v1/jobs/{array['id']}/tasks/6").json()["reason"] == "node_failure"
    assert api.job(array["id"])["counts"]["running"] == 2
    assert confirm(manager, array, indices="5-7").status == 202
    assert outcome(api.wait(array["id"], seconds=60))[:2] == ("failed", "node_failure")
    for job in given_up:
        assert outcome(api.wait(job["id"], seconds=60))[:2] == ("failed", "node_failure")
        index = 5 if "array" in job["spec"] else 0
        [attempt] = api.get(f"/v1/jobs/{job['id']}/tasks/{index}/attempts").json()["items"]
        assert "orphan_wait" in attempt["message"] and attempt["node"] == dead
    assert api.job(runs["id"])["state"] == "running"
    api.post(f"/v1/jobs/{runs['id']}/cancel")
    assert api.wait(runs["id"], seconds=60)["state"] == "cancelled"
