"""An array as plain sets, beside a real one whose tasks end when they are told to.

Each task leaves a mark when it starts and then reads its exit code from a pipe, so a test says
what ends, with what, and in which order, and knows what must have happened: nothing here depends
on how fast anything is. When nothing can change but by the test (`Array.settle`), every task is
waiting, running or ended for certain.
"""

import collections
import dataclasses
import os

from tests.harness import system
from tests.harness.client import TERMINAL

AGAIN = 75  # the exit code that is retried, once
SCRIPT = """echo "$JOBGATE_JOB_ID $JOBGATE_TASK_INDEX $JOBGATE_ATTEMPT $a|$b" >> {folder}/marks
read -r code < {folder}/$JOBGATE_TASK_INDEX
exit $code"""


class Gates:
    """The pipes that the tasks read, and the marks that they leave."""

    def __init__(self, folder):
        self.folder = system.make_folder(folder)
        self.marks = system.own_file(self.folder / "marks")
        self.pipes = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pipe in self.pipes.values():
            os.close(pipe)
        system.remove_folder(self.folder)

    def make(self, index):
        path = self.folder / str(index)
        os.mkfifo(path)
        system.own(path)
        # Open for both, so that what is written waits for a task that has not started.
        self.pipes[index] = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def tell(self, index, codes):
        """What the task's attempts shall end with, from the next on."""
        os.write(self.pipes[index], b"".join(b"%d\n" % code for code in codes))

    def drain(self):
        """Takes back what no task has read."""
        for pipe in self.pipes.values():
            try:
                os.read(pipe, 4096)
            except BlockingIOError:
                pass

    def started(self, job_id):
        """{index: [(attempt, values)]} of a job, in the order of their starts."""
        found = collections.defaultdict(list)
        for line in self.marks.read_text().splitlines():
            job, index, attempt, values = line.split(" ", 3)
            if job == job_id:
                found[int(index)].append((int(attempt), values))
        return found


def state_of(code):
    return "failed" if code else "succeeded"


@dataclasses.dataclass
class Task:
    """What is known of one task."""

    values: str
    state: str = "waiting"  # or running, or that in which it was seen to have ended
    codes: tuple = ()  # what it was told to end with, attempt after attempt
    cancelled: bool = False  # before it was seen to have ended
    starts: int | None = None  # of one that waited for certain when it was cancelled: how often it had started

    @property
    def ended(self):
        return self.state in TERMINAL

    @property
    def open(self):
        """Nothing has been decided about it."""
        return not (self.ended or self.codes or self.cancelled)

    def endings(self):
        """The states in which it may have ended."""
        if not self.cancelled:
            return {state_of(code) for code in self.codes[-1:]}
        # Of one that ends by itself meanwhile the end counts, and it is not tried again.
        return {"cancelled"} | {state_of(code) for code in self.codes if self.starts is None}


@dataclasses.dataclass
class Room:
    """How many of an array's tasks may be where."""

    running: int
    handed: int  # with the backend
    waiting: int  # with the backend, not running

    def is_full(self, shown):
        """Nothing more is started or handed over."""
        alive = collections.Counter(task["state"] for task in shown.values() if task["state"] not in TERMINAL)
        handed = min(self.handed, alive.total())
        running = min(self.running, handed)
        return alive["running"] == running and alive["pending"] == min(self.waiting, handed - running)


class Array:
    """One array, all that its backend has to do."""

    def __init__(self, api, gates, job, values, room):
        self.api, self.gates, self.id, self.room = api, gates, job["id"], room
        self.tasks = {index: Task(values[index]) for index in sorted(values)}
        self.settled = False  # nothing changes but by the test
        self.on_their_way = []  # the cancels of these, who are known to wait
        assert job["counts"] == self.counted({"queued": len(values)})

    @staticmethod
    def counted(states):
        return {state: states.get(state, 0) for state in ("queued", "pending", "running", *TERMINAL)}

    def indices(self, condition):
        return [index for index, task in self.tasks.items() if condition(task)]

    def pages(self, **query):
        return list(self.api.pages(f"/v1/jobs/{self.id}/tasks", **query))

    # -- what is done to it ----------------------------------------------------------------

    def end(self, index, codes):
        if not self.tasks[index].open:
            return
        # The place that is given up may be taken by one whose cancel is still on its way.
        for other in self.on_their_way:
            self.tasks[other].starts = None
        self.on_their_way = []
        self.tasks[index].codes = codes
        self.gates.tell(index, codes)
        self.settled = False

    def cancel(self, indices):
        started = self.gates.started(self.id)
        answer = self.api.post(f"/v1/jobs/{self.id}/tasks/cancel", {"indices": ",".join(map(str, indices))})
        assert answer.status == 202, answer.text
        self._note_cancel(indices, started)

    def cancel_all(self):
        started = self.gates.started(self.id)
        self.api.cancel(self.id)
        self._note_cancel(self.tasks, started)

    def _note_cancel(self, indices, started):
        for index in indices:
            task = self.tasks[index]
            if self.settled and task.state == "waiting":
                task.starts = len(started[index])
                self.on_their_way.append(index)
            task.cancelled = task.cancelled or not task.ended
        self.settled = False

    # -- what has become of it -------------------------------------------------------------

    def settle(self):
        """Waits until all that there is room for are with the backend, and all that run wait for the test."""
        shown = system.wait_until(self._look, 30, "a state in which only the test changes anything")
        for index, state in shown.items():
            task = self.tasks[index]
            if state in TERMINAL and not task.ended:
                assert state in task.endings(), (self.id, index, state, task)
            task.state = state if state in (*TERMINAL, "running") else "waiting"
        assert self.api.job(self.id)["counts"] == self.counted(collections.Counter(shown.values())), self.id
        self.settled, self.on_their_way = True, []

    def _look(self):
        """The states of the tasks if they are to stay."""
        shown = {task["index"]: task for task in self.pages(limit=1000)}
        alive = [index for index, task in shown.items() if task["state"] not in TERMINAL]
        running = [index for index in alive if shown[index]["state"] == "running"]
        started = self.gates.started(self.id)
        stay = (self.room.is_full(shown) and not any(self.tasks[index].cancelled for index in alive)
                and all(self.tasks[index].open and started[index] for index in running))
        return {index: task["state"] for index, task in shown.items()} if stay else None

    def check_ended(self):
        """The whole account of an array that has ended."""
        job = self.api.wait(self.id)
        shown = {task["index"]: task for task in self.pages(limit=7)}
        assert list(shown) == list(self.tasks)
        started = self.gates.started(self.id)
        assert set(started) <= set(self.tasks)
        for index, task in self.tasks.items():
            self._check_task(index, task, shown[index], started[index])
        states = collections.Counter(task.state for task in self.tasks.values())
        assert job["counts"] == self.counted(states), self.id
        assert job["state"] == next(state for state in ("failed", "cancelled", "succeeded") if states[state]), self.id
        for state in job["counts"]:
            paged = [task["index"] for task in self.pages(state=state, limit=5)]
            assert paged == self.indices(lambda task, state=state: task.state == state), (self.id, state)

    def _check_task(self, index, task, shown, starts):
        about = (self.id, index, shown, task, starts)
        assert shown["state"] in ({task.state} if task.ended else task.endings()), about
        task.state = shown["state"]
        attempts = list(range(1, len(starts) + 1))
        assert starts == [(attempt, task.values) for attempt in attempts], about
        if task.state == "cancelled":
            assert task.starts in (None, len(starts)), about
            assert len(starts) <= max(1, len(task.codes)), about
        else:
            assert len(starts) == shown["attempts"] <= len(task.codes), about
            assert task.cancelled or len(starts) == len(task.codes), about
            code = task.codes[len(starts) - 1]
            assert (shown["state"], shown["exit_code"]) == (state_of(code), code), about
