"""GET /v1/jobs/{id}/logs?tasks=."""

import collections
import itertools
import random
import re

import pytest

from tests.harness import system
from tests.harness.stream import Cut, Stream
from tests.integration.follow_test import descriptors, until, wait_for_no_followers

LONGEST = 8192


def follow(api, job, tasks="all", **options):
    return Stream(api, f"/v1/jobs/{job['id']}/logs", tasks=tasks, **options)


def logs(api, job, tasks="all", **query):
    return api.get(f"/v1/jobs/{job['id']}/logs", tasks=tasks, **query)


def array(api, script, indices, max_parallel=None, **spec):
    shape = {"indices": indices} | ({"max_parallel": max_parallel} if max_parallel else {})
    return api.sh("i=$JOBGATE_TASK_INDEX; " + script, array=shape, **spec)


def by_task(text):
    """index -> what is behind its prefix, of an answer that consists of whole lines."""
    found = collections.defaultdict(list)
    assert text == b"" or text.endswith(b"\n")
    for line in re.findall(rb"[^\n]*\n", text):
        prefix = re.match(rb"\[(\d+)\] ", line)
        assert prefix, line[:100]
        found[int(prefix[1])].append(line[prefix.end():])
    return {index: b"".join(lines) for index, lines in found.items()}


def read_lines(stream, count):
    """At least so many, as they come."""
    text = b""
    while text.count(b"\n") < count:
        text += stream.read_until(b"\n")
    return text


# ---- what is sent --------------------------------------------------------------------------------


def test_the_lines_of_all_tasks_come_as_they_appear(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = array(api, f"echo begin $i; {until(f'{gate}$i')} echo end $i", "3,5,9")
    with follow(api, job, tasks="5-9:4,3") as stream:
        assert by_task(read_lines(stream, 3)) == {n: f"begin {n}\n".encode() for n in (3, 5, 9)}
        for n in (9, 3, 5):
            system.own_file(f"{gate}{n}")
            assert stream.read_until(b"\n") == f"[{n}] end {n}\n".encode()
        assert stream.rest() == b""
    assert api.job(job["id"])["terminal"]


def test_no_line_is_within_another(api):
    """Each line is printed in three pieces by many tasks at once; then there is more than fits in a piece."""
    job = array(api, "for n in $(seq 200); do printf '%d-' $i; printf '%0200d' $n; echo; done", "0-15", max_parallel=8)
    expected = {i: "".join(f"{i}-{n:0200}\n" for n in range(1, 201)).encode() for i in range(16)}
    for _ in range(2):
        with follow(api, job) as stream:
            assert by_task(stream.rest()) == expected


@pytest.mark.parametrize("following", [True, False])
def test_any_bytes_are_lines(api, following):
    prints = [":", "printf 'no end'", r"printf '\000\377\r\n\303\050\033[1m'", r"printf '\n\n'",
              f"head -c {2 * LONGEST + 3} /dev/zero | tr '\\0' x; echo; echo y",
              f"head -c {LONGEST} /dev/zero | tr '\\0' z; echo"]
    job = array(api, f"case $i in {' '.join(f'{i}) {text};;' for i, text in enumerate(prints))} esac",
                f"0-{len(prints) - 1}", query={"wait": 30})
    if following:
        with follow(api, job) as stream:
            text = stream.rest()
    else:
        text = logs(api, job).body
    long = b"\n".join([b"x" * LONGEST, b"x" * LONGEST, b"xxx", b"y"]) + b"\n"
    assert by_task(text) == {1: b"no end\n", 2: b"\x00\xff\r\n\xc3(\x1b[1m\n", 3: b"\n\n", 4: long,
                             5: b"z" * LONGEST + b"\n"}


def test_a_line_is_kept_until_it_is_whole(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = array(api, f"printf 'a-'; {until(f'{gate}$i')} printf 'b'; [ $i = 0 ] || echo", "0-1")
    with follow(api, job) as stream:
        system.own_file(f"{gate}1")
        assert stream.read_until(b"\n") == b"[1] a-b\n"
        system.own_file(f"{gate}0")
        assert stream.rest() == b"[0] a-b\n"


def test_a_plain_job_is_its_only_task(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = api.sh(f"echo one; {until(gate)} echo two", hold=True)
    with follow(api, job) as stream:
        api.post(f"/v1/jobs/{job['id']}/release")
        assert stream.read_until(b"\n") == b"[0] one\n"
        system.own_file(gate)
        assert stream.rest() == b"[0] two\n"
    assert logs(api, job, "0").text == "[0] one\n[0] two\n"


def test_what_there_is_comes_in_order(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = array(api, f"echo a $i; echo b $i; [ $i -lt 4 ] || {{ {until(gate)} }}; echo c $i", "0-5", max_parallel=5)
    expected = "".join(f"[{i}] {x} {i}\n" for i in range(5) for x in ("abc" if i < 4 else "ab"))
    expected += "[5] a 5\n[5] b 5\n"
    system.wait_until(lambda: logs(api, job).text == expected, what="what is printed before the gate")
    assert logs(api, job, "1-2,0", tail=1).text == "[0] c 0\n[1] c 1\n[2] c 2\n"
    assert logs(api, job, "1", since="0").text == ""
    answer = api.head(f"/v1/jobs/{job['id']}/logs", tasks="1")
    assert answer.status == 200 and "ETag" not in answer.headers
    assert logs(api, job, "1", headers={"Range": "bytes=0-1"}).status == 200
    system.own_file(gate)
    api.wait(job["id"])
    assert logs(api, job, "4-5").text == "".join(f"[{i}] {x} {i}\n" for i in (4, 5) for x in "abc")


def test_the_tail_is_of_what_was_there(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = array(api, f"seq 1 3; {until(gate)} seq 4 6", "0-2", max_parallel=2)
    system.wait_until(lambda: logs(api, job).text.count("3\n") == 2, what="the first lines")
    with follow(api, job, tail=1) as stream:
        assert by_task(read_lines(stream, 2)) == {0: b"3\n", 1: b"3\n"}
        system.own_file(gate)
        text = stream.rest()
    assert by_task(text) == {0: b"4\n5\n6\n", 1: b"4\n5\n6\n", 2: b"1\n2\n3\n4\n5\n6\n"}


# ---- which tasks ---------------------------------------------------------------------------------


def test_more_tasks_than_are_followed_at_a_time(api):
    job = array(api, "echo first $i; sleep 0.1; echo last $i", "0-79:2,100-139", max_parallel=8, hold=True)
    with follow(api, job) as stream:
        api.post(f"/v1/jobs/{job['id']}/release")
        expected = {i: f"first {i}\nlast {i}\n".encode() for i in [*range(0, 80, 2), *range(100, 140)]}
        assert by_task(stream.rest()) == expected
    assert by_task(logs(api, job).body) == expected


def test_tasks_that_wait_are_waited_for(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = array(api, f"echo ran $i; {until(f'{gate}$i')} :", "0-3", max_parallel=1)
    with follow(api, job, tasks="0,2-3") as stream:
        for i in range(4):
            if i != 1:
                assert stream.read_until(b"\n") == f"[{i}] ran {i}\n".encode()
            system.own_file(f"{gate}{i}")
        assert stream.rest() == b""


def test_it_ends_with_the_tasks_asked_for(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = array(api, f"echo ran $i; [ $i = 0 ] || {{ {until(gate)} }}", "0-1")
    with follow(api, job, tasks="0") as stream:
        assert stream.rest() == b"[0] ran 0\n"
    assert not api.job(job["id"])["terminal"]
    system.own_file(gate)


def test_tasks_cancelled_before_they_start(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = array(api, f"echo ran $i; {until(gate)} :", "0-4", max_parallel=1)
    with follow(api, job) as every, follow(api, job, tasks="3") as one:
        assert every.read_until(b"\n") == b"[0] ran 0\n"
        assert api.post(f"/v1/jobs/{job['id']}/tasks/cancel", {"indices": "2-3"}).status == 202
        assert one.rest() == b""
        system.own_file(gate)
        assert by_task(every.rest()) == {1: b"ran 1\n", 4: b"ran 4\n"}


def test_an_array_cancelled_before_it_starts(api):
    job = array(api, "echo ran", "0-99", hold=True)
    with follow(api, job) as stream:
        assert stream.status == 200
        api.cancel(job["id"])
        assert stream.rest() == b""
    with follow(api, job) as stream:
        assert stream.rest() == b""
    assert logs(api, job).body == b""


@pytest.mark.parametrize("following", [True, False])
def test_one_output_that_is_gone_is_a_line(api, following):
    job = array(api, "echo task $i; [ $i != 1 ] || rm $(readlink /proc/$$/fd/1)", "0-3")
    api.wait(job["id"])
    for tasks, indices in (("all", range(4)), ("1-3", (1, 2, 3)), ("1", (1,))):
        answer = follow(api, job, tasks).rest() if following else logs(api, job, tasks).body
        lines = by_task(answer)
        assert lines.pop(1).startswith(b"[jobgate: the log has been removed")
        assert lines == {i: f"task {i}\n".encode() for i in indices if i != 1}


def test_every_attempt_of_each_task(api, tmp_path_shared):
    job = array(api, f"echo x >> {tmp_path_shared}/$i; n=$(wc -l < {tmp_path_shared}/$i); echo attempt $n; "
                     "[ $n -gt $i ] || exit 75", "0-2", hold=True, retry={"limit": 5, "delay": 1, "on": [75]})
    with follow(api, job) as stream:
        api.post(f"/v1/jobs/{job['id']}/release")
        printed = {i: "".join(f"attempt {n}\n" for n in range(1, i + 2)).encode() for i in range(3)}
        assert by_task(stream.rest()) == printed
    assert by_task(logs(api, job).body) == {i: f"attempt {i + 1}\n".encode() for i in range(3)}
    with follow(api, job) as stream:
        assert by_task(stream.rest()) == {i: f"attempt {i + 1}\n".encode() for i in range(3)}


@pytest.mark.parametrize("following", ["true", "false"])
def test_what_cannot_be_asked(api, other, following):
    job = array(api, "echo ran", "0-1", query={"wait": 30})
    for query, pointer in (({"tasks": "0-2"}, "?tasks"), ({"tasks": "7"}, "?tasks"),
                           ({"tasks": "all", "task": 0}, "?task"), ({"tasks": "0", "attempt": 1}, "?attempt")):
        answer = logs(api, job, follow=following, **query)
        assert (answer.status, answer.code, list(answer.pointers())) == (422, "unprocessable", [pointer]), query
    assert "2" in logs(api, job, "0-2", follow=following).pointers()["?tasks"]
    for tasks in ("", "every", "1-", "0,,1", "all,0"):
        assert logs(api, job, tasks, follow=following).status == 400, tasks
    assert other.client.get(f"/v1/jobs/{job['id']}/logs", tasks="all", follow=following).code == "not_found"
    many = array(api, "true", "0-1000", hold=True)
    answer = logs(api, many, follow=following)
    assert (answer.status, answer.code) == (422, "unprocessable") and "1000" in answer.pointers()["?tasks"]
    if following == "false":
        assert logs(api, many, "1-1000").body == b""
    api.cancel(many["id"])


# ---- many, and what goes wrong -------------------------------------------------------------------


def test_a_slow_follower_costs_nobody_anything(new_gateway):
    gateway = new_gateway().start()
    api = gateway.member("ana", "vision").client
    job = array(api, "seq 1 200000", "0-7", hold=True)
    slow = [follow(api, job, receive_bytes=4096) for _ in range(8)]
    with follow(api, job) as fast:
        api.post(f"/v1/jobs/{job['id']}/release")
        before = gateway.rss_kib()
        printed = "".join(f"{n}\n" for n in range(1, 200001)).encode()
        assert by_task(fast.rest()) == {i: printed for i in range(8)}
    assert gateway.rss_kib() - before < 24 * 1024 * system.PATIENCE
    assert by_task(slow[0].rest()) == {i: printed for i in range(8)}
    for stream in slow:
        stream.close()
    wait_for_no_followers(gateway)


def test_what_one_client_alone_follows_is_not_kept_for_others(new_gateway, tmp_path_shared):
    gateway = new_gateway(backend={"cpus": 32, "memory": "64Gi"}).start()
    api = gateway.member("ana", "vision").client
    gates = tmp_path_shared / "go", tmp_path_shared / "end"
    lines = "yes $(printf '%099d' 0) | head -n 20000"
    job = array(api, f"echo begin; {until(gates[0])} {lines}; {until(gates[1])} :", "0-31")
    with follow(api, job) as stream:
        read_lines(stream, 32)
        before, left = gateway.rss_kib(), 32 * 20000
        system.own_file(gates[0])
        pieces = stream.pieces()
        while left > 0:
            left -= next(pieces).count(b"\n")
        assert gateway.rss_kib() - before < 12 * 1024 + system.HELD_BACK_KIB
        system.own_file(gates[1])
        assert stream.rest() == b""


def test_clients_that_go_away_leave_nothing(new_gateway):
    gateway = new_gateway().start()
    api = gateway.member("ana", "vision").client
    running = array(api, "while true; do seq 1 1000; sleep 0.05; done", "0-5")
    quiet, waiting = array(api, "echo here; sleep 600", "0-3"), array(api, "true", "0-99", hold=True)
    chance = random.Random(7)
    for job in (running, quiet):
        with follow(api, job) as stream:
            stream.read_until(b"\n")
    wait_for_no_followers(gateway)
    before = descriptors(gateway)
    for _ in range(30):
        streams = [follow(api, chance.choice([running, quiet, waiting]), receive_bytes=chance.choice([None, 4096]))
                   for _ in range(5)]
        for stream in streams:
            stream.socket.settimeout(chance.random() / 20)
            try:
                for _ in itertools.islice(stream.pieces(), chance.choice([0, 1, 20])):
                    pass
            except TimeoutError:
                pass
            stream.close()
    wait_for_no_followers(gateway)
    system.wait_until(lambda: descriptors(gateway) <= before, 20, "the descriptors")
    api.post("/v1/jobs/cancel", {"project": "vision"})


def test_it_goes_on_with_as_many_followers_as_there_are(new_gateway, tmp_path_shared):
    gateway = new_gateway(settings={"max_user_followers": 3}).start()
    api = gateway.member("ana", "vision").client
    gate = tmp_path_shared / "go"
    job = array(api, f"echo first $i; {until(gate)} echo last $i", "0-11", max_parallel=6)
    system.wait_until(lambda: logs(api, job).text.count("first") == 6, what="more tasks than followers")
    with follow(api, job) as stream:
        assert stream.status == 200
        assert logs(api, job, follow="true").code == "too_many"
        system.own_file(gate)
        assert by_task(stream.rest()) == {i: f"first {i}\nlast {i}\n".encode() for i in range(12)}


def test_the_database_away_is_waited_out(new_cluster, new_gateway, tmp_path_shared):
    cluster = new_cluster()
    gateway = new_gateway(cluster=cluster).start()
    api = gateway.member("ana", "vision").client
    gate = tmp_path_shared / "go"
    job = array(api, f"echo begin $i; {until(gate)} echo end $i", "0-3", max_parallel=2)
    with follow(api, job) as stream:
        assert by_task(read_lines(stream, 2)) == {0: b"begin 0\n", 1: b"begin 1\n"}
        cluster.stop("immediate")
        system.own_file(gate)
        assert by_task(read_lines(stream, 2)) == {0: b"end 0\n", 1: b"end 1\n"}
        cluster.start()
        assert by_task(stream.rest()) == {i: f"begin {i}\nend {i}\n".encode() for i in (2, 3)}


def test_a_record_that_is_removed_cuts_it(api, tmp_path_shared):
    gate = tmp_path_shared / "go"
    job = array(api, f"echo first; {until(gate)} seq 1 200000", "0-1")
    with follow(api, job, receive_bytes=4096) as stream:
        read_lines(stream, 2)
        system.own_file(gate)
        api.wait(job["id"])
        assert api.delete(f"/v1/jobs/{job['id']}").status == 204
        with pytest.raises(Cut):
            stream.rest()


def test_a_stopping_gateway_cuts_it(new_gateway):
    gateway = new_gateway().start()
    api = gateway.member("ana", "vision").client
    running, waiting = array(api, "echo here; sleep 60", "0-1"), array(api, "true", "0-1", hold=True)
    with follow(api, running) as first, follow(api, waiting) as second:
        first.read_until(b"here\n")
        gateway.stop()
        for stream in (first, second):
            with pytest.raises(Cut):
                stream.rest()
    for pid in gateway.shims():
        system.kill(pid)
