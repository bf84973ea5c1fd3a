"""A load of jobs that each leave a mark, and the account of it afterwards.

Every job appends one line to a file of its own, so that one lost or run twice shows. The
clients repeat what failed with the same Idempotency-Key, as real ones do.
"""

import dataclasses
import http.client
import pathlib
import random
import threading
import time

from tests.harness import system

AWAY = (OSError, http.client.HTTPException)


@dataclasses.dataclass
class Wanted:
    """One job somebody wants."""

    key: str
    kind: str
    id: str = ""
    answers: list = dataclasses.field(default_factory=list)


class Load:
    """kinds: plain, script (one that is handed over otherwise), timed (starts a little later), repeated
    (fails once, is in its budget), cancelled (would run for long; at once, wherever it is by then),
    stopped (the same when it runs),
    array (all its tasks succeed, one of them after a retry), cut (an array of which all tasks but two
    are cancelled at once) and pruned (the same when one of those runs). Of `count` jobs each kind has
    its share of the mix, in an order of chance; an array has `tasks` tasks."""

    def __init__(self, folder, clients, count, mix=("plain",), seed=1, tasks=5):
        self.folder, self.clients, self.tasks = folder, clients, tasks
        kinds = [mix[number % len(mix)] for number in range(count)]
        random.Random(seed).shuffle(kinds)
        self.jobs = [Wanted(f"load/{number}", kind) for number, kind in enumerate(kinds)]
        self._next = iter(self.jobs)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.failure = None
        # One time for the whole load: a repeated submit must have the same body.
        self.epoch = int(time.time())
        self.threads = []

    def start(self, threads=4):
        self.threads = [threading.Thread(target=self._work, args=(number,)) for number in range(threads)]
        for thread in self.threads:
            thread.start()
        return self

    def submitting(self):
        return any(thread.is_alive() for thread in self.threads)

    def accepted(self):
        return [job for job in self.jobs if job.id]

    def stop(self):
        self._stop.set()
        self.join()

    def join(self, seconds=300):
        deadline = time.monotonic() + seconds * system.PATIENCE
        for thread in self.threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        assert not self.submitting() or self._stop.is_set(), "the submitters do not come to an end"
        if self.failure:
            raise self.failure

    def _work(self, number):
        try:
            while not self._stop.is_set():
                with self._lock:
                    job = next(self._next, None)
                if job is None:
                    return
                self._submit(self.clients[number % len(self.clients)], job)
        except BaseException as failure:
            self.failure = failure

    def spec(self, job):
        mark = f"echo $JOBGATE_ATTEMPT >> {self.mark(job)}"
        spec = {"resources": {"cpus": 0.5, "memory": "16Mi"}, "labels": {"kind": job.kind}}
        if job.kind in ("cancelled", "stopped"):
            return spec | {"command": ["/bin/sh", "-c", f"{mark}; exec sleep 600"]}
        if job.kind == "repeated":
            return spec | {"command": ["/bin/sh", "-c", f"{mark}; [ $JOBGATE_ATTEMPT != 1 ] || exit 75"],
                           "retry": {"limit": 2, "delay": 1, "on": [75]}}
        if job.kind == "array":
            each = f"{mark}.$JOBGATE_TASK_INDEX; [ $JOBGATE_TASK_INDEX$JOBGATE_ATTEMPT != 31 ] || exit 75"
            return spec | {"command": ["/bin/sh", "-c", each], "array": {"indices": f"0-{self.tasks - 1}"},
                           "retry": {"limit": 2, "delay": 0, "on": [75]}}
        if job.kind in ("cut", "pruned"):
            each = f"{mark}.$JOBGATE_TASK_INDEX; [ $JOBGATE_TASK_INDEX -lt 2 ] || exec sleep 600"
            return spec | {"command": ["/bin/sh", "-c", each], "array": {"indices": f"0-{self.tasks - 1}"}}
        if job.kind == "timed":
            start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.epoch + 1 + int(job.key.split("/")[1]) % 3))
            return spec | {"command": ["/bin/sh", "-c", mark], "not_before": start}
        return spec | {"command": ["/bin/sh", "-c", mark]}

    def mark(self, job):
        return self.folder / job.key.replace("/", "-")

    def _persist(self, call, wanted):
        """Repeats a call until it has the status wanted; 503 and a broken connection are tried again."""
        while not self._stop.is_set():
            try:
                answer = call()
            except AWAY:
                time.sleep(0.02)
                continue
            if answer.status == wanted:
                return answer
            assert answer.status == 503, f"{answer.status}: {answer.text}"
            assert "Retry-After" in answer.headers
            time.sleep(0.02)
        return None

    def _submit(self, client, job):
        key = {"Idempotency-Key": job.key}
        answer = self._persist(lambda: client.post("/v1/jobs", self.spec(job), headers=key), 201)
        if answer is None:
            return
        job.id = answer.json()["id"]
        if job.kind in ("stopped", "pruned"):
            self._wait_started(job)
        if job.kind in ("cancelled", "stopped"):
            self._persist(lambda: client.post(f"/v1/jobs/{job.id}/cancel"), 202)
        if job.kind in ("cut", "pruned"):
            some = {"indices": f"2-{self.tasks - 1}"}
            self._persist(lambda: client.post(f"/v1/jobs/{job.id}/tasks/cancel", some), 202)

    def _wait_started(self, job):
        mark = pathlib.Path(f"{self.mark(job)}.2") if job.kind == "pruned" else self.mark(job)
        while not self._stop.is_set() and not mark.exists():
            time.sleep(0.02)

    # -- the account -----------------------------------------------------------------------

    def wait_ended(self, client, seconds=240):
        """Waits until every accepted job has ended."""
        deadline = time.monotonic() + seconds * system.PATIENCE
        left = [job.id for job in self.accepted()]
        while left:
            states = {}
            for start in range(0, len(left), 50):
                query = {"ids": ",".join(left[start:start + 50]), "fields": "state,reason,terminal", "limit": 100}
                answer = self._persist(lambda query=query: client.get("/v1/jobs", **query), 200)
                states |= {job["id"]: job for job in answer.json()["items"]}
            missing = set(left) - set(states)
            assert not missing, f"accepted and lost: {missing}"
            left = [job for job in left if not states[job]["terminal"]]
            shown = [(states[job]["state"], states[job]["reason"]) for job in left[:5]]
            assert time.monotonic() < deadline, f"{len(left)} jobs do not end: {shown}"
            if left:
                time.sleep(0.1)

    def check(self, client):
        """Nothing lost, nothing twice, every outcome right."""
        faults = []
        stored = {job["id"]: job for job in client.pages("/v1/jobs", limit=1000)}
        accepted = {job.id for job in self.accepted()}
        assert len(accepted) == len(self.accepted()), "two keys have one job"
        for unknown in set(stored) - accepted:
            faults.append(f"{unknown} was made and never answered")
        for job in self.accepted():
            faults += self._check_job(client, job, stored.get(job.id))
        assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults[:20])

    def _check_job(self, client, job, found):
        if found is None:
            return [f"{job.key}: {job.id} was accepted and is lost"]
        if job.kind in ("array", "cut", "pruned"):
            return self._check_array(client, job, found)
        runs = self.mark(job).read_text().split() if self.mark(job).exists() else []
        outcome = (found["state"], found["reason"])
        once = (("succeeded", "completed"), [["1"]])
        expected = {"plain": once, "script": once, "timed": once,
                    "repeated": (("succeeded", "completed"), [["1", "2"]]),
                    "cancelled": (("cancelled", "cancelled_by_user"), [[], ["1"]]),
                    "stopped": (("cancelled", "cancelled_by_user"), [["1"]])}[job.kind]
        if outcome != expected[0] or runs not in expected[1]:
            attempts = client.get(f"/v1/jobs/{job.id}/tasks/0/attempts").text
            return [f"{job.key} ({job.kind}) {job.id}: {outcome}, {found['message']}; ran as {runs}; {attempts}"]
        return []

    def _is_right(self, client, job, task, runs):
        """Whether a task of an array is, which ran as these attempts."""
        if job.kind == "array":
            wanted = [("succeeded", ["1", "2"] if task["index"] == 3 else ["1"])]
        elif task["index"] < 2:
            wanted = [("succeeded", ["1"])]
        else:
            wanted = [("cancelled", []), ("cancelled", ["1"])]
        return (task["state"], runs) in wanted

    def _check_array(self, client, job, found):
        """Each task ran as often as it says, and the counts are those of the tasks."""
        faults = []
        tasks = {task["index"]: task for task in client.pages(f"/v1/jobs/{job.id}/tasks", limit=1000)}
        if set(tasks) != set(range(self.tasks)):
            return [f"{job.key} {job.id}: has the tasks {sorted(tasks)}"]
        for index, task in tasks.items():
            mark = pathlib.Path(f"{self.mark(job)}.{index}")
            runs = mark.read_text().split() if mark.exists() else []
            if not self._is_right(client, job, task, runs):
                faults.append(f"{job.key} ({job.kind}) {job.id} task {index}: {task}, ran as {runs}")
        states = [task["state"] for task in tasks.values()]
        counted = {state: states.count(state) for state in found["counts"]}
        whole = next(filter(states.count, ("failed", "cancelled", "succeeded")))
        if counted != found["counts"] or found["state"] != whole:
            faults.append(f"{job.key} {job.id}: {found['state']}, counts {found['counts']}, tasks {counted}")
        return faults
