"""deploy/slurm/up and deploy/slurm/down: a real Slurm on one machine."""

import os
import pathlib
import signal
import subprocess

import pytest

from tests.harness import slurm, system

SCRIPT = "#!/bin/bash\n"


def servers(cluster):
    return {"munged", "slurmctld", f"slurmd-{cluster.name}1", f"slurmd-{cluster.name}2"}


@pytest.fixture(scope="module")
def cluster():
    node = slurm.own_name("jgdeploy") + "1"
    with slurm.Slurm("jgdeploy", append=f"PartitionName=tiny Nodes={node} MaxTime=2:00 State=UP\n") as found:
        yield found


def ended(cluster, number):
    lives = ("PENDING", "RUNNING", "COMPLETING")
    system.wait_until(lambda: cluster.state(number) not in lives, 60, "the end of the job")
    return cluster.job(number)


def listening(pid):
    """The addresses on which a process listens."""
    done = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True)
    return [line.split()[3].rpartition(":")[0] for line in done.stdout.splitlines() if f"pid={pid}," in line]


def test_a_job_runs_as_its_user(cluster):
    user = cluster.users[0]
    number = cluster.submit(user, script=SCRIPT + "id -un; pwd; exit 3\n")
    job = ended(cluster, number)
    assert (job["JobState"], job["ExitCode"], job["UserId"].partition("(")[0]) == ("FAILED", "3:0", user)
    output = pathlib.Path(job["StdOut"])
    assert output.read_text() == f"{user}\n{output.parent}\n" and output.owner() == user
    output.unlink()


def test_gpus_are_counted(cluster):
    script = SCRIPT + "echo $CUDA_VISIBLE_DEVICES\n"
    output = pathlib.Path(os.path.expanduser(f"~{cluster.users[0]}/gpus"))
    number = cluster.submit(cluster.users[0], "--gres=gpu:a100:3", f"--output={output}", script=script)
    assert ended(cluster, number)["JobState"] == "COMPLETED"
    assert len(output.read_text().split(",")) == 3
    output.unlink()
    refused = cluster.run("sbatch", "--gres=gpu:a100:5", "-N1", user=cluster.users[0], stdin=None, input=script)
    assert refused.returncode != 0 and "not available" in refused.stderr


def test_memory_is_limited_where_the_machine_can(cluster):
    script = SCRIPT + "python3 -c 'x = bytearray(300 << 20)'\n"
    number = cluster.submit(cluster.users[0], "--mem=50M", "--output=/dev/null", script=script)
    limited = "cgroup/v1" in (cluster.folder / "etc/cgroup.conf").read_text()
    assert ended(cluster, number)["JobState"] == ("OUT_OF_MEMORY" if limited else "COMPLETED")


def test_lines_are_appended_to_the_settings(cluster):
    assert cluster.run("sinfo", "-h", "-p", "tiny", "-o", "%l").stdout.strip() == "2:00"


def test_servers_listen_on_loopback_only(cluster):
    pids = [cluster.server_pid(name) for name in servers(cluster) - {"munged"}]
    found = [address for pid in pids for address in listening(pid)]
    assert len(found) == len(pids) and all(address.startswith("127.") for address in found)


def test_what_died_is_started_again_and_the_rest_left(cluster):
    before = {name: cluster.server_pid(name) for name in servers(cluster)}
    cluster.kill("slurmctld")
    cluster.kill("munged", signal.SIGKILL)
    done = cluster.up()
    assert done.returncode == 0, done.stderr
    assert "slurmctld started" in done.stderr and "munged started" in done.stderr
    changed = {name for name in servers(cluster) if cluster.server_pid(name) != before[name]}
    assert changed == {"slurmctld", "munged"}
    assert cluster.up().stderr.count("started") == 0


def test_jobs_outlive_the_servers(cluster):
    output = pathlib.Path(os.path.expanduser(f"~{cluster.users[1]}/outlives"))
    number = cluster.submit(cluster.users[1], f"--output={output}",
                            script=SCRIPT + "until [ -e ~/go ]; do sleep 0.1; done; echo whole\n")
    system.wait_until(lambda: cluster.state(number) == "RUNNING", 60, "the start of the job")
    assert cluster.down().returncode == 0
    assert all(not (cluster.folder / f"run/{name}.pid").exists() for name in servers(cluster))
    assert cluster.up().returncode == 0
    assert cluster.state(number) == "RUNNING"
    gate = output.with_name("go")
    gate.touch()
    assert ended(cluster, number)["JobState"] == "COMPLETED" and output.read_text() == "whole\n"
    gate.unlink()
    output.unlink()


def test_accounting_and_a_purge_that_leaves_nothing():
    with slurm.Slurm("jgacct", accounting=True) as cluster:
        user = cluster.users[0]
        number = cluster.submit(user, "--output=/dev/null", script=SCRIPT + "exit 4\n")
        ended(cluster, number)
        wanted = f"{number}|research|FAILED|4:0"
        system.wait_until(lambda: cluster.run("sacct", "-nPXo", "jobid,account,state,exitcode", "-j", number)
                          .stdout.strip() == wanted, 60, "its record")
        refused = cluster.run("sbatch", user="daemon", stdin=None, input=SCRIPT)
        assert refused.returncode != 0 and "account" in refused.stderr.lower()
        assert all(address.startswith("127.") for name in ("slurmdbd", "mariadbd")
                   for address in listening(cluster.server_pid(name)))
        running, suspended = (cluster.submit(user, "--output=/dev/null", script=SCRIPT + "sleep 1000\n")
                              for _ in range(2))
        for number in running, suspended:
            system.wait_until(lambda: cluster.state(number) == "RUNNING", 60, "the start of the job")
        assert cluster.run("scontrol", "suspend", suspended).returncode == 0
    assert not cluster.folder.exists()
    left = subprocess.run(["grep", "-lzF", f"{cluster.folder}/", *pathlib.Path("/proc").glob("[0-9]*/environ")],
                          capture_output=True, text=True)
    assert not [path for path in left.stdout.splitlines() if f"/{os.getpid()}/" not in path]
    assert not list(pathlib.Path("/sys/fs/cgroup").glob("*/slurm_jgacct*"))


@pytest.mark.parametrize("options, words", [
    (["--dir", "relative"], "absolute"),
    (["--nodes", "0"], "--nodes must be a number from 1 to 64"),
    (["--port", "70000"], "--port must be a number"),
    (["--name", "Big"], "--name must be"),
    (["--user", "root"], "cannot be root"),
    (["--user", "a;b"], "--user must be"),
    (["--append", "/nowhere"], "cannot read /nowhere"),
    (["--bogus"], "unknown argument '--bogus'"),
])
def test_a_wrong_option_is_told_in_one_line(options, words, tmp_path):
    done = subprocess.run([slurm.UP, "--dir", tmp_path / "s", *options], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stdout == ""
    assert words in done.stderr.splitlines()[-1]
    subprocess.run([slurm.DOWN, "--dir", tmp_path / "s", "--purge"], capture_output=True, timeout=120)
