"""GET /v1/jobs/{id}/logs."""

import uuid

import pytest

from tests.harness import system

TEXT = "".join(f"line {number}\n" for number in range(1, 101))


@pytest.fixture
def printed(api):
    job = api.sh("i=1; while [ $i -le 100 ]; do echo line $i; i=$((i+1)); done; echo oops >&2", query={"wait": 30})
    return f"/v1/jobs/{job['id']}/logs"


def test_the_whole_output(api, printed):
    answer = api.get(printed)
    assert answer.status == 200 and answer.text == TEXT
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert api.get(printed, stream="stderr").text == "oops\n"
    assert api.get(printed, task=0, attempt=1).text == TEXT


@pytest.mark.parametrize("tail", [1, 7, 100, 5000])
def test_the_last_lines(api, printed, tail):
    assert api.get(printed, tail=tail).text == "".join(TEXT.splitlines(True)[-tail:])


RANGES = [("bytes=0-9", 0, 10), ("bytes=5-", 5, len(TEXT)), ("bytes=-6", len(TEXT) - 6, len(TEXT)),
          ("bytes=0-999999", 0, len(TEXT)), ("bytes=-999999", 0, len(TEXT))]


@pytest.mark.parametrize("wanted,first,end", RANGES, ids=[entry[0] for entry in RANGES])
def test_a_range_of_bytes(api, printed, wanted, first, end):
    answer = api.get(printed, headers={"Range": wanted})
    assert answer.status == 206 and answer.text == TEXT[first:end]
    assert answer.headers["Content-Range"] == f"bytes {first}-{end - 1}/{len(TEXT)}"


@pytest.mark.parametrize("wanted", [f"bytes={len(TEXT)}-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_that_is_not_there(api, printed, wanted):
    answer = api.get(printed, headers={"Range": wanted})
    assert (answer.status, answer.code) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(TEXT)}"


@pytest.mark.parametrize("wanted", ["lines=1-2", "bytes=", "bytes=a-b", "bytes=0-1,5-6", "bytes=9-5", "bytes=1-2-3"])
def test_a_range_that_is_none_is_ignored(api, printed, wanted):
    answer = api.get(printed, headers={"Range": wanted})
    assert answer.status == 200 and answer.text == TEXT


def test_a_range_beside_a_tail_is_ignored(api, printed):
    answer = api.get(printed, tail=1, headers={"Range": "bytes=0-1"})
    assert answer.status == 200 and answer.text == "line 100\n"


def test_bytes_come_as_they_were_printed(api):
    job = api.submit(["/bin/sh", "-c", r"printf '\000\377\r\n\033[1m'"], query={"wait": 30})
    assert api.get(f"/v1/jobs/{job['id']}/logs").body == b"\x00\xff\r\n\x1b[1m"


def test_nothing_printed_is_an_empty_log(api):
    job = api.submit(["true"], query={"wait": 30})
    answer = api.get(f"/v1/jobs/{job['id']}/logs")
    assert answer.status == 200 and answer.body == b""
    assert api.get(f"/v1/jobs/{job['id']}/logs", headers={"Range": "bytes=0-"}).status == 416


def test_a_running_jobs_output_can_be_followed_by_ranges(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = api.sh(f"echo one; while [ ! -e {gate} ]; do sleep 0.05; done; echo two")
    path = f"/v1/jobs/{job['id']}/logs"
    api.wait(job["id"], until="started")
    system.wait_until(lambda: api.get(path).text == "one\n", what="the first line")
    assert api.get(path, headers={"Range": "bytes=4-"}).status == 416
    system.own_file(gate)
    api.wait(job["id"])
    assert api.get(path, headers={"Range": "bytes=4-"}).text == "two\n"


def test_a_log_that_is_not_there_yet(api):
    job = api.submit(["true"], hold=True)
    answer = api.get(f"/v1/jobs/{job['id']}/logs")
    assert (answer.status, answer.code) == (404, "not_yet") and int(answer.headers["Retry-After"]) >= 1


def test_logs_of_what_does_not_exist(api, printed):
    assert api.get(printed, attempt=2).code == "not_found"
    assert api.get(printed, task=1).code == "not_found"
    assert api.get(f"/v1/jobs/{uuid.uuid4()}/logs").code == "not_found"


def test_each_attempt_has_its_own_log(api, tmp_path_shared):
    count = tmp_path_shared / "n"
    job = api.sh(f"echo x >> {count}; n=$(wc -l < {count}); echo attempt $n; [ $n = 3 ] || exit 75",
                 retry={"limit": 5, "delay": 1, "on": [75]})
    assert api.wait(job["id"], seconds=60)["state"] == "succeeded"
    path = f"/v1/jobs/{job['id']}/logs"
    assert [api.get(path, attempt=n).text for n in (1, 2, 3)] == ["attempt 1\n", "attempt 2\n", "attempt 3\n"]
    assert api.get(path).text == "attempt 3\n"


def test_output_removed_from_the_spool_is_gone(api, gateway):
    job = api.submit(["echo", "x"], query={"wait": 30})
    removed = [path for path in gateway.spool.rglob("*") if path.is_file() and job["id"] in str(path)
               and path.stat().st_size == 2]
    assert removed, "the output is not in a file named after the job"
    for path in removed:
        path.unlink()
    answer = api.get(f"/v1/jobs/{job['id']}/logs")
    assert (answer.status, answer.code) == (410, "gone")


def test_a_large_log(api):
    job = api.submit(["/bin/sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x"], query={"wait": 60})
    answer = api.get(f"/v1/jobs/{job['id']}/logs")
    assert len(answer.body) == 5000000 and set(answer.body) == {ord("x")}
    assert len(api.get(f"/v1/jobs/{job['id']}/logs", headers={"Range": "bytes=4999990-"}).body) == 10
