"""Clients that read status all the time, and what a scheduler is asked meanwhile: many of them beside one.

The gateway asks in a rhythm of its own, so a phase of many clients has one between two of one client, and one request
of a kind more than in either is no more than where the phase began.
"""

import re
import threading
import time

from tests.bench import tools
from tests.harness import system

BEFORE_AND_AFTER_S = 5  # of the readers, for what is done before and after a phase
CONNECTIONS = re.compile(r"^jobgate_http_connections(?:\{.*\})? (\d+)", re.M)


def connections(world):
    return sum(map(int, CONNECTIONS.findall(world.member.client.get("/metrics").text)))


def phase(world, clients, look):
    """While so many clients read: what look() says at the begin and, world.seconds later, at the end; their rate."""
    found = []
    readers = threading.Thread(target=lambda: found.append(tools.wrk(
        world, world.gateway.url, "get.lua", clients, world.member.token, world.ids, "/v1/jobs/",
        seconds=world.seconds + BEFORE_AND_AFTER_S)))
    readers.start()
    system.wait_until(lambda: connections(world) > clients, 60, "the readers", every=0.1)
    before = look()
    time.sleep(world.seconds)  # this long is the phase
    after = look()
    if not readers.is_alive():
        raise RuntimeError("the readers ended before their phase")
    readers.join()
    return before, after, found[0]["rate"]


def extra(one, many, other):
    """Requests by kind in three phases, of one client, of many and of one: those that the many have caused."""
    return sum(max(0, count - max(one[kind], other[kind]) - 1) for kind, count in many.items())
