"""PostgreSQL is stopped, killed and restarted under load.

No accepted job is lost, no 201 lacks its row, and in between clients are told to try again.
"""

import os
import random
import threading
import time

import pytest

from tests.faults.load import Load
from tests.harness import system

FULL = bool(os.environ.get("JOBGATE_TEST_FULL"))


def stop(cluster):
    cluster.stop("fast")


def stop_at_once(cluster):
    cluster.stop("immediate")


def kill(cluster):
    cluster.kill()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("end", [stop, stop_at_once, kill], ids=lambda end: end.__name__)
def test_postgresql_goes_and_comes_back_under_load(new_cluster, new_gateway, tmp_path_shared, end):
    cluster = new_cluster()
    gateway = new_gateway(cluster=cluster, settings={"log": {"level": "warn"}}).start()
    member = gateway.member("u", "p")
    load = Load(tmp_path_shared, [gateway.client(member.token) for _ in range(8)], 600 if FULL else 250,
                ("plain",) * 6 + ("repeated", "timed", "cancelled", "array", "cut")).start(8)
    choice = random.Random(3)
    try:
        for _ in range(12 if FULL else 4):
            time.sleep(choice.uniform(0.1, 0.6))
            end(cluster)
            time.sleep(choice.uniform(0, 0.5))
            cluster.start()
        gateway.wait_ready()
        load.join()
        load.wait_ended(member.client)
    finally:
        load.stop()
    load.check(member.client)
    assert gateway.running()


@pytest.mark.timeout(300)
def test_one_backend_process_after_the_other_is_terminated(new_cluster, new_gateway, tmp_path_shared):
    """Connections break one at a time; the rest of the cluster stays."""
    cluster = new_cluster()
    gateway = new_gateway(cluster=cluster, settings={"log": {"level": "warn"}}).start()
    member = gateway.member("u", "p")
    load = Load(tmp_path_shared, [gateway.client(member.token) for _ in range(4)], 200).start()
    try:
        for _ in range(10):
            time.sleep(0.15)
            cluster.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                          " WHERE usename = 'jobgate_serve' ORDER BY random() LIMIT 1")
        load.join()
        load.wait_ended(member.client)
    finally:
        load.stop()
    load.check(member.client)


@pytest.mark.timeout(300)
def test_a_row_that_cannot_be_stored_hurts_only_its_own_request(new_cluster, new_gateway):
    """A trigger refuses some rows, in the middle of batches of good ones."""
    cluster = new_cluster()
    gateway = new_gateway(cluster=cluster).start()
    member = gateway.member("u", "p")
    cluster.query("""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.name = 'poison' THEN RAISE EXCEPTION 'poisoned'; END IF; RETURN NEW; END $$""",
                  database=gateway.database)
    cluster.query("CREATE TRIGGER refuse BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION refuse()",
                  database=gateway.database)
    results, lock = [], threading.Lock()

    def submit(number):
        client = gateway.client(member.token)
        for turn in range(25):
            name = "poison" if (number + turn) % 5 == 0 else "good"
            answer = client.post("/v1/jobs", {"name": name, "command": ["true"], "hold": True})
            with lock:
                results.append((name, answer.status))

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 400
    assert {status for name, status in results if name == "good"} == {201}
    assert {status for name, status in results if name == "poison"} <= {500, 503}
    system.wait_until(lambda: gateway.probe("/ready") == 200, what="readiness")
    ((stored,),) = cluster.query("SELECT count(*) FROM jobs", database=gateway.database)
    assert stored == sum(status == 201 for _, status in results)
