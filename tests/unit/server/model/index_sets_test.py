"""Index sets and spans in C against Python's sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.model import Model, examples

HIGHEST_INDEX = 2**31 - 1
HIGHEST_ORDINAL = 2**32 - 1


@pytest.fixture(scope="module")
def model():
    with Model() as made:
        yield made


def indices_of(part):
    first, last, step = part
    return range(first, last + 1, step)


@st.composite
def parts(draw, highest=HIGHEST_INDEX):
    """first, last, step: near the bottom, so that parts meet, or anywhere; at most 30 indices."""
    first = draw(st.integers(0, 200) | st.integers(0, highest))
    step = draw(st.integers(1, 9) | st.integers(1, 100_000))
    last = min(first + draw(st.integers(0, 29)) * step + draw(st.integers(0, step - 1)), highest)
    return first, last, step


@st.composite
def texts(draw, highest=HIGHEST_INDEX):
    """A text, and the set it means."""
    chosen = draw(st.lists(parts(highest), min_size=1, max_size=8))
    words = []
    for first, last, step in chosen:
        short = [f"{first}-{last}:{step}"]
        if step == 1:
            short.append(f"{first}-{last}")
        if first == last:
            short.append(str(first))
        words.append(draw(st.sampled_from(short)))
    return ",".join(words), set().union(*map(indices_of, chosen))


def spans_of(ordinals):
    """[[first, last], …], as far apart as can be."""
    spans = []
    for ordinal in sorted(ordinals):
        if spans and spans[-1][1] == ordinal - 1:
            spans[-1][1] = ordinal
        else:
            spans.append([ordinal, ordinal])
    return spans


ordinal_sets = st.sets(st.integers(0, 60) | st.integers(HIGHEST_ORDINAL - 60, HIGHEST_ORDINAL), max_size=60)


@examples
@given(written=texts())
def test_a_text_gives_its_set_and_comes_back(model, written):
    text, meant = written
    got = model.ask("set", text)
    assert got["indices"] == sorted(meant)
    assert model.ask("set", got["text"]) == got


@examples
@given(written=texts(highest=300), order=st.randoms(use_true_random=False))
def test_equal_sets_have_one_text(model, written, order):
    text, meant = written
    singles = [str(index) for index in meant] + [str(min(meant))]
    order.shuffle(singles)
    assert model.ask("set", ",".join(singles))["text"] == model.ask("set", text)["text"]


@examples
@given(written=texts(), index=st.integers(0, 2000) | st.integers(0, HIGHEST_ORDINAL))
def test_what_is_in_a_set_and_what_is_not(model, written, index):
    text, meant = written
    ranked = sorted(meant)
    for asked in (index, ranked[index % len(ranked)], ranked[-1] + 1):
        assert model.ask("ordinal", text, asked) == (ranked.index(asked) if asked in meant else None)
    assert model.ask("index", text, index) == (ranked[index] if index < len(ranked) else None)


@examples
@given(written=texts(), data=st.data())
def test_ordinals_of_some_indices_and_back(model, written, data):
    text, meant = written
    ranked = sorted(meant)
    ordinals = data.draw(st.sets(st.integers(0, len(ranked) - 1), min_size=1))
    some = model.ask("subset", text, spans_of(ordinals))
    assert some["indices"] == [ranked[ordinal] for ordinal in sorted(ordinals)]
    assert model.ask("pick", text, some["text"]) == spans_of(ordinals)


@examples
@given(written=texts(highest=300), other=texts(highest=300))
def test_a_stranger_is_named(model, written, other):
    (text, meant), (asked, some) = written, other
    strangers = some - meant
    got = model.ask("pick", text, asked)
    if strangers:
        assert got["error"].startswith(f"{min(strangers)} ")
    else:
        ranked = sorted(meant)
        assert got == spans_of(ranked.index(index) for index in some)


@examples
@given(a=ordinal_sets, b=ordinal_sets)
def test_spans_are_sets(model, a, b):
    left, right = spans_of(a), spans_of(b)
    assert model.ask("intersect", left, right) == spans_of(a & b)
    assert model.ask("total", left) == len(a)
    for ordinal in (0, 30, 60, HIGHEST_ORDINAL):
        assert model.ask("contains", left, ordinal) == (ordinal in a)


@examples
@given(a=ordinal_sets, first=st.integers(0, 60) | st.integers(HIGHEST_ORDINAL - 60, HIGHEST_ORDINAL),
       length=st.integers(1, 4))
def test_an_ordinal_is_put_in_and_a_span_taken_out(model, a, first, length):
    assert model.ask("put", spans_of(a), first) == spans_of(a | {first})
    wanted = set(range(first, min(first + length - 1, HIGHEST_ORDINAL) + 1))
    whole = wanted <= a
    assert model.ask("take", spans_of(a), min(wanted), max(wanted)) == {
        "taken": whole, "left": spans_of(a - wanted if whole else a)}
    assert model.ask("take", spans_of(a | wanted), min(wanted), max(wanted)) == {
        "taken": True, "left": spans_of(a - wanted)}


@examples
@given(ordinals=st.sets(st.integers(0, 60) | st.integers(0, 999_999), min_size=1, max_size=60))
def test_spans_are_recorded_as_text(model, ordinals):
    spans = spans_of(ordinals)
    got = model.ask("record", spans)
    assert got["spans"] == spans
    assert got["text"] == ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
