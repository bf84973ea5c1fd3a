"""How jobs and tasks of arrays end by what a real controller, its nodes and other jobs do to them. All are under way
at once, on nodes of their own where one would be in another's way."""

import pytest

from tests.harness import slurm, system
from tests.harness.site import gateway_on, outcome

pytestmark = pytest.mark.timeout(300)

SLEEP = "sleep 600\n"
AGAIN = '[ "${SLURM_RESTART_COUNT:-0}" != 0 ] || sleep 600\n'
FIRST_FULL, SECOND_FULL, DEAD, ANY = 1, 2, 3, 4  # the nodes

# What scripts end with; the code is the script's own, whatever became of its children.
SCRIPTS = (
    ("exit 3", ("failed", "exit_code", 3, None)),
    ("exit 143", ("failed", "exit_code", 143, None)),
    ('bash -c "kill -SEGV \\$\\$"', ("failed", "exit_code", 139, None)),
    ('bash -c "kill -SEGV \\$\\$"; exit 0', ("succeeded", "completed", 0, None)),
    ('srun bash -c "exit 5"; exit 0', ("succeeded", "completed", 0, None)),
    ("kill -SEGV $$", ("failed", "signal", None, 11)),
    ("kill -KILL $$", ("failed", "signal", None, 9)),
    ("no-such-command", ("failed", "exit_code", 127, None)),
)
# The attempts of each: their origin, state and reason.
ENDS = {
    "cancelled here while suspended": [("jobgate", "cancelled", "cancelled_by_user")],
    "cancelled there while suspended": [("jobgate", "cancelled", "cancelled_externally")],
    "without its interpreter": [("jobgate", "failed", "exit_code")],
    "a child without memory, exit 0": [("jobgate", "failed", "out_of_memory")],
    "preempted, mode CANCEL": [("jobgate", "failed", "preempted")],
    "preempted, mode REQUEUE": [("jobgate", "failed", "preempted")],
    "preempted and requeued": [("jobgate", "failed", "preempted"), ("scheduler", "succeeded", "completed")],
    "a deadline out of reach": [("jobgate", "failed", "start_deadline")],
    "launched on a dead node": [("jobgate", "failed", "node_failure"), ("scheduler", "succeeded", "completed")],
}


@pytest.fixture(scope="module")
def site():
    nodes = f"{slurm.own_name('jgends')}[1-4]"
    more = f"SlurmdTimeout=300\nPartitionName=cheap Nodes={nodes} PriorityTier=1 PreemptMode=CANCEL State=UP\n"
    with slurm.Slurm("jgends", nodes=4, append=more) as made:
        yield made


@pytest.fixture(scope="module")
def made(folder, binaries, contract, cluster, site):
    with gateway_on(site, folder, binaries, contract, cluster) as gateway:
        yield gateway


def submit(made, script, node, shebang="#!/bin/bash", memory="20Mi", options=(), **spec):
    spec = {"resources": {"cpus": 1, "memory": memory}, **spec}
    return made.api.submit(script=f"{shebang}\n{script}", retry={"limit": 0}, **spec,
                           options={"slurm": {"nodelist": f"{made.slurm.name}{node}", **dict(options)}})


class Pair:
    """A plain job, and an array of the same."""

    def __init__(self, made, *what, **spec):
        self.made = made
        self.jobs = [submit(made, *what, **spec), submit(made, *what, array={"indices": "3-4"}, **spec)]

    def tasks(self):
        return [task for job in self.jobs for task in self.made.api.pages(f"/v1/jobs/{job['id']}/tasks")]

    def until(self, what, **wanted):
        system.wait_until(lambda: all(task[name] == value for task in self.tasks() for name, value in wanted.items()),
                          90, what, every=0.2)

    def attempts(self):
        """Of each task."""
        return [[(each["origin"], each["state"], each["reason"]) for each in
                 self.made.api.get(f"/v1/jobs/{job['id']}/tasks/{index}/attempts").json()["items"]]
                for job, index in ((self.jobs[0], 0), (self.jobs[1], 3), (self.jobs[1], 4))]

    def control(self, *command, user=None):
        """One of Slurm's programs, for each of them: {} is its number."""
        for number in [number for job in self.jobs for number in self.made.numbers(job)]:
            done = self.made.slurm.run(*(word.format(number) for word in command), user=user)
            assert done.returncode == 0, done.stderr

    def wait(self):
        for job in self.jobs:
            self.made.api.wait(job["id"], seconds=100)
        return self


def fill(made, node, command):
    """Takes all of a node, from what has less weight."""
    full = {"cpus": 8, "memory": "7000Mi"}
    return submit(made, command, node, resources=full)


def begin_again(made, pair):
    """Slurm lets what was requeued wait for two minutes: not here, but longer than the second in which its nodes were
    told that it is over."""
    numbers = [number for job in pair.jobs for number in made.numbers(job)]
    system.wait_until(lambda: all(made.slurm.job(number)["Restarts"] == "1" and made.slurm.state(number) == "PENDING"
                                  for number in numbers), 90, "the requeue", every=0.2)
    pair.control("scontrol", "update", "jobid={}", "starttime=now+2")


@pytest.fixture(scope="module")
def pairs(made):
    """All of them, and what is done to them."""
    dead = f"slurmd-{made.slurm.name}{DEAD}"
    made.slurm.kill(dead)
    found = {
        "launched on a dead node": Pair(made, AGAIN, DEAD),
        "preempted, mode CANCEL": Pair(made, SLEEP, FIRST_FULL, queue="cheap"),
        "preempted, mode REQUEUE": Pair(made, SLEEP, SECOND_FULL, queue="low"),
        "preempted and requeued": Pair(made, AGAIN, SECOND_FULL, queue="low"),
        "cancelled here while suspended": Pair(made, SLEEP, ANY),
        "cancelled there while suspended": Pair(made, SLEEP, ANY),
        "without its interpreter": Pair(made, "exit 0\n", ANY, shebang="#!/no/such/interpreter"),
        "a child without memory, exit 0": Pair(made, "python3 -c 'x = bytearray(300 << 20)'\nexit 0\n", ANY,
                                               memory="50Mi"),
    }
    for name in ("preempted, mode CANCEL", "preempted, mode REQUEUE", "preempted and requeued"):
        found[name].until("its start", state="running")
    found["preempted and requeued"].control("scontrol", "update", "jobid={}", "requeue=1")
    blocker = fill(made, FIRST_FULL, SLEEP)
    fill(made, SECOND_FULL, "true\n")
    for name in ("cancelled here while suspended", "cancelled there while suspended"):
        found[name].until("its start", state="running")
        found[name].control("scontrol", "suspend", "{}")
    found["cancelled here while suspended"].until("the suspension", reason="suspended")
    found["cancelled there while suspended"].until("the suspension", reason="suspended")
    for job in found["cancelled here while suspended"].jobs:
        made.api.cancel(job["id"])
    found["cancelled there while suspended"].control("scancel", "{}", user=made.slurm.users[0])
    made.api.wait(blocker["id"], "started", seconds=60)
    found["a deadline out of reach"] = Pair(made, SLEEP, FIRST_FULL, time_limit="1m",
                                            options={"deadline": "now+70seconds"})
    begin_again(made, found["preempted and requeued"])
    dying = found["launched on a dead node"]
    system.wait_until(lambda: all(len(each) == 1 and each[0][1] == "failed" for each in dying.attempts()), 90,
                      "that the node does not answer", every=0.2)
    assert made.slurm.up().returncode == 0
    begin_again(made, dying)
    yield found
    made.api.cancel(blocker["id"])


@pytest.mark.parametrize("name", ENDS)
def test_an_end(made, pairs, name):
    pair, expected = pairs[name].wait(), ENDS[name]
    limited = "cgroup/v1" in (made.slurm.folder / "etc/cgroup.conf").read_text()
    if "memory" in name and not limited:
        expected = [("jobgate", "succeeded", "completed")]
    assert pair.attempts() == [expected] * 3
    assert [outcome(task)[:2] for task in pair.tasks()] == [expected[-1][1:]] * 3


def test_the_code_of_an_interpreter_that_is_missing(pairs):
    """The kernel's word to slurmd, and to the shell that begins a task."""
    assert [task["exit_code"] for task in pairs["without its interpreter"].wait().tasks()] == [2, 127, 127]


def test_ends_of_scripts(made):
    cases = "".join(f"{index}) {script} ;;\n" for index, (script, _) in enumerate(SCRIPTS))
    last = len(SCRIPTS) - 1
    array = submit(made, f'case "$JOBGATE_TASK_INDEX" in\n{cases}esac\n', ANY, array={"indices": f"0-{last}"})
    jobs = [submit(made, f"{script}\n", ANY) for script, _ in SCRIPTS]
    expected = [end for _, end in SCRIPTS]
    assert [outcome(made.api.wait(job["id"], seconds=90)) for job in jobs] == expected
    made.api.wait(array["id"], seconds=90)
    assert [outcome(task) for task in made.api.pages(f"/v1/jobs/{array['id']}/tasks")] == expected
