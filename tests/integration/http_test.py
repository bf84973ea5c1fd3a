"""The four traps of the HTTP library, and connections as real clients use them.

Stalls at exactly 128 events, lost wake-ups of waiting requests, descriptors of clients
that left while they waited, and 40 ms for an answer sent in two pieces.
"""

import concurrent.futures
import os
import socket
import statistics
import threading
import time

import pytest

from tests.harness import system
from tests.harness.client import parse_answer, raw_exchange


def descriptors(gateway):
    return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))


def get(path, api, extra=""):
    return (f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {api.headers['Authorization']}\r\n"
            f"{extra}\r\n").encode()


@pytest.mark.parametrize("clients", [127, 128, 129, 256])
def test_a_burst_of_events_does_not_stall(gateway, clients):
    """All requests arrive at once, again and again, and nothing else happens meanwhile."""
    crowd = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(clients)]
    try:
        for sock in crowd:
            sock.settimeout(10 * system.PATIENCE)
        for _ in range(20):
            for sock in crowd:
                sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            for sock in crowd:
                received = b""
                while not received.endswith(b"}") and not received.endswith(b"}\n"):
                    chunk = sock.recv(4096)
                    assert chunk, "the connection was closed"
                    received += chunk
                assert received.startswith(b"HTTP/1.1 200")
    finally:
        for sock in crowd:
            sock.close()


def test_no_wake_up_is_lost(gateway, api):
    """Hundreds of requests wait while others are answered, all of them from the database."""
    held = api.submit(["true"], hold=True)["id"]

    def reader(number):
        own = gateway.client()
        own.headers = dict(api.headers)
        return [own.get(f"/v1/jobs/{held}", wait=number % 2).status for _ in range(2 + 8 * (1 - number % 2))]

    with concurrent.futures.ThreadPoolExecutor(300) as pool:
        for statuses in pool.map(reader, range(300)):
            assert set(statuses) == {200}


def test_clients_that_leave_while_they_wait_are_forgotten(gateway, api):
    held = api.submit(["true"], hold=True)["id"]
    before = descriptors(gateway)
    crowd = []
    for _ in range(300):
        sock = socket.create_connection(("127.0.0.1", gateway.port))
        sock.sendall(get(f"/v1/jobs/{held}?wait=240", api))
        crowd.append(sock)
    system.wait_until(lambda: descriptors(gateway) >= before + 300, what="300 waiting requests")
    for sock in crowd:
        sock.close()
    system.wait_until(lambda: descriptors(gateway) < before + 20, 45, "the end of their connections")


def test_an_answer_leaves_in_one_piece(gateway, api):
    """Header and body in two pieces cost 40 ms when the client delays its acknowledgement."""
    job = api.submit(["true"], hold=True)["id"]
    with socket.create_connection(("127.0.0.1", gateway.port)) as sock:
        times = []
        for _ in range(30):
            started = time.monotonic()
            sock.sendall(get(f"/v1/jobs/{job}", api))
            received = sock.recv(65536)
            times.append(time.monotonic() - started)
            assert parse_answer(received).json()["id"] == job, "the first piece is not the whole answer"
    assert statistics.median(times) < 0.02 * system.PATIENCE


def test_waiting_costs_no_processor_time(gateway, api):
    held = api.submit(["true"], hold=True)["id"]

    def used():
        fields = open(f"/proc/{gateway.process.pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    crowd = []
    for _ in range(500):
        sock = socket.create_connection(("127.0.0.1", gateway.port))
        sock.sendall(get(f"/v1/jobs/{held}?wait=60", api))
        crowd.append(sock)
    system.wait_until(lambda: descriptors(gateway) >= 500, what="500 waiting requests")
    started = used()
    time.sleep(3)
    assert used() - started < 0.6 * system.PATIENCE
    for sock in crowd:
        sock.close()


def test_requests_in_one_write_are_answered_in_order(gateway, api):
    ids = [api.submit(["true"], hold=True)["id"] for _ in range(5)]
    wanted = b"".join(get(f"/v1/jobs/{job}?fields=id", api, "Connection: close\r\n" if job == ids[-1] else "")
                      for job in ids)
    received = raw_exchange("127.0.0.1", gateway.port, wanted)
    positions = [received.index(job.encode()) for job in ids]
    assert received.count(b"HTTP/1.1 200") == 5 and positions == sorted(positions)


def test_a_body_byte_by_byte(gateway, api):
    body = b'{"command": ["true"], "hold": true}'
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = (f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: {api.headers['Authorization']}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode()
        for byte in head + body:
            sock.sendall(bytes([byte]))
        received = b""
        while chunk := sock.recv(65536):
            received += chunk
    assert parse_answer(received).status == 201


def test_expect_continue(gateway, api):
    body = b'{"command": ["true"], "hold": true}'
    head = (f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: {api.headers['Authorization']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n"
            "Connection: close\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as sock:
        sock.sendall(head)
        assert sock.recv(1024).startswith(b"HTTP/1.1 100")
        sock.sendall(body)
        received = b""
        while chunk := sock.recv(65536):
            received += chunk
    assert parse_answer(received).status == 201


def test_clients_that_hang_up_in_the_middle(gateway, api):
    def rude(number):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", gateway.port)) as sock:
                sock.sendall(get("/v1/jobs", api)[:20 + number])
    threads = [threading.Thread(target=rude, args=(number * 7,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert api.get("/v1/jobs").status == 200


def test_half_requests_do_not_hold_up_a_stop(new_gateway):
    made = new_gateway().start()
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", made.port)) as sock:
            sock.sendall(b"GET /v1/jobs HTTP/1.1\r\nHo")
    half = socket.create_connection(("127.0.0.1", made.port))
    half.sendall(b"GET /v1/jobs HTTP/1.1\r\nHo")
    assert made.probe("/healthz") == 200
    made.stop(seconds=10)
    half.close()
