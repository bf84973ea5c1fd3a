"""Jobs on a real Slurm, by the gateway: as their users, never twice, with exact outcomes."""

import concurrent.futures
import itertools
import shutil
import signal
import time

import pytest

from tests.harness import as_user, slurm, system
from tests.harness.site import gateway_on, outcome


@pytest.fixture(scope="module")
def site():
    # A controller that is stopped for a test is not to lose its nodes.
    with slurm.Slurm("jgjobs", append="SlurmdTimeout=300\n") as made:
        yield made


@pytest.fixture(scope="module")
def made(folder, binaries, contract, cluster, site):
    with gateway_on(site, folder, binaries, contract, cluster) as gateway:
        yield gateway


def ended(site, seconds=60, **spec):
    return site.api.wait(site.api.submit(**spec)["id"], seconds=seconds)


def test_a_job_runs_as_the_projects_user(made):
    for number, api in enumerate(made.members):
        job = api.wait(api.submit(command=["sh", "-c", "id -un; pwd"])["id"], seconds=60)
        assert outcome(job) == ("succeeded", "completed", 0, None)
        assert made.output(job, number) == f"{made.slurm.users[number]}\n{made.home(number)}\n"
        assert job["started_at"] and job["ended_at"]


def test_a_job_finds_its_environment_and_none_of_ours(made):
    job = ended(made, command=["env"], environment={"COLOUR": "rød ' \" $x"})
    found = dict(line.split("=", 1) for line in made.output(job).splitlines() if "=" in line)
    assert found["COLOUR"] == "rød ' \" $x"
    assert (found["HOME"], found["USER"]) == (str(made.home()), made.slurm.users[0])
    assert (found["JOBGATE_JOB_ID"], found["JOBGATE_TASK_INDEX"], found["JOBGATE_ATTEMPT"]) == (job["id"], "0", "1")
    assert "SLURM_JWT" not in found and "eyJ" not in made.output(job)
    assert found["SLURM_CONF"].startswith(str(made.slurm.folder))  # slurmd's own


@pytest.mark.parametrize("script, expected", [
    ("exit 0", ("succeeded", "completed", 0, None)),
    ("exit 3", ("failed", "exit_code", 3, None)),
    ("exit 143", ("failed", "exit_code", 143, None)),
    ("kill -SEGV $$", ("failed", "signal", None, 11)),
    ("kill -KILL $$", ("failed", "signal", None, 9)),
    ("no-such-command", ("failed", "exit_code", 127, None)),
])
def test_outcomes(made, script, expected):
    assert outcome(ended(made, script=f"#!/bin/bash\n{script}\n")) == expected


def test_too_much_memory(made):
    limited = "cgroup/v1" in (made.slurm.folder / "etc/cgroup.conf").read_text()
    job = ended(made, command=["python3", "-c", "x = bytearray(300 << 20)"], resources={"memory": "50Mi"})
    assert outcome(job)[:2] == (("failed", "out_of_memory") if limited else ("succeeded", "completed"))


def test_a_refusal_is_told_in_slurms_words(made):
    job = ended(made, command=["true"], queue="nowhere")
    assert outcome(job)[:2] == ("failed", "rejected")
    assert job["message"].startswith("Invalid partition name specified")
    big = ended(made, command=["true"], resources={"gpus": 400, "cpus": 1, "memory": "50Mi"})
    assert outcome(big)[:2] == ("failed", "rejected") and "not available" in big["message"]


def test_resources_and_options_arrive(made):
    job = made.api.submit(name="train-7", command=["sleep", "60"], queue="low", time_limit="90m",
                          resources={"cpus": 3, "memory": "100Mi", "gpus": 2, "gpu_type": "a100"})
    system.wait_until(lambda: made.numbers(job), 30, "the job at slurmctld")
    found = made.slurm.job(made.numbers(job)[0])
    assert (found["Partition"], found["TimeLimit"], found["JobName"]) == ("low", "01:30:00", "train-7")
    assert found["Comment"] == f"jobgate:{job['id']}.1" and found["Requeue"] == "0"
    assert "gpu:a100:2" in found["TresPerNode"] and found["CPUs/Task"] == "3"
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("cancelled", "cancelled_by_user")


def test_why_it_waits_and_cancelling_what_waits(made):
    job = made.api.submit(command=["true"], resources={"cpus": 8, "memory": "7000Mi"})
    blockers = [made.api.submit(command=["sleep", "300"], resources={"cpus": 8, "memory": "7000Mi"}) for _ in range(3)]
    waiting = blockers[-1]
    system.wait_until(lambda: made.api.get(f"/v1/jobs/{waiting['id']}").json()["reason"] in ("resources", "priority"),
                      60, "a reason")
    number = made.numbers(waiting)[0]
    for verb, wanted in (("hold", ("held",)), ("release", ("resources", "priority"))):
        assert made.api.post(f"/v1/jobs/{waiting['id']}/{verb}").status == 200
        system.wait_until(lambda: (made.slurm.job(number)["Reason"] == "JobHeldUser") == (verb == "hold"), 60, verb)
        system.wait_until(lambda: made.api.get(f"/v1/jobs/{waiting['id']}").json()["reason"] in wanted, 60, verb)
    for each in (job, *blockers):
        made.api.post(f"/v1/jobs/{each['id']}/cancel")
    for each in blockers:
        assert made.api.wait(each["id"], seconds=60)["state"] == "cancelled"


def test_what_is_held_is_not_handed_over(made):
    job = made.api.submit(command=["true"], resources={"cpus": 8, "memory": "7000Mi"}, hold=True)
    assert made.api.get(f"/v1/jobs/{job['id']}").json()["reason"] == "held"
    assert made.numbers(job) == []
    assert made.api.post(f"/v1/jobs/{job['id']}/release").status == 200
    assert made.api.wait(job["id"], seconds=60)["state"] == "succeeded"


def test_somebody_else_cancels_it(made):
    job = made.api.submit(command=["sleep", "300"])
    system.wait_until(lambda: made.api.get(f"/v1/jobs/{job['id']}").json()["state"] == "running", 60, "its start")
    assert made.slurm.run("scancel", made.numbers(job)[0]).returncode == 0
    assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("cancelled", "cancelled_externally")


def test_another_users_job_with_our_mark_is_not_ours(made):
    job = made.api.submit(command=["sleep", "300"])
    system.wait_until(lambda: made.api.get(f"/v1/jobs/{job['id']}").json()["state"] == "running", 60, "its start")
    forged = made.slurm.submit(made.slurm.users[1], f"--comment=jobgate:{job['id']}.1", "--output=/dev/null",
                               script="#!/bin/bash\nexit 5\n")
    system.wait_until(lambda: made.slurm.state(forged) == "FAILED", 60, "the end of the forged one")
    assert outcome(ended(made, command=["true"]))[0] == "succeeded"  # a later table was read
    assert made.api.get(f"/v1/jobs/{job['id']}").json()["state"] == "running"
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert made.api.wait(job["id"], seconds=60)["state"] == "cancelled"


def test_a_project_without_a_user_is_told_so(made):
    name = f"nobody-{time.monotonic_ns()}"
    made.gateway.cli("user", "create", name)
    made.gateway.cli("project", "create", name, "--default-backend", "slurm", "--member", f"{name}:submitter")
    api = made.gateway.client(made.gateway.token(name))
    job = api.wait(api.submit(command=["true"])["id"], seconds=30)
    assert outcome(job)[:2] == ("failed", "rejected") and "no Unix user on this cluster" in job["message"]
    made.gateway.cli("project", "identity", name, "slurm", "root")
    job = api.wait(api.submit(command=["true"])["id"], seconds=30)
    assert outcome(job)[:2] == ("failed", "rejected") and "root" in job["message"]


def test_a_restart_of_the_gateway_finds_them_again(made):
    running = made.api.submit(command=["sh", "-c", "until [ -e ~/go ]; do sleep 0.1; done; echo whole"])
    system.wait_until(lambda: made.api.get(f"/v1/jobs/{running['id']}").json()["state"] == "running", 60, "its start")
    made.gateway.kill()
    gate = made.home() / "go"
    gate.touch()
    made.gateway.start()
    job = made.api.wait(running["id"], seconds=60)
    gate.unlink()
    assert outcome(job) == ("succeeded", "completed", 0, None)
    assert made.output(job) == "whole\n" and len(made.numbers(job)) == 1


def test_another_user_for_the_project_leaves_what_runs_alone(made):
    name, users = f"moved-{time.monotonic_ns()}", made.slurm.users
    for number in (0, 1):
        (made.home(number) / "moved").unlink(missing_ok=True)
    made.gateway.cli("user", "create", name)
    made.gateway.cli("project", "create", name, "--default-backend", "slurm", "--member", f"{name}:submitter")
    made.gateway.cli("project", "identity", name, "slurm", users[0])
    token = made.gateway.token(name)
    api = made.gateway.client(token)
    wait = ["sh", "-c", "until [ -e ~/moved ]; do sleep 0.1; done"]
    jobs = [api.submit(command=wait), api.submit(command=wait, array={"indices": "5-6"})]
    for job in jobs:
        system.wait_until(lambda: api.get(f"/v1/jobs/{job['id']}").json()["state"] == "running", 60, "its start")
    made.gateway.cli("project", "identity", name, "slurm", users[1])
    made.gateway.kill()
    made.gateway.start()
    api = made.gateway.client(token)
    for member in made.members:
        member.get("/v1/me")  # a new connection, for those who come after
    later = api.wait(api.submit(command=["sh", "-c", "id -un >~/moved"])["id"], seconds=60)
    assert outcome(later)[:2] == ("succeeded", "completed")
    assert (made.home(1) / "moved").read_text() == f"{users[1]}\n"
    assert {api.get(f"/v1/jobs/{job['id']}").json()["state"] for job in jobs} == {"running"}
    (made.home() / "moved").touch()
    assert {outcome(api.wait(job["id"], seconds=60))[:2] for job in jobs} == {("succeeded", "completed")}
    for number in (0, 1):
        (made.home(number) / "moved").unlink()


def test_a_controller_that_is_away_delays_and_loses_nothing(made):
    def pauses():
        return made.gateway.log.read_text(errors="replace").count('"leader.hand_over_fails"')
    before = pauses()
    made.slurm.kill("slurmctld")
    jobs = [made.api.submit(command=["sh", "-c", f"echo {number}"]) for number in range(5)]
    array = made.api.submit(command=["true"], array={"indices": "0-3"})
    system.wait_until(lambda: not made.backend()["reachable"], 60, "the silence")
    for job in (*jobs, array):
        system.wait_until(lambda: made.api.job(job["id"])["reason"] == "backend_unavailable", 60, "why it waits")
        assert made.api.job(job["id"])["state"] == "queued"
        assert "Unable to contact slurm controller" in made.api.job(job["id"])["message"]
        told = [event["kind"] for event in made.api.get(f"/v1/jobs/{job['id']}/events").json()["items"]
                if event["reason"] == "backend_unavailable"]
        assert sorted(told) == ["state"] + (["tasks"] if job is array else [])
    assert pauses() == before + 1
    assert made.slurm.up().returncode == 0
    assert made.api.wait(array["id"], seconds=120)["state"] == "succeeded"
    for number, job in enumerate(jobs):
        assert outcome(made.api.wait(job["id"], seconds=120))[:2] == ("succeeded", "completed")
        assert made.output(job) == f"{number}\n" and len(made.numbers(job)) == 1


def test_a_service_that_is_away_delays_and_is_told(site, folder, binaries, contract, cluster):
    with gateway_on(site, folder, binaries, contract, cluster, as_user=str(folder / "nothing-there")) as made:
        job = made.api.submit(command=["true"])
        system.wait_until(lambda: made.api.job(job["id"])["reason"] == "backend_unavailable", 60, "why it waits")
        found = made.api.job(job["id"])
        assert found["state"] == "queued" and "jobgate-slurm-as-user" in found["message"]
        made.api.post(f"/v1/jobs/{job['id']}/cancel")
        assert made.api.wait(job["id"], seconds=60)["state"] == "cancelled"


@pytest.mark.timeout(300)
def test_a_full_controller_is_told(folder, binaries, contract, cluster):
    """sbatch would ask it again and again: it is ended first, and the script waits as any other job does."""
    with slurm.Slurm("jgfull", append="MaxJobCount=2\n") as full, as_user.AsUser.of(full) as service, \
            gateway_on(full, folder, binaries, contract, cluster, as_user=str(service.socket), munge_life="10s",
                       send_time="10s") as made:
        jobs = [made.api.submit(command=["sleep", "300"]) for _ in range(3)]
        def told(jobs=jobs):
            return [job["message"] for job in map(lambda job: made.api.job(job["id"]), jobs)
                    if (job["state"], job["reason"]) == ("queued", "limit")]
        system.wait_until(told, 60, "why one waits")
        assert "MaxJobCount" in told()[0]
        script = made.members[1].submit(script="#!/bin/sh\n#SBATCH -n 1\ntrue\n")
        words = "Slurm temporarily unable to accept job, sleeping and retrying"
        system.wait_until(lambda: made.members[1].job(script["id"])["reason"] == "limit", 120, "why the script waits")
        assert made.members[1].job(script["id"])["message"] == words
        made.members[1].post(f"/v1/jobs/{script['id']}/cancel")
        assert made.members[1].wait(script["id"], seconds=60)["state"] == "cancelled"
        for job in jobs:
            made.api.post(f"/v1/jobs/{job['id']}/cancel")
        for job in jobs:
            assert made.api.wait(job["id"], seconds=60)["state"] == "cancelled"


def test_a_controller_that_hangs_makes_outcomes_unknown_and_nothing_runs_twice(made):
    marker = made.home() / "runs"
    marker.unlink(missing_ok=True)
    # A worker that has not spoken with the controller yet asks first whether it is there.
    assert outcome(made.api.wait(made.api.submit(command=["true"])["id"], seconds=60))[:2] == ("succeeded", "completed")
    made.slurm.kill("slurmctld", signal.SIGSTOP)
    try:
        jobs = [made.api.submit(command=["sh", "-c", f"echo {number} >>~/runs"]) for number in range(3)]
        system.wait_until(lambda: "submit_unknown" in {made.api.get(f"/v1/jobs/{job['id']}").json()["reason"]
                                                       for job in jobs}, 60, "an unknown outcome")
    finally:
        made.slurm.kill("slurmctld", signal.SIGCONT)
    for job in jobs:
        assert outcome(made.api.wait(job["id"], seconds=180))[:2] == ("succeeded", "completed")
        assert len(made.numbers(job)) == 1
    assert sorted(marker.read_text().split()) == ["0", "1", "2"]
    marker.unlink()


def test_a_dry_run_asks_the_controller(made):
    def dry(**spec):
        return made.api.post("/v1/jobs?dry_run=true", {"command": ["true"], **spec})
    answer = dry(name="try", queue="low", time_limit="1h")
    assert answer.status == 200, answer.text
    assert "#SBATCH --partition=low\n#SBATCH --cpus-per-task=1\n" in answer.json()["rendered"]
    refused = dry(queue="nowhere")
    assert refused.status == 422 and "Invalid partition name specified" in refused.text
    assert "#SBATCH --array=0-8:2%2\n" in dry(array={"indices": "0-8:2", "max_parallel": 2}).json()["rendered"]
    assert dry(array={"indices": "0-3"}, queue="nowhere").status == 422
    assert made.slurm.run("squeue", "-h", "-a", "-t", "all", "-n", "try").stdout == ""


def test_a_user_has_few_dry_runs_out_at_a_time(made):
    def dry(client):
        return client.post("/v1/jobs?dry_run=true", {"command": ["true"], "backend": "slurm"})
    other = made.gateway.member("else", "elsewhere").client
    made.slurm.kill("slurmctld", signal.SIGSTOP)
    try:
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(dry, made.api) for _ in range(6)]
            refused = [future.result() for future in itertools.islice(concurrent.futures.as_completed(asked), 2)]
            assert [answer.status for answer in refused] == [429, 429]
            assert "wait for one of them" in refused[0].json()["detail"] and refused[0].headers["Retry-After"]
            assert "has no Unix user" in dry(other).text  # and not that it has too many
    finally:
        made.slurm.kill("slurmctld", signal.SIGCONT)
    system.wait_until(lambda: dry(made.api).status == 200, 60, "a dry run that is answered")


def test_the_script_that_was_handed_over(made):
    job = made.api.submit(script="#!/bin/bash\necho 'é $x'\nsleep 300\n", name="shown", queue="low", hold=False,
                          resources={"cpus": 2, "gpus": 1}, time_limit="1h", setup=["true"])
    system.wait_until(lambda: made.numbers(job), 60, "its number")
    [number] = made.numbers(job)
    theirs = made.slurm.run("scontrol", "write", "batch_script", number, "-").stdout
    assert theirs.startswith("#!/bin/sh\n#SBATCH --job-name=shown\n") and "#SBATCH --partition=low\n" in theirs
    assert made.api.get(f"/v1/jobs/{job['id']}/manifest?as=slurm").text == theirs
    made.api.post(f"/v1/jobs/{job['id']}/cancel")


def test_the_script_of_an_array(made):
    job = made.api.submit(command=["sleep", "300"], array={"indices": "2-9:3", "max_parallel": 2}, queue="low")
    system.wait_until(lambda: made.numbers(job), 60, "its number")
    theirs = made.slurm.run("scontrol", "write", "batch_script", made.numbers(job)[0], "-").stdout
    assert "#SBATCH --array=2,5,8%2\n" in theirs.replace("2-8:3", "2,5,8")
    assert made.api.get(f"/v1/jobs/{job['id']}/manifest").text == theirs
    made.api.post(f"/v1/jobs/{job['id']}/cancel")


def test_what_the_cluster_offers(made):
    system.wait_until(lambda: made.backend()["offer"], 60, "the offer")
    found = made.backend()
    assert found["type"] == "slurm" and found["reachable"]
    assert {"main", "low"} <= {queue["name"] for queue in found["offer"]["queues"]}
    assert [gpus["type"] for gpus in found["offer"]["gpu_types"]] == ["a100"]
    assert "qos" not in found["offer"]
    [access] = made.api.get("/v1/backends/slurm").json()["access"]
    assert (access["user"], access["grants"]) == (made.slurm.users[0], None)  # there is no accounting


def test_a_cancel_that_the_job_turns_into_success_is_a_cancel(made):
    """slurmctld's record of it is that of a prolog that failed."""
    job = made.api.submit(script="#!/bin/bash\ntrap 'exit 0' TERM\nsleep 300 & wait\n")
    system.wait_until(lambda: made.api.get(f"/v1/jobs/{job['id']}").json()["state"] == "running", 60, "its start")
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("cancelled", "cancelled_by_user")


def test_a_silent_node_is_waited_for(made):
    """NODE_FAIL does not mean that it stopped: not until slurmd is there again."""
    made.slurm.run("scontrol", "update", f"nodename={made.slurm.name}2", "state=drain", "reason=test")
    job = made.api.submit(command=["sleep", "300"], retry={"limit": 0})
    system.wait_until(lambda: made.api.get(f"/v1/jobs/{job['id']}").json()["state"] == "running", 60, "its start")
    made.slurm.kill(f"slurmd-{made.slurm.name}1")
    down = made.slurm.run("scontrol", "update", f"nodename={made.slurm.name}1", "state=down", "reason=test")
    assert down.returncode == 0
    system.wait_until(lambda: made.api.get(f"/v1/jobs/{job['id']}").json()["reason"] == "node_unavailable", 60,
                      "the silence")
    for _ in range(2):  # what is told of the nodes was asked for since
        before = made.backend()["observed_at"]
        system.wait_until(lambda: made.backend()["observed_at"] != before, 60, "word of the nodes")
    assert made.api.get(f"/v1/jobs/{job['id']}").json()["state"] == "running"
    for name in (f"{made.slurm.name}1", f"{made.slurm.name}2"):
        made.slurm.run("scontrol", "update", f"nodename={name}", "state=resume")
    assert made.slurm.up().returncode == 0
    assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("failed", "node_failure")


def test_a_controller_that_lost_its_state_gives_a_number_anew(folder, binaries, contract, cluster):
    with slurm.Slurm("jglost") as site, gateway_on(site, folder, binaries, contract, cluster) as made:
        once = made.home() / "once"
        once.unlink(missing_ok=True)
        first = made.api.submit(command=["sleep", "300"])
        system.wait_until(lambda: made.api.get(f"/v1/jobs/{first['id']}").json()["state"] == "running", 60, "its start")
        number = made.numbers(first)[0]
        node = site.job(number)["NodeList"]
        site.kill("slurmctld")
        for path in (site.folder / "slurmctld").iterdir():
            path.unlink() if path.is_file() else shutil.rmtree(path)
        assert site.up().returncode == 0
        # There slurmd still knows a job of this number, and lets no second one begin.
        assert site.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test").returncode == 0
        second = made.api.submit(command=["sh", "-c", "echo once >>~/once"])
        assert outcome(made.api.wait(second["id"], seconds=90))[:2] == ("succeeded", "completed")
        assert outcome(made.api.wait(first["id"], seconds=60))[:2] == ("failed", "lost")
        assert made.numbers(second) == [number]
        assert once.read_text() == "once\n"
        once.unlink()
