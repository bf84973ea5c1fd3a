"""Following: a local job that prints 50 MB a second, received to its last byte while it runs."""

import contextlib
import hashlib
import os
import socket
import subprocess
import time

from tests.harness import system

REFERENCE = "the same writer into a file, tail -f of it through nc to the same receiver"
GOALS = {"ratio": ">= 0.5"}
PIECE = 5_000_000  # ten of them a second


def prepare(world):
    world.gateway.start()
    world.pieces = 4 if world.smoke else 80
    folder = world.memory_folder()
    folder.chmod(0o755)
    world.source = folder / "source"
    with open(world.source, "wb") as source:
        for _ in range(world.pieces):
            source.write(os.urandom(PIECE))
    world.source.chmod(0o644)
    with open(world.source, "rb") as source:
        world.digest = hashlib.file_digest(source, "sha1").hexdigest()


WRITER = """
import sys, time
due = time.monotonic()
with open(sys.argv[1], "rb") as source:
    while piece := source.read(int(sys.argv[2])):
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        due += 0.1
        time.sleep(max(0, due - time.monotonic()))
"""


def writer(world):
    return ["/usr/bin/python3", "-c", WRITER, str(world.source), str(PIECE)]


def receive(world, read):
    """Reads all that was written; MB per second from its first byte on. What is lost or doubled shows in the digest."""
    digest, left, started = hashlib.sha1(), world.pieces * PIECE, None
    while left > 0:
        data = read(min(left, 1 << 18))
        if not data:
            raise RuntimeError(f"{left} bytes are missing")
        started = started or time.monotonic()
        digest.update(data)
        left -= len(data)
    took = time.monotonic() - started
    if digest.hexdigest() != world.digest:
        raise RuntimeError("what was received is not what was written")
    return world.pieces * PIECE / took / 1e6


def ours(world):
    client = world.member.client
    job = client.submit(writer(world), backend="local", hold=True)
    url = f"{world.gateway.url}/v1/jobs/{job['id']}/logs?follow=true"
    curl = subprocess.Popen(["curl", "-sSN", "-H", f"Authorization: {client.headers['Authorization']}", url],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    with curl:
        client.post(f"/v1/jobs/{job['id']}/release")
        rate = receive(world, curl.stdout.read1)
        if curl.stdout.read():
            raise RuntimeError("more was received than was written")
    return rate


def theirs(world):
    path = world.folder / "reference.out"
    with contextlib.ExitStack() as rest:
        listener = rest.enter_context(socket.create_server(("127.0.0.1", 0)))
        out = rest.enter_context(open(path, "wb"))
        tail = rest.enter_context(subprocess.Popen(["tail", "-c", "+1", "-f", path], stdout=subprocess.PIPE))
        rest.callback(tail.kill)
        nc = rest.enter_context(subprocess.Popen(
            ["nc", "127.0.0.1", str(listener.getsockname()[1])], stdin=tail.stdout, stdout=subprocess.DEVNULL))
        rest.callback(nc.kill)
        connection = rest.enter_context(listener.accept()[0])
        job = rest.enter_context(subprocess.Popen(writer(world), stdout=out))
        rate = receive(world, connection.recv)
        job.wait()
    path.unlink()
    return rate


def run(world):
    mine, reference = ours(world), theirs(world)
    system.wait_until(lambda: world.query("SELECT count(*) FROM jobs WHERE started_at IS NOT NULL AND ended_at IS NULL")
                      [0][0] == 0, 30, "the end of the job")
    return {"ratio": mine / reference, "mb_per_s": mine, "reference_mb_per_s": reference}
