"""The API server dies, or cannot be reached, while jobs wait, run and are read. A cluster of its own."""

import pytest

from tests.harness import kubernetes, system
from tests.harness.kubernetes_site import gateway_on, outcome
from tests.harness.stream import Stream


@pytest.fixture(scope="module")
def kube():
    with kubernetes.Kubernetes("away") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def made(folder, binaries, contract, cluster, kube):
    with gateway_on(kube, folder, binaries, contract, cluster) as site:
        yield site


def shell(script):
    return {"command": ["sh", "-c", script]}


def gone(made):
    system.wait_until(lambda: not made.backend()["reachable"], 60, "the backend to be told away")


def back(made):
    made.kube.up()
    system.wait_until(lambda: made.backend()["reachable"], 60, "the backend to be told back")


@pytest.mark.parametrize("part", ["kube-apiserver", "etcd"])
def test_a_part_of_the_server_dies(made, part):
    running = made.wait_for(made.api.submit(**shell("echo one; sleep 15; echo two; exit 3")), "state", "running")
    with Stream(made.api, f"/v1/jobs/{running['id']}/logs") as stream:
        assert stream.read_until(b"one\n") == b"one\n"
        made.kube.kill(part)
        gone(made)
        waiting = made.api.submit(**shell("exit 4"))
        assert made.job(running)["state"] == "running" and made.job(waiting)["state"] == "queued"
        back(made)
        assert stream.rest() == b"two\n"
    assert outcome(made.api.wait(running["id"], seconds=90)) == ("failed", "exit_code", 3, None)
    assert outcome(made.api.wait(waiting["id"], seconds=90)) == ("failed", "exit_code", 4, None)
    assert [made.made_pods(job) for job in (running, waiting)] == [1, 1]


def test_the_way_to_the_server_is_cut(made):
    running = made.wait_for(made.api.submit(**shell("sleep 5; exit 3")), "state", "running")
    made.kube.cut()
    try:
        waiting = made.api.submit(**shell("exit 4"))
        gone(made)
        cancelled = made.api.submit(**shell("exit 5"))
        made.api.post(f"/v1/jobs/{cancelled['id']}/cancel")
    finally:
        made.kube.heal()
    system.wait_until(lambda: made.backend()["reachable"], 60, "the backend to be told back")
    assert outcome(made.api.wait(running["id"], seconds=180)) == ("failed", "exit_code", 3, None)
    assert outcome(made.api.wait(waiting["id"], seconds=180)) == ("failed", "exit_code", 4, None)
    assert made.api.wait(cancelled["id"], seconds=180)["state"] == "cancelled"
    assert [made.made_pods(job) for job in (running, waiting)] == [1, 1]
