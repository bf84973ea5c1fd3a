"""The gateway is killed at each step of accept, intent, hand-over, record and finish.

The steps are the named crash points of the source (server/base/crash.h); a build for tests
ends there as `kill -9` would. Whatever the moment: no accepted job is lost, none runs
twice, and the states are right afterwards.
"""

import os
import random
import re
import signal
import time

import pytest

from tests.faults.load import Load
from tests.harness import system

FULL = bool(os.environ.get("JOBGATE_TEST_FULL"))
# Every crash point is passed by some kind of it: that of a cancel in the backend by "stopped".
MIX = ("plain",) * 9 + ("repeated", "timed", "array", "array", "cut", "stopped", "stopped") + ("cancelled",) * 2
CALL = re.compile(r'gw_crash_point\("([^"]+)"\)')


def crash_points():
    names = set()
    for folder in ("server", "db", "backends", "routes"):
        for path in (system.ROOT / folder).rglob("*.c"):
            # slurm_test.py has those, kubernetes/cluster/crash_test.py its own, and kept_logs_test.py the keeper's.
            if not {"shim", "slurm", "kubernetes", "keeper.c"} & set(path.parts):
                names.update(CALL.findall(path.read_text()))
    return sorted(names)


POINTS = crash_points()
JOBS = 300 if FULL else max(24, -(-300 // max(1, len(POINTS))))
CRASHES = 25 if FULL else 6
ARRAYS = 300 if FULL else 24


def live(gateway, point, passage, load, seconds=10):
    """One life of the gateway, with a crash point armed; whether that was reached."""
    gateway.spawn({"JOBGATE_CRASH": f"{point}:{passage}"})
    deadline = time.monotonic() + seconds * system.PATIENCE
    while gateway.running() and time.monotonic() < deadline:
        time.sleep(0.02)
        if not load.submitting() and all_ended(gateway, load):
            break
    if gateway.running():
        gateway.kill()
        return False
    status = gateway.process.returncode
    assert status == -signal.SIGKILL, f"the gateway ended with {status}:\n{gateway.tail()}"
    return True


def crash_again_and_again(gateway, point, load, crashes, seed):
    """Starts the gateway with the crash point armed, over and over; how often it was reached.

    At first it lives until it gets there: on a busy machine that may take a while."""
    choice, reached = random.Random(seed), 0
    for _ in range(crashes):
        passage, seconds = (choice.choice((1, 1, 2, 3, 5, 8)), 10) if reached else (1, 100)
        if live(gateway, point, passage, load, seconds):
            reached += 1
        elif reached and not load.submitting():
            break
    return reached


def all_ended(gateway, load):
    try:
        answer = load.clients[0].get("/v1/jobs", state="queued,pending,running", limit=1, fields="id")
    except OSError:
        return False
    except Exception:
        return False
    return answer.status == 200 and not answer.json()["items"]


def test_there_are_crash_points():
    assert len(POINTS) >= 5, POINTS


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("point", POINTS)
def test_killed_at(new_gateway, tmp_path_shared, point):
    gateway = new_gateway(settings={"log": {"level": "warn"}}).start()
    member = gateway.member("u", "p")
    gateway.stop()
    load = Load(tmp_path_shared, [gateway.client(member.token) for _ in range(4)], JOBS, MIX, seed=len(point))
    load.start()
    try:
        reached = crash_again_and_again(gateway, point, load, CRASHES, seed=len(point))
        gateway.start()
        load.join()
        load.wait_ended(member.client)
    finally:
        load.stop()
    load.check(member.client)
    assert reached, f"the crash point {point} was never reached"


@pytest.mark.timeout(3600 if FULL else 600)
def test_arrays_are_killed_on_their_way(new_gateway, tmp_path_shared):
    """At one crash point after the other, while arrays are taken, split into parts and cancelled in part."""
    gateway = new_gateway(settings={"log": {"level": "warn"}}, backend={"window": 30}).start()
    member = gateway.member("u", "p")
    gateway.stop()
    clients = [gateway.client(member.token) for _ in range(4)]
    load = Load(tmp_path_shared, clients, ARRAYS, ("array", "array", "cut", "pruned"), tasks=20).start()
    choice, reached = random.Random(20), 0
    try:
        for point in POINTS * (8 if FULL else 1):
            reached += live(gateway, point, choice.choice((1, 2, 5, 10, 20)), load)
        gateway.start()
        load.join()
        load.wait_ended(member.client, seconds=600)
    finally:
        load.stop()
    load.check(member.client)
    assert reached >= len(POINTS) // 2, reached


@pytest.mark.timeout(1200)
def test_killed_at_any_moment(new_gateway, tmp_path_shared):
    """kill -9 from outside, at no point in particular."""
    gateway = new_gateway(settings={"log": {"level": "warn"}}).start()
    member = gateway.member("u", "p")
    load = Load(tmp_path_shared, [gateway.client(member.token) for _ in range(4)], 300, MIX).start()
    choice = random.Random(7)
    try:
        for _ in range(60 if FULL else 12):
            time.sleep(choice.uniform(0.02, 0.6))
            gateway.kill()
            gateway.spawn()
        gateway.wait_ready()
        load.join()
        load.wait_ended(member.client)
    finally:
        load.stop()
    load.check(member.client)
