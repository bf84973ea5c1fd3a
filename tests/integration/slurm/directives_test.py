"""What the gateway reads of a script for sbatch (server/model/directives.h), and what the real sbatch does."""

import pytest

from tests.harness import slurm
from tests.harness.model import Model

HEAD = "#!/bin/sh\n"
ARRAYS = ["0-3", "[0-3]", "1-3%2", "0-15:4%2,20", "0-15:4,20%2", "1%2,5-7%3", "[1-3]%2", "1,1,2", "3,1", "1,,2,", "%2",
          "1%0", "1-3%x", "1-3%", "1-3%-1", "1-3%99", "3-1", "1-3:0", "1-3:2:2", "0-", "2-", "+1-3", "0x3", "=1-2",
          "1-[3", "1-3abc", '" 1-3"', '"1-3 "', '"1;2"', '""', "1-9:3,2-8:3,20-30:5", "7-7", "0-1999:499"]
SCRIPTS = [
    "#SBATCH -J x -a0-9\ntrue\n", "#SBATCH\n#SBATCH\t-a\t5\ntrue\n", "#SBATCH--array=1\ntrue\n",
    "#SBATCH --arr 1-2 --job-n x\ntrue\n", "#SBATCH --a 1-2\ntrue\n", "#SBATCH --arrays=1\ntrue\n",
    "#SBATCH -Qa1-2\ntrue\n", "#SBATCH -a 1 -J one --array 4 -J two\ntrue\n", "#SBATCH --array=1-4 --array=\ntrue\n",
    "#SBATCH -a\n#SBATCH 1-4\ntrue\n", "#SBATCH -N1 -k -a 1\ntrue\n", "#SBATCH --nice -a 1 --exclusive=user\ntrue\n",
    "#SBATCH --comment=\"-a 3\" -a \"1,2\"\ntrue\n", "#SBATCH -J a\\-b\\'c -a 1\ntrue\n", "#SBATCH -J a#b -a 1\ntrue\n",
    "#SBATCH -J \"it's\" -a 1\ntrue\n",
    "#SBATCH -J 'a#b' -a 1\ntrue\n", '#SBATCH -J a"" "" -a 1\ntrue\n', "#SBATCH -a 1 # -a 2\ntrue\n",
    "#SBATCH -a 1 \\\n#SBATCH -J x\ntrue\n", "#SBATCH -a 1 --\ntrue\n", "#SBATCH -a 1 'open\ntrue\n",
    "\n \t\n  # hello\n#SBATCH -a 5\ntrue\n#SBATCH -a 6\n", "true\n#SBATCH -a 6\n",
    " #SBATCH -a 6\n##SBATCH -a 6\n#sbatch -a 6\n", "#SLURM -J old -a 3\ntrue\n", "#PBS -N x -t 1-3\ntrue\n",
    "#PBS -J 2-4\n#SBATCH -a 7 -J x\ntrue\n", "true\n#PBS -N late -J 1-2\n", "#SBATCH --ignore-pbs\n#PBS -N x\ntrue\n",
    "#BSUB -J bs[1-3]\n#PBS -N pb\n#SBATCH -J sb\ntrue\n", "#SBATCH -J one\n#SBATCH hetjob\n#SBATCH -J two\ntrue\n",
    "#PBS --job_n x --arr 1\ntrue\n", "\n" * 99 + "#PBS -N x\n", "\n" * 101 + "#PBS -N x\n",
]


@pytest.fixture(scope="module")
def site():
    with slurm.Slurm("jglines") as made:
        yield made


@pytest.fixture(scope="module")
def model():
    with Model() as made:
        yield made


def indices(text):
    """An index set or a task string of Slurm's, which may end with %N."""
    found = set()
    for part in text.split("%")[0].split(","):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        found |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return found


def by_sbatch(site, script):
    """The name, the indices and how many run at once, as the controller has them; None: refused."""
    done = site.run("sbatch", "--parsable", "-H", user=site.users[0], stdin=None, input=script)
    if done.returncode != 0:
        return None
    shown = site.run("scontrol", "-o", "show", "job", int(done.stdout)).stdout.splitlines()[0]  # of several parts: one
    job = dict(word.split("=", 1) for word in shown.split() if "=" in word)
    tasks = job.get("ArrayTaskId")
    name = job["JobName"] if job["JobName"] != "sbatch" else None
    return name, indices(tasks) if tasks else None, int(job.get("ArrayTaskThrottle", 0))


def by_gateway(model, script):
    found = model.ask("directives", script)
    if "error" in found:
        return None
    return found["name"], indices(found["indices"]) if found["indices"] else None, found["max_parallel"]


@pytest.mark.parametrize("array", ARRAYS)
def test_arrays_are_read_as_slurmctld_does(site, model, array):
    script = f"{HEAD}#SBATCH --array={array}\ntrue\n"
    assert by_gateway(model, script) == by_sbatch(site, script)


# Times are written as scontrol writes them.
PLACES = ["#SBATCH -p low -t 00:05:00 -A one\n", "#SBATCH --part low --time 00:05:00 --acco one\n",
          "#SBATCH -Qplow -t00:05:00\n#SBATCH -Aone\n", "#SBATCH -p main -t 7 -A two\n#BSUB -q low -W 00:05:00\n",
          "#SBATCH -p main -t 00:05:00 -A two\n#PBS -q low -A one\n", "#SBATCH -p low,main -t 00:05:00 -A one,two\n"]


@pytest.mark.parametrize("lines", PLACES)
def test_where_a_script_may_start_is_read_as_sbatch_does(site, model, lines):
    number = site.submit(site.users[0], "--hold", script=f"{HEAD}{lines}true\n")
    found, job = model.ask("directives", f"{HEAD}{lines}true\n"), site.job(number)
    assert (found["partition"], found["time"], found["account"]) == (
        job["Partition"], job["TimeLimit"], job["Account"])


def test_scripts_are_read_as_sbatch_does(site, model):
    refused = 0
    for script in SCRIPTS:
        found = by_sbatch(site, HEAD + script)
        refused += found is None
        assert found in (None, by_gateway(model, HEAD + script)), script
    assert refused == 3  # of the others all has been compared
