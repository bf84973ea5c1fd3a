"""The tasks of arrays in C against itertools.product, on a spec's whole way: decoded, resolved, stored, loaded."""

import itertools
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.model import Model, examples

MOST = 1_000_000

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda n: not n.startswith("JOBGATE_"))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
written = st.builds(lambda n, k: float(f"{n}e-{k}"), st.integers(-99_999, 99_999), st.integers(0, 12))
numbers = st.integers(1 - 2**53, 2**53 - 1) | written | st.floats(1 - 2**53, 2**53 - 1)
values = texts | numbers | st.booleans()


@pytest.fixture(scope="module")
def model():
    with Model() as made:
        yield made


@st.composite
def matrices(draw):
    """Up to 16 names, at most some dozens of tasks."""
    matrix, tasks = {}, 1
    for name in draw(st.lists(names, min_size=1, max_size=16, unique=True)):
        matrix[name] = draw(st.lists(values, min_size=1, max_size=max(1, min(8, 60 // tasks))))
        tasks *= len(matrix[name])
    return matrix


def tasks_of(model, array):
    got = model.ask("tasks", json.dumps({"script": "x", "array": array}))
    assert got["stored"] == got["tasks"]
    return got


def same(text, value):
    """Whether the text in the environment is that of the value."""
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, float):
        written = float(text)
        return (written, math.copysign(1, written)) == (value, math.copysign(1, value)) and not text.isdigit()
    return text == str(value)


def digits_of(number):
    """The digits that say anything; Python writes as few as read back the same."""
    return number.split("e")[0].replace(".", "").lstrip("-0").rstrip("0")


@examples
@given(matrix=matrices())
def test_combinations_are_those_of_product(model, matrix):
    got = tasks_of(model, {"matrix": matrix})["tasks"]
    wanted = list(itertools.product(*matrix.values()))
    assert [index for index, _ in got] == list(range(len(wanted)))
    for (_, pairs), combination in zip(got, wanted, strict=True):
        assert [name for name, _ in pairs] == list(matrix)
        assert all(same(text, value) for (_, text), value in zip(pairs, combination, strict=True)), pairs


@examples
@given(number=numbers)
def test_a_number_is_what_the_spec_shows(model, number):
    got = tasks_of(model, {"matrix": {"n": [number]}})
    [[_, [[_, text]]]] = got["tasks"]
    assert f'"n":[{text}]' in got["spec"]


@examples
@given(number=written)
def test_a_number_is_not_longer_than_it_was_written(model, number):
    [[_, [[_, text]]]] = tasks_of(model, {"matrix": {"n": [number]}})["tasks"]
    assert digits_of(text) == digits_of(repr(number))


@examples
@given(indices=st.sets(st.integers(0, 500) | st.integers(0, 2**31 - 1), min_size=1, max_size=50))
def test_tasks_of_indices_have_no_values(model, indices):
    got = tasks_of(model, {"indices": ",".join(map(str, indices))})["tasks"]
    assert got == [[index, []] for index in sorted(indices)]


@examples
@given(sizes=st.lists(st.integers(0, 12) | st.integers(0, 1000), min_size=1, max_size=16)
       | st.lists(st.integers(500, 1000), min_size=6, max_size=8))
def test_counts(model, sizes):
    matrix = {f"n{i}": [0] * size for i, size in enumerate(sizes)}
    count = math.prod(sizes)
    assert int(model.ask("count", matrix)) == min(count, 2**64 - 1)
    if 1 <= count <= 1000:
        assert len(tasks_of(model, {"matrix": matrix})["tasks"]) == count
    elif not 1 <= count <= MOST:
        got = model.ask("tasks", json.dumps({"script": "x", "array": {"matrix": matrix}}))
        assert got["pointer"].startswith("/array/matrix")
