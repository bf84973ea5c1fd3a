"""The output of jobs on a real Slurm, read as their users."""

import os
import shutil
import socket
import time

import pytest

from tests.harness import system
from tests.harness.site import gateway_on, outcome
from tests.harness.stream import Stream

CLUSTER = {"name": "jglogs"}


@pytest.fixture(scope="module")
def made(folder, binaries, contract, cluster, site, service):
    for user in site.users:
        os.chmod(os.path.expanduser(f"~{user}"), 0o700)
    with gateway_on(site, folder, binaries, contract, cluster, as_user=str(service.socket),
                    logs={"keep_head": 0, "keep_tail": 0}) as gateway:
        yield gateway


def ended(api, **spec):
    return api.wait(api.submit(**spec)["id"], seconds=60)


def log(api, job, status=200, headers=None, **query):
    answer = api.get(f"/v1/jobs/{job['id']}/logs", headers=headers, **query)
    assert answer.status == status, answer.text
    return answer


def path(made, job, kind="out", number=0, submission=1):
    return made.home(number) / ".jobgate" / f"{job['id']}.{submission}.{kind}"


def test_each_user_has_its_own(made):
    jobs = [api.submit(command=["sh", "-c", "id -un; echo oops >&2"]) for api in made.members]
    for number, (api, job) in enumerate(zip(made.members, jobs, strict=True)):
        assert outcome(api.wait(job["id"], seconds=60))[:2] == ("succeeded", "completed")
        answer = log(api, job)
        assert answer.text == f"{made.slurm.users[number]}\n" and answer.headers["ETag"]
        assert log(api, job, stream="stderr").text == "oops\n"
        found = path(made, job, number=number)
        assert found.owner() == made.slurm.users[number] and found.parent.stat().st_mode & 0o777 == 0o700
        log(made.members[1 - number], job, status=404)


def test_bytes_come_as_they_are(made):
    script = "#!/bin/sh\nprintf 'a\\000b\\377\\n'; head -c 300000 /dev/zero | tr '\\0' x\n"
    job = ended(made.api, script=script)
    assert log(made.api, job).body == b"a\0b\xff\n" + b"x" * 300000
    assert log(made.api, job, tail=1).body == b"x" * 300000
    part = log(made.api, job, 206, headers={"Range": "bytes=1-3"})
    assert part.body == b"\0b\xff"


def test_followed_from_the_first_byte_to_the_end(made):
    gate = made.home() / f"gate-{time.monotonic_ns()}"
    job = made.api.submit(script=f"#!/bin/bash\necho first\nuntil [ -e {gate} ]; do sleep 0.1; done\n"
                                 "for i in $(seq 1000); do echo line $i; done\n")
    with Stream(made.api, f"/v1/jobs/{job['id']}/logs") as stream:
        got = stream.read_until(b"first\n")
        assert got == b"first\n"
        live = log(made.api, job)
        assert live.text == "first\n" and "ETag" not in live.headers
        gate.touch()
        assert stream.rest().decode() == "".join(f"line {i}\n" for i in range(1, 1001))
    assert made.api.wait(job["id"])["state"] == "succeeded"
    gate.unlink()


def test_before_there_is_any(made):
    job = made.api.submit(command=["true"], hold=True)
    log(made.api, job, status=404)
    made.api.cancel(job["id"])
    log(made.api, made.api.wait(job["id"], seconds=60), status=404)


def test_what_a_user_puts_in_its_place_is_not_read(made):
    secret = made.home(1) / "secret"
    secret.write_text("of another\n")
    secret.chmod(0o600)
    shutil.chown(secret, made.slurm.users[1])
    jobs = [made.api.submit(command=["echo", "mine"]) for _ in range(5)]
    for job in jobs:
        made.api.wait(job["id"], seconds=60)
    removed, linked, piped, closed, foreign = (path(made, job) for job in jobs)
    for one in (removed, linked, piped, foreign):
        one.unlink()
    linked.symlink_to("/etc/shadow")
    os.mkfifo(piped)
    shutil.chown(piped, made.slurm.users[0])
    closed.chmod(0)
    os.link(secret, foreign)
    words = ["is not there any more", "symbolic link", "no regular file", "may not read", "may not read"]
    for job, expected in zip(jobs, words, strict=True):
        assert expected in log(made.api, job, status=410).json()["detail"]
    secret.unlink()


def refused(api):
    job = ended(api, command=["true"])
    return job if job["reason"] == "rejected" else None


def test_a_folder_that_is_none_is_told(made):
    folder = made.home() / ".jobgate"
    away = made.home() / ".jobgate-away"
    folder.rename(away)
    try:
        folder.symlink_to("/tmp")
        # That the folder was there is believed for a while.
        job = system.wait_until(lambda: refused(made.api), 60, "a refusal")
        assert ".jobgate" in job["message"] and "no folder" in job["message"]
    finally:
        folder.unlink()
        away.rename(folder)


def test_what_is_not_roots_is_not_asked(made, service):
    job = ended(made.api, command=["echo", "x"])
    away, place = service.socket.with_name("away"), f"/tmp/jg-{os.getpid()}-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX) as false:
        os.seteuid(system.RUNNER.pw_uid)
        try:
            false.bind(place)
            false.listen()
        finally:
            os.seteuid(0)
        service.socket.rename(away)
        try:
            os.rename(place, service.socket)
            assert "is not root's" in log(made.api, job, status=503).json()["detail"]
        finally:
            away.rename(service.socket)
    assert log(made.api, job).text == "x\n"


def test_without_the_service(made, service, folder, binaries, contract, cluster, site):
    with gateway_on(site, folder, binaries, contract, cluster) as plain:
        job = ended(plain.api, command=["echo", "hello"])
        assert plain.output(job) == "hello\n"
        assert "as_user" in log(plain.api, job, status=503).json()["detail"]
        log(plain.api, job, status=503, follow="true")
        assert plain.gateway.cluster.query(f"SELECT log_due FROM attempts WHERE job_id = '{job['id']}'",
                                           database=plain.gateway.database) == [(None,)]
    before = ended(made.api, command=["echo", "before"])
    service.process.terminate()
    service.process.wait(20 * system.PATIENCE)
    try:
        assert "cannot be reached" in log(made.api, before, status=503).json()["detail"]
        job = made.api.submit(command=["echo", "meanwhile"])
    finally:
        service.__enter__()
    assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("succeeded", "completed")
    assert (log(made.api, before).text, log(made.api, job).text) == ("before\n", "meanwhile\n")
