"""The output of jobs on a real Kubernetes: live, and after their pods."""

import contextlib

from tests.harness import system
from tests.harness.kubernetes_site import outcome
from tests.harness.stream import Stream

GATE = "until [ -e /tmp/go ]; do sleep 0.1; done"


def shell(script):
    return {"command": ["sh", "-c", script]}


def log(made, job, status=200, headers=None, **query):
    answer = made.api.get(f"/v1/jobs/{job['id']}/logs", headers=headers, **query)
    assert answer.status == status, answer.text
    return answer


def due(made, job):
    statement = f"SELECT 1 FROM attempts WHERE job_id = '{job['id']}' AND log_due IS NOT NULL"
    return made.gateway.cluster.query(statement, database=made.gateway.database)


def open_gate(made, job):
    for pod in made.objects(job, "pod"):
        made.kube.checked("exec", pod["metadata"]["name"], "--", "touch", "/tmp/go", namespace=made.namespace)


def test_bytes_come_as_they_are(made):
    job = made.ended(**shell("printf 'a\\000b\\377\\n'; head -c 300000 /dev/zero | tr '\\0' x"))
    assert log(made, job).body == b"a\0b\xff\n" + b"x" * 300000
    assert log(made, job, tail=1).body == b"x" * 300000
    assert log(made, job, 206, headers={"Range": "bytes=1-3"}).body == b"\0b\xff"


def test_complaints_are_among_what_is_printed(made):
    job = made.ended(**shell("echo out; echo err >&2"))
    # The node reads the two apart: which comes first is not said.
    assert sorted(log(made, job).text.splitlines()) == ["err", "out"]
    assert "stdout" in log(made, job, 410, stream="stderr").json()["detail"]


def test_before_there_is_any(made):
    job = made.api.submit(resources={"gpus": 400, "cpus": 1, "memory": "16Mi"}, **shell("echo never"))
    made.wait_for(job, "reason", "unschedulable")
    assert log(made, job, 404).json()["code"] == "not_yet"
    made.api.post(f"/v1/jobs/{job['id']}/cancel")


def test_followed_from_the_first_byte_to_the_end(made):
    job = made.api.submit(**shell(f"echo first; {GATE}; for i in $(seq 1000); do echo line $i; done"))
    made.wait_for(job, "state", "running")
    system.wait_until(lambda: made.api.get(f"/v1/jobs/{job['id']}/logs").text == "first\n", 60, "the first line")
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(Stream(made.api, f"/v1/jobs/{job['id']}/logs")) for _ in range(3)]
        assert [stream.read_until(b"first\n") for stream in streams] == [b"first\n"] * 3
        assert "ETag" not in log(made, job).headers
        open_gate(made, job)
        wanted = "".join(f"line {i}\n" for i in range(1, 1001))
        assert [stream.rest().decode() for stream in streams] == [wanted] * 3
    assert made.api.wait(job["id"])["state"] == "succeeded"


def test_what_is_kept_when_the_pod_is_gone(made):
    job = made.ended(**shell("for i in $(seq 1000); do echo line $i; done; exit 3"))
    system.wait_until(lambda: not due(made, job), 60, "the output to be kept")
    made.kube.checked("delete", "job", f"jg-{job['id']}-1", "--cascade=foreground", namespace=made.namespace)
    assert log(made, job).text == "".join(f"line {i}\n" for i in range(1, 1001))
    assert log(made, job, tail=1).text == "line 1000\n"


def test_what_went_with_the_pod(made):
    job = made.wait_for(made.api.submit(**shell("echo gone; sleep 300")), "state", "running")
    made.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert outcome(made.api.wait(job["id"], seconds=60))[0] == "cancelled"
    assert "pod" in log(made, job, 410).json()["detail"]


def test_each_task_has_its_own(made):
    job = made.api.submit(array={"indices": "3-7:2"}, **shell("echo task $JOBGATE_TASK_INDEX"))
    made.api.wait(job["id"], seconds=90)
    assert [log(made, job, task=index).text for index in (3, 5, 7)] == ["task 3\n", "task 5\n", "task 7\n"]
