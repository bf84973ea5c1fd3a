"""Accounts, QOS and reservations: slurmctld says who may use which, and a project's account is not to be changed."""

import os

import pytest

from tests.harness import slurm, system
from tests.harness.site import gateway_on, outcome

NO_ACCOUNT = "Invalid account or account/partition combination specified"


@pytest.fixture(scope="module")
def site():
    """The second user has an account that the first has not, and the first a QOS."""
    with slurm.Slurm("jgacct", accounting=True) as made:
        first, second = made.users[:2]
        for words in ("add account teaching Description=teaching Organization=trial", "add qos high Priority=100",
                      "add qos urgent Priority=200", f"add user {second} Account=teaching",
                      f"modify user where name={first} set qos+=high"):
            done = made.run("sacctmgr", "-i", "-Q", *words.split())
            assert done.returncode == 0, done.stderr
        for number, user in enumerate((first, second)):
            done = made.run("scontrol", "create", f"reservation=course{number}", f"users={user}", "nodecnt=1",
                            "starttime=now+10days", "duration=60", "flags=ignore_jobs")
            assert done.returncode == 0, done.stderr
        yield made


@pytest.fixture(scope="module")
def made(folder, binaries, contract, cluster, site):
    with gateway_on(site, folder, binaries, contract, cluster, priorities={"1": "high", "500": "urgent"}) as gateway:
        yield gateway


def later(made, **spec):
    """A job that does not start before it was looked at."""
    own = spec.pop("options", {}).get("slurm", {})
    options = {"slurm": {"begin": "2035-01-01"} | own}
    return made.api.submit(command=["true"], retry={"limit": 0}, options=options, **spec)


def at_slurm(made, job):
    system.wait_until(lambda: made.numbers(job), 60, "the job at slurmctld")
    return made.slurm.job(made.numbers(job)[0])


def test_what_the_user_may_use_is_used(made):
    wanted = [({"options": {"slurm": {"account": "research"}}}, "Account", "research"),
              ({"options": {"slurm": {"qos": "high"}}}, "QOS", "high"), ({}, "QOS", "normal"),
              ({"priority": 7}, "QOS", "high"),
              ({"options": {"slurm": {"reservation": "course0"}}}, "Reservation", "course0")]
    jobs = [later(made, **spec) for spec, _, _ in wanted]
    for job, (_, name, value) in zip(jobs, wanted, strict=True):
        assert at_slurm(made, job)[name] == value
        made.api.post(f"/v1/jobs/{job['id']}/cancel")


def test_what_is_anothers_is_rejected_in_slurms_words(made):
    refused = [({"options": {"slurm": {"account": "teaching"}}}, NO_ACCOUNT),
               ({"options": {"slurm": {"account": "nobodys"}}}, NO_ACCOUNT),
               ({"options": {"slurm": {"qos": "urgent"}}}, "Invalid qos specification"),
               ({"priority": 600}, "Invalid qos specification"),
               ({"options": {"slurm": {"reservation": "course1"}}}, "Access denied to requested reservation")]
    jobs = [later(made, **spec) for spec, _ in refused]
    for job, (spec, words) in zip(jobs, refused, strict=True):
        found = made.api.wait(job["id"], seconds=60)
        assert outcome(found)[:2] == ("failed", "rejected") and words in found["message"], (spec, found["message"])
        assert not [number for number in made.numbers(job) if made.slurm.state(number) == "PENDING"]


def test_a_projects_own_account_is_not_to_be_changed(made):
    [project] = {job["project"] for job in made.api.get("/v1/jobs", limit=1).json()["items"]}
    made.gateway.cli("project", "identity", project, "slurm", made.slurm.users[0], "--account", "research")
    job = later(made)
    assert at_slurm(made, job)["Account"] == "research"
    other = made.api.submit(command=["true"], retry={"limit": 0}, options={"slurm": {"account": "teaching"}})
    found = made.api.wait(other["id"], seconds=60)
    assert outcome(found)[:2] == ("failed", "rejected") and "the project's to say" in found["message"]
    dry = made.api.post("/v1/jobs?dry_run=true", {"command": ["true"], "options": {"slurm": {"account": "teaching"}}})
    assert dry.status == 422 and dry.json()["errors"][0]["pointer"] == "/options/slurm/account"


@pytest.mark.timeout(300)
def test_a_run_that_somebody_took_back_was_not_preempted(made):
    """slurmctld does not say so, and accounting does, though not by whom."""
    go = made.home() / f"go-{os.getpid()}"
    script = f"[ ${{SLURM_RESTART_COUNT:-0}} != 0 ] || exec sleep 1000; until [ -e {go} ]; do sleep 0.2; done"
    twice = {"command": ["sh", "-c", script], "resources": {"memory": "10Mi"}}
    plain = made.api.submit(**twice)
    array = made.api.submit(array={"indices": "4-5"}, **twice)
    tasks = [(plain, 0), (array, 4), (array, 5)]

    def attempts(job, index):
        return [(each["origin"], *outcome(each)[:2])
                for each in made.api.get(f"/v1/jobs/{job['id']}/tasks/{index}/attempts").json()["items"]]
    system.wait_until(lambda: all(attempts(*task) == [("jobgate", "running", None)] for task in tasks), 90, "all runs")
    numbers = [min(made.numbers(job)) for job in (plain, array)]
    for name in (numbers[0], f"{numbers[1]}_4", f"{numbers[1]}_5"):
        made.requeue(name)
    system.wait_until(lambda: all(len(attempts(*task)) == 2 for task in tasks), 90, "the other runs")
    go.touch()
    for job in (plain, array):
        assert outcome(made.api.wait(job["id"], seconds=120))[:2] == ("succeeded", "completed")
    for task in tasks:
        assert attempts(*task) == [("jobgate", "cancelled", "cancelled_externally"),
                                   ("scheduler", "succeeded", "completed")]
    go.unlink()
