"""Arrays against plain sets: any sequence of starts, ends, cancels and retries."""

import dataclasses
import itertools

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.harness import house
from tests.harness.arrays import AGAIN, SCRIPT, Array, Gates, Room
from tests.harness.model import FULL

CPUS = 6
MOST = 50

# Always the same examples, but for a full run. Each has many tasks and a real gateway: it is not made smaller.
examples = settings(max_examples=150 if FULL else 12, derandomize=not FULL, database=None, deadline=None,
                    phases=[Phase.explicit, Phase.generate],
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])

# What a task is told to end with, attempt after attempt.
fates = st.sampled_from([(0,), (1,), (AGAIN, 0), (AGAIN, AGAIN)])
picks = st.integers(0, MOST - 1)
VALUES = [(1, "1"), (0.5, "0.5"), (-3, "-3"), (True, "true"), ("a b", "a b"), ("x=y|", "x=y|"), ("", "")]


@dataclasses.dataclass
class Wanted:
    """An array to submit, and the values that each of its tasks must find."""

    array: dict
    values: dict


@st.composite
def by_indices(draw):
    indices = draw(st.sets(st.integers(0, 60) | st.integers(0, 2**31 - 1), min_size=1, max_size=MOST))
    return Wanted({"indices": ",".join(map(str, indices))}, {index: "|" for index in indices})


@st.composite
def by_matrix(draw):
    a, b = (draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=7)) for _ in "ab")
    texts = [f"{first[1]}|{second[1]}" for first, second in itertools.product(a, b)]
    matrix = {"a": [value for value, _ in a], "b": [value for value, _ in b]}
    return Wanted({"matrix": matrix}, dict(enumerate(texts)))


# Some running tasks end, some are told their end before they start, some are cancelled; and
# whether the next step waits until that has come to rest.
kinds = st.sampled_from(["end", "end", "tell", "cancel"])
some = st.lists(st.tuples(picks, fates), min_size=1, max_size=9)
steps = st.tuples(kinds, some, st.sampled_from([True, True, False]))
rounds = st.tuples(st.lists(steps, max_size=6), st.none() | st.lists(fates, min_size=1, max_size=7))


def choose(pool, numbers):
    return sorted({pool[number % len(pool)] for number in numbers}) if pool else []


def take_step(array, kind, some):
    if kind == "cancel":
        array.cancel(choose(list(array.tasks), [number for number, _ in some]))
        return
    for number, codes in some:
        pool = array.indices(lambda task: task.open and (kind == "tell" or task.state == "running"))
        for index in choose(pool, [number]):
            array.end(index, codes)


def run(array, script, ends):
    """ends: for the tasks that nothing was decided about; None: they are all cancelled."""
    for kind, some, settle in script:
        take_step(array, kind, some)
        if settle:
            array.settle()
    if ends is None:
        array.cancel_all()
    else:
        for index, codes in zip(array.indices(lambda task: task.open), itertools.cycle(ends), strict=False):
            array.end(index, codes)
    array.check_ended()


def retry(array, numbers):
    """Runs tasks of an ended array once more; numbers: which, or None for those that failed.

    The new array, or None when there is nothing to run."""
    path = f"/v1/jobs/{array.id}/retry"
    if numbers is None:
        chosen = array.indices(lambda task: task.state == "failed")
        answer = array.api.post(path)
    else:
        chosen = choose(list(array.tasks), numbers)
        answer = array.api.post(path, indices=",".join(map(str, chosen)))
    assert answer.status == (201 if chosen else 409), answer.text
    if not chosen:
        return None
    job, values = answer.json(), {index: array.tasks[index].values for index in chosen}
    assert (job["retry_of"], job["task_count"]) == (array.id, len(chosen))
    return Array(array.api, array.gates, job, values, array.room)


def submit(api, gates, wanted, most, window):
    for index in wanted.values:
        gates.make(index)
    limit = {"max_parallel": most} if most else {}
    job = api.sh(SCRIPT.format(folder=gates.folder), array=wanted.array | limit,
                 resources={"cpus": 1, "memory": "16Mi"}, retry={"limit": 1, "delay": 0, "on": [AGAIN]})
    room = Room(running=min(CPUS, most or MOST), handed=most or MOST, waiting=window)
    return Array(api, gates, job, wanted.values, room)


@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize("window", [3, 100])
def test_an_array_is_what_its_sets_are(new_gateway, cluster, folder, window):
    """window: with a small one an array is handed over in many parts."""
    gateway = new_gateway(cluster=cluster, backend={"cpus": CPUS, "window": window}).start()
    api = gateway.member("u", "p").client

    @examples
    @given(wanted=by_indices() | by_matrix(), most=st.none() | st.integers(1, 8), first=rounds, again=rounds,
           numbers=st.none() | st.lists(picks, min_size=1, max_size=20))
    def holds(wanted, most, first, again, numbers):
        note(f"{wanted}, {most=}\n{first=}\n{again=}\n{numbers=}")
        with Gates(folder / f"gates{next(house.NAMES)}") as gates:
            array = submit(api, gates, wanted, most, window)
            array.settle()
            run(array, *first)
            gates.drain()
            rest = retry(array, numbers)
            if rest:
                run(rest, *again)

    holds()
