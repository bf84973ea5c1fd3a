"""GET /v1/jobs/{id}/logs?follow=true."""

import concurrent.futures
import contextlib
import hashlib
import itertools
import os
import pathlib
import random
import signal
import socket
import threading
import time

import pytest

from tests.harness import system
from tests.harness.client import raw_exchange
from tests.harness.stream import Cut, Stream

FULL = bool(os.environ.get("JOBGATE_TEST_FULL"))
OWN_LOG = "log=$(readlink /proc/$$/fd/1); "


def follow(api, job, **options):
    return Stream(api, f"/v1/jobs/{job['id']}/logs", **options)


def until(gate):
    """Shell that goes on when the file is there."""
    return f"while [ ! -e {gate} ]; do sleep 0.05; done; "


def metric(gateway, name):
    """The sum of what is counted under this name."""
    text = gateway.client().get("/metrics").text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def wait_for_no_followers(gateway, seconds=20):
    """A log is closed when the last of its followers, and what was asked for them, is back."""
    system.wait_until(lambda: metric(gateway, "jobgate_log_followers") == metric(gateway, "jobgate_logs_followed") == 0,
                      seconds, "the end of the followers and of their logs")


def descriptors(gateway):
    return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))


def listens(gateway):
    try:
        socket.create_connection(("127.0.0.1", gateway.port)).close()
    except ConnectionRefusedError:
        return False
    return True


def opened(gateway, name):
    """How many of its descriptors are files whose names end so."""
    count = 0
    for entry in pathlib.Path(f"/proc/{gateway.process.pid}/fd").iterdir():
        try:
            count += os.readlink(entry).endswith(name)
        except FileNotFoundError:
            pass
    return count


# ---- what is sent --------------------------------------------------------------------------------


def test_lines_are_there_before_the_job_ends(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = api.sh(f"echo one; {until(gate)} echo two; printf three")
    with follow(api, job) as stream:
        assert stream.status == 200 and stream.headers["content-type"] == "text/plain; charset=utf-8"
        assert stream.read_until(b"\n") == b"one\n"
        assert api.job(job["id"])["state"] == "running"
        system.own_file(gate)
        assert stream.rest() == b"two\nthree"
    assert api.job(job["id"])["state"] == "succeeded"


@pytest.mark.parametrize("script,printed", [
    ("true", b""),
    ("printf 'no newline'", b"no newline"),
    (r"printf '\000\377\r\n\303\050\033[1m'", b"\x00\xff\r\n\xc3(\x1b[1m"),
    ("printf '\\n\\n'", b"\n\n"),
], ids=["nothing", "no newline", "binary", "empty lines"])
@pytest.mark.parametrize("ended", [True, False], ids=["ended", "new"])
def test_bytes_come_as_they_were_printed(api, script, printed, ended):
    job = api.sh(script, query={"wait": 30} if ended else None)
    with follow(api, job) as stream:
        assert stream.rest() == printed


def test_a_connection_is_used_again_after_a_stream(api):
    job = api.sh("echo x", query={"wait": 30})
    first = api.get(f"/v1/jobs/{job['id']}/logs", follow="true")
    connection = api._connection()
    second = api.get(f"/v1/jobs/{job['id']}/logs", follow="true")
    assert first.body == second.body == b"x\n" and api._connection() is connection


def test_a_client_of_http_1_0_is_sent_plain_bytes(api, gateway):
    job = api.sh("seq 1 100000", query={"wait": 30})
    target, token = f"/v1/jobs/{job['id']}/logs?follow=true", api.headers["Authorization"]
    received = raw_exchange("127.0.0.1", gateway.port,
                            f"GET {target} HTTP/1.0\r\nAuthorization: {token}\r\n\r\n".encode())
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"chunked" not in head and body == "".join(f"{n}\n" for n in range(1, 100001)).encode()


@pytest.mark.parametrize("query", ["follow=true", "tasks=all&follow=true"])
def test_a_client_of_http_1_0_does_not_take_a_cut_for_the_end(gateway, member, api, query):
    token = gateway.token(member.user, "--expires", "3s")
    job = api.sh("echo first; while true; do echo more; sleep 0.05; done")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30 * system.PATIENCE) as client:
        target = f"/v1/jobs/{job['id']}/logs?{query}"
        client.sendall(f"GET {target} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        received = b""
        with pytest.raises(ConnectionResetError):
            while piece := client.recv(65536):
                received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and b"first\n" in body
    wait_for_no_followers(gateway)


def test_the_tail_and_what_follows(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = api.sh(f"seq 1 1000; {until(gate)} echo more; echo other >&2")
    system.wait_until(lambda: api.get(f"/v1/jobs/{job['id']}/logs").text.endswith("1000\n"), what="the lines")
    with follow(api, job, tail=2) as stream, follow(api, job, stream="stderr") as errors:
        assert stream.read_until(b"1000\n") == b"999\n1000\n"
        system.own_file(gate)
        assert stream.rest() == b"more\n"
        assert errors.rest() == b"other\n"


@pytest.mark.parametrize("following", ["true", "false"])
def test_what_was_printed_since(api, following):
    job = api.sh("seq 1 100", query={"wait": 30})
    path, log = f"/v1/jobs/{job['id']}/logs", "".join(f"{n}\n" for n in range(1, 101))
    for since, printed in (("1h", log), ("2020-01-01T00:00:00Z", log), ("0", ""), ("2120-01-01T00:00:00+02:00", "")):
        assert api.get(path, follow=following, since=since).text == printed, since
    assert api.get(path, follow=following, since="1h", tail=1).text == "100\n"
    for since in ("yesterday", "2020-01-01", "10x", "99999999999999999d", "2020-02-31T00:00:00Z"):
        answer = api.get(path, follow=following, since=since)
        assert (answer.status, answer.code, list(answer.pointers())) == (422, "unprocessable", ["?since"]), since
    assert api.get(path, since="").status == 400


def test_a_running_job_is_followed_from_its_end_when_nothing_is_new(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = api.sh(f"echo old; {until(gate)} echo new")
    system.wait_until(lambda: api.get(f"/v1/jobs/{job['id']}/logs").text == "old\n", what="the first line")
    with follow(api, job, since="2120-01-01T00:00:00Z") as stream:
        system.own_file(gate)
        assert stream.rest() == b"new\n"


def test_a_range_beside_follow_is_ignored(api):
    job = api.sh("echo hello", query={"wait": 30})
    answer = api.get(f"/v1/jobs/{job['id']}/logs", follow="true", headers={"Range": "bytes=0-1"})
    assert (answer.status, answer.text) == (200, "hello\n")


def test_a_range_of_an_ended_attempt_is_tied_to_its_tag(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = api.sh(f"echo hello; {until(gate)} echo world")
    path = f"/v1/jobs/{job['id']}/logs"
    system.wait_until(lambda: api.get(path).status == 200 and api.get(path).text, what="the first line")
    assert "ETag" not in api.get(path).headers
    system.own_file(gate)
    api.wait(job["id"])
    tag = api.get(path).headers["ETag"]
    assert api.get(path, headers={"Range": "bytes=6-", "If-Range": tag}).text == "world\n"
    assert api.get(path, headers={"Range": "bytes=6-", "If-Range": '"other"'}).status == 200


def test_output_that_becomes_shorter_does_not_hang(api, tmp_path_shared):
    gate, second = tmp_path_shared / "go", tmp_path_shared / "second"
    job = api.sh(OWN_LOG + f"seq 1 100000; {until(gate)} truncate -s 10 $log; {until(second)} echo end")
    with follow(api, job) as stream:
        stream.read_until(b"\n100000\n")
        system.own_file(gate)
        # Its length only: the file may become shorter between that and its bytes.
        system.wait_until(lambda: api.head(f"/v1/jobs/{job['id']}/logs").headers["Content-Length"] == "10",
                          what="the shorter file")
        system.own_file(second)
        stream.rest()


@pytest.mark.full
def test_a_gigabyte(api):
    job = api.sh(OWN_LOG + "truncate -s 1G $log; echo last", query={"wait": 30})
    with follow(api, job) as stream:
        size, last = 0, b""
        for last in stream.pieces():
            size += len(last)
    assert size == (1 << 30) + 5 and last.endswith(b"\0last\n")


# ---- which attempts --------------------------------------------------------------------------------


def test_a_job_that_waits_is_waited_for(api):
    job = api.sh("echo ran", hold=True)
    with follow(api, job) as stream:
        assert stream.status == 200
        assert api.post(f"/v1/jobs/{job['id']}/release").status == 200
        assert stream.rest() == b"ran\n"


def test_a_run_that_has_no_file_yet_is_followed_from_its_first_line(new_gateway, binaries, tmp_path_shared):
    shim, made, end = (tmp_path_shared / name for name in ("shim", "made", "end"))
    system.own_file(shim, f'#!/bin/sh\nwhile [ ! -e {made} ]; do /bin/sleep 0.05; done\n'
                          f'exec {binaries}/jobgate-shim "$@"\n')
    shim.chmod(0o755)
    gateway = new_gateway(backend={"shim": str(shim)}).start()
    api = gateway.member("ana", "vision").client
    job = api.sh(f"echo first; {until(end)} echo last")
    api.wait(job["id"], until="started")
    assert api.get(f"/v1/jobs/{job['id']}/logs").code == "not_yet"
    with follow(api, job, timeout=30) as stream:
        system.own_file(made)
        assert stream.read_until(b"\n") == b"first\n"
        system.own_file(end)
        assert stream.rest() == b"last\n"


def test_a_waiting_job_that_is_cancelled_ends_its_stream(api):
    job = api.sh("echo ran", hold=True)
    with follow(api, job) as stream:
        api.cancel(job["id"])
        assert stream.rest() == b""


def test_a_running_job_that_is_cancelled_ends_its_stream(api):
    job = api.sh("trap 'echo last; exit 3' TERM; echo first; while true; do sleep 0.05; done")
    with follow(api, job) as stream:
        assert stream.read_until(b"\n") == b"first\n"
        api.cancel(job["id"])
        assert stream.rest() == b"last\n"


def test_what_never_ran_is_no_log(api, other):
    job = api.sh("echo ran", hold=True)
    api.cancel(job["id"])
    api.wait(job["id"])
    answer = api.get(f"/v1/jobs/{job['id']}/logs", follow="true")
    assert (answer.status, answer.code) == (404, "not_found")
    assert other.client.get(f"/v1/jobs/{job['id']}/logs", follow="true").code == "not_found"
    assert api.get(f"/v1/jobs/{job['id']}/logs", follow="true", task=1).code == "not_found"


def test_an_attempt_that_never_started_is_no_log(api, tmp_path_shared):
    gate, everything = tmp_path_shared / "go", {"resources": {"cpus": 16}}
    first = api.sh(until(gate) + ":", **everything)
    api.wait(first["id"], until="started")
    job = api.sh("echo ran", **everything)
    path = f"/v1/jobs/{job['id']}"
    system.wait_until(lambda: api.job(job["id"])["state"] == "pending", what="a job that waits at the backend")
    with follow(api, job) as stream:
        api.cancel(job["id"])
        assert stream.rest() == b""
    assert api.wait(job["id"])["state"] == "cancelled"
    assert [each["started_at"] for each in api.get(path + "/tasks/0/attempts").json()["items"]] == [None]
    for following in ("true", "false"):
        answer = api.get(path + "/logs", follow=following)
        assert (answer.status, answer.code) == (404, "not_found"), following
    system.own_file(gate)


def test_a_retried_job_is_followed_to_its_end(api, tmp_path_shared):
    count = tmp_path_shared / "n"
    job = api.sh(f"echo x >> {count}; n=$(wc -l < {count}); echo attempt $n; [ $n = 3 ] || exit 75",
                 hold=True, retry={"limit": 5, "delay": 1, "on": [75]})
    with follow(api, job) as every, follow(api, job, attempt=1) as first, follow(api, job, attempt=2) as second:
        api.post(f"/v1/jobs/{job['id']}/release")
        assert first.rest() == b"attempt 1\n"
        assert not api.job(job["id"])["terminal"]
        assert every.rest() == b"attempt 1\nattempt 2\nattempt 3\n"
        # It was not there when the first began.
        with pytest.raises(Cut):
            second.rest()
    for number in (1, 2, 3):
        with follow(api, job, attempt=number) as stream:
            assert stream.rest() == f"attempt {number}\n".encode()


def test_no_attempt_is_passed_over(new_gateway, tmp_path_shared):
    """One gateway leads; another, which follows, hears nothing until all attempts have ended."""
    leader = new_gateway().start()
    ana = leader.member("ana", "vision")
    api = ana.client
    asleep = new_gateway(cluster=leader.cluster, database=leader.database, spool=leader.spool).start()
    count = tmp_path_shared / "n"
    job = api.sh(f"echo x >> {count}; n=$(wc -l < {count}); echo attempt $n; [ $n = 3 ] || exit 75",
                 hold=True, retry={"limit": 5, "delay": 1, "on": [75]})
    with follow(asleep.client(ana.token), job) as stream:
        assert stream.status == 200
        asleep.process.send_signal(signal.SIGSTOP)
        try:
            api.post(f"/v1/jobs/{job['id']}/release")
            api.wait(job["id"])
        finally:
            asleep.process.send_signal(signal.SIGCONT)
        assert stream.rest() == b"attempt 1\nattempt 2\nattempt 3\n"


# ---- many ------------------------------------------------------------------------------------------


def digest_at_random(stream, seed, pauses):
    chance, digest, size = random.Random(seed), hashlib.sha1(), 0
    for piece in stream.pieces():
        digest.update(piece)
        size += len(piece)
        if chance.random() < pauses:
            time.sleep(chance.random() / 20)
    return size, digest.hexdigest()


@pytest.mark.parametrize("count,lines", [
    pytest.param(20, 2_000_000, id="some"),
    pytest.param(100, 6_500_000, id="hundred", marks=[pytest.mark.full, pytest.mark.timeout(600)]),
])
def test_followers_at_any_pace_are_sent_every_byte_once(api, count, lines):
    printed = "".join(f"{n}\n" for n in range(1, lines + 1)).encode()
    expected = len(printed), hashlib.sha1(printed).hexdigest()
    parts = [f"seq {first} {first + lines // 20 - 1}; sleep 0.02" for first in range(1, lines, lines // 20)]
    job = api.sh("; ".join(parts), hold=True)
    streams = [follow(api, job, timeout=600, receive_bytes=random.Random(n).choice([None, 4096])) for n in range(count)]
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        results = [pool.submit(digest_at_random, stream, n, 20 / (len(printed) / 10000) * (n % 4))
                   for n, stream in enumerate(streams)]
        api.post(f"/v1/jobs/{job['id']}/release")
        assert {result.result() for result in results} == {expected}
    for stream in streams:
        stream.close()


def test_a_slow_follower_costs_nobody_anything(new_gateway):
    gateway = new_gateway().start()
    api = gateway.member("ana", "vision").client
    job = api.sh("seq 1 6000000", hold=True)
    slow = [follow(api, job, receive_bytes=4096) for _ in range(20)]
    with follow(api, job) as fast:
        api.post(f"/v1/jobs/{job['id']}/release")
        before = gateway.rss_kib()
        digest = digest_at_random(fast, 0, 0)
    assert digest[0] == sum(9 * 10 ** (d - 1) * (d + 1) for d in range(1, 7)) + (6000000 - 999999) * 8
    assert gateway.rss_kib() - before < 16 * 1024 * system.PATIENCE
    assert digest_at_random(slow[0], 0, 0) == digest
    for stream in slow:
        stream.close()


def test_followers_share_one_file_and_one_read(new_gateway, tmp_path_shared):
    gateway = new_gateway().start()
    api = gateway.member("ana", "vision").client
    gate = tmp_path_shared / "go"
    job = api.sh(f"echo first; {until(gate)} head -c 50000 /dev/zero; {until(str(gate) + '2')} :")
    streams = [follow(api, job) for _ in range(20)]
    for stream in streams:
        assert stream.read_until(b"\n") == b"first\n"
    assert opened(gateway, ".out") == 1
    before = metric(gateway, "jobgate_logs_shared_bytes")
    system.own_file(gate)
    for stream in streams:
        size = 0
        for piece in stream.pieces():
            size += len(piece)
            if size == 50000:
                break
    assert metric(gateway, "jobgate_logs_shared_bytes") - before == 50000
    assert metric(gateway, "jobgate_log_followers") == 20
    assert metric(gateway, "jobgate_logs_followed") == 1
    system.own_file(str(gate) + "2")
    for stream in streams:
        assert stream.rest() == b""
        stream.close()


def test_who_waits_is_sent_what_another_saw_first(api, tmp_path_shared):
    gate, rounds = tmp_path_shared / "go", range(8)
    steps = "".join(f"{until(f'{gate}{n}')} echo {n}; " for n in rounds)
    job = api.sh(f"echo begin; {steps} {until(f'{gate}end')} :")
    with follow(api, job, timeout=10) as waiting:
        assert waiting.read_until(b"\n") == b"begin\n"
        for n in rounds:
            line, seen = f"{n}\n".encode(), b""
            with contextlib.ExitStack() as others:  # one that goes away makes all be looked at
                system.own_file(f"{gate}{n}")
                while seen != line:  # more often than the file is looked at for who waits
                    seen = others.enter_context(follow(api, job, tail=1)).read_until(b"\n")
                assert waiting.read_until(b"\n") == line
        system.own_file(f"{gate}end")
        assert waiting.rest() == b""


def test_there_is_an_end_to_followers(new_gateway):
    gateway = new_gateway(settings={"max_followers": 2}).start()
    api = gateway.member("ana", "vision").client
    job = api.sh("echo here; sleep 60")
    with follow(api, job) as first, follow(api, job) as second:
        first.read_until(b"here\n")
        answer = api.get(f"/v1/jobs/{job['id']}/logs", follow="true")
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "overloaded", "1")
        assert second.status == 200

    def again():
        with follow(api, job) as stream:
            return stream.status == 200
    system.wait_until(again, 20, "room for another")
    api.cancel(job["id"])


@pytest.mark.parametrize("query", [{}, {"tasks": "all"}], ids=["one", "many"])
def test_who_has_begun_waits_however_many_wait(new_gateway, query):
    gateway = new_gateway(settings={"max_waiters": 1}).start()
    api = gateway.member("ana", "vision").client
    jobs = [api.sh(f"echo {n}", hold=True) for n in range(3)]
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(follow(api, job, **query)) for job in jobs]
        for job in jobs:
            api.post(f"/v1/jobs/{job['id']}/release")
        for n, stream in enumerate(streams):
            assert stream.rest().endswith(f"{n}\n".encode())


def test_a_user_leaves_others_room(new_gateway):
    gateway = new_gateway(settings={"max_user_followers": 2}).start()
    ana = gateway.member("ana", "vision").client
    bob = gateway.member("bob", "vision", new_project=False).client
    job = ana.sh("echo here; sleep 60")
    with follow(ana, job) as first, follow(ana, job) as second:
        assert first.read_until(b"here\n") == second.read_until(b"here\n") == b"here\n"
        answer = ana.get(f"/v1/jobs/{job['id']}/logs", follow="true")
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (429, "too_many", "1")
        assert ana.get(f"/v1/jobs/{job['id']}/logs").status == 200
        with follow(bob, job) as other:
            assert other.read_until(b"here\n") == b"here\n"

    def again():
        with follow(ana, job) as stream:
            return stream.status == 200
    system.wait_until(again, 20, "room for another")
    ana.cancel(job["id"])


def questions(gateway):
    """How many the record was asked by those who read."""
    return sum(metric(gateway, f'jobgate_db_commands_total{{channel="{channel}"')
               for channel in ("reader", "pages-1", "pages-2"))


def test_the_record_is_not_asked_at_each_event_of_others(new_gateway, tmp_path_shared):
    """A task that runs, one that waits for all the others, and both in one text."""
    gateway = new_gateway().start()
    api = gateway.member("ana", "vision").client
    gate, pause, last = tmp_path_shared / "go", 0.2, 400
    job = api.sh(f"case $JOBGATE_TASK_INDEX in 0) echo first; {until(gate)} ;; {last}) echo last;; esac",
                 array={"indices": f"0-{last}", "max_parallel": 2}, hold=True)
    with follow(api, job, task=0) as running, follow(api, job, task=last) as waiting, \
            follow(api, job, tasks=f"0,{last}") as both:
        api.post(f"/v1/jobs/{job['id']}/release")
        assert running.read_until(b"\n") == b"first\n"
        assert both.read_until(b"\n") == b"[0] first\n"
        before, begun = questions(gateway), time.monotonic()
        assert waiting.rest() == b"last\n"
        assert both.read_until(b"\n") == f"[{last}] last\n".encode()
        # One about the end, two of a search, three of a look; and what finds and opens the last task's output.
        at_once, turns = 1 + 2 + 3, 2 + (time.monotonic() - begun) / pause
        assert questions(gateway) - before <= at_once * turns + 10
        system.own_file(gate)
        assert running.rest() == both.rest() == b""


# ---- who may ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [{}, {"tasks": "all"}], ids=["one", "many"])
def test_a_token_that_is_revoked_ends_what_it_reads(gateway, member, api, tmp_path_shared, query):
    gate = tmp_path_shared / "go"
    token = gateway.token(member.user, "--name", "lost")
    job = api.sh(f"echo first; {until(gate)} echo secret")
    with follow(gateway.client(token), job, **query) as lost, follow(api, job, **query) as good:
        for stream in (lost, good):
            assert stream.read_until(b"first\n").endswith(b"first\n")
        (line,) = [line for line in gateway.cli("token", "list", "--user", member.user).splitlines() if "lost" in line]
        gateway.cli("token", "revoke", line.split()[0])
        system.wait_until(lambda: gateway.client(token).get("/v1/me").status == 401, what="the revocation")
        system.own_file(gate)
        assert good.rest().endswith(b"secret\n")
        with pytest.raises(Cut):
            lost.read_until(b"secret\n")


@pytest.mark.parametrize("query", [{}, {"tasks": "all"}], ids=["one", "many"])
@pytest.mark.parametrize("change", [
    "DELETE FROM memberships m USING users u WHERE u.id = m.user_id AND u.name = %s",
    "UPDATE users SET disabled_at = now() WHERE name = %s",
    "UPDATE tokens t SET scopes = '{jobs:write}' FROM users u WHERE u.id = t.user_id AND u.name = %s",
], ids=["no member", "disabled", "scope"])
def test_who_may_not_read_any_more_is_sent_nothing_more(gateway, member, api, tmp_path_shared, change, query):
    gate = tmp_path_shared / "go"
    reader = gateway.member(member.user + "r", member.project, role="viewer", new_project=False)
    stays = gateway.member(member.user + "s", member.project, new_project=False)
    job = api.sh(f"echo first; {until(gate)} echo secret")
    with follow(reader.client, job, **query) as lost, follow(stays.client, job, **query) as good:
        for stream in (lost, good):
            assert stream.read_until(b"first\n").endswith(b"first\n")
        gateway.cluster.query(change, [reader.user], database=gateway.database)
        gateway.cli("project", "member", member.project, stays.user, "viewer")  # which still may
        system.wait_until(lambda: reader.client.get(f"/v1/jobs/{job['id']}").status != 200, what="the change")
        system.own_file(gate)
        assert good.rest().endswith(b"secret\n")
        with pytest.raises(Cut):
            lost.read_until(b"secret\n")


def test_a_token_that_expires_ends_what_it_reads(gateway, member, api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    token = gateway.token(member.user, "--expires", "3s")
    job = api.sh(f"echo first; {until(gate)} echo secret")
    with follow(gateway.client(token), job) as stream:
        assert stream.read_until(b"\n") == b"first\n"
        system.wait_until(lambda: gateway.client(token).get("/v1/me").status == 401, what="the token's end")
        system.own_file(gate)
        with pytest.raises(Cut):
            stream.read_until(b"secret\n")


# ---- what goes wrong -------------------------------------------------------------------------------


def test_a_client_that_goes_away_leaves_nothing(new_gateway):
    gateway = new_gateway().start()
    api = gateway.member("ana", "vision").client
    running, waiting = api.sh("echo here; sleep 60"), api.sh("true", hold=True)
    api.get("/v1/me")
    with follow(api, running) as stream:
        stream.read_until(b"here\n")
    wait_for_no_followers(gateway)
    before = descriptors(gateway)
    streams = [follow(api, job) for job in (running, waiting) for _ in range(25)]
    assert descriptors(gateway) >= before + 50
    for stream in streams:
        stream.close()
    system.wait_until(lambda: descriptors(gateway) <= before, 20, "the descriptors")
    wait_for_no_followers(gateway)
    api.cancel(running["id"])


def test_a_client_that_vanishes_is_asked_for(api, gateway):
    job = api.sh("echo here; sleep 60")
    with follow(api, job) as stream:
        stream.read_until(b"here\n")
        ends = [f":{port:04X}" for port in (gateway.port, stream.socket.getsockname()[1])]

        def timer():
            rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
            found = [row[5] for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1])]
            return found[0].partition(":")[0] if found else None
        # 02: of what keeps the connection alive; 01 while something sent is not confirmed.
        system.wait_until(lambda: timer() == "02", what="the timer that asks for the client")
    api.cancel(job["id"])


def test_the_database_away_is_waited_out(new_cluster, new_gateway, tmp_path_shared):
    cluster = new_cluster()
    gateway = new_gateway(cluster=cluster).start()
    api = gateway.member("ana", "vision").client
    gate, count = tmp_path_shared / "go", tmp_path_shared / "n"
    job = api.sh(f"echo x >> {count}; n=$(wc -l < {count}); echo begin $n; {until(gate)}"
                 f"echo end $n; [ $n = 2 ] || exit 75", retry={"limit": 1, "delay": 1, "on": [75]})
    with follow(api, job) as stream:
        assert stream.read_until(b"begin 1\n") == b"begin 1\n"
        cluster.stop("immediate")
        system.own_file(gate)
        assert stream.read_until(b"end 1\n") == b"end 1\n"
        cluster.start()
        assert stream.rest() == b"begin 2\nend 2\n"


def test_a_stopping_gateway_cuts_its_streams(new_gateway):
    gateway = new_gateway().start()
    api = gateway.member("ana", "vision").client
    running, waiting = api.sh("echo here; sleep 60"), api.sh("true", hold=True)
    with follow(api, running) as first, follow(api, waiting) as second:
        first.read_until(b"here\n")
        gateway.stop()
        for stream in (first, second):
            with pytest.raises(Cut):
                stream.rest()
    for pid in gateway.shims():
        system.kill(pid)


def test_a_stopping_gateway_sends_the_rest_of_what_has_ended(new_gateway):
    gateway = new_gateway().start()
    api = gateway.member("ana", "vision").client
    job = api.sh("seq 1 1000000", query={"wait": 30})
    with follow(api, job, receive_bytes=4096) as stream:
        read = next(stream.pieces())
        gateway.process.send_signal(signal.SIGTERM)
        system.wait_until(lambda: not listens(gateway), what="the beginning of the end")
        read += stream.rest()
        assert read == "".join(f"{n}\n" for n in range(1, 1000001)).encode()
    assert gateway.wait_end() == 0


def churn(api, logs, seed, stop):
    """Opens followers of (job, query), reads a little or nothing, and closes them."""
    chance, count = random.Random(seed), 0
    while not stop.is_set():
        job, query = chance.choice(logs)
        with follow(api, job, receive_bytes=chance.choice([None, 4096]), **query) as stream:
            stream.socket.settimeout(chance.random() / 2)
            try:
                for _ in itertools.islice(stream.pieces(), chance.choice([0, 0, 1, 50])):
                    pass
            except TimeoutError:  # there was nothing to read
                pass
        count += 1
    return count


@pytest.mark.timeout(400)
def test_followers_that_come_and_go_leave_nothing(new_gateway):
    threads, seconds = (500, 120) if FULL else (60, 4)
    room = {"max_followers": 32 * threads, "max_user_followers": 32 * threads}  # a text of tasks takes up to 32
    gateway = new_gateway(settings={"listen": {"loops": 2}, **room}).start()
    api = gateway.member("ana", "vision").client
    endless = "while true; do seq 1 1000; sleep 0.05; done"
    jobs = [api.sh(endless), api.sh("echo here; sleep 600"),
            api.sh("true", hold=True), api.sh("seq 1 100000", query={"wait": 30}),
            api.sh("seq 1 300000; exit 75", retry={"limit": 100, "delay": 1, "on": [75]})]
    tasks = api.sh(f"[ $JOBGATE_TASK_INDEX -gt 1 ] || {{ {endless}; }}", array={"indices": "0-99", "max_parallel": 3})
    logs = [(job, {}) for job in jobs] + [(tasks, {"tasks": "all"}), (tasks, {"task": 1}), (tasks, {"task": 99})]
    quiet = descriptors(gateway)
    stop = threading.Event()
    memory = []
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for _ in range(2):  # the second time all that is kept for reuse is there
            stop.clear()
            results = [pool.submit(churn, api, logs, seed, stop) for seed in range(threads)]
            time.sleep(seconds / 2)
            stop.set()
            assert sum(result.result() for result in results) > threads
            wait_for_no_followers(gateway, 60)
            memory.append(gateway.rss_kib())
    system.wait_until(lambda: descriptors(gateway) <= quiet + 2, 60, "the descriptors")
    assert memory[1] < memory[0] + 8 * 1024 + system.HELD_BACK_KIB


@pytest.mark.parametrize("query", ["follow=true", "tasks=all", "tasks=all&follow=true"])
def test_nothing_comes_behind_a_head(gateway, api, query):
    job = api.sh("echo x", query={"wait": 30})
    got = raw_exchange("127.0.0.1", gateway.port, (
        f"HEAD /v1/jobs/{job['id']}/logs?{query} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {api.headers['Authorization']}\r\n\r\n"
        "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").encode())
    head, _, rest = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and (not rest or rest.startswith(b"HTTP/1.1 200 ")), got
