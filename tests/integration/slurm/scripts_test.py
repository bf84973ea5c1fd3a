"""Scripts with lines for sbatch: handed to the real one as their user, and as if by hand."""

import os
import re
import signal

import pytest

from tests.harness import as_user, slurm, system
from tests.harness.site import gateway_on, outcome

HEAD = "#!/bin/bash\n"
# What the gateway owns of a script, and what differs between any two jobs.
OWN = {"JobId", "Comment", "Requeue", "StdOut", "StdErr"}
ANY = {"SubmitTime", "EligibleTime", "AccrueTime", "LastSchedEval", "Scheduler", "SecsPreSuspend", "AllocNode:Sid"}

# What people write, odd or not: each is submitted both ways, held, and what slurmctld has of it is compared.
SCRIPTS = [
    "#SBATCH --time=1:00\n", "#SBATCH--time=1:00\n", "#SBATCH --time=90   # ninety minutes\n", "#SBATCH -t 2-00\n",
    "#SBATCH --time=0:45\n#SBATCH --time=UNLIMITED\n", "#SBATCH\t-J tabbed\n", "#SBATCH --mem 700\n",
    "#SBATCH --mem=1gb\n",
    "#SBATCH --mem-per-cpu=50 -c 2\n", "#SBATCH -N1 -n2\n", "#SBATCH -N2 --ntasks-per-node=3 -Jshort\n",
    "#SBATCH --job-n prefix --part low\n", "#SBATCH -J 'my job' --comment=\"hello big world\"\n",
    "\n# a comment\n\n#SBATCH --nice=100 --exclusive\n", "#SBATCH --gpus=2\n", "#SBATCH --gpus-per-node=a100:2\n",
    "#SBATCH --gres=gpu:1 --constraint='a100&fast'\n", "#SBATCH --gpus-per-task=1 -n 2\n",
    "#SBATCH -J one\n#SBATCH -J two\n",
    "#SBATCH --begin=2033-01-01T08:00 --signal=B:USR1@60\n", "#SBATCH --dependency=singleton --open-mode=append\n",
    "#SBATCH --chdir=/tmp --mail-type=END --mail-user=x\n", "#SBATCH --tmp=1G --mincpus=2 --switches=1@5:00\n",
    "#SBATCH\n#SBATCH -J bare\n", "##SBATCH -J no\n #SBATCH -J no\n#sbatch -J no\n#SBATCH -J yes\n",
    "#SBATCH -J head\ntrue\n#SBATCH -J late\n", "#PBS -N pbs -l walltime=00:30:00\n", "#BSUB -J bsub\n",
    "#SBATCH --requeue --priority=5\n", "#SBATCH -J $USER --deadline=2033-01-01T08:00\n", "#SBATCH --export=NONE\n",
    "#SBATCH -o out-%j -e err-%j --input=/dev/zero\n", "#SBATCH --distribution=cyclic -B 1 --contiguous\n",
    "#SBATCH --threads-per-core=1 --hint=nomultithread --profile=none\n",
    "#SBATCH --kill-on-invalid-dep=yes \\\n#SBATCH -J on\n",
]

REFUSED = [
    (HEAD + "#SBATCH --bogus=1\n", "unrecognized option '--bogus=1'"),
    (HEAD + "#SBATCH --mem-per=100\n", "ambiguous"),
    (HEAD + "#SBATCH --mem=5Gi\n", "Invalid --mem specification"),
    (HEAD + "#SBATCH --time=2h\n", "--time"),
    (HEAD + "#SBATCH foo\n", "Invalid directive found in batch script: foo"),
    (HEAD + "#SBATCH --uid=0\n", "uid"),
    (HEAD + "#SBATCH -J x\r\ntrue\r\n", "DOS line breaks"),
    ("#SBATCH -J x\ntrue\n", "does not look like a batch script"),
    (HEAD + "#SBATCH -p nowhere\n", "Batch job submission failed: Invalid partition name specified"),
    (HEAD + "#SBATCH --mem=900G\n", "Requested node configuration is not available"),
    (HEAD + "#SBATCH --test-only\n", "to start at"),
]


@pytest.fixture(scope="module")
def site():
    with slurm.Slurm("jgscripts", append="SlurmdTimeout=300\n") as made:
        yield made


@pytest.fixture(scope="module")
def service(site):
    """sbatch has settings of its own: it waits for slurmctld no longer than the tests do."""
    conf = site.folder / "etc/sbatch.conf"
    conf.write_text(f"include {site.conf}\nAuthInfo=socket={site.folder}/munge/socket,ttl=15\nMessageTimeout=3\n")
    with as_user.AsUser.of(site, conf) as made:
        yield made


@pytest.fixture(scope="module")
def made(folder, binaries, contract, cluster, site, service):
    with gateway_on(site, folder, binaries, contract, cluster, as_user=str(service.socket),
                    munge_life="15s") as gateway:
        yield gateway


def log(made, job, **query):
    return made.api.log(job["id"], **query)


def test_it_runs_as_if_by_hand(made):
    script = HEAD + ("#SBATCH -J mine -o /dev/stdout\nid; umask; pwd; ulimit -a; ps -o sid= $$ >/dev/null\n"
                     "env | sort | grep -v -e '^SLURM_JOB_ID' -e '^JOBGATE' -e TIME= -e '^_=' -e ^SLURM_TASK_PID\n")
    script = script.replace(" -o /dev/stdout", "")
    job = made.api.wait(made.api.submit(script=script, environment={"COLOUR": "r\u00f8d"})["id"], seconds=60)
    assert outcome(job) == ("succeeded", "completed", 0, None), job["message"]
    user = made.slurm.users[0]
    number = made.slurm.submit(user, "--output=by-hand.out", "--comment=x", script=script)
    system.wait_until(lambda: made.slurm.state(number) == "COMPLETED", 60, "the job by hand")
    ours, theirs = log(made, job).splitlines(), (made.home() / "by-hand.out").read_text().splitlines()

    def variables(lines):
        return dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))

    mine, other = variables(ours), variables(theirs)
    assert [line for line in ours if "=" not in line[:20]] == [line for line in theirs if "=" not in line[:20]]
    # By hand there is what the shell had; here what every job of the gateway has.
    assert set(mine) - set(other) <= {"COLOUR", "USER", "LOGNAME", "SHELL"} and mine["COLOUR"] == "r\u00f8d"
    assert {name for name in mine if name in other and mine[name] != other[name]} <= {
        "PATH", "SLURM_CONF", "SLURM_JOBID", "SLURMD_NODENAME", "SLURM_NODELIST", "SLURM_JOB_NODELIST",
        "SLURM_TOPOLOGY_ADDR", "TMPDIR", "SLURM_CPUS_ON_NODE", "SLURM_SUBMIT_HOST", "SLURM_JOB_START_TIME",
        "SLURM_LOCALID", "SLURM_GTIDS", "SHLVL", "SLURM_JOB_GPUS"}


def test_what_slurmctld_makes_of_it(made):
    """Both ways, held; field by field."""
    user = made.slurm.users[0]
    scripts = [HEAD + "#SBATCH --hold\n" + text + "true\n" for text in SCRIPTS]
    jobs = [made.api.submit(script=text) for text in scripts]
    by_hand = [made.slurm.submit(user, script=text) for text in scripts]
    try:
        for job in jobs:
            system.wait_until(lambda job=job: made.api.job(job["id"])["state"] != "queued", 60, "the hand-over")
        of_gateway = made.numbers_of(jobs)
        differing = {}
        for text, job, number in zip(SCRIPTS, jobs, by_hand, strict=True):
            ours, theirs = made.slurm.job(of_gateway[job["id"]]), made.slurm.job(number)
            differing[text] = {name: (ours.get(name), theirs.get(name)) for name in ours.keys() | theirs.keys()
                               if name not in OWN | ANY and ours.get(name) != theirs.get(name)}
            assert ours["Requeue"] == "0" and ours["Comment"].startswith(f"jobgate:{job['id']}.1")
        assert not any(differing.values()), {text: found for text, found in differing.items() if found}
    finally:
        made.slurm.run("scancel", f"--user={user}")


def test_refusals_are_in_sbatchs_words(made):
    jobs = [made.api.submit(script=script) for script, _ in REFUSED]
    for job, (script, words) in zip(jobs, REFUSED, strict=True):
        ended = made.api.wait(job["id"], seconds=60)
        assert outcome(ended)[:2] == ("failed", "rejected"), (script, ended)
        assert words in ended["message"], (script, ended["message"])


def test_fields_win_over_lines(made):
    script = HEAD + "#SBATCH -J own -p main -t 5 --comment='of \"mine\"'\nsleep 600\n"
    job = made.api.submit(script=script, name="given", queue="low", time_limit="90m", working_directory="/tmp",
                          options={"slurm": {"nice": "7"}}, resources={"memory": "60Mi"}, hold=True)
    made.api.post(f"/v1/jobs/{job['id']}/release")
    system.wait_until(lambda: made.numbers(job), 60, "the job at slurmctld")
    found = made.slurm.job(made.numbers(job)[0])
    assert (found["JobName"], found["Partition"], found["TimeLimit"], found["Nice"], found["WorkDir"]) == (
        "given", "low", "01:30:00", "7", "/tmp")
    assert found["MinMemoryNode"] == "60M"
    text = made.slurm.run("scontrol", "show", "job", made.numbers(job)[0]).stdout
    assert f'Comment=jobgate:{job["id"]}.1 of "mine"' in text
    made.api.cancel(job["id"])
    assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("cancelled", "cancelled_by_user")


def test_a_controller_that_hangs_is_given_a_script_once(made):
    mark = made.home() / f"once-{os.getpid()}"
    script = HEAD + f"#SBATCH -J once\necho x >>{mark}\n"
    made.slurm.kill("slurmctld", signal.SIGSTOP)
    try:
        job = made.api.submit(script=script)
        system.wait_until(lambda: made.api.job(job["id"])["reason"] == "submit_unknown", 60, "what is not known")
    finally:
        made.slurm.kill("slurmctld", signal.SIGCONT)
    assert outcome(made.api.wait(job["id"], seconds=120)) == ("succeeded", "completed", 0, None)
    assert mark.read_text() == "x\n"
    assert len(made.numbers(job)) == 1
    mark.unlink()


def test_a_gateway_that_dies_hands_a_script_over_once(made):
    mark = made.home() / f"crash-{os.getpid()}"
    made.gateway.stop()
    made.api.close()
    made.gateway.start({"JOBGATE_CRASH": "slurm.submitted"})
    try:
        job = made.api.submit(script=HEAD + f"#SBATCH -J once\necho x >>{mark}\n")
        system.wait_until(lambda: not made.gateway.running(), 60, "the crash")
    finally:
        made.api.close()
        made.gateway.start()
    assert outcome(made.api.wait(job["id"], seconds=120)) == ("succeeded", "completed", 0, None)
    assert mark.read_text() == "x\n" and len(made.numbers(job)) == 1
    mark.unlink()


def test_large_and_odd_texts(made):
    big = HEAD + "#SBATCH -J big\nwc -c <$0\n" + "# r\u00f8d \u4e2d\n" * 30000
    job = made.api.wait(made.api.submit(script=big)["id"], seconds=60)
    assert outcome(job)[:2] == ("succeeded", "completed") and log(made, job) == f"{len(big.encode())}\n"
    answer = made.api.request("POST", "/v1/jobs", {"script": HEAD + "#SBATCH -J x\0\n"})
    assert answer.status == 400


def test_its_own_files_are_read(made):
    user, folder = made.slurm.users[0], made.home() / f"own-{os.getpid()}"
    made.slurm.run("mkdir", folder, user=user)
    chdir = f"#SBATCH --chdir={folder}\n"
    said = HEAD + chdir + "#SBATCH -J own\n%s\necho out; echo err >&2\n"
    lines = ["", "#SBATCH -o %j-%A-%x-%u-%t-%5j.%%", f"#SBATCH --output={folder}/abs -e sub-%J", "#SBATCH -e only-%s"]
    jobs = [made.api.submit(script=said % line if "%" not in line else said.replace("%s", line)) for line in lines]
    for job in jobs:
        assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("succeeded", "completed")
    assert [log(made, job) for job in jobs] == ["out\nerr\n", "out\nerr\n", "out\n", "out\n"]
    assert [log(made, job, stream="stderr") for job in jobs[2:]] == ["err\n", "err\n"]
    for job in jobs[:2]:
        answer = made.api.get(f"/v1/jobs/{job['id']}/logs", stream="stderr")
        assert answer.status == 410 and "in its output" in answer.json()["detail"]
    number = made.numbers(jobs[1])[0]
    assert (folder / f"{number}-{number}-own-{user}-0-{number:05}.%").exists()
    lost = made.api.wait(made.api.submit(script=HEAD + "#SBATCH -o /dev/null\necho x\n")["id"], seconds=60)
    answer = made.api.get(f"/v1/jobs/{lost['id']}/logs")
    assert answer.status == 410 and "no regular file" in answer.json()["detail"]
    made.slurm.run("rm", "-r", folder)


def test_its_array_is_the_jobs(made):
    script = HEAD + "#SBATCH -a 1-5:2%%2 -J arr %s\necho task $SLURM_ARRAY_TASK_ID\nexit $((SLURM_ARRAY_TASK_ID / 5))\n"
    folder = made.home() / f"arr-{os.getpid()}"
    made.slurm.run("mkdir", folder, user=made.slurm.users[0])
    jobs = [made.api.submit(script=script % more) for more in ("", f"-o {folder}/%A-%2a.%x")]
    for job in jobs:
        ended = made.api.wait(job["id"], seconds=60)
        assert (ended["state"], ended["task_count"], ended["counts"]["succeeded"]) == ("failed", 3, 2)
        assert [log(made, job, task=index) for index in (1, 3, 5)] == ["task 1\n", "task 3\n", "task 5\n"]
    assert sorted(path.name.partition("-")[2] for path in folder.iterdir()) == ["01.arr", "03.arr", "05.arr"]
    made.slurm.run("rm", "-r", folder)
    far = made.api.request("POST", "/v1/jobs", {"script": HEAD + "#SBATCH -a 5,900000\ntrue\n"})
    assert far.status == 422 and "/array" in far.pointers()


def test_without_the_service_it_is_refused(made, folder, binaries, contract, cluster, site):
    with gateway_on(site, folder, binaries, contract, cluster) as plain:
        answer = plain.api.request("POST", "/v1/jobs", {"script": HEAD + "#SBATCH -J x\n"})
        assert answer.status == 422 and "as_user" in answer.pointers()["/script"]
    for field in ({"setup": ["module load x"]}, {"image": "x"}):
        answer = made.api.request("POST", "/v1/jobs", {"script": HEAD + "#SBATCH -J x\n", **field})
        assert answer.status == 422 and f"/{next(iter(field))}" in answer.pointers()


def test_a_dry_run(made):
    answer = made.api.request("POST", "/v1/jobs", {"script": HEAD + "#SBATCH -J dry -p low\ntrue\n", "hold": True},
                              query={"dry_run": "true"})
    assert answer.status == 200, answer.text
    rendered = answer.json()["rendered"]
    assert rendered.startswith("sbatch '--parsable' '--comment=jobgate:") and "#SBATCH -J dry -p low\n" in rendered
    bad = made.api.request("POST", "/v1/jobs", {"script": HEAD + "#SBATCH -p nowhere\n"}, query={"dry_run": "true"})
    assert bad.status == 422 and "Invalid partition" in bad.text
