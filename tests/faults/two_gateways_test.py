"""Two gateways on one database: one leads, and a reader of the log misses nothing."""

import collections
import concurrent.futures
import json
import multiprocessing
import os
import socket
import time

import pytest

from tests.faults.load import Load
from tests.harness import system

FULL = bool(os.environ.get("JOBGATE_TEST_FULL"))
SUBMITS = 20000


@pytest.fixture
def pair(new_cluster, new_gateway):
    """Two gateways that share the database and the folder of the local backend."""
    cluster = new_cluster()
    first = new_gateway(cluster=cluster, settings={"log": {"level": "warn"}})
    second = new_gateway(cluster=cluster, database=first.database, spool=first.spool,
                         settings={"log": {"level": "warn"}})
    return first.start(), second.start()


def submit_many(port, token, count, results):
    """A plain loop on one connection: `count` held jobs; the ids that were accepted."""
    body = json.dumps({"command": ["true"], "hold": True}).encode()
    request = (f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
               f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
    ids = []
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = sock.makefile("rb")
        for _ in range(count):
            sock.sendall(request)
            status = stream.readline()
            length = 0
            while (line := stream.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            answer = stream.read(length)
            assert b" 201 " in status, status + answer
            ids.append(json.loads(answer)["id"])
    results.put(ids)


@pytest.mark.timeout(600)
def test_a_reader_misses_nothing_and_sees_nothing_twice(pair):
    first, second = pair
    member = first.member("u", "p")
    context, workers = multiprocessing.get_context("fork"), 8
    results = context.Queue()
    count = (SUBMITS if not system.SANITIZED else SUBMITS // 10) // workers
    submitters = [context.Process(target=submit_many,
                                  args=((first, second)[number % 2].port, member.token, count, results))
                  for number in range(workers)]
    readers = [first.client(member.token), second.client(member.token)]
    seen, after = [[], []], [None, None]
    for process in submitters:
        process.start()

    def read(number):
        query = {"limit": 1000} | ({"after": after[number]} if after[number] else {})
        page = readers[number].get("/v1/events", **query).json()
        seen[number] += [event["job_id"] for event in page["items"] if event["kind"] == "submitted"]
        after[number] = page["next"]
        return bool(page["items"])

    accepted = []
    while len(accepted) < count * workers:
        read(0)
        read(1)
        while not results.empty():
            accepted += results.get()
        assert all(process.exitcode in (None, 0) for process in submitters), "a submitter failed"
    for process in submitters:
        process.join()
    for number in (0, 1):
        while read(number):
            pass
        times = collections.Counter(seen[number])
        missed = set(accepted) - set(times)
        twice = [job for job, count in times.items() if count > 1]
        assert (len(missed), len(twice), len(seen[number])) == (0, 0, len(accepted))
    assert seen[0] == seen[1], "the two gateways tell the log in different orders"


@pytest.mark.timeout(600)
def test_one_leads_and_leadership_moves_when_it_is_killed(pair, tmp_path_shared):
    member = pair[0].member("u", "p")
    clients = [gateway.client(member.token) for gateway in pair for _ in range(2)]
    load = Load(tmp_path_shared, clients, 600 if FULL else 200, ("plain",) * 8 + ("repeated", "cancelled")).start()
    epochs = []
    try:
        for _ in range(6 if FULL else 3):
            time.sleep(1)
            epoch, leader = lease(pair)
            epochs.append(epoch)
            leader.kill()
            system.wait_until(lambda before=epoch: lease(pair)[0] > before, 30, "another leader")
            leader.start()
        load.join()
        load.wait_ended(member.client if pair[0].running() else clients[2])
    finally:
        load.stop()
    load.check(member.client)
    assert epochs == sorted(set(epochs))


def lease(pair):
    """The highest epoch there is, and the gateway that holds it, by its process."""
    rows = pair[0].cluster.query("SELECT epoch, holder FROM leases ORDER BY epoch DESC LIMIT 1",
                                 database=pair[0].database)
    if not rows:
        return -1, None
    epoch, holder = rows[0]
    for gateway in pair:
        if gateway.process and str(gateway.process.pid) in str(holder):
            return epoch, gateway
    return epoch, pair[0] if pair[0].running() else pair[1]


@pytest.mark.timeout(300)
def test_what_one_accepts_the_other_shows_at_once(pair):
    first, second = pair
    member = first.member("u", "p")
    there = second.client(member.token)
    for _ in range(200):
        job = member.client.submit(["true"], hold=True)
        assert there.get(f"/v1/jobs/{job['id']}").status == 200
    released = there.post(f"/v1/jobs/{job['id']}/release")
    assert released.status == 200
    for client in (there, member.client):
        assert client.wait(job["id"])["state"] == "succeeded"


@pytest.mark.timeout(300)
def test_the_same_keys_at_both_in_different_order(pair):
    """Two gateways with the same keys in different order: no deadlock, one job per key."""
    first, second = pair
    member = first.member("u", "p")
    keys = [f"k{number}" for number in range(100)]
    found = collections.defaultdict(set)

    def submit(gateway, order):
        client = gateway.client(member.token)
        for key in order:
            job = client.submit(["true"], hold=True, headers={"Idempotency-Key": key})
            found[key].add(job["id"])

    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        orders = (keys, keys[::-1])
        for future in [pool.submit(submit, pair[number % 2], orders[number % 2]) for number in range(8)]:
            future.result()
    assert all(len(ids) == 1 for ids in found.values()) and len(found) == 100
    assert time.monotonic() - started < 30 * system.PATIENCE
    assert second.running()
