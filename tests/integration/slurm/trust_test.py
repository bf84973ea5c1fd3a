"""What slurmctld does not tell any more, on a real Slurm with accounting: it is asked for, and then told."""

import contextlib
import json
import random
import re
import signal
import struct
import time

import pytest

from tests.harness import agent, slurm, system
from tests.harness.site import gateway_on, outcome

CANCELLED, COMPLETED, FAILED = 4, 3, 5


@pytest.fixture(scope="module")
def site():
    with slurm.Slurm("jgtrust", accounting=True, append="MinJobAge=2\nSlurmdTimeout=300\n") as made:
        yield made


@pytest.fixture(scope="module")
def conf(site):
    return agent.conf(site, "AuthType=auth/jwt", "MessageTimeout=5")


@pytest.fixture
def worker(site, conf):
    """As the first user, by a token alone."""
    token = site.run("scontrol", "token", f"username={site.users[0]}", "lifespan=600").stdout.split("=", 1)[1].strip()
    with agent.Agent("work", conf, user="nobody", token=token) as made:
        assert made.receive()["accounting"] is True
        yield made


@pytest.fixture(scope="module")
def made(folder, binaries, contract, cluster, site):
    with gateway_on(site, folder, binaries, contract, cluster) as gateway:
        yield gateway


def uid(site, number=0):
    return int(site.run("id", "-u", site.users[number]).stdout)


def submit(site, *lines, options=()):
    return site.submit(site.users[0], "--output=/dev/null", *options, script="\n".join(("#!/bin/bash", *lines, "")))


def in_accounts(worker, number):
    """What accounting has of a job that has ended. Whose it was it may learn later than that."""
    def ended():
        records = worker.ask("account", job=number).get("jobs", ())
        return all(record.get("state", 0) >= COMPLETED and "uid" in record for record in records) and records
    return system.wait_until(ended, 60, "the end in the accounts", every=0.2)


def accounted(worker, number):
    """The one such record."""
    [record] = in_accounts(worker, number)
    return record


def test_a_job_is_looked_for_by_its_number(site, worker):
    comment = agent.comment()
    number = submit(site, "sleep 300", options=[f"--comment={comment}"])
    [record] = worker.ask("look", job=number)["jobs"]
    assert (record["job"], record["uid"], record["comment"]) == (number, uid(site), comment)
    assert site.run("scancel", number).returncode == 0
    system.wait_until(lambda: worker.ask("look", job=number).get("jobs") == [], 60, "slurmctld to forget it", every=0.2)
    assert worker.ask("look", job=number)["outcome"] == "done"


def test_some_tasks_of_an_array_are_asked_for(site, worker):
    number = submit(site, "[ $SLURM_ARRAY_TASK_ID -eq 5 ] && sleep 300", options=["--array=0-5"])

    def ended():
        answer = worker.ask("account", job=number, **{"from": 2})
        found = {record["task"] for record in answer.get("jobs", ()) if record["state"] >= COMPLETED}
        return found == {2, 3, 4}

    system.wait_until(ended, 60, "the ends in the accounts", every=0.2)
    looked = worker.ask("look", job=number, **{"from": 5})
    assert {record.get("task") for record in looked["jobs"]} == {5}
    assert worker.ask("look", job=number, **{"from": 6})["jobs"] == []
    assert site.run("scancel", number).returncode == 0


def test_accounts_have_exact_ends(site, worker):
    scripts = {"exit 0": (COMPLETED, 0), "exit 3": (FAILED, 3 << 8), "exit 143": (FAILED, 143 << 8),
               "kill -SEGV $$": (FAILED, 139), "kill -KILL $$": (FAILED, 9)}
    numbers = {submit(site, script): expected for script, expected in scripts.items()}
    for number, expected in numbers.items():
        record = accounted(worker, number)
        assert (record["state"], record.get("exit", 0)) == expected
        assert record["uid"] == uid(site) and record["node"].startswith(site.name) and "by" not in record


def test_accounts_have_who_cancelled(site, worker):
    numbers = [submit(site, "sleep 300") for _ in range(2)] + [submit(site, options=["--hold"]) for _ in range(2)]
    for number, user in zip(numbers, [None, site.users[0]] * 2, strict=True):
        assert site.run("scancel", number, user=user).returncode == 0
    found = [accounted(worker, number) for number in numbers]
    assert {record["state"] for record in found} == {CANCELLED}
    assert [record["by"] for record in found] == [0, uid(site)] * 2
    assert "node" not in found[2] and "node" not in found[3]


def test_accounts_are_searched_for_a_comment(site, worker):
    comment, since = agent.comment(), int(time.time()) - 60
    numbers = [submit(site, "exit 0", options=[f"--comment={comment}{more}"]) for more in ("", "0", " theirs")]
    for number in numbers:
        accounted(worker, number)

    def found(**changes):
        answer = worker.ask("account", **({"uid": uid(site), "since": since, "comment": comment} | changes))
        assert answer["outcome"] == "done"
        return {record["job"] for record in answer["jobs"]}

    assert found() == {numbers[0], numbers[2]}
    assert found(uid=uid(site, 1)) == found(comment=agent.comment()) == set()
    assert worker.ask("account", uid=uid(site), since=since)["outcome"] == "invalid"


def test_accounts_that_do_not_answer_are_not_known(site, worker):
    assert worker.ask("account", job=1_000_000) == {"id": 1, "outcome": "done", "jobs": []}
    site.kill("slurmdbd")
    answer = worker.ask("account", job=1)
    assert answer["outcome"] == "unknown" and answer["error"] and answer["text"]
    assert site.up().returncode == 0
    assert worker.ask("account", job=1)["outcome"] == "done"


@pytest.mark.parametrize("op", ["look", "account"])
def test_nonsense_is_refused(worker, op):
    for wrong in ({}, {"job": 0}, {"job": "1"}, {"job": 1, "from": -1}, {"job": 1, "tasks": "2"}):
        assert worker.ask(op, **wrong)["outcome"] == "invalid"


OPS = {"watch": ("offer", "know"), "work": ("submit", "cancel", "change", "look", "account")}
VALUES = (None, True, -1, 0, 1, 2 ** 31, 2 ** 63 - 1, 1.5, "", "x", "\u0000", "é" * 1000, [], [[1, 2]],
          [[1, 2, 3], 4], {})
MEMBERS = ("job", "jobs", "tasks", "from", "held", "uid", "gid", "name", "comment", "since", "script", "environment",
           "options", "send_before", "what")


def hostile(choice, role):
    """What a gateway would never send: bytes."""
    kind = choice.randrange(12)
    if kind == 0:
        return struct.pack(">I", choice.choice((2 ** 31, 2 ** 32 - 1))) + choice.randbytes(8)
    text = json.dumps({"id": choice.choice((1, 1, 1, "1", 2 ** 62)), "op": choice.choice((*OPS[role], *OPS[role], "x")),
                       **{choice.choice(MEMBERS): choice.choice(VALUES) for _ in range(choice.randrange(5))}}).encode()
    if kind == 1:
        text = choice.choice((text[:choice.randrange(len(text))], choice.randbytes(choice.randrange(64))))
    return struct.pack(">I", len(text)) + text


def test_the_ops_are_those_of_the_agent():
    text = "".join((system.ROOT / "backends/slurm/agent" / f"{role}.c").read_text() for role in OPS)
    known = {op for ops in OPS.values() for op in ops}
    assert known == set(re.findall(r'(?:\{|strcmp\(op, )"(\w+)"(?:, gw_agent_|\))', text))


@pytest.mark.parametrize("role", OPS)
def test_nonsense_ends_an_agent_or_is_refused(site, conf, role):
    choice = random.Random(role)
    for _ in range(30):
        with agent.Agent(role, conf, user="nobody") as victim:
            assert "hello" in victim.receive()
            with contextlib.suppress(EOFError, OSError):  # it may end at each of them
                for _ in range(20):
                    victim.send_bytes(hostile(choice, role))
                    victim.ask("offer" if role == "watch" else "cancel")
            said, status = victim.end()
            assert status in (0, 1), said


def test_what_another_agent_said_is_said_on(site, conf):
    """Though its owner has rewritten the comment since."""
    number = submit(site, "sleep 300", options=[f"--comment={agent.comment()}"])
    assert site.run("scontrol", "update", f"jobid={number}", "comment=mine", user=site.users[0]).returncode == 0
    with agent.Agent("watch", agent.conf(site, "MessageTimeout=5")) as watch:
        watch.find(lambda frame: "table" in frame, "a table")
        assert number not in watch.jobs
        watch.post("know", jobs=[[number, uid(site)], [number + 1000, uid(site)]])
        assert watch.record(lambda record: record["job"] == number)["comment"] == "mine"
        other = submit(site, "sleep 300")  # not of the user that is named
        watch.post("know", jobs=[[other, uid(site, 1)]])
        for _ in range(2):
            watch.find(lambda frame: "table" in frame, "a table")
        assert other not in watch.jobs
    assert site.run("scancel", "--user", site.users[0]).returncode == 0


# -- through the gateway -----------------------------------------------------------------------------


def running(made, *jobs):
    for job in jobs:
        system.wait_until(lambda job=job: made.api.get(f"/v1/jobs/{job['id']}").json()["state"] == "running", 90,
                          "its start")


def forgotten(site):
    system.wait_until(lambda: site.run("squeue", "-h", "-a", "-t", "all").stdout == "", 90, "slurmctld to forget them",
                      every=0.2)


def test_what_ended_and_was_forgotten_while_the_gateway_was_away(made, site):
    """slurmdbd too is away at first."""
    go = made.home() / f"go-{made.members[0].headers['Authorization'][-8:]}"
    gate = f"until [ -e {go} ]; do sleep 0.1; done"
    scripts = {"exit 0": ("succeeded", "completed", 0, None), "exit 3": ("failed", "exit_code", 3, None),
               "exit 143": ("failed", "exit_code", 143, None), "kill -SEGV $$": ("failed", "signal", None, 11)}
    jobs = [made.api.submit(script=f"#!/bin/bash\n{gate}\n{end}\n") for end in scripts]
    killed, array = made.api.submit(command=["sleep", "300"]), made.api.submit(
        script=f"#!/bin/bash\n{gate}\nexit $JOBGATE_TASK_INDEX\n", array={"indices": "0-2"})
    running(made, *jobs, killed, array)
    [number] = made.numbers(killed)
    made.gateway.kill()
    go.touch()
    assert site.run("scancel", number).returncode == 0
    forgotten(site)
    go.unlink()
    site.kill("slurmdbd")
    made.gateway.start()
    system.wait_until(lambda: made.backend()["reachable"], 60, "the cluster")
    assert {made.api.get(f"/v1/jobs/{job['id']}").json()["state"] for job in jobs} == {"running"}
    assert site.up().returncode == 0
    assert [outcome(made.api.wait(job["id"], seconds=120)) for job in jobs] == list(scripts.values())
    assert outcome(made.api.wait(killed["id"], seconds=60))[:2] == ("cancelled", "cancelled_by_admin")
    made.api.wait(array["id"], seconds=60)
    tasks = made.api.get(f"/v1/jobs/{array['id']}/tasks").json()["items"]
    assert [task["exit_code"] for task in tasks] == [0, 1, 2]


def test_who_cancelled_it_is_told(made, site):
    jobs = [made.api.submit(command=["sleep", "300"]) for _ in range(3)]
    running(made, *jobs)
    by_root, by_owner, by_us = jobs
    assert site.run("scancel", *made.numbers(by_root)).returncode == 0
    assert site.run("scancel", *made.numbers(by_owner), user=site.users[0]).returncode == 0
    made.api.post(f"/v1/jobs/{by_us['id']}/cancel")
    reasons = [made.api.wait(job["id"], seconds=60)["reason"] for job in jobs]
    assert reasons == ["cancelled_by_admin", "cancelled_externally", "cancelled_by_user"]


def test_a_rewritten_comment_loses_nothing(made, site):
    """An agent that is started anew sees it, and so does a gateway."""
    (made.home() / "go").unlink(missing_ok=True)
    job = made.api.submit(script="#!/bin/bash\nuntil [ -e ~/go ]; do sleep 0.1; done\nexit 4\n")
    running(made, job)
    [number] = made.numbers(job)
    assert site.run("scontrol", "update", f"jobid={number}", "comment=mine", user=site.users[0]).returncode == 0
    for _ in range(2):
        made.gateway.kill()
        made.gateway.start()
        system.wait_until(lambda: made.backend()["reachable"], 60, "a table")
        other = made.api.submit(command=["true"])  # it ends by a later table
        assert made.api.wait(other["id"], seconds=60)["state"] == "succeeded"
        assert made.api.get(f"/v1/jobs/{job['id']}").json()["state"] == "running"
    (made.home() / "go").touch()
    ended = made.api.wait(job["id"], seconds=60)
    (made.home() / "go").unlink()
    assert outcome(ended) == ("failed", "exit_code", 4, None)


def test_what_is_closed_and_there_again_is_ended(made, site):
    """The controller takes up an older state of its own."""
    (made.home() / "ran").unlink(missing_ok=True)
    job, number = made.held(command=["touch", "ran"])
    site.keep_state()
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert made.api.wait(job["id"], seconds=60)["state"] == "cancelled"
    site.take_up_the_kept_state()
    system.wait_until(lambda: site.state(number) in ("CANCELLED", None), 60, "the end of the job")
    assert not (made.home() / "ran").exists()
    assert made.api.get(f"/v1/jobs/{job['id']}").json()["state"] == "cancelled"


@pytest.mark.timeout(300)  # Slurm lets a requeued job wait for two minutes
def test_a_run_that_slurm_began_itself_and_forgot(made, site):
    """Accounting has a record of each run; the last one says how the job ended."""
    go, first = made.home() / "go", made.home() / "first"
    for path in (go, first):
        path.unlink(missing_ok=True)
    job = made.api.submit(script="#!/bin/bash\n[ $SLURM_RESTART_COUNT ] || { touch ~/first; sleep 300; }\n"
                                 "until [ -e ~/go ]; do sleep 0.1; done\nexit 5\n")
    running(made, job)
    [number] = made.numbers(job)
    system.wait_until(first.exists, 60, "its first run")
    assert site.run("scontrol", "update", f"jobid={number}", "requeue=1").returncode == 0
    assert site.run("scontrol", "requeue", number).returncode == 0
    system.wait_until(lambda: site.state(number) == "PENDING", 60, "the requeue", every=0.2)
    # Not in the second in which its nodes were told that it is over.
    assert site.run("scontrol", "update", f"jobid={number}", "starttime=now+2").returncode == 0
    system.wait_until(lambda: site.state(number) == "RUNNING", 120, "its second run", every=0.2)
    running(made, job)
    made.gateway.kill()
    go.touch()
    forgotten(site)
    made.gateway.start()
    assert outcome(made.api.wait(job["id"], seconds=120)) == ("failed", "exit_code", 5, None)
    go.unlink()


@pytest.mark.timeout(300)  # three servers are away and come back
def test_a_number_that_is_given_anew_loses_nothing(made, site, worker):
    """The controller takes up an older state while the gateway is away, and gives the numbers of what has ended since
    to jobs of another gateway and of ours."""
    go = made.home() / "go"
    go.unlink(missing_ok=True)
    gated = f"#!/bin/bash\nuntil [ -e {go} ]; do sleep 0.1; done\nexit $((JOBGATE_TASK_INDEX + 3))\n"
    site.keep_state()
    system.wait_until(lambda: made.backend()["reachable"], 60, "the controller")
    array, *plain = [made.api.submit(script=gated, **more) for more in ({"array": {"indices": "5-6"}}, {}, {})]
    later = made.api.submit(command=["true"], hold=True)
    running(made, array, *plain)
    system.wait_until(lambda: made.api.job(array["id"])["counts"]["running"] == 2, 90, "both of its tasks")
    first, second, third = sorted(min(made.numbers(job)) for job in (array, *plain))
    made.gateway.kill()
    go.touch()
    for number in (first, second, third):
        in_accounts(worker, number)
    forgotten(site)
    go.unlink()
    site.take_up_the_kept_state()

    def submit_anothers():
        return submit(site, "sleep 300", options=[f"--comment={agent.comment()}"])
    site.kill("slurmdbd", signal.SIGSTOP)
    try:
        assert submit_anothers() == first
        made.gateway.start()
        system.wait_until(lambda: made.backend()["reachable"], 60, "a table")
        made.api.post(f"/v1/jobs/{later['id']}/release")
        system.wait_until(lambda: made.numbers(later) == [second], 90, "the number given anew")
        assert submit_anothers() == third
        other = made.api.submit(command=["true"])  # it ends by a later table
        assert made.api.wait(other["id"], seconds=90)["state"] == "succeeded"
        assert {made.api.job(job["id"])["state"] for job in (array, *plain)} == {"running"}
    finally:
        site.kill("slurmdbd", signal.SIGCONT)
    assert [outcome(made.api.wait(job["id"], seconds=120)) for job in plain] == [("failed", "exit_code", 3, None)] * 2
    made.api.wait(array["id"], seconds=60)
    assert [task["exit_code"] for task in made.api.pages(f"/v1/jobs/{array['id']}/tasks")] == [8, 9]
    assert outcome(made.api.wait(later["id"], seconds=90)) == ("succeeded", "completed", 0, None)
    assert site.run("scancel", "--user", site.users[0]).returncode == 0
