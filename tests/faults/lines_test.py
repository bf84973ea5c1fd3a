"""The gateway is killed, or its database goes away, while it reads a body of many lines.

Whatever had been recorded: the same lines sent again complete it, with no job lost and none run
twice. Where it is killed every job leaves a mark.
"""

import http.client
import json
import os
import re
import socket

import pytest

from tests.harness import system

JOBS, TASKS = 300, 20
ARRAYS = 300 if os.environ.get("JOBGATE_TEST_FULL") else 30


def plain(folder, number):
    return {"idempotency_key": f"body/{number}", "resources": {"cpus": 0.5, "memory": "16Mi"},
            "command": ["/bin/sh", "-c", f"echo $JOBGATE_ATTEMPT >> {folder}/{number}.$JOBGATE_TASK_INDEX"]}


def array(folder, number):
    return plain(folder, number) | {"array": {"indices": f"0-{TASKS - 1}"}}


def recorded(gateway):
    return gateway.cluster.query("SELECT count(*) FROM jobs", database=gateway.database)[0][0]


def kill(gateway):
    """Kills it, and waits until PostgreSQL has ended what it was at."""
    gateway.kill()
    system.wait_until(lambda: gateway.cluster.query(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name LIKE 'jobgate%%'",
        [gateway.database]) == [(0,)], what="the end of its sessions")


def assert_whole(gateway):
    """Each job has its spec, its key and its event, and nothing else has."""
    ((jobs, *parts),) = gateway.cluster.query(
        "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM jobs JOIN job_specs ON job_id = id),"
        " (SELECT count(*) FROM job_specs), (SELECT count(*) FROM idempotency),"
        " (SELECT count(*) FROM events WHERE kind = 'submitted')", database=gateway.database)
    assert parts == [jobs] * len(parts)


def begin_body(gateway, token, whole, share):
    """Sends the first part of a body; the socket."""
    request = socket.create_connection(("127.0.0.1", gateway.port), timeout=60)
    request.sendall(f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                    f"Content-Type: application/x-ndjson\r\nContent-Length: {len(whole)}\r\n\r\n".encode())
    request.sendall(whole[:int(len(whole) * share)])
    return request


def send(client, whole):
    answer = client.request("POST", "/v1/jobs", raw=whole, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status == 200, answer.text
    return [json.loads(line) for line in answer.body.splitlines()]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("spec", "jobs", "tasks"), [(plain, JOBS, 1), (array, ARRAYS, TASKS)])
def test_killed_in_the_middle_of_a_body(new_gateway, tmp_path_shared, spec, jobs, tasks):
    gateway = new_gateway(settings={"log": {"level": "warn"}}).start()
    member = gateway.member("u", "p")
    whole = "".join(json.dumps(spec(tmp_path_shared, number)) + "\n" for number in range(jobs)).encode()
    before = 0
    for share in (0.3, 0.5, 0.7, 0.9):
        request = begin_body(gateway, member.token, whole, share)
        least = before + 1
        system.wait_until(lambda least=least: recorded(gateway) >= least, what="a part of the body in the record")
        kill(gateway)
        request.close()
        assert_whole(gateway)
        before = recorded(gateway)
        assert before <= jobs * share, "a line was recorded that was not sent"
        gateway.start()

    found = send(member.client, whole)
    assert [(result["line"], result["status"]) for result in found] == [(n, 201) for n in range(1, jobs + 1)]
    ids = [result["id"] for result in found]
    assert len(set(ids)) == recorded(gateway) == jobs
    assert sum("replayed" in result for result in found) == before
    assert [result["id"] for result in send(member.client, whole)] == ids
    for job in ids:
        ended = member.client.wait(job, seconds=300)
        assert (ended["state"], ended["counts"]["succeeded"]) == ("succeeded", tasks)
    marks = {path.name: path.read_text().split() for path in tmp_path_shared.iterdir()}
    assert marks == {f"{number}.{index}": ["1"] for number in range(jobs) for index in range(tasks)}


def received(gateway):
    """How many bytes of bodies it has taken."""
    text = gateway.client().get("/metrics").text
    return int(re.search(r"^jobgate_http_body_bytes_total (\d+)$", text, re.MULTILINE)[1])


def read_results(request):
    answer = http.client.HTTPResponse(request, method="POST")
    answer.begin()
    assert answer.status == 200, answer.read()
    return [json.loads(line) for line in answer.read().splitlines()]


@pytest.mark.timeout(300)
def test_the_database_goes_in_the_middle_of_a_body_and_comes_back(new_cluster, new_gateway):
    cluster = new_cluster()
    gateway = new_gateway(cluster=cluster, settings={"log": {"level": "warn"}}).start()
    member = gateway.member("u", "p")
    lines = [json.dumps({"idempotency_key": f"away/{number}", "command": ["true"], "hold": True}).encode() + b"\n"
             for number in range(900)]
    whole = b"".join(lines)
    before, meanwhile, after = (b"".join(lines[n:n + 300]) for n in (0, 300, 600))
    request = begin_body(gateway, member.token, whole, 0)
    request.sendall(before)
    system.wait_until(lambda: recorded(gateway) > 0, what="a part of the body in the record")
    cluster.stop("immediate")
    system.wait_until(lambda: gateway.probe("/ready") != 200, what="the loss to be noticed")
    request.sendall(meanwhile)
    system.wait_until(lambda: received(gateway) == len(before + meanwhile), what="the lines to be read")
    cluster.start()
    gateway.wait_ready()
    request.sendall(after)
    found = read_results(request)

    assert [result["line"] for result in found] == list(range(1, len(lines) + 1))
    refused = [result for result in found if result["status"] != 201]
    assert {(result["status"], result["problem"]["code"], result["problem"]["retryable"]) for result in refused} == {
        (503, "unavailable", True)}
    assert [result["status"] for result in found[300:]] == [503] * 300 + [201] * 300
    accepted = {result["line"]: result["id"] for result in found if result["status"] == 201}
    assert_whole(gateway)
    stored = {str(job) for (job,) in gateway.cluster.query("SELECT id FROM jobs", database=gateway.database)}
    assert len(set(accepted.values())) == len(accepted) and stored >= set(accepted.values())

    again = send(member.client, whole)
    assert [(result["line"], result["status"]) for result in again] == [(n, 201) for n in range(1, len(lines) + 1)]
    assert accepted.items() <= {result["line"]: result["id"] for result in again}.items()
    assert len({result["id"] for result in again}) == recorded(gateway) == len(lines)
    assert stored == {result["id"] for result in again if "replayed" in result}
    assert_whole(gateway)
