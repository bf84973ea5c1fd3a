"""Arrays on a real Slurm: native job arrays, each task exact, and run once."""

import collections
import itertools
import json
import shlex
import subprocess

import pytest

from tests.harness import as_user, slurm, system
from tests.harness.site import gateway_on

MAX_ARRAY_SIZE = 40  # of this cluster
STATES = ("queued", "pending", "running", "succeeded", "failed", "cancelled")
SHOW = 'import json, os; print(json.dumps([os.environ[name] for name in ("JOBGATE_TASK_INDEX", "a", "PATH")]))'


def counts(**states):
    return {state: states.get(state, 0) for state in STATES}


@pytest.fixture(scope="module")
def site():
    more = f"SlurmdTimeout=300\nMaxArraySize={MAX_ARRAY_SIZE}\n"
    with slurm.Slurm("jgarray", append=more) as made:
        yield made


@pytest.fixture(scope="module")
def made(folder, binaries, contract, cluster, site):
    with as_user.AsUser.of(site) as service:
        with gateway_on(site, folder, binaries, contract, cluster, as_user=str(service.socket)) as gateway:
            yield gateway


class Array:
    """An array whose tasks leave a line each time they run, and then wait for the gate, or do not."""

    def __init__(self, made, gate=False, script="", held=False, **spec):
        self.made = made
        home = made.home()
        self.lines, self.gate = home / f"lines-{id(self)}", home / f"gate-{id(self)}"
        self.lines.unlink(missing_ok=True)
        wait = f"until [ -e {self.gate} ]; do sleep 0.1; done\n" if gate else ""
        note = f'echo "$JOBGATE_TASK_INDEX $JOBGATE_ATTEMPT $SLURM_ARRAY_TASK_ID" >>{self.lines}\n'
        spec = {"resources": {"memory": "10Mi"}, **spec}
        spec["script"] = f"#!/bin/bash\n{note}{wait}{script}"
        self.id = (made.held(**spec)[0] if held else made.api.submit(**spec))["id"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open()
        self.made.api.post(f"/v1/jobs/{self.id}/cancel")
        self.made.api.wait(self.id, seconds=120)
        self.gate.unlink()
        self.lines.unlink(missing_ok=True)

    def open(self):
        self.gate.touch()

    def tasks(self):
        return {task["index"]: task for task in self.made.api.pages(f"/v1/jobs/{self.id}/tasks", limit=1000)}

    def states(self):
        """{state: indices}"""
        found = collections.defaultdict(set)
        for index, task in self.tasks().items():
            found[task["state"]].add(index)
        return dict(found)

    def until(self, seconds=90, **states):
        """Waits until exactly these are in these states."""
        wanted = {state: set(indices) for state, indices in states.items()}
        system.wait_until(lambda: self.states() == wanted, seconds, f"{wanted}")

    def ended(self, seconds=120):
        return self.made.api.wait(self.id, seconds=seconds)

    def runs(self):
        """{index: attempts that ran}"""
        found = collections.defaultdict(list)
        for line in self.lines.read_text().splitlines() if self.lines.exists() else ():
            index, attempt, _ = line.split()
            found[int(index)].append(int(attempt))
        return found

    def log(self, **query):
        answer = self.made.api.get(f"/v1/jobs/{self.id}/logs", **query)
        assert answer.status == 200, answer.text
        return answer.text

    def records(self):
        """What slurmctld has of it, by its own names."""
        done = self.made.slurm.run("scontrol", "-o", "show", "job")
        found = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in done.stdout.splitlines()]
        return [record for record in found if record.get("Comment", "").startswith(f"jobgate:{self.id}.")]

    def numbers(self):
        """Of its arrays at slurmctld."""
        return {int(record["ArrayJobId"]) for record in self.records()}

    def post(self, verb, body=None):
        answer = self.made.api.post(f"/v1/jobs/{self.id}/{verb}", body)
        assert answer.status in (200, 202), answer.text


def killed(site):
    """What ran, and is not known to the controller."""
    system.wait_until(lambda: subprocess.run(["pgrep", "-u", site.users[0], "-f", "slurm_script"],
                                             stdout=subprocess.DEVNULL).returncode == 1, 60, "the end of what ran")
    slurm.next_second()


def test_indices_with_steps_are_one_native_array(made):
    with Array(made, array={"indices": "1-9:4,20,33"},
               script="echo $JOBGATE_TASK_INDEX; exit $((JOBGATE_TASK_INDEX % 3))\n") as array:
        job = array.ended()
        assert (job["state"], job["counts"]["succeeded"], job["counts"]["failed"]) == ("failed", 2, 3)
        for index, task in array.tasks().items():
            code = index % 3
            assert (task["state"], task["exit_code"]) == ("failed" if code else "succeeded", code)
        assert array.runs() == {1: [1], 5: [1], 9: [1], 20: [1], 33: [1]}
        assert {int(line.split()[2]) for line in array.lines.read_text().splitlines()} == {1, 5, 9, 20, 33}
        assert len(array.numbers()) == 1 and array.log(task=33) == "33\n"
        assert sorted(array.log(tasks="all").splitlines()) == sorted(f"[{index}] {index}" for index in array.runs())


def test_a_matrix_reaches_each_task_whatever_its_values(made):
    matrix = {"a": ["it's", "$(id) `id` \"$HOME\" \\", "#SBATCH --array=0\n;x"], "PATH": ["/usr/bin:/bin", "-n %a *"]}
    script = f"/usr/bin/python3 -c {shlex.quote(SHOW)}\n"
    with Array(made, array={"matrix": matrix}, script=script) as array:
        assert array.ended()["state"] == "succeeded"
        for index in range(6):
            shown = json.loads(array.log(task=index))
            assert shown == [str(index), matrix["a"][index // 2], matrix["PATH"][index % 2]]
        assert len(array.numbers()) == 1 and array.runs() == {index: [1] for index in range(6)}


def test_an_interpreter_of_its_own(made):
    script = "#!/usr/bin/env python3\nimport os\nprint(os.environ['JOBGATE_TASK_INDEX'], os.environ['A'])"
    job = made.api.submit(script=script, array={"indices": "3-4"}, resources={"memory": "10Mi"}, setup=["export A=1"])
    assert made.api.wait(job["id"], seconds=90)["state"] == "succeeded"
    assert made.api.get(f"/v1/jobs/{job['id']}/logs", task=4).text == "4 1\n"


def test_what_failed_is_tried_again_alone(made):
    script = 'exit $((JOBGATE_TASK_INDEX == 2 && JOBGATE_ATTEMPT == 1 ? 75 : 0))\n'
    with Array(made, array={"indices": "0-4"}, script=script, retry={"limit": 1, "delay": 0, "on": [75]}) as array:
        assert array.ended()["state"] == "succeeded"
        assert array.runs() == {0: [1], 1: [1], 2: [1, 2], 3: [1], 4: [1]}
        attempts = made.api.get(f"/v1/jobs/{array.id}/tasks/2/attempts").json()["items"]
        assert [(each["state"], each["exit_code"]) for each in attempts] == [("failed", 75), ("succeeded", 0)]
        assert len(array.numbers()) == 2


def test_cancelling_some_that_wait_and_some_that_run(made):
    with Array(made, gate=True, array={"indices": "0-6", "max_parallel": 2}) as array:
        array.until(running={0, 1}, pending={2, 3, 4, 5, 6})
        system.wait_until(lambda: set(array.runs()) == {0, 1}, 60, "their lines")
        array.post("tasks/cancel", {"indices": "1,3-4,6"})
        array.until(running={0, 2}, pending={5}, cancelled={1, 3, 4, 6})
        array.open()
        assert array.ended()["counts"] == counts(succeeded=3, cancelled=4)
        assert array.runs() == {0: [1], 1: [1], 2: [1], 5: [1]}
        assert {array.tasks()[index]["reason"] for index in (1, 3, 4, 6)} == {"cancelled_by_user"}


def test_somebody_else_cancels_tasks_that_wait(made):
    with Array(made, gate=True, array={"indices": "0-6", "max_parallel": 2}) as array:
        array.until(running={0, 1}, pending={2, 3, 4, 5, 6})
        [number] = array.numbers()
        assert made.slurm.run("scancel", f"{number}_[3-4]").returncode == 0
        array.until(running={0, 1}, pending={2, 5, 6}, cancelled={3, 4})
        assert made.slurm.run("scancel", "--state=PENDING", number).returncode == 0
        array.until(running={0, 1}, cancelled={2, 3, 4, 5, 6})
        array.open()
        assert array.ended()["state"] == "cancelled"
        assert {task["reason"] for task in array.tasks().values()} == {"completed", "cancelled_externally"}
        assert array.runs() == {0: [1], 1: [1]}


def test_how_many_run_is_shown_and_changed(made):
    with Array(made, gate=True, array={"indices": "0-9", "max_parallel": 2}) as array:
        array.until(running={0, 1}, pending=set(range(2, 10)))
        [number] = array.numbers()
        assert made.slurm.job(number)["ArrayTaskThrottle"] == "2"
        answer = made.api.request("PATCH", f"/v1/jobs/{array.id}", {"array": {"max_parallel": 4}})
        assert answer.status == 200, answer.text
        array.until(running={0, 1, 2, 3}, pending=set(range(4, 10)))
        assert made.slurm.job(number)["ArrayTaskThrottle"] == "4"
        array.open()
        assert array.ended()["state"] == "succeeded" and array.numbers() == {number}


def test_parts_keep_how_many_run_together(folder, binaries, contract, cluster):
    with slurm.Slurm("jgparts", append="MaxArraySize=4\n") as few, \
            gateway_on(few, folder, binaries, contract, cluster) as made:
        gate = made.home() / "parts-gate"
        gate.unlink(missing_ok=True)
        job = made.api.submit(script="#!/bin/sh\nwhile [ ! -e ~/parts-gate ]; do sleep 0.1; done\nsleep 1\n",
                              array={"indices": "0-9"}, resources={"cpus": 4, "memory": "10Mi"})

        def tasks():
            return made.api.get(f"/v1/jobs/{job['id']}/tasks").json()["items"]
        system.wait_until(lambda: made.api.job(job["id"])["counts"] == counts(running=4, pending=6), 60, "what can run")
        answer = made.api.request("PATCH", f"/v1/jobs/{job['id']}", {"array": {"max_parallel": 1}})
        assert answer.status == 200, answer.text
        system.wait_until(lambda: [task["reason"] for task in tasks()[4:]] == ["limit"] * 6, 60, "those without a turn")
        held = few.run("squeue", "-h", "-r", "-t", "pending", "-o", "%r").stdout.split()
        assert held == ["JobHeldUser"] * 6
        gate.touch()
        assert made.api.wait(job["id"], seconds=120)["state"] == "succeeded"
        after = sorted(tasks()[4:], key=lambda task: task["started_at"])
        assert all(one["ended_at"] <= other["started_at"] for one, other in itertools.pairwise(after))
        gate.unlink()


def test_an_array_is_held_and_released(made):
    with Array(made, gate=True, array={"indices": "0-3", "max_parallel": 1}) as array:
        array.until(running={0}, pending={1, 2, 3})
        array.post("hold")
        system.wait_until(lambda: array.tasks()[3]["reason"] == "held", 60, "the hold")
        array.open()
        array.until(succeeded={0}, pending={1, 2, 3})
        array.post("release")
        assert array.ended()["state"] == "succeeded"
        assert array.runs() == {index: [1] for index in range(4)}


def test_more_tasks_than_an_array_of_the_cluster_has(made):
    count = 2 * MAX_ARRAY_SIZE + 7
    with Array(made, array={"indices": f"1000-{1000 + 3 * (count - 1)}:3"},
               script="echo $JOBGATE_TASK_INDEX; echo oops >&2\n") as array:
        assert array.ended(seconds=240)["counts"] == counts(succeeded=count)
        assert array.runs() == {1000 + 3 * place: [1] for place in range(count)}
        assert len(array.numbers()) == 3
        for index in (1000, 1003, 1000 + 3 * MAX_ARRAY_SIZE, 1000 + 3 * (count - 1)):
            assert array.log(task=index) == f"{index}\n" and array.log(task=index, stream="stderr") == "oops\n"


def test_a_gateway_that_dies_loses_nothing_of_an_array(made):
    with Array(made, gate=True, array={"indices": "0-8", "max_parallel": 3},
               script="exit $((JOBGATE_TASK_INDEX == 7))\n") as array:
        array.until(running={0, 1, 2}, pending=set(range(3, 9)))
        array.post("tasks/cancel", {"indices": "8"})
        made.gateway.kill()
        [number] = array.numbers()
        assert made.slurm.run("scancel", f"{number}_6").returncode == 0
        array.open()
        system.wait_until(lambda: len(array.runs()) >= 7, 60, "the tasks that can run")
        made.gateway.start()
        assert array.ended()["state"] == "failed"
        tasks = array.tasks()
        runs = array.runs()
        assert runs in ({index: [1] for index in range(9) if index not in (6, 8)},
                        {index: [1] for index in range(9) if index != 6})
        assert tasks[6]["reason"] == "cancelled_externally" and tasks[7]["exit_code"] == 1
        assert all(tasks[index]["state"] == "succeeded" for index in range(6))
        assert array.numbers() == {number}


def test_a_controller_that_is_started_anew_loses_nothing_of_an_array(made):
    with Array(made, gate=True, array={"indices": "0-8", "max_parallel": 3}) as array:
        array.until(running={0, 1, 2}, pending=set(range(3, 9)))
        made.slurm.restart("slurmctld")
        array.open()
        assert array.ended(seconds=180)["counts"] == counts(succeeded=9)
        assert array.runs() == {index: [1] for index in range(9)}


def test_a_controller_with_an_older_state_runs_no_task_that_has_ended(made):
    """What was told to have ended is cancelled, and what ran waits once more."""
    with Array(made, gate=True, array={"indices": "0-3", "max_parallel": 1}, held=True) as array:
        [number] = array.numbers()
        made.slurm.keep_state()
        assert made.slurm.run("scontrol", "release", number).returncode == 0
        array.until(running={0}, pending={1, 2, 3})
        array.post("tasks/cancel", {"indices": "1-2"})
        array.until(running={0}, pending={3}, cancelled={1, 2})
        made.slurm.take_up_the_kept_state()

        def there():
            return sorted(made.slurm.run("squeue", "-h", "-r", "-j", number, "-o", "%K").stdout.split())

        system.wait_until(lambda: there() == ["0", "3"], 60, "the end of those that had ended", every=0.2)
        killed(made.slurm)
        assert made.slurm.run("scontrol", "release", number).returncode == 0
        array.open()
        assert array.ended()["counts"] == counts(succeeded=2, cancelled=2)
        assert set(array.runs()) == {0, 3}


def test_a_site_that_changes_how_large_arrays_may_be(made):
    """Numbers by place stay numbers by place, when all that know it begin anew."""
    site = made.slurm
    old, new = f"MaxArraySize={MAX_ARRAY_SIZE}\n", f"MaxArraySize={2 * MAX_ARRAY_SIZE}\n"
    first, last = MAX_ARRAY_SIZE - 1, MAX_ARRAY_SIZE + 4
    with Array(made, gate=True, array={"indices": f"{first}-{last}", "max_parallel": 2}) as array:
        array.until(running={first, first + 1}, pending=set(range(first + 2, last + 1)))
        made.gateway.kill()
        text = site.conf.read_text()
        assert old in text
        try:
            site.conf.write_text(text.replace(old, new))
            site.restart("slurmctld")
            made.gateway.start()
            system.wait_until(lambda: made.backend()["reachable"], 60, "a table")
            array.post("tasks/cancel", {"indices": str(last)})
            array.until(running={first, first + 1}, pending=set(range(first + 2, last)), cancelled={last})
            array.open()
            assert array.ended()["counts"] == counts(succeeded=5, cancelled=1)
            assert array.runs() == {index: [1] for index in range(first, last)}
        finally:
            site.conf.write_text(text)
            site.restart("slurmctld")
