"""A real Slurm, and everything between it and the record, is killed, hangs and is cut off.

Jobs of two users are on their way all the time, arrays and scripts for sbatch among them: some wait, some are being
handed over, some run, some are cancelled. Whatever happens: none runs twice, none is lost but what its controller
itself forgot, the states are right afterwards, and meanwhile the gateway accepts and answers.
"""

import concurrent.futures
import contextlib
import functools
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from tests.faults.load import Load
from tests.harness import as_user, proxy, slurm, system
from tests.harness.site import gateway_on

FULL = bool(os.environ.get("JOBGATE_TEST_FULL"))
ROUNDS = 5 if FULL else 1
EACH = 3  # jobs of each user that are submitted for a fault
TRIES = 4  # with so many jobs more, where the first have not done
# Of the three, in turn. A script goes through sbatch; array, cut and pruned are arrays.
KINDS = (("plain", "script"), ("plain", "repeated", "timed", "array"), ("stopped", "cancelled", "cut", "pruned"))
ALONE = (("plain", "script"), ("plain", "repeated", "timed"), ("stopped", "cancelled"))  # the same without arrays
TASKS = 4  # of an array
POINTS = ("leader.intended", "leader.handed", "leader.answered", "leader.recorded", "leader.ended")
SECONDS = 240
# What is unknown is settled when that is over: the sooner, the more is unknown of one fault while the next is on.
SEND_TIME = "60s" if FULL else "15s"


def crash_points():
    """Those of the backend, and the leader's."""
    found = set(POINTS)
    for path in (system.ROOT / "backends/slurm").rglob("*.c"):
        found.update(re.findall(r'gw_crash_point\("([^"]+)"\)', path.read_text()))
    return sorted(found)


class Paced(Load):
    """Submits so many more whenever it is told to."""

    def __init__(self, folder, client, count, first, kinds=KINDS):
        super().__init__(folder, [client], count, tasks=TASKS)
        for number, job in enumerate(self.jobs):
            mix = kinds[number % EACH]
            job.kind = mix[(number // EACH + first) % len(mix)]
        self.known, self.lost = None, 0  # how many runs of a task slurmctld has; how many tasks it forgot
        self._allowed = threading.Semaphore(0)

    def allow(self, count):
        for _ in range(count):
            self._allowed.release()

    def _submit(self, client, job):
        while not self._allowed.acquire(timeout=0.1):
            if self._stop.is_set():
                return
        super()._submit(client, job)

    def spec(self, job):
        """They take different times, so that each fault finds some of them at each step."""
        spec = super().spec(job) | {"resources": {"cpus": 1, "memory": "20Mi"}}
        if job.kind in ("plain", "script"):
            spec["command"][2] += f"; sleep 0.{int(job.key.split('/')[1]) % 10}"
        if job.kind == "script":
            script = f"#!/bin/sh\n#SBATCH --comment=theirs\n{spec['command'][2]}\n"
            return {"script": script, "labels": spec["labels"], "resources": spec["resources"]}
        return spec

    def _wait_started(self, job):
        """Or ended: it may be lost before."""
        client = self.clients[0]
        mark = pathlib.Path(f"{self.mark(job)}.2") if job.kind == "pruned" else self.mark(job)
        while not self._stop.wait(0.3) and not mark.exists():
            answer = self._persist(lambda: client.get(f"/v1/jobs/{job.id}"), 200)
            if answer is None or answer.json()["terminal"]:
                return

    def _is_forgotten(self, client, job, task, runs):
        """Lost, for slurmctld does not have its last attempt, and none ran twice."""
        if not self.known or (task["state"], task["reason"]) != ("failed", "lost") or len(runs) != len(set(runs)):
            return False
        attempts = len(client.get(f"/v1/jobs/{job.id}/tasks/{task['index']}/attempts").json()["items"])
        self.lost += 1
        return self.known(job, task["index"]) < attempts

    def _check_job(self, client, job, found):
        faults = super()._check_job(client, job, found)
        if not faults or found is None or found["task_count"] > 1:
            return faults
        runs = self.mark(job).read_text().split() if self.mark(job).exists() else []
        return [] if self._is_forgotten(client, job, found | {"index": 0}, runs) else faults

    def _is_right(self, client, job, task, runs):
        return super()._is_right(client, job, task, runs) or self._is_forgotten(client, job, task, runs)


class Bystander:
    """Reads and submits held jobs all the time; the gateway is to answer, whatever the cluster does."""

    def __init__(self, client):
        self.client, self.answered, self.failure = client, 0, None
        self._stop, self._thread = threading.Event(), threading.Thread(target=self._run)
        self.rest = threading.Lock()  # held while the gateway itself is away

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        if self.failure:
            raise self.failure

    def _run(self):
        try:
            while not self._stop.wait(0.2):
                if self.rest.acquire(blocking=False):
                    job = self.client.submit(command=["true"], hold=True)
                    assert self.client.get(f"/v1/jobs/{job['id']}").json()["reason"] == "held"
                    self.answered += 1
                    self.client.close()  # the gateway may be another next time
                    self.rest.release()
        except BaseException as failure:
            self.failure = failure
            self.rest.release()

    def served(self):
        """Waits until it was answered once more, from beginning to end."""
        wanted = self.answered + 2
        system.wait_until(lambda: self.answered >= wanted or self.failure, 60, "an answer of the gateway")


class Campaign:
    """A cluster, a network that can be cut, a gateway, and the load of two users."""

    def __init__(self, made, network, folder, faults, kinds):
        self.made, self.network = made, network
        self.gateway, self.slurm = made.gateway, made.slurm
        self.loads = []
        for number, api in enumerate(made.members):
            place = pathlib.Path(folder) / str(number)
            place.mkdir()
            place.chmod(0o777)
            self.loads.append(Paced(place, api, (faults + TRIES) * EACH, number, kinds))
        self.bystander = Bystander(self._member())

    def _member(self):
        name = f"bystander-{time.monotonic_ns()}"
        self.gateway.cli("user", "create", name)
        self.gateway.cli("project", "create", name, "--default-backend", "slurm", "--member", f"{name}:submitter")
        return self.gateway.client(self.gateway.token(name))

    def more(self):
        for load in self.loads:
            load.allow(EACH)

    def call(self):
        """Submits, until two agents wait for the controller, which hangs: one of them is no watcher."""
        self.more()
        system.wait_until(lambda: self.network.count() >= 2, 60, "a worker's call")

    def agents(self, role):
        """The pids of the gateway's agents of a role; what starts or ends just now may be missing."""
        found = []
        for task in pathlib.Path(f"/proc/{self.gateway.process.pid}/task").glob("*"):
            with contextlib.suppress(OSError):
                for child in map(int, (task / "children").read_text().split()):
                    if (pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[1:2]) == [role.encode()]:
                        found.append(child)
        return found

    def agent(self, role):
        return system.wait_until(lambda: self.agents(role), 60, f"an agent that is to {role}")[0]

    def reachable(self, wanted=True):
        system.wait_until(lambda: self.made.backend()["reachable"] == wanted, 60, f"a cluster: {wanted}")

    @contextlib.contextmanager
    def away(self):
        """Around what takes the cluster away: until the gateway says so, and serves all the same."""
        self.reachable()
        yield
        self.more()
        self.reachable(False)
        self.bystander.served()

    def ended(self):
        """How many of the jobs have ended."""
        return sum(job["terminal"] for api in self.made.members for job in api.pages("/v1/jobs", limit=1000))

    @contextlib.contextmanager
    def controller_hangs(self):
        self.slurm.kill("slurmctld", signal.SIGSTOP)
        try:
            yield
        finally:
            self.slurm.kill("slurmctld", signal.SIGCONT)

    def up(self):
        done = self.slurm.up()
        assert done.returncode == 0, done.stderr

    # -- the account ------------------------------------------------------------------------

    def check(self):
        for load in self.loads:
            load.allow(len(load.jobs))
        for load, api in zip(self.loads, self.made.members, strict=True):
            load.join()
            load.wait_ended(api, seconds=SECONDS)
            load.check(api)


def kill_agent_that_watches(c):
    os.kill(c.agent("watch"), signal.SIGKILL)
    c.more()


def stop_agent_that_watches(c):
    """Until the gateway has ended it."""
    pid = c.agent("watch")
    os.kill(pid, signal.SIGSTOP)
    c.more()
    c.bystander.served()
    if FULL:
        system.wait_until(lambda: not system.alive(pid), 120, "the end of the agent")
    else:
        time.sleep(2)
        system.kill(pid, signal.SIGCONT)


def kill_worker(c):
    c.more()
    system.kill(c.agent("work"))


def stop_worker(c):
    """With what it is asked then, until the gateway has ended it."""
    c.more()
    pids = [c.agent("work"), *c.agents("work")]
    for pid in pids:
        system.kill(pid, signal.SIGSTOP)
    c.more()
    system.wait_until(lambda: not any(map(system.alive, pids)), 60, "the end of the workers")


def kill_worker_in_a_call(c):
    with c.controller_hangs():
        c.call()
        for pid in c.agents("work"):
            system.kill(pid)


def stop_controller(c):
    with c.away():
        c.slurm.kill("slurmctld", signal.SIGSTOP)
    c.slurm.kill("slurmctld", signal.SIGCONT)


def kill_gateway_in_a_call(c):
    with c.controller_hangs():
        c.call()
        with c.bystander.rest:
            c.gateway.kill()
            c.slurm.kill("slurmctld", signal.SIGCONT)
            c.gateway.start()


def kill_controller(c):
    c.more()
    c.slurm.kill("slurmctld")
    c.up()


def forget_everything(c):
    """The nodes too, which would let no second job of the same number begin."""
    c.more()
    for path in (c.slurm.folder / "run").glob("slurmd-*.pid"):
        c.slurm.kill(path.stem)
    c.slurm.kill("slurmctld")
    for path in (c.slurm.folder / "slurmctld").iterdir():
        path.unlink() if path.is_file() else shutil.rmtree(path)
    c.up()


def cut_network(c):
    with c.away():
        c.network.cut()
    c.network.mend()


def silence_network(c):
    with c.away():
        c.network.silence()
    c.network.cut()
    c.network.mend()


def kill_accounts(c):
    """slurmctld keeps what it has to say to slurmdbd until that is there again."""
    c.more()
    c.slurm.kill("slurmdbd")
    c.more()
    c.bystander.served()
    c.up()


def stop_accounts(c):
    """Jobs are taken, run and end meanwhile, and the cluster is not given up."""
    c.slurm.kill("slurmdbd", signal.SIGSTOP)
    try:
        before = c.ended()
        c.more()
        c.bystander.served()
        system.wait_until(lambda: c.ended() > before, 90, "the end of a job")
        assert c.made.backend()["reachable"]
    finally:
        c.slurm.kill("slurmdbd", signal.SIGCONT)


def crash_at(point):
    def crash(c):
        """The gateway, at a step of its own."""
        with c.bystander.rest:
            c.gateway.kill()
            c.gateway.spawn({"JOBGATE_CRASH": point})
            for _ in range(TRIES):  # of some jobs none may come to that step
                if not c.gateway.running():
                    break
                c.more()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    c.gateway.process.wait(60 / TRIES)
            assert not c.gateway.running(), f"the gateway does not come to {point}"
            assert c.gateway.process.returncode == -signal.SIGKILL, c.gateway.tail()
            c.gateway.start()

    crash.__name__ = f"crash at {point}"
    return crash


CRASHES = [crash_at(point) for point in crash_points()]
# What leaves submissions that nobody knows of comes first: to settle them takes longest.
WORKERS = [kill_gateway_in_a_call, stop_worker, kill_worker, kill_worker_in_a_call]
OTHERS = [kill_agent_that_watches, stop_agent_that_watches, stop_controller, cut_network, silence_network]


@contextlib.contextmanager
def campaign(count, folder, binaries, contract, cluster, name, accounting=False, kinds=KINDS):
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(slurm.Slurm(name, accounting=accounting, append="SlurmdTimeout=300\n"))
        network = stack.enter_context(proxy.Proxy(site.address, system.free_port(), site.port))
        through = f"include {site.conf}\nSlurmctldPort={network.port}\n"
        conf = system.own_file(folder / f"{name}.conf", through)
        of_sbatch = site.folder / "etc/sbatch.conf"
        of_sbatch.write_text(f"{through}AuthInfo=socket={site.folder}/munge/socket,ttl=15\nMessageTimeout=3\n")
        service = stack.enter_context(as_user.AsUser.of(site, of_sbatch))
        marks = pathlib.Path(f"/tmp/jg-marks-{name}-{os.getpid()}")
        marks.mkdir()
        stack.callback(shutil.rmtree, marks)
        made = stack.enter_context(gateway_on(site, folder, binaries, contract, cluster, conf=str(conf),
                                              as_user=str(service.socket), munge_life="15s", send_time=SEND_TIME))
        c = Campaign(made, network, marks, count, kinds)
        for load in c.loads:
            load.start(threads=24)  # most wait for a job that is to be stopped
            stack.callback(load.stop)
        stack.enter_context(c.bystander)
        yield c


def run(c, faults):
    for fault in faults:
        begun = time.monotonic()
        fault(c)
        print(f"{time.monotonic() - begun:6.1f} s {fault.__name__}")
    begun = time.monotonic()
    c.check()
    print(f"{time.monotonic() - begun:6.1f} s to the end; {c.bystander.answered} answers meanwhile")


def known(c, job, index):
    """How many runs of a task slurmctld has."""
    found = c.slurm.run("squeue", "-h", "-a", "-r", "-t", "all", "-o", "%k/%K").stdout.splitlines()
    ends = (f"/{index}", "/N/A")  # a plain job has no index
    return sum(line.startswith(f"jobgate:{job.id}.") and line.endswith(ends) for line in found)


def run_all_that_is_remembered(*house):
    choice, faults = random.Random(5), []
    for _ in range(ROUNDS):
        faults += CRASHES + choice.sample(WORKERS, len(WORKERS)) + choice.sample(OTHERS, len(OTHERS))
    with campaign(len(faults), *house, "jgfaults") as c:
        run(c, faults)


def run_what_is_forgotten(*house):
    """slurmctld writes down what it takes a little later; and then all of it is gone, and it gives numbers anew."""
    faults = [kill_controller, forget_everything] * ROUNDS
    with campaign(len(faults), *house, "jgforgets", kinds=ALONE) as c:
        for load in c.loads:
            load.known = functools.partial(known, c)
        run(c, faults)
        assert sum(load.lost for load in c.loads) > 0


def run_what_accounts_have(*house):
    faults = [stop_accounts, kill_accounts] * ROUNDS
    with campaign(len(faults), *house, "jgaccounted", accounting=True) as c:
        run(c, faults)


@pytest.mark.timeout(3600 if FULL else 900)
def test_nothing_is_lost_that_slurm_knows_and_nothing_runs_twice(folder, binaries, contract, cluster):
    """Three clusters at a time: for most of it, they wait until what is unknown can be settled."""
    slurm.make_users()  # once, before several clusters have them
    with concurrent.futures.ThreadPoolExecutor() as pool:
        all_of_them = [pool.submit(each, folder, binaries, contract, cluster)
                for each in (run_all_that_is_remembered, run_what_is_forgotten, run_what_accounts_have)]
    for each in all_of_them:
        each.result()


def tasks_of(made, job):
    return [(task["state"], task["reason"]) for task in made.api.pages(f"/v1/jobs/{job['id']}/tasks", limit=100)]


def seen_anew(made, times=2):
    """What is told of the cluster was asked for since."""
    for _ in range(times):
        before = made.backend()["observed_at"]
        system.wait_until(lambda before=before: made.backend()["observed_at"] != before, 60, "a look at the cluster")


@pytest.mark.timeout(600)
def test_tasks_of_a_silent_node_end_when_it_is_back(folder, binaries, contract, cluster):
    """One node's slurmd is killed under running tasks and stays away, another's hangs and comes back."""
    with slurm.Slurm("jgsilent", append="SlurmdTimeout=300\n") as site, \
            gateway_on(site, folder, binaries, contract, cluster) as made:
        nodes, marks = [f"{site.name}{number}" for number in (1, 2)], made.home() / f"silent-{os.getpid()}"
        arrays = [made.api.submit(
            command=["sh", "-c", f"echo $JOBGATE_ATTEMPT >>{marks}-{node}-$JOBGATE_TASK_INDEX; exec sleep 600"],
            array={"indices": "0-2"}, resources={"cpus": 1, "memory": "20Mi"}, retry={"limit": 0}, time_limit=1200,
            options={"slurm": {"nodelist": node}}) for node in nodes]
        written = [pathlib.Path(f"{marks}-{node}-{index}") for node in nodes for index in range(3)]
        system.wait_until(lambda: all(path.exists() for path in written), 90, "the start of all tasks")
        site.kill(f"slurmd-{nodes[0]}")
        site.kill(f"slurmd-{nodes[1]}", signal.SIGSTOP)
        try:
            site.run("scontrol", "update", f"nodename={','.join(nodes)}", "state=down", "reason=test")
            silent = [("running", "node_unavailable")] * 3
            for array in arrays:
                system.wait_until(lambda array=array: tasks_of(made, array) == silent, 90, "the silence of the nodes")
            seen_anew(made)
            assert [tasks_of(made, array) for array in arrays] == [silent] * 2
        finally:
            site.kill(f"slurmd-{nodes[1]}", signal.SIGCONT)
        site.run("scontrol", "update", f"nodename={nodes[1]}", "state=resume")
        failed = [("failed", "node_failure")] * 3
        system.wait_until(lambda: tasks_of(made, arrays[1]) == failed, 120, "the end of the tasks of the one node")
        seen_anew(made)
        assert tasks_of(made, arrays[0]) == silent and not made.api.job(arrays[0]["id"])["terminal"]
        site.run("scontrol", "update", f"nodename={nodes[0]}", "state=resume")
        assert site.up().returncode == 0
        system.wait_until(lambda: tasks_of(made, arrays[0]) == failed, 120, "the end of the other tasks")
        assert [path.read_text() for path in written] == ["1\n"] * 6
        for path in written:
            path.unlink()


@pytest.mark.full
@pytest.mark.timeout(900)
def test_accounts_settle_what_nobody_else_knows(folder, binaries, contract, cluster):
    """The gateway ends before it learns that slurmctld has a job, and slurmctld forgets it."""
    with slurm.Slurm("jgaccounts", accounting=True, append="MinJobAge=2\n") as site, \
            gateway_on(site, folder, binaries, contract, cluster) as made:
        made.gateway.kill()
        made.gateway.start({"JOBGATE_CRASH": "slurm.submitted"})
        job = made.api.submit(command=["sh", "-c", "echo once >>~/once; exit 3"])
        system.wait_until(lambda: not made.gateway.running(), 60, "its end")
        once = made.home() / "once"
        system.wait_until(lambda: once.exists() and not made.numbers(job), 90, "slurmctld to forget it")
        made.gateway.start()
        ended = made.api.wait(job["id"], seconds=240)
        assert (ended["state"], ended["reason"], ended["exit_code"]) == ("failed", "exit_code", 3)
        assert once.read_text() == "once\n"
        once.unlink()
