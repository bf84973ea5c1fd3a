"""What a real controller's records mean (backends/slurm/state.h): each end and each wait that can be made to happen."""

import json
import signal
import subprocess

import pytest

from tests.harness import agent, slurm, system

pytestmark = pytest.mark.one_thread

SCRIPT = "#!/bin/bash\n"
ENDED = {"phase": "ended", "refused": False, "by_somebody": False, "node_silent": False, "before": None}
PROLOG = """#!/bin/bash
[[ $SLURM_JOB_PARTITION != broken ]]
"""


class Meanings:
    """The program that says what a record means (tests/unit/backends/slurm/answers.c)."""

    def __init__(self):
        program = system.build_folder() / "tests/unit/slurm_answers"
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def of(self, record):
        self.process.stdin.write(json.dumps(record) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=30) == 0
        self.process.stdout.close()


class Place:
    """A cluster that is watched, and the table in C."""

    def __init__(self, cluster, watch, meanings):
        self.cluster, self.watch, self.meanings = cluster, watch, meanings
        self.user = cluster.users[0]

    def submit(self, script="", *options, user=None):
        options = [f"--comment={agent.comment()}", "--output=/dev/null", *options]
        return self.cluster.submit(user or self.user, *options, script=SCRIPT + script)

    def control(self, *command, user=None):
        done = self.cluster.run(*command, user=user)
        assert done.returncode == 0, done.stderr

    def meaning(self, number, condition, what):
        """Of a job's first record whose meaning meets the condition."""
        found = {}

        def meets(record):
            if record["job"] != number:
                return False
            found.update(self.meanings.of(record))
            return condition(record, found)

        self.watch.record(meets, f"{what} of job {number}", seconds=60)
        return found

    def end(self, number):
        return self.meaning(number, lambda _, meaning: meaning["phase"] == "ended", "the end")

    def wait(self, number, reason):
        return self.meaning(number, lambda record, _: record.get("reason") == reason, f"reason {reason}")

    def runs(self, number):
        return self.meaning(number, lambda _, meaning: meaning["phase"] == "running", "the start")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    name = slurm.own_name("jgstate")
    nodes = f"{name}[1-2]"
    prolog = system.own_file(tmp_path_factory.mktemp("slurm") / "prolog", PROLOG)
    prolog.chmod(0o755)
    more = [f"Prolog={prolog}", f"PartitionName=cheap Nodes={nodes} PriorityTier=1 PreemptMode=CANCEL State=UP",
            f"PartitionName=small Nodes={nodes} MaxTime=5 MaxNodes=1 State=UP",
            f"PartitionName=closed Nodes={nodes} State=DOWN", f"PartitionName=broken Nodes={name}2 State=UP"]
    meanings = Meanings()
    with slurm.Slurm("jgstate", append="".join(line + "\n" for line in more)) as cluster:
        with agent.Agent("watch", agent.conf(cluster, "MessageTimeout=2"), user="nobody") as watch:
            assert "hello" in watch.receive()
            yield Place(cluster, watch, meanings)
    meanings.close()


# name: (script, options, reason, exit code, signal, words)
ENDS = {
    "exit 0": ("exit 0", [], "completed", 0, 0, ""),
    "exit 3": ("exit 3", [], "exit_code", 3, 0, "NonZeroExitCode"),
    "exit 143": ("exit 143", [], "exit_code", 143, 0, "NonZeroExitCode"),
    "a child's signal": ('bash -c "kill -SEGV \\$\\$"', [], "exit_code", 139, 0, "NonZeroExitCode"),
    "a child's signal, and exit 0": ('bash -c "kill -SEGV \\$\\$"\nexit 0', [], "completed", 0, 0, ""),
    "a step's exit": ('srun bash -c "exit 5"\nexit 0', [], "completed", 0, 0, "a step ended with exit code 5"),
    "a step's signal": ('srun bash -c "kill -KILL \\$\\$"\nexit 0', [], "completed", 0, 0, "a step ended by signal 9"),
    "no such command": ("no-such-command", [], "exit_code", 127, 0, "NonZeroExitCode"),
    "SIGSEGV": ("kill -SEGV $$", [], "signal", -1, 11, "FAILED"),
    "SIGKILL": ("kill -KILL $$", [], "signal", -1, 9, "FAILED"),
    "SIGTERM": ("kill -TERM $$", [], "signal", -1, 15, "FAILED"),
    "SIGHUP": ("kill -HUP $$", [], "signal", -1, 1, "FAILED"),
    "no folder for the output": ("true", ["--output=/no/such/folder/%j"], "launch_failed", -1, 0,
                                 "slurmd error 4021: the output file could not be opened"),
}


@pytest.fixture(scope="module")
def ends(place):
    return {name: place.submit(script + "\n", *options) for name, (script, options, *_) in ENDS.items()}


@pytest.mark.parametrize("name", ENDS)
def test_an_end(place, ends, name):
    reason, exit_code, signal, words = ENDS[name][2:]
    assert place.end(ends[name]) == {**ENDED, "reason": reason, "exit_code": exit_code, "signal": signal,
                                     "words": words}


def test_cancelled_while_it_ran(place):
    number = place.submit("sleep 1000\n")
    place.runs(number)
    place.control("scancel", number, user=place.user)
    assert place.end(number) == {**ENDED, "by_somebody": True, "reason": "cancelled_externally", "exit_code": -1,
                                 "signal": 15, "words": "CANCELLED"}


def test_cancelled_while_it_waited(place):
    number = place.submit("", "--hold")
    assert place.wait(number, 16)["reason"] == "held"
    place.control("scancel", number, user=place.user)
    assert place.end(number) == {**ENDED, "by_somebody": True, "reason": "cancelled_externally", "exit_code": -1,
                                 "signal": 0, "words": "CANCELLED"}


def test_a_dependency_that_cannot_come_true(place):
    first = place.submit("exit 1\n")
    waits = place.submit("", f"--dependency=afterok:{first}")
    ends = place.submit("", f"--dependency=afterok:{first}", "--kill-on-invalid-dep=yes")
    assert place.end(ends) == {**ENDED, "by_somebody": True, "reason": "dependency_failed", "exit_code": -1,
                               "signal": 0, "words": "DependencyNeverSatisfied"}
    assert place.wait(waits, 39)["reason"] == "unschedulable"


def test_a_refused_submit_leaves_a_record(place):
    comment = agent.comment()
    done = place.cluster.run("sbatch", f"--comment={comment}", "--gres=gpu:none:1", user=place.user, stdin=None,
                             input=SCRIPT)
    assert done.returncode != 0 and "Requested node configuration is not available" in done.stderr
    record = place.watch.record(lambda record: record["comment"] == comment)
    assert place.meanings.of(record) == {**ENDED, "refused": True, "reason": "rejected", "exit_code": -1, "signal": 0,
                                         "words": "BadConstraints"}


def test_preempted(place):
    node = f"--nodelist={place.cluster.name}1"
    number = place.submit("sleep 1000\n", "--partition=cheap", node, "--cpus-per-task=8", "--ntasks=1")
    place.runs(number)
    other = place.submit("", node, "--cpus-per-task=8", "--ntasks=1")
    assert place.end(number) == {**ENDED, "reason": "preempted", "exit_code": -1, "signal": 15, "words": "PREEMPTED"}
    assert place.end(other)["reason"] == "completed"


WAITS = {
    "user": (["--hold"], 16, "held", "JobHeldUser"),
    "begin": (["--begin=now+1hour"], 9, "not_before", "BeginTime"),
    "time": (["--partition=small", "--time=60"], 5, "unschedulable", "PartitionTimeLimit"),
    "nodes": (["--partition=small", "--nodes=2"], 4, "unschedulable", "PartitionNodeLimit"),
    "partition": (["--partition=closed"], 6, "node_unavailable", "PartitionDown"),
}


@pytest.mark.parametrize("name", WAITS)
def test_a_wait(place, name):
    options, number, reason, words = WAITS[name]
    job = place.submit("", *options)
    meaning = place.wait(job, number)
    assert (meaning["phase"], meaning["reason"], meaning["words"]) == ("pending", reason, words)
    place.control("scancel", job)


def test_the_tasks_over_a_limit_wait(place):
    number = place.submit("sleep 1000\n", "--array=0-3%1")
    assert place.wait(number, 72)["reason"] == "limit"
    first = place.watch.record(lambda record: record.get("array") == number and record.get("state") == 1)
    assert first["task"] == 0
    waits = place.submit("", f"--dependency=afterok:{number}")
    assert place.wait(waits, 2)["reason"] == "dependency"
    place.control("scancel", number, waits)


def test_suspended_and_stopped(place):
    number = place.submit("sleep 1000\n")
    place.runs(number)
    place.control("scontrol", "suspend", number)
    place.meaning(number, lambda _, meaning: meaning["words"] == "Suspended", "the suspension")
    place.control("scontrol", "resume", number)
    place.meaning(number, lambda _, meaning: not meaning["reason"], "the resumption")
    place.control("scancel", "--signal=STOP", number)
    stopped = place.meaning(number, lambda _, meaning: meaning["words"] == "Stopped", "the stop")
    assert (stopped["phase"], stopped["reason"]) == ("running", "suspended")
    place.control("scancel", number)


def test_requeued(place):
    number = place.submit("sleep 1000\n", "--requeue")
    place.runs(number)
    place.control("scontrol", "requeue", number)
    again = place.wait(number, 9)
    assert (again["phase"], again["reason"], again["before"]) == ("pending", "retry_delay", None)
    place.control("scancel", number)


def test_requeued_after_an_exit_and_held(place):
    number = place.submit("exit 42\n", "--requeue")
    place.end(number)
    place.control("scontrol", "requeuehold", "State=SpecialExit", number)
    again = place.wait(number, 16)
    assert (again["phase"], again["reason"], again["before"]) == ("pending", "held", "exit_code")
    place.control("scancel", number)


# From here on the second node goes.


def resume(place):
    """Refused when the node came back by itself."""
    place.cluster.run("scontrol", "update", f"nodename={place.cluster.name}2", "state=resume")


def test_the_prolog_fails(place):
    number = place.submit("", "--partition=broken", "--no-requeue")
    assert place.end(number) == {**ENDED, "by_somebody": True, "reason": "backend_error", "exit_code": -1,
                                 "signal": 0, "words": "CANCELLED"}
    resume(place)
    number = place.submit("", "--partition=broken", "--requeue")
    again = place.wait(number, 16)
    assert (again["reason"], again["before"]) == ("held", "node_failure")
    assert again["words"] == "launch failed requeued held"
    resume(place)
    place.control("scancel", number)


def test_a_node_is_silent(place):
    """Its slurmd hangs: the controller calls that a failure, and the job runs on."""
    node = f"{place.cluster.name}2"
    number = place.submit("sleep 1000\n", f"--nodelist={node}", "--no-requeue")
    place.runs(number)
    place.cluster.kill(f"slurmd-{node}", signal.SIGSTOP)
    try:
        place.control("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        silent = place.meaning(number, lambda _, meaning: meaning["node_silent"], "the silence")
        assert (silent["phase"], silent["reason"], silent["words"]) == ("running", "node_unavailable", "NodeDown")
    finally:
        place.cluster.kill(f"slurmd-{node}", signal.SIGCONT)
        resume(place)
