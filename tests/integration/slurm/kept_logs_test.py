"""What the gateway keeps of the output of jobs on a real Slurm, when their users' files are gone."""

import time

import pytest

from tests.harness import system
from tests.harness.site import outcome
from tests.harness.stream import Cut, Stream

CLUSTER = {"name": "jgkept"}
HEAD, TAIL = 1024, 2048
GATEWAY = {"logs": {"keep_head": HEAD, "keep_tail": TAIL}}
LINES = "#!/bin/bash\nfor i in $(seq 1000); do echo line $i; done\n"


def rows(made, statement):
    return made.gateway.cluster.query(statement, database=made.gateway.database)


def due(made, job):
    return rows(made, f"SELECT 1 FROM attempts WHERE job_id = '{job['id']}' AND log_due IS NOT NULL")


def kept_rows(made, job):
    return len(rows(made, f"SELECT 1 FROM kept_logs WHERE job_id = '{job['id']}'"))


def kept(made, *jobs):
    """Waits until the output of jobs that have ended is kept."""
    for job in jobs:
        made.api.wait(job["id"], seconds=60)
        system.wait_until(lambda job=job: not due(made, job), 60, "the output to be kept")


def remove(made, *jobs):
    for job in jobs:
        for file in (made.home() / ".jobgate").glob(f"{job['id']}.*"):
            file.unlink()


def log(made, job, status=200, headers=None, **query):
    answer = made.api.get(f"/v1/jobs/{job['id']}/logs", headers=headers, **query)
    assert answer.status == status, answer.text
    return answer


def test_what_is_kept(made):
    small, large, blob, long = jobs = [made.api.submit(script=script) for script in (
        "#!/bin/sh\necho out; echo err >&2\n", LINES, "#!/bin/sh\nprintf 'a\\000\\377b'\n",
        "#!/bin/sh\nhead -c 5000 /dev/zero | tr '\\0' x\n")]
    kept(made, *jobs)
    live = {job["id"]: log(made, job).body for job in jobs}
    assert live[large["id"]].endswith(b"line 1000\n") and len(live[large["id"]]) > HEAD + TAIL
    remove(made, *jobs)
    for job in (small, blob):
        answer = log(made, job)
        assert answer.body == live[job["id"]] and answer.headers["ETag"]
        assert "Jobgate-Log-Omitted" not in answer.headers
    assert log(made, small, stream="stderr").text == "err\n" and log(made, large, stream="stderr").text == ""

    answer, whole = log(made, large), live[large["id"]]
    omitted = int(answer.headers["Jobgate-Log-Omitted"])
    marker = f"[jobgate: {omitted} bytes are not kept]\n".encode()
    head, tail = answer.body.split(marker)
    assert whole.startswith(head) and whole.endswith(tail) and len(head) + len(tail) + omitted == len(whole)
    assert head.endswith(b"\n") and HEAD - 20 < len(head) <= HEAD and TAIL - 20 < len(tail) <= TAIL
    part = log(made, large, 206, headers={"Range": f"bytes={len(head)}-{len(head) + 7}"})
    assert part.body == b"[jobgate" and part.headers["Jobgate-Log-Omitted"] == str(omitted)
    assert log(made, large, tail=2).text == "line 999\nline 1000\n"
    with Stream(made.api, f"/v1/jobs/{large['id']}/logs") as stream:
        assert stream.rest() == answer.body
    text = log(made, long).text
    assert text == "x" * HEAD + f"\n[jobgate: {5000 - HEAD - TAIL} bytes are not kept]\n" + "x" * TAIL


def test_the_own_file_of_a_script(made):
    own = made.home() / f"own-{time.monotonic_ns()}"
    job = made.api.submit(script=f"#!/bin/sh\n#SBATCH -J x -o {own}-%j.%x\necho own\n")
    kept(made, job)
    for file in own.parent.glob(f"{own.name}-*"):
        file.unlink()
    assert log(made, job).text == "own\n"


def test_each_attempt(made):
    job = made.api.submit(script="#!/bin/sh\necho attempt $JOBGATE_ATTEMPT; exit 3\n",
                          retry={"limit": 1, "delay": 0, "on": [3]})
    kept(made, job)
    remove(made, job)
    for attempt in (1, 2):
        assert log(made, job, attempt=attempt).text == f"attempt {attempt}\n"
    assert log(made, job).text == "attempt 2\n"
    assert log(made, job, tasks="all").text == "[0] attempt 2\n"


def test_following_ends_where_a_later_output_is_gone(made):
    """The second one never is a file that is read."""
    job = made.api.submit(script="#!/bin/bash\necho attempt $JOBGATE_ATTEMPT; out=$(readlink /proc/$$/fd/1)\n"
                          "[ $JOBGATE_ATTEMPT = 2 ] || ln -s /dev/null ${out/%.1.out/.2.out}\nexit 3\n",
                          retry={"limit": 1, "delay": 15, "on": [3]})
    system.wait_until(lambda: kept_rows(made, job), 60, "the first output to be kept")
    (made.home() / ".jobgate" / f"{job['id']}.1.out").unlink()
    with Stream(made.api, f"/v1/jobs/{job['id']}/logs", follow="true") as stream:
        assert stream.read_until(b"\n") == b"attempt 1\n"
        with pytest.raises(Cut):
            stream.rest()
    assert made.api.delete(f"/v1/jobs/{job['id']}").status == 204  # else what is gone is looked for once more


def test_each_task_of_an_array(made):
    job = made.api.submit(script="#!/bin/sh\necho task $JOBGATE_TASK_INDEX\n", array={"indices": "2-6:2"})
    kept(made, job)
    remove(made, job)
    for index in (2, 4, 6):
        assert log(made, job, task=index).text == f"task {index}\n"
    assert log(made, job, tasks="all").text == "".join(f"[{index}] task {index}\n" for index in (2, 4, 6))


def test_what_a_user_puts_in_its_place_is_not_read(made):
    job = made.api.submit(command=["echo", "mine"])
    kept(made, job)
    file = made.home() / ".jobgate" / f"{job['id']}.1.out"
    file.unlink()
    file.symlink_to("/etc/shadow")
    assert log(made, job).text == "mine\n"
    file.unlink()


def test_it_is_kept_when_whoever_reads_it_is_back_also_after_a_crash(made, service):
    job = made.api.submit(command=["echo", "later"])
    first = made.api.wait(made.api.submit(command=["echo", "first"])["id"], seconds=60)
    kept(made, first)
    gate = made.home() / "kept-gate"
    slow = made.api.submit(script=f"#!/bin/bash\nuntil [ -e {gate} ]; do sleep 0.1; done; echo slow\n")
    made.api.wait(slow["id"], until="started", seconds=60)
    service.process.terminate()
    service.process.wait(20 * system.PATIENCE)
    gate.touch()
    assert outcome(made.api.wait(slow["id"], seconds=60))[:2] == ("succeeded", "completed")
    assert due(made, slow)
    log(made, slow, status=503)
    assert log(made, first).text == "first\n"  # it was kept before
    made.gateway.kill()
    made.gateway.start()
    service.__enter__()
    rows(made, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'jobgate keeper'")
    kept(made, slow, job)
    remove(made, slow, job)
    gate.unlink()
    assert (log(made, slow).text, log(made, job).text) == ("slow\n", "later\n")


def test_a_crash_before_it_is_known_to_be_kept(made):
    made.gateway.stop()
    made.api.close()
    made.gateway.start({"JOBGATE_CRASH": "keeper.kept"})
    job = made.api.submit(command=["echo", "once"])
    system.wait_until(lambda: not made.gateway.running(), 60, "the crash")
    assert due(made, job) and kept_rows(made, job) == 2
    made.gateway.start()
    kept(made, job)
    remove(made, job)
    assert log(made, job).text == "once\n" and kept_rows(made, job) == 2


def test_it_goes_with_the_record(made):
    job = made.api.submit(command=["echo", "gone"])
    kept(made, job)
    assert kept_rows(made, job) == 2
    assert made.api.delete(f"/v1/jobs/{job['id']}").status == 204
    assert kept_rows(made, job) == 0
    log(made, job, status=404)


def test_how_much_of_it_one_user_reads_at_a_time_is_bounded(made):
    """Each answer has a file of its own until its client has read it."""
    job = made.api.submit(command=["echo", "much"])
    kept(made, job)
    remove(made, job)
    rows(made, f"UPDATE kept_logs SET head = convert_to(repeat('x', 60 << 20), 'UTF8'), size = 60 << 20"
               f" WHERE job_id = '{job['id']}' AND stream = 'stdout' RETURNING 1")
    path = f"/v1/jobs/{job['id']}/logs"
    with Stream(made.api, path, receive_bytes=4096) as first:
        with Stream(made.api, path, receive_bytes=4096) as second:
            assert first.status == second.status == 200
            assert "kept output" in log(made, job, status=429).json()["detail"]
            with Stream(made.api, path) as third:
                assert third.status == 429
            with Stream(made.api, path, tasks="all") as third:
                assert third.status == 429
            assert log(made, job, stream="stderr").text == ""  # there is room for this
        system.wait_until(lambda: made.api.get(path, tail=1).status == 200, 60, "what was given back")


def test_what_was_never_there_is_given_up(made):
    """One that could not be had is looked for again, and nothing else waits for it."""
    job = made.api.submit(script="#!/bin/sh\nrm -f ~/.jobgate/$JOBGATE_JOB_ID.*\n")
    made.api.wait(job["id"], seconds=60)
    other = made.api.submit(command=["echo", "other"])
    kept(made, other)
    log(made, job, status=410)
    assert due(made, job)  # for ten minutes
