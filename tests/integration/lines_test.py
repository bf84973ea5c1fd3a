"""Many jobs in one request: application/x-ndjson."""

import http.client
import json
import re
import select
import socket
import threading
import time

import pytest

from tests.harness import system
from tests.harness.client import Answer

TYPE = {"Content-Type": "application/x-ndjson"}
HELD = {"command": ["true"], "hold": True}


def body(*specs):
    return "".join(json.dumps(spec) + "\n" for spec in specs).encode()


def send(api, raw, headers=None, **query):
    return api.request("POST", "/v1/jobs", raw=raw, headers=TYPE | (headers or {}), query=query)


def results(answer):
    assert answer.status == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.body.splitlines()]


def outcomes(answer):
    return [(result["line"], result["status"]) for result in results(answer)]


def keyed(count, prefix="k"):
    return [HELD | {"idempotency_key": f"{prefix}/{number}", "name": f"n{number}"} for number in range(count)]


def stored(api, name):
    return list(api.pages("/v1/jobs", name=name, limit=1000))


def held(gateway):
    """What all bodies hold, in bytes."""
    text = gateway.client().get("/metrics").text
    return int(re.search(r"^jobgate_http_bodies_held_bytes (\d+)$", text, re.MULTILINE)[1])


class Raw:
    """A request of which each byte is ours to send."""

    def __init__(self, gateway, token, framing, kind):
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=60)
        self.say(f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                 f"Content-Type: {kind}\r\n{framing}\r\n\r\n".encode())

    def say(self, data):
        self.socket.sendall(data)

    def chunk(self, data):
        self.say(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def answer(self):
        got = http.client.HTTPResponse(self.socket, method="POST")
        got.begin()
        return Answer(got.status, got.headers, got.read())

    def close(self):
        self.socket.close()


@pytest.fixture
def raw(gateway, member):
    made = []

    def make(framing="Transfer-Encoding: chunked", of=gateway, token=member.token, kind=TYPE["Content-Type"]):
        made.append(Raw(of, token, framing, kind))
        return made[-1]

    yield make
    for each in made:
        each.close()


# ---- lines ---------------------------------------------------------------------------------


def test_each_line_is_a_job_and_has_its_result_in_order(api):
    specs = [HELD | {"name": f"job-{number}"} for number in range(50)]
    found = results(send(api, body(*specs)))
    assert [(result["line"], result["status"]) for result in found] == [(number, 201) for number in range(1, 51)]
    for result, spec in zip(found, specs, strict=True):
        job = api.job(result["id"])
        assert (job["name"], job["state"], job["reason"]) == (spec["name"], "queued", "held")
        assert job["backend"] == "local" and job["spec"]["retry"]["limit"] == 3


def test_the_jobs_run(api):
    found = results(send(api, body({"command": ["echo", "one"]}, {"script": "echo two"})))
    for result, printed in zip(found, ("one\n", "two\n"), strict=True):
        api.wait(result["id"])
        assert api.log(result["id"]) == printed


def test_a_bad_line_hurts_only_itself(api):
    raw = b"\n".join([
        body(HELD).strip(), b'{"comand": ["true"]}', b"{", b"[]", b"7", b'{"command": ["true"], "command": ["false"]}',
        b'{"command": ["true"], "script": "true"}', b'{"command": ["true"], "backend": "nowhere"}',
        b'{"command": ["true"], "environment": {"A": "\xff"}}', b'{"command": ["a\\u0000"]}',
        b'{"command": ["true"], "idempotency_key": " x"}', b'{"command": ["true"], "idempotency_key": 7}',
        body(HELD).strip()]) + b"\n"
    answer = send(api, raw)
    assert outcomes(answer) == [(1, 201), (2, 400), (3, 400), (4, 400), (5, 400), (6, 400), (7, 422), (8, 422),
                                (9, 400), (10, 400), (11, 400), (12, 400), (13, 201)]
    found = results(answer)
    assert found[1]["problem"]["errors"][0]["pointer"] == "/comand"
    assert '"command"' in found[1]["problem"]["detail"]
    assert found[5]["problem"]["errors"][0]["pointer"] == "/command"
    assert found[7]["problem"]["code"] == "unprocessable"
    assert all(result["problem"]["request_id"] == answer.headers["X-Request-Id"]
               for result in found if "problem" in result)
    assert len(list(api.pages("/v1/jobs"))) == 2


def test_a_line_may_be_an_array(api):
    arrays = [{"indices": "4-9,0-5,5"}, {"indices": "9-0"}, {"indices": "0-9999999"},
              {"matrix": dict.fromkeys("abc", [0] * 1000)}, {"matrix": {"a": [1, 2], "b": [1, 2, 3]}}]
    answer = send(api, body(*(HELD | {"array": array} for array in arrays)))
    assert outcomes(answer) == [(1, 201), (2, 422), (3, 422), (4, 422), (5, 201)]
    found = results(answer)
    assert [found[n]["problem"]["errors"][0]["pointer"] for n in (1, 2, 3)] == [
        "/array/indices", "/array/indices", "/array/matrix"]
    assert [api.job(found[n]["id"])["task_count"] for n in (0, 4)] == [10, 6]


def test_a_result_has_the_warnings_of_a_plain_submit(api):
    spec = HELD | {"retry": {"limit": 50}}
    plain = api.submit(spec["command"], hold=True, retry=spec["retry"])["warnings"]
    assert {warning["rule"] for warning in plain} == {"time_limit", "retry_limit"}
    quiet = HELD | {"time_limit": 60}
    found = results(send(api, body(spec | {"idempotency_key": "a"}, quiet, spec | {"idempotency_key": "a"})))
    assert [result["status"] for result in found] == [201] * 3
    assert found[0]["warnings"] == found[2]["warnings"] == plain and found[2]["replayed"]
    assert "warnings" not in found[1]


def test_line_ends_blank_lines_and_no_final_newline(api):
    line = body(HELD).strip()
    answer = send(api, b"\r\n\n" + line + b"\r\n  \t\r\n\n" + line + b"\n\r\n" + line)
    assert outcomes(answer) == [(3, 201), (6, 201), (8, 201)]


def test_a_line_over_the_limit_is_refused_alone_and_not_held(gateway, api):
    def padded(size):
        head = b'{"command": ["true"], "hold": true, "name": "long"'
        return head + b" " * (size - len(head) - 1) + b"}\n"

    before = gateway.rss_kib()
    answer = send(api, padded(1 << 20) + padded((1 << 20) + 1) + padded(10_000_000) + padded(100))
    assert outcomes(answer) == [(1, 201), (2, 413), (3, 413), (4, 201)]
    assert results(answer)[2]["problem"]["code"] == "too_large"
    assert gateway.rss_kib() - before < 8 * 1024 + system.HELD_BACK_KIB


def test_one_line_too_many_is_said_and_so_is_what_follows(api):
    line = b'{"x":1}\n'
    answer = send(api, line * 99_999 + b"\n" + body(HELD) + body(HELD) * 3)
    found = results(answer)
    assert len(found) == 100_001
    assert [result["line"] for result in found] == [*range(1, 100_000), 100_001, 100_002]
    assert found[99_999]["status"] == 201
    assert (found[-1]["status"], found[-1]["problem"]["code"]) == (413, "too_large")
    assert "at most 100000 lines: this one and those after it" in found[-1]["problem"]["detail"]
    assert len(list(api.pages("/v1/jobs"))) == 1


def test_a_body_larger_than_the_memory_it_may_take(new_gateway):
    gateway = new_gateway(settings={"log": {"level": "warn"}}).start()
    api = gateway.member("ana", "vision").client
    count = 10_000
    large = HELD | {"environment": {"PADDING": "x" * 5000}}
    before = gateway.rss_kib()
    found = results(send(api, body(*(large | {"idempotency_key": str(number)} for number in range(count)))))
    assert [(result["line"], result["status"]) for result in found] == [(n, 201) for n in range(1, count + 1)]
    assert len({result["id"] for result in found}) == count
    assert gateway.cluster.query("SELECT count(*) FROM jobs", database=gateway.database) == [(count,)]
    assert gateway.rss_kib() - before < 32 * 1024 + system.HELD_BACK_KIB


# ---- keys ----------------------------------------------------------------------------------


def test_a_repeat_with_the_same_keys_gives_the_same_jobs(api):
    raw = body(*keyed(300))
    first, again = results(send(api, raw)), results(send(api, raw))
    assert [result["id"] for result in first] == [result["id"] for result in again]
    assert all("replayed" not in result for result in first) and all(result["replayed"] for result in again)


def test_another_body_under_a_key_is_refused_alone(api):
    first = results(send(api, body(*keyed(3))))
    changed = keyed(3)
    changed[1]["priority"] = 7
    found = results(send(api, body(*changed)))
    assert [result["status"] for result in found] == [201, 422, 201]
    assert found[1]["problem"]["code"] == "idempotency_mismatch"
    assert "idempotency_key" in found[1]["problem"]["detail"]
    assert found[0]["id"] == first[0]["id"]


def test_a_key_twice_in_one_body_is_one_job(api):
    spec = HELD | {"idempotency_key": "twice"}
    found = results(send(api, body(spec, HELD, spec, spec | {"priority": 1})))
    assert [result["status"] for result in found] == [201, 201, 201, 422]
    assert found[0]["id"] == found[2]["id"] != found[1]["id"]


def test_of_lines_with_one_key_the_first_makes_the_job(api):
    pairs = [[spec, spec | {"priority": 1}] for spec in keyed(1500)]
    found = results(send(api, body(*(spec for pair in pairs for spec in pair))))
    assert [result["status"] for result in found] == [201, 422] * len(pairs)
    assert not any("replayed" in result for result in found)


@pytest.mark.parametrize("first,second", [({"deadline": "1h"}, {}), ({}, {"deadline": "1h"})],
                         ids=["timers first", "timers second"])
def test_timers_do_not_change_which_line_with_a_key_is_the_first(api, first, second):
    pairs = [[spec | first, spec | second] for spec in keyed(300)]
    found = results(send(api, body(*(spec for pair in pairs for spec in pair))))
    assert [result["status"] for result in found] == [201, 422] * len(pairs)


def test_the_key_of_a_deleted_job_is_gone(api):
    raw = body({"command": ["true"], "idempotency_key": "deleted"})
    job = results(send(api, raw))[0]["id"]
    api.wait(job)
    assert api.delete(f"/v1/jobs/{job}").status == 204
    assert results(send(api, raw))[0]["status"] == 410


def test_keys_are_found_as_those_of_the_header_are(api):
    job = results(send(api, body(HELD | {"idempotency_key": "a key"})))[0]["id"]
    assert [found["id"] for found in api.pages("/v1/jobs", idempotency_key="a key")] == [job]


def test_tenants_have_keys_and_projects_of_their_own(api, other):
    mine, theirs = results(send(api, body(*keyed(20)))), results(send(other.client, body(*keyed(20))))
    assert not {result["id"] for result in mine} & {result["id"] for result in theirs}
    assert api.get(f"/v1/jobs/{theirs[0]['id']}").status == 404
    answer = send(api, body(HELD | {"project": other.project}, HELD))
    assert outcomes(answer) == [(1, 422), (2, 201)]
    assert other.project not in results(answer)[0]["problem"]["errors"][0]["detail"].split("yours:")[1]


def test_a_viewer_is_refused_line_by_line(gateway, member):
    gateway.cli("user", "create", f"viewer-{member.user}")
    viewer = gateway.member(f"viewer-{member.user}", member.project, "viewer", new_user=False, new_project=False)
    assert outcomes(send(viewer.client, body(HELD, HELD))) == [(1, 403), (2, 403)]


# ---- the request ---------------------------------------------------------------------------


@pytest.mark.parametrize("query,headers,pointer", [
    ({"dry_run": "true"}, {}, "?dry_run"),
    ({"wait": "5"}, {}, "?wait"),
    ({"fail_on_failure": "true"}, {}, "?fail_on_failure"),
    ({}, {"Idempotency-Key": "one"}, "Idempotency-Key:"),
], ids=["dry_run", "wait", "fail_on_failure", "key"])
def test_what_is_for_one_job_is_refused(api, query, headers, pointer):
    answer = send(api, body(HELD), headers, **query)
    assert (answer.status, answer.code) == (422, "unprocessable")
    assert pointer in answer.pointers()
    assert list(api.pages("/v1/jobs")) == []


@pytest.mark.parametrize("raw", [b"", b"\n", b" \r\n\r\n"], ids=["nothing", "newline", "blanks"])
def test_a_body_without_a_line_is_refused(api, raw):
    answer = send(api, raw)
    assert (answer.status, answer.code) == (400, "invalid")


def test_the_type_may_have_a_charset_and_only_utf8(api):
    for kind, status in (("application/x-ndjson; charset=utf-8", 200), ("Application/X-NDJSON", 200),
                         ("application/x-ndjson; charset=latin1", 415), ("application/x-ndjsonx", 415)):
        assert send(api, body(HELD), {"Content-Type": kind}).status == status, kind


def test_without_a_token_nothing_is_read(gateway):
    assert gateway.client().request("POST", "/v1/jobs", raw=body(HELD), headers=TYPE).status == 401


def test_a_length_over_the_limit_is_refused_before_anything_is_recorded(new_gateway):
    gateway = new_gateway(settings={"listen": {"max_lines": 4096}}).start()
    api = gateway.member("ana", "vision").client
    line = body(HELD)
    fits = line * (4096 // len(line))
    fits += b" " * (4096 - len(fits))
    assert len(results(send(api, fits))) == 4096 // len(line)
    before = len(list(api.pages("/v1/jobs", limit=1000)))
    answer = send(api, fits + b"\n")
    assert (answer.status, answer.code) == (413, "too_large")
    assert len(list(api.pages("/v1/jobs", limit=1000))) == before


def test_chunks_over_the_limit_say_what_was_accepted(new_gateway, raw):
    gateway = new_gateway(settings={"listen": {"max_lines": 4096}}).start()
    member = gateway.member("ana", "vision")
    request = raw(of=gateway, token=member.token)
    for _ in range(3):
        request.chunk(body(HELD))
    system.wait_until(lambda: len(list(member.client.pages("/v1/jobs"))) == 3, what="the jobs")
    request.chunk(b" " * 5000)
    answer = request.answer()
    assert (answer.status, answer.code) == (413, "too_large")
    assert "read up to line 3, 3 of these lines are accepted" in answer.json()["detail"]


def test_lines_are_recorded_as_they_arrive(gateway, member, raw):
    request = raw()
    line = body(HELD | {"name": "slow"})
    for number in range(1, 4):
        for byte in line:
            request.chunk(bytes([byte]))
        system.wait_until(lambda: len(stored(member.client, "slow")) == number, what="the job")
    request.say(b"0\r\n\r\n")
    assert outcomes(request.answer()) == [(1, 201), (2, 201), (3, 201)]


def test_a_lost_connection_leaves_whole_jobs_and_a_repeat_completes_them(gateway, member, raw):
    specs = keyed(500, "cut")
    whole = body(*specs)
    request = raw(f"Content-Length: {len(whole)}")
    request.say(whole[:len(whole) // 2 + 7])
    system.wait_until(lambda: len(list(member.client.pages("/v1/jobs", limit=1000))) >= 200, what="some jobs")
    request.close()
    found = results(send(member.client, whole))
    assert [result["status"] for result in found] == [201] * 500
    assert any("replayed" in result for result in found) and not all("replayed" in result for result in found)
    jobs = list(member.client.pages("/v1/jobs", limit=1000, fields="name"))
    assert sorted(job["name"] for job in jobs) == sorted(spec["name"] for spec in specs)


def test_many_at_once_that_are_cut_leave_nothing_behind(new_gateway, raw):
    gateway = new_gateway(settings={"log": {"level": "warn"}}).start()
    member = gateway.member("ana", "vision")
    whole = body(*keyed(1000, "many"))
    send(member.client, body(HELD))

    def cut(number):
        request = raw(f"Content-Length: {len(whole)}", of=gateway, token=member.token)
        request.say(whole[:len(whole) * (number + 1) // 22])
        request.close()

    for _ in range(2):
        threads = [threading.Thread(target=cut, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = results(send(member.client, whole))
    assert len({result["id"] for result in found}) == 1000
    gateway.stop()  # a sanitizer reports what was left


def test_a_stop_waits_for_the_jobs_that_are_on_their_way(new_gateway, raw):
    gateway = new_gateway(settings={"log": {"level": "warn"}}).start()
    member = gateway.member("ana", "vision")
    whole = body(*keyed(5000, "stop"))
    request = raw(f"Content-Length: {len(whole)}", of=gateway, token=member.token)
    request.say(whole[:len(whole) // 2])
    gateway.process.terminate()
    request.say(whole[len(whole) // 2:])
    assert len(results(request.answer())) == 5000
    gateway.stop()


def test_bodies_that_have_begun_leave_room_for_others(new_gateway, raw):
    gateway = new_gateway(settings={"log": {"level": "warn"}}).start()
    member = gateway.member("ana", "vision")
    requests = [raw(of=gateway, token=member.token) for _ in range(60)]
    for request in requests:
        request.chunk(body(HELD | {"name": "first"}))
    system.wait_until(lambda: len(stored(member.client, "first")) == len(requests), what="a job of each")
    assert held(gateway) < 4 << 20
    assert member.client.submit(["true"], hold=True)["state"] == "queued"
    for request in requests:
        request.say(b"0\r\n\r\n")
        assert outcomes(request.answer()) == [(1, 201)]
    system.wait_until(lambda: held(gateway) == 0, what="what was held to be given back")


MIB = 1 << 20


@pytest.fixture
def crowded(new_gateway, raw):
    """A gateway, and what fills the half of the budget of bodies that those of many lines have."""
    gateway = new_gateway(settings={"listen": {"max_body": "64Mi"}, "log": {"level": "warn"}}).start()
    member = gateway.member("ana", "vision")

    def fill():
        for number in (1, 2):
            request = raw(f"Content-Length: {64 * MIB}", of=gateway, token=member.token, kind="application/json")
            request.say(b" " * (34 * MIB))
            system.wait_until(lambda number=number: held(gateway) >= number * 64 * MIB, what="the body")

    return gateway, member, fill


def test_a_body_of_lines_that_nothing_is_left_for_is_ended_between_its_lines(crowded, raw):
    gateway, member, fill = crowded
    request = raw(of=gateway, token=member.token)
    request.chunk(body(HELD))
    system.wait_until(lambda: len(list(member.client.pages("/v1/jobs"))) == 1, what="the job")
    fill()
    request.chunk(b"{\n" * 200)
    answer = request.answer()
    assert (answer.status, answer.code) == (503, "overloaded")
    assert re.search(r"read up to line \d+, 1 of these lines are accepted", answer.json()["detail"])


def test_an_answer_that_is_not_read_stays_counted(new_gateway, raw):
    gateway = new_gateway(settings={"log": {"level": "warn"}}).start()
    member = gateway.member("ana", "vision")
    request = raw(of=gateway, token=member.token)
    request.chunk(b"{\n" * 99_999)
    request.say(b"0\r\n\r\n")
    assert select.select([request.socket], [], [], 60)[0]
    assert held(gateway) > 16 * MIB
    assert len(results(request.answer())) == 99_999
    system.wait_until(lambda: held(gateway) == 0, what="what was held to be given back")


def too_many(answer, limit):
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (429, "too_many", "1"), answer.text
    assert f"hold more than the {limit} bytes that one user's may" in answer.json()["detail"]
    return answer.json()["detail"]


def two_users(gateway):
    return gateway.member("ana", "vision"), gateway.member("bob", "vision", new_project=False)


def test_a_slow_sender_has_no_more_than_its_users_share(new_gateway, raw):
    """What an unfinished line holds is known to the byte by sending it to a gateway with room."""
    def begin(share):
        gateway = new_gateway(settings={"listen": {"max_user_lines": share}, "log": {"level": "warn"}}).start()
        ana, bob = two_users(gateway)
        request = raw(of=gateway, token=ana.token)
        request.chunk(b'{"name": "' + b"x" * (MIB * 3 // 4))
        system.wait_until(lambda: held(gateway) > MIB * 3 // 4, what="the line")
        return gateway, ana, bob, request

    gateway, ana, _, _ = begin("96Mi")
    share = held(gateway)
    assert outcomes(send(ana.client, body(HELD))) == [(1, 201)]
    gateway, ana, bob, request = begin(share)
    too_many(send(ana.client, body(HELD)), share)
    assert outcomes(send(bob.client, body(HELD))) == [(1, 201)]
    assert ana.client.submit(["true"], hold=True)["state"] == "queued"
    request.close()
    system.wait_until(lambda: held(gateway) == 0, what="what was held to be given back")
    assert outcomes(send(ana.client, body(HELD))) == [(1, 201)]


def test_a_slow_reader_has_no_more_than_its_users_share(new_gateway, raw):
    gateway = new_gateway(settings={"listen": {"max_user_lines": 48 * MIB}, "log": {"level": "warn"}}).start()
    ana, bob = two_users(gateway)

    def many():
        request = raw(of=gateway, token=ana.token)
        request.chunk(body(HELD) + b"{\n" * 99_999)
        request.say(b"0\r\n\r\n")
        return request

    unread = many()
    assert select.select([unread.socket], [], [], 60)[0]
    assert held(gateway) > 16 * MIB
    assert re.search(r"read up to line \d+, 1 of these lines are accepted", too_many(many().answer(), 48 * MIB))
    assert outcomes(send(bob.client, body(HELD))) == [(1, 201)]
    assert len(results(unread.answer())) == 100_000
    system.wait_until(lambda: held(gateway) == 0, what="what was held to be given back")
    assert outcomes(send(ana.client, body(HELD))) == [(1, 201)]


def drip(request, data):
    """Sends it again and again, a moment apart, until there is an answer."""
    def answered():
        request.chunk(data)
        return select.select([request.socket], [], [], 0.05)[0]

    system.wait_until(answered, what="the answer")
    return request.answer()


def test_a_body_that_takes_too_long_is_ended(new_gateway, raw):
    gateway = new_gateway(settings={"listen": {"max_lines_time": "2s"}, "log": {"level": "warn"}}).start()
    member = gateway.member("ana", "vision")
    request = raw(of=gateway, token=member.token)
    request.chunk(body(HELD))
    answer = drip(request, b" ")
    assert (answer.status, answer.code) == (408, "request_timeout")
    assert ("longer than 2 seconds; the body was read up to line 1, 1 of these lines are accepted"
            in answer.json()["detail"])
    assert len(list(member.client.pages("/v1/jobs"))) == 1


def test_a_token_that_is_revoked_in_the_middle_submits_no_more(gateway, member, raw):
    token = gateway.token(member.user, "--name", "lost")
    request = raw(token=token)
    request.chunk(body(HELD | {"name": "before"}))
    system.wait_until(lambda: len(stored(member.client, "before")) == 1, what="the job")
    (line,) = [line for line in gateway.cli("token", "list", "--user", member.user).splitlines() if "lost" in line]
    gateway.cli("token", "revoke", line.split()[0])
    system.wait_until(lambda: gateway.client(token).get("/v1/me").status == 401, what="the revocation")
    request.chunk(body(HELD | {"name": "after"}))
    answer = request.answer()
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert "the body was read up to line 1, 1 of these lines are accepted" in answer.json()["detail"]
    assert stored(member.client, "after") == []


def test_a_role_that_is_lost_in_the_middle_counts_from_then_on(gateway, member, raw):
    request = raw()
    request.chunk(body(HELD))
    system.wait_until(lambda: len(list(member.client.pages("/v1/jobs"))) == 1, what="the job")
    gateway.cli("project", "member", member.project, member.user, "viewer")
    system.wait_until(lambda: member.client.post("/v1/jobs", HELD, dry_run="true").status == 403, what="the change")
    request.chunk(body(HELD))
    request.say(b"0\r\n\r\n")
    answer = request.answer()
    assert outcomes(answer) == [(1, 201), (2, 403)]
    assert [job["id"] for job in member.client.pages("/v1/jobs")] == [results(answer)[0]["id"]]


def test_who_leaves_the_project_in_the_middle_submits_no_more(gateway, member, raw):
    request = raw()
    request.chunk(body(HELD | {"name": "left"}))
    system.wait_until(lambda: len(stored(member.client, "left")) == 1, what="the job")
    gateway.cluster.query("DELETE FROM memberships m USING users u WHERE u.id = m.user_id AND u.name = %s",
                          [member.user], database=gateway.database)
    system.wait_until(lambda: member.client.post("/v1/jobs", HELD, dry_run="true").status == 422, what="the change")
    request.chunk(body(HELD))
    request.say(b"0\r\n\r\n")
    answer = request.answer()
    assert outcomes(answer) == [(1, 201), (2, 422)]
    assert "a member of no project" in results(answer)[1]["problem"]["detail"]
    assert [str(job) for (job,) in gateway.cluster.query(
        "SELECT j.id FROM jobs j JOIN projects p ON p.id = j.project_id WHERE p.name = %s", [member.project],
        database=gateway.database)] == [results(answer)[0]["id"]]


def test_a_slow_sender_of_lines_does_not_hold_up_others(gateway, member, raw):
    request = raw()
    request.chunk(body(HELD)[:10])
    started = time.monotonic()
    assert member.client.submit(["true"], hold=True)["state"] == "queued"
    assert time.monotonic() - started < 10
    request.chunk(body(HELD)[10:])
    request.say(b"0\r\n\r\n")
    assert outcomes(request.answer()) == [(1, 201)]
