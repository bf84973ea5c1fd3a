"""What a job finds and what becomes of it on the backend `local`."""

import json
import os
import time

import pytest

from tests.harness import system


def ended(api, seconds=30, **spec):
    return api.wait(api.submit(**spec)["id"], seconds=seconds)


def outcome(job):
    return job["state"], job["reason"], job["exit_code"], job["signal"]


def test_a_job_never_runs_as_root(api):
    job = ended(api, command=["id", "-u"])
    assert api.log(job["id"]).strip() != "0"


def test_the_environment(api, gateway):
    job = ended(api, command=["env"], environment={"COLOUR": "rød ' \" $x", "PATH": "/usr/bin:/bin"})
    found = dict(line.split("=", 1) for line in api.log(job["id"]).splitlines() if "=" in line)
    assert found["COLOUR"] == "rød ' \" $x" and found["PATH"] == "/usr/bin:/bin"
    assert found["JOBGATE_JOB_ID"] == job["id"]
    assert (found["JOBGATE_TASK_INDEX"], found["JOBGATE_ATTEMPT"]) == ("0", "1")
    assert found["JOBGATE_URL"] == gateway.url
    assert not any("dbname" in value for value in found.values())


def test_the_working_directory(api, tmp_path_shared):
    assert api.log(ended(api, command=["pwd"], working_directory=str(tmp_path_shared))["id"]).strip() == \
        str(tmp_path_shared)
    one, two = (api.log(ended(api, command=["pwd"])["id"]).strip() for _ in range(2))
    assert one.startswith("/") and one != two


def test_a_working_directory_that_is_not_there(api):
    job = ended(api, command=["pwd"], working_directory="/nowhere/at/all", retry={"limit": 0})
    assert job["state"] == "failed" and "/nowhere/at/all" in job["message"]


def test_setup_lines_run_in_the_same_shell(api):
    job = ended(api, setup=["export GREETING=hello", "cd /"], command=["/bin/sh", "-c", "echo $GREETING; pwd"])
    assert api.log(job["id"]) == "hello\n/\n"


def test_a_setup_line_that_fails_ends_the_job(api):
    job = ended(api, setup=["false", "echo no"], command=["echo", "no"])
    assert job["state"] == "failed" and "no" not in api.log(job["id"])


def test_arguments_arrive_as_they_are(api):
    words = ["a b", "", "$HOME", "'", '"', "\\", "*", "ünïcödé", "-n", "line\nbreak", "`id`"]
    program = "import json, sys; print(json.dumps(sys.argv[1:]))"
    assert json.loads(api.log(ended(api, command=["python3", "-c", program, *words])["id"])) == words


def test_a_script_gets_its_bytes(api):
    job = ended(api, script="#!/bin/cat\nthe \\ text ' as $it \" is\n")
    assert api.log(job["id"]) == "#!/bin/cat\nthe \\ text ' as $it \" is\n"


OUTCOMES = [
    ("exit 0", ("succeeded", "completed", 0, None)),
    ("exit 1", ("failed", "exit_code", 1, None)),
    ("exit 255", ("failed", "exit_code", 255, None)),
    ("kill -9 $$", ("failed", "signal", None, 9)),
    ("kill -TERM $$", ("failed", "signal", None, 15)),
    ("kill -SEGV $$", ("failed", "signal", None, 11)),
]


@pytest.mark.parametrize("text,expected", OUTCOMES, ids=[text for text, _ in OUTCOMES])
def test_outcomes(api, text, expected):
    assert outcome(ended(api, command=["/bin/sh", "-c", text])) == expected


def test_a_program_that_does_not_exist(api):
    job = ended(api, command=["/no/such/program"], retry={"limit": 0})
    assert job["state"] == "failed" and job["reason"] in ("launch_failed", "exit_code")
    assert "/no/such/program" in (job["message"] or "") + api.get(f"/v1/jobs/{job['id']}/logs", stream="stderr").text


def test_the_time_limit(api):
    job = ended(api, command=["sleep", "60"], time_limit=1)
    assert (job["state"], job["reason"]) == ("failed", "time_limit")


def test_a_job_may_tidy_up_at_its_time_limit_but_not_turn_it_into_success(api):
    job = ended(api, command=["/bin/sh", "-c", "trap 'echo bye; exit 0' TERM; sleep 60 & wait"], time_limit=1)
    assert (job["state"], job["reason"]) == ("failed", "time_limit") and api.log(job["id"]) == "bye\n"


def test_the_time_limit_ends_everything_the_job_started(api, tmp_path_shared):
    pids = tmp_path_shared / "pids"
    program = (f"import os, time\nfor _ in range(3):\n  if os.fork() == 0:\n    os.setsid()\n    break\n"
               f"open('{pids}', 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(120)")
    job = ended(api, command=["python3", "-c", program], time_limit=2, seconds=60)
    assert job["reason"] == "time_limit"
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) >= 3 and not any(map(system.alive, started))


def test_what_is_left_behind_is_ended_with_the_job(api, tmp_path_shared):
    pid = tmp_path_shared / "pid"
    job = ended(api, command=["/bin/sh", "-c", f"setsid sleep 300 & echo $! > {pid}"])
    assert job["state"] == "succeeded" and not system.alive(int(pid.read_text()))


def test_the_memory_limit(api):
    job = ended(api, command=["python3", "-c", "x = b'x' * (400 << 20); import time; time.sleep(60)"],
                resources={"memory": "100Mi"}, seconds=60)
    assert (job["state"], job["reason"]) == ("failed", "out_of_memory")


def test_more_than_the_machine_has_is_said(api):
    answer = api.post("/v1/jobs", {"command": ["true"], "resources": {"cpus": 5000}}, wait=20)
    if answer.status == 201:
        found = (answer.json()["state"], answer.json()["reason"])
        assert found in (("failed", "rejected"), ("pending", "unschedulable"))
    else:
        assert answer.status == 422


def test_admission_in_the_order_of_arrival(api, tmp_path_shared):
    order, gate = tmp_path_shared / "order", tmp_path_shared / "gate"
    whole = api.sh(f"while [ ! -e {gate} ]; do sleep 0.05; done", resources={"cpus": 16},
                   query={"wait": 20, "until": "started"})
    jobs = [api.sh(f"echo {n} >> {order}", resources={"cpus": 16})["id"] for n in range(4)]
    assert whole["state"] == "running" and not order.exists()
    assert api.job(jobs[3])["state"] in ("queued", "pending")
    system.own_file(gate)
    assert {api.wait(job)["state"] for job in jobs} == {"succeeded"}
    assert order.read_text().split() == ["0", "1", "2", "3"]


def test_gpus_are_counted(api, tmp_path_shared):
    gate = tmp_path_shared / "gate"
    first = api.sh(f"echo $CUDA_VISIBLE_DEVICES; while [ ! -e {gate} ]; do sleep 0.05; done",
                   resources={"gpus": 2, "cpus": 1, "memory": "64Mi"}, query={"wait": 20, "until": "started"})
    second = api.sh("echo $CUDA_VISIBLE_DEVICES", resources={"gpus": 1, "cpus": 1, "memory": "64Mi"})
    assert first["state"] == "running" and api.job(second["id"], wait=1)["state"] in ("queued", "pending")
    system.own_file(gate)
    assert api.wait(second["id"])["state"] == "succeeded"
    assert sorted(api.log(first["id"]).strip().split(",")) == ["0", "1"]
    assert api.log(second["id"]).strip() in ("0", "1")


# -- timers -------------------------------------------------------------------------------

def in_seconds(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def test_not_before(api):
    job = api.submit(["true"], not_before=in_seconds(3))
    assert (job["state"], job["reason"]) == ("queued", "not_before")
    done = api.wait(job["id"])
    assert done["state"] == "succeeded" and done["started_at"] >= job["spec"]["not_before"][:19]


def test_a_not_before_in_the_past(api):
    assert ended(api, command=["true"], not_before="2020-01-01T00:00:00+02:00")["state"] == "succeeded"


def test_the_start_deadline(api):
    job = ended(api, command=["true"], hold=True, start_deadline=1)
    assert (job["state"], job["reason"], job["started_at"]) == ("failed", "start_deadline", None)


def test_the_start_deadline_of_a_job_that_started(api):
    job = ended(api, command=["sleep", "2"], start_deadline=1)
    assert job["state"] == "succeeded"


def test_the_deadline(api):
    job = ended(api, command=["sleep", "60"], deadline=2)
    assert (job["state"], job["reason"]) == ("failed", "deadline")
    job = ended(api, command=["sleep", "60"], deadline=1, hold=True)
    assert (job["state"], job["reason"], job["started_at"]) == ("failed", "deadline", None)


# -- retries ------------------------------------------------------------------------------

def attempts(api, job):
    return api.get(f"/v1/jobs/{job['id']}/tasks/0/attempts").json()["items"]


def test_a_failed_job_is_not_repeated_by_default(api):
    job = ended(api, command=["/bin/sh", "-c", "exit 1"])
    assert len(attempts(api, job)) == 1


def test_an_exit_code_named_in_on_is_repeated_until_the_budget_is_used_up(api):
    job = ended(api, command=["/bin/sh", "-c", "exit 75"], retry={"limit": 2, "delay": 1, "on": [75]}, seconds=60)
    assert outcome(job) == ("failed", "exit_code", 75, None)
    runs = attempts(api, job)
    assert [run["attempt"] for run in runs] == [1, 2, 3]
    assert all((run["state"], run["reason"], run["exit_code"]) == ("failed", "exit_code", 75) for run in runs)
    assert all(earlier["ended_at"] < later["started_at"] for earlier, later in zip(runs, runs[1:], strict=False))
    assert api.get(f"/v1/jobs/{job['id']}/tasks/0").json()["attempts"] == 3


def test_while_it_waits_for_a_retry_it_says_so(api):
    job = api.submit(["/bin/sh", "-c", "exit 75"], retry={"limit": 1, "delay": 30, "on": ["exit_code"]})
    waiting = system.wait_until(lambda: (now := api.job(job["id"]))["reason"] == "retry_delay" and now,
                                what="retry_delay")
    assert waiting["state"] == "queued" and not waiting["terminal"]
    api.cancel(job["id"])
    assert api.wait(job["id"])["reason"] == "cancelled_by_user"


def test_a_supervisor_that_dies_is_told_apart_and_the_job_repeated(gateway, api, tmp_path_shared):
    runs, gate = tmp_path_shared / "runs", tmp_path_shared / "gate"
    before = set(gateway.shims())
    job = api.sh(f"echo $$ >> {runs}; while [ ! -e {gate} ]; do sleep 0.05; done; echo ok",
                 retry={"delay": 1}, query={"wait": 20, "until": "started"})
    first = system.wait_until(lambda: runs.exists() and runs.read_text().split(), what="the first run")
    (shim,) = set(gateway.shims()) - before
    system.kill(shim)
    system.wait_until(lambda: len(runs.read_text().split()) == 2, 30, "the second run")
    assert not system.alive(int(first[0])), "the first run still goes on beside the second"
    system.own_file(gate)
    assert api.wait(job["id"])["state"] == "succeeded"
    reasons = [(run["state"], run["reason"]) for run in attempts(api, job)]
    assert reasons == [("failed", "node_failure"), ("succeeded", "completed")]


def test_a_hundred_jobs_at_once(api):
    jobs = [api.submit(["/bin/sh", "-c", f"exit {number % 3}"], resources={"cpus": 0.1, "memory": "16Mi"})["id"]
            for number in range(100)]
    for number, job in enumerate(jobs):
        assert api.wait(job, seconds=60)["exit_code"] == number % 3


def test_no_zombies_are_left(gateway, api):
    ended(api, command=["true"])

    def zombies():
        return [pid for pid in system.children(gateway.process.pid)
                if not system.alive(pid) and os.path.exists(f"/proc/{pid}")]
    system.wait_until(lambda: not zombies(), 10, "the end of the zombies")
