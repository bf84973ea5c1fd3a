"""Scripts for sbatch, sent unchanged: what the request says, what the script says, and what slurmctld has."""


from tests.harness import system
from tests.harness.site import outcome

CLUSTER = {"name": "jgbody"}
HEAD = "#!/bin/bash\n"


def post(made, script, headers=None, **query):
    return made.api.request("POST", "/v1/jobs", raw=script.encode(), query=query,
                            headers={"Content-Type": "text/x-shellscript", **(headers or {})})


def submit(made, script, **query):
    answer = post(made, script, **query)
    assert answer.status == 201, answer.text
    return answer.json()


def at_slurmctld(made, job):
    system.wait_until(lambda: made.numbers(job), 60, "the job at slurmctld")
    return made.slurm.job(made.numbers(job)[0])


def test_it_goes_as_it_is(made):
    script = (HEAD + "#SBATCH --job-name=own -c 2 --mem=100M # enough\n#SBATCH --time=5\n"
              "id -un; echo $SLURM_CPUS_PER_TASK\n")
    answer = post(made, script, headers={"Idempotency-Key": "as it is"}, wait=60)
    assert answer.status == 201, answer.text
    job = answer.json()
    assert outcome(job) == ("succeeded", "completed", 0, None) and job["name"] == "own"
    assert made.api.log(job["id"]) == f"{made.slurm.users[0]}\n2\n"
    spec = job["spec"]
    assert spec["script"] == script and not {"name", "resources", "priority", "time_limit", "array"} & set(spec)
    assert job["warnings"] == []
    found = at_slurmctld(made, job)
    assert (found["JobName"], found["TimeLimit"], found["CPUs/Task"], found["Requeue"]) == ("own", "00:05:00", "2", "0")
    again = post(made, script, headers={"Idempotency-Key": "as it is"})
    assert again.json()["id"] == job["id"] and again.headers["Idempotent-Replayed"] == "true"
    retry = made.api.post(f"/v1/jobs/{job['id']}/retry")
    assert retry.status == 201 and made.api.wait(retry.json()["id"], seconds=60)["state"] == "succeeded"


def test_the_request_wins_over_lines_and_leaves_the_others(made):
    script = HEAD + "#SBATCH --hold -J own -p main -t 10 -c 1 --mem=100M --nice=5 --comment=theirs -D /usr\ntrue\n"
    asked = submit(made, script, name="asked", queue="low", time_limit="2h", cpus="3")
    plain = submit(made, script)
    body = made.api.submit(script=script, name="spec", resources={"memory": "200Mi"}, working_directory="/tmp")
    assert asked["spec"]["resources"] == {"cpus": "3"} and body["spec"]["resources"] == {"memory": "200Mi"}
    names = ("JobName", "Partition", "TimeLimit", "CPUs/Task", "MinMemoryNode", "Nice", "WorkDir")
    wanted = {plain["id"]: ("own", "main", "00:10:00", "1", "100M", "5", "/usr"),
              asked["id"]: ("asked", "low", "02:00:00", "3", "100M", "5", "/usr"),
              body["id"]: ("spec", "main", "00:10:00", "1", "200M", "5", "/tmp")}
    for job in (plain, asked, body):
        found = at_slurmctld(made, job)
        assert tuple(found[name] for name in names) == wanted[job["id"]]
        assert found["Reason"] == "JobHeldUser"
        shown = made.slurm.run("squeue", "-h", "-j", found["JobId"], "-o", "%k").stdout.strip()
        assert shown == f"jobgate:{job['id']}.1 theirs"
        made.api.cancel(job["id"])


def test_its_array_is_the_jobs(made):
    script = HEAD + "#SBATCH -J sweep --arr 0-8:4%2,9\necho $SLURM_ARRAY_TASK_ID; [ $SLURM_ARRAY_TASK_ID != 9 ]\n"
    job = submit(made, script)
    other = submit(made, script, array="3", max_parallel=1)
    assert job["spec"]["array"] == {"indices": "0-8:4,9", "max_parallel": 2} and job["task_count"] == 4
    assert other["spec"]["array"] == {"indices": "3", "max_parallel": 1}
    job = made.api.wait(job["id"], seconds=60)
    assert (job["state"], job["counts"]["succeeded"], job["counts"]["failed"]) == ("failed", 3, 1)
    for index in (0, 4, 8, 9):
        assert made.api.log(job["id"], task=index) == f"{index}\n"
    assert made.api.wait(other["id"], seconds=60)["state"] == "succeeded"
    assert made.api.log(other["id"], task=3) == "3\n"


def test_a_dry_run_shows_the_command_line(made):
    script = HEAD + "#SBATCH -J dry -p low\ntrue\n"
    found = post(made, script, dry_run="true", time_limit="1h", array="1-3")
    assert found.status == 200, found.text
    command, _, rest = found.json()["rendered"].partition(" <<'JOBGATE_END_0'\n")
    assert command.startswith("sbatch ") and rest == script + "JOBGATE_END_0\n"
    assert "--array=1-3" in command and "--time=0-01:00:00" in command and "--partition" not in command
    assert "cpus-per-task" not in command and "--mem" not in command and "--job-name" not in command
    refused = post(made, HEAD + "#SBATCH --bogus=1\n", dry_run="true")
    assert refused.status == 422 and "unrecognized option '--bogus=1'" in refused.text
    assert made.slurm.run("squeue", "-h", "-a", "-t", "all", "-n", "dry").stdout == ""


def test_what_cannot_be(made):
    job = made.api.wait(submit(made, HEAD + "#SBATCH --mem=5Gi\ntrue\n")["id"], seconds=60)
    assert outcome(job)[:2] == ("failed", "rejected") and "Invalid --mem specification" in job["message"]
    job = made.api.wait(submit(made, HEAD.replace("\n", "\r\n") + "#SBATCH -J x\r\ntrue\r\n")["id"], seconds=60)
    assert outcome(job)[:2] == ("failed", "rejected") and "DOS line breaks" in job["message"]
    wrong = post(made, HEAD + "#SBATCH -a 3-1\ntrue\n")
    assert wrong.status == 422 and "--array=3-1: invalid job array specification" in wrong.pointers()["/script"]
    script = HEAD + "#SBATCH -N1\ntrue\n"
    for pointer, spec in (("/setup", {"setup": ["module load x"]}),
                          ("/array/matrix", {"array": {"matrix": {"lr": [1, 2]}}})):
        assert pointer in made.api.post("/v1/jobs", {"script": script, **spec}).pointers()


def test_the_files_it_names_are_kept(made):
    job = made.api.wait(submit(made, HEAD + "#SBATCH -o own-%j.txt\necho named\n")["id"], seconds=60)
    assert made.api.log(job["id"]) == "named\n"
    file = made.home() / f"own-{made.numbers(job)[0]}.txt"
    database = made.gateway.database
    system.wait_until(lambda: made.gateway.cluster.query(
        f"SELECT 1 FROM kept_logs WHERE job_id = '{job['id']}'", database=database), 60, "the output to be kept")
    file.unlink()
    assert made.api.log(job["id"]) == "named\n"
