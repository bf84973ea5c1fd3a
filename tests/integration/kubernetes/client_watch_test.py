"""The list and the watch of the Kubernetes client, whatever the server does."""

import json

import pytest

from tests.harness import hostile

JOBS = "/apis/batch/v1/namespaces/team-a/jobs"
MOST_LINE = 8 * 1024 * 1024
MOST_PAGE = 32 * 1024 * 1024


def job(name, version):
    return {"kind": "Job", "metadata": {"name": name, "resourceVersion": str(version)}}


def page(version, *jobs, more=""):
    body = {"kind": "JobList", "metadata": {"resourceVersion": str(version), "continue": more}, "items": jobs}
    return lambda exchange: exchange.answer(200, json.dumps(body))


def event(kind, name, version):
    return json.dumps({"type": kind, "object": job(name, version)}) + "\n"


EXPIRED = json.dumps({"type": "ERROR", "object": {
    "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired",
    "message": "too old resource version: 1 (9)"}}) + "\n"
BROKEN = json.dumps({"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 500}}) + "\n"


def stream(*lines, end=hostile.Exchange.end_stream):
    def answer(exchange):
        exchange.begin_stream()
        for line in lines:
            exchange.piece(line)
        end(exchange)
    return answer


def held(*lines):
    """A watch that stays."""
    return stream(*lines, end=hostile.Exchange.wait_closed)


def refuse(code, body="", header=()):
    return lambda exchange: exchange.answer(code, body, header)


def is_watch(asked, version):
    path, parameters = asked
    return path == JOBS and parameters["watch"] == "true" and parameters["resourceVersion"] == str(version)


def is_list(asked, more=None):
    path, parameters = asked
    return path == JOBS and "watch" not in parameters and parameters.get("continue") == more


def test_pages_and_then_a_watch(connect, play):
    part = play(page(1, job("a", 3), job("b", 4), more="m+1"), page(7, job("c", 5)),
                held(event("ADDED", "d", 8), event("MODIFIED", "a", 9), event("DELETED", "b", 10)))
    client = connect(part)
    client.watch(page=2, labels="jobgate.dev/job", timeout_s=100)
    assert client.told(8) == ["begin", "seen a 3", "seen b 4", "seen c 5", "listed", "seen d 8", "seen a 9",
                              "removed b 10"]
    assert part.asked() == (JOBS, {"labelSelector": "jobgate.dev/job", "limit": "2"})
    assert part.asked() == (JOBS, {"labelSelector": "jobgate.dev/job", "limit": "2", "continue": "m+1"})
    assert part.asked() == (JOBS, {
        "labelSelector": "jobgate.dev/job", "watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "7",
        "timeoutSeconds": "100"})


def test_an_empty_list(connect, play):
    client = connect(play(page(1)))
    client.watch()
    assert client.told(2) == ["begin", "listed"]


def test_a_watch_that_ends_goes_on_where_it_was(connect, play):
    part = play(page(7), stream(event("ADDED", "a", 8)), stream(event("BOOKMARK", "", 20)),
                held(event("ADDED", "b", 21)))
    client = connect(part)
    client.watch()
    assert client.told(4) == ["begin", "listed", "seen a 8", "seen b 21"]
    assert is_list(part.asked())
    assert [is_watch(part.asked(), version) for version in (7, 8, 20)] == [True] * 3


@pytest.mark.parametrize("forgotten", [
    stream(EXPIRED), held(EXPIRED), refuse(410), stream(event("ADDED", "b", 8), EXPIRED)])
def test_a_version_that_is_forgotten_is_listed_anew_and_no_trouble(forgotten, connect, play):
    part = play(page(7, job("a", 3)), forgotten, page(30, job("c", 29)), held(event("ADDED", "d", 31)))
    client = connect(part)
    client.watch()
    told = client.told_until("seen d 31")
    assert told[:3] == ["begin", "seen a 3", "listed"]
    assert told[-4:] == ["begin", "seen c 29", "listed", "seen d 31"]
    assert not any(line.startswith("trouble") for line in told)
    assert is_list(part.asked()) and is_watch(part.asked(), 7) and is_list(part.asked())
    assert is_watch(part.asked(), 30)


def test_a_page_that_is_forgotten_begins_the_list_anew(connect, play):
    part = play(page(7, job("a", 3), more="m"), refuse(410), page(9, job("a", 3), job("b", 4)))
    client = connect(part)
    client.watch()
    assert client.told(6) == ["begin", "seen a 3", "begin", "seen a 3", "seen b 4", "listed"]
    assert is_list(part.asked()) and is_list(part.asked(), "m") and is_list(part.asked())


def cut_in_a_line(exchange):
    text = event("ADDED", "b", 9)
    exchange.begin_stream()
    exchange.piece(event("ADDED", "a", 8) + text[:20])
    exchange.send("ff\r\n" + text[20:-5])


@pytest.mark.parametrize("cut", [
    cut_in_a_line,
    stream(event("ADDED", "a", 8), event("ADDED", "b", 9)[:20]),
    stream(event("ADDED", "a", 8), event("ADDED", "b", 9)[:20], end=hostile.Exchange.wait_closed),
], ids=["cut", "ended", "silent"])
def test_half_a_line_is_none(cut, connect, play):
    """However the watch ends, it goes on behind the last whole line."""
    part = play(page(7), cut, held(event("ADDED", "b", 9)))
    client = connect(part)
    client.watch(silence_ms=500)
    told = client.told_until("seen b 9")
    assert told[:3] == ["begin", "listed", "seen a 8"]
    assert set(told[3:-1]) <= {"trouble unknown", "well"}
    assert is_list(part.asked()) and is_watch(part.asked(), 7) and is_watch(part.asked(), 8)


def test_bytes_come_one_by_one(connect, play):
    client = connect(play(page(7), held(*event("ADDED", "a", 8))))
    client.watch()
    assert client.told(3) == ["begin", "listed", "seen a 8"]


@pytest.mark.parametrize("refusal,verdict", [
    (refuse(500), "unknown"), (refuse(503, "<html>"), "unknown"), (refuse(429, header=["Retry-After: 1"]), "later"),
    (refuse(403), "forbidden"), (refuse(401), "unauthenticated"), (hostile.Exchange.reset, "unknown"),
    (lambda exchange: None, "unknown")])
def test_trouble_is_told_and_passes(refusal, verdict, connect, play):
    part = play(refusal, page(7), refusal, held(event("ADDED", "a", 8)))
    client = connect(part)
    client.watch()
    assert client.told(6) == [f"trouble {verdict}", "begin", "listed", f"trouble {verdict}", "well", "seen a 8"]
    assert is_list(part.asked()) and is_list(part.asked())
    assert is_watch(part.asked(), 7) and is_watch(part.asked(), 7)


def test_an_error_in_the_stream_goes_on_where_it_was(connect, play):
    part = play(page(7), stream(event("ADDED", "a", 8), BROKEN, event("ADDED", "x", 9)), held())
    client = connect(part)
    client.watch()
    assert client.told(4) == ["begin", "listed", "seen a 8", "trouble unknown"]
    assert is_list(part.asked()) and is_watch(part.asked(), 7) and is_watch(part.asked(), 8)


@pytest.mark.parametrize("line,verdict", [
    ("<html>Bad Gateway</html>\n", "unknown"), ('{"type": "ADDED"}\n', "unknown"),
    ('{"type": "RENAMED", "object": {}}\n', "unknown"), ("x" * (MOST_LINE + 1) + "\n", "too_large")],
    ids=["html", "no-object", "no-type", "long"])
def test_a_line_that_cannot_be_read_is_got_past_by_a_list(line, verdict, connect, play):
    part = play(page(7), held(event("ADDED", "a", 8), line), page(20, job("b", 19)), held())
    client = connect(part)
    client.watch()
    told = client.told_until("listed") + client.told_until("listed")
    assert told == ["begin", "listed", "seen a 8", f"trouble {verdict}", "begin", "seen b 19", "listed"]


def test_a_watch_that_says_nothing_is_not_asked_for_without_a_pause(connect, play):
    client = connect(play(page(7), stream(), stream(), held(event("ADDED", "a", 8))))
    client.watch()
    told = client.told_until("seen a 8")
    assert [line for line in told if line != "well"] == ["begin", "listed", *2 * ["trouble unknown"], "seen a 8"]


def test_a_watch_that_is_refused_again_and_again_is_listed_anew(connect, play):
    """The server may have been set back, and know no version that is later."""
    part = play(page(70), *4 * [refuse(400)], page(7), held(event("ADDED", "a", 8)))
    client = connect(part)
    client.watch()
    told = client.told_until("seen a 8")
    assert told[2:] == [*4 * ["trouble refused"], "begin", "listed", "well", "seen a 8"]


@pytest.mark.parametrize("body", ["{}", "[]", '{"items": {}, "metadata": {"resourceVersion": "1"}}', '{"items": []}'])
def test_an_answer_that_is_no_list(body, connect, play):
    client = connect(play(refuse(200, body), page(7)))
    client.watch()
    assert client.told(3) == ["trouble unknown", "begin", "listed"]


def test_a_page_that_is_too_large_is_asked_for_in_halves(connect, play):
    part = play(refuse(200, b" " * (MOST_PAGE + 1)), page(7, job("a", 1)))
    client = connect(part)
    client.watch(page=50)
    assert client.told(3) == ["begin", "seen a 1", "listed"]
    assert [part.asked()[1]["limit"] for _ in range(2)] == ["50", "25"]


def test_it_stops_wherever_it_is(connect, play):
    for parts in ([], [page(7)], [page(7), held(event("ADDED", "a", 8))]):
        part = play(*parts)
        client = connect(part)
        client.watch()
        for _ in range(len(parts) or 1):
            part.asked()
        client.say(stop=True)
        # That it ends shows that everything came home.
        client.process.stdin.close()
        assert client.process.wait(20) == 0
