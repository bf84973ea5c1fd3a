"""deploy/up and deploy/down, in state folders of their own."""

import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import time
import urllib.request

import pytest

from tests.harness import system
from tests.harness.deployment import DOWN, UP, call, curl, gateway_pid, one_line, said


@pytest.fixture(scope="module")
def house():
    """A state folder brought up once, with the first job."""
    folder = pathlib.Path("/tmp") / f"jg-up-{os.getpid()}"
    port = system.free_port()
    done = call(UP, "--dir", folder, "--port", port)
    try:
        assert done.returncode == 0, done.stderr
        yield folder, port, done
    finally:
        call(DOWN, "--dir", folder, "--purge")


def test_up_says_what_it_does_and_runs_a_first_job(house):
    folder, port, done = house
    found = said(done)
    assert found == {"JOBGATE_URL": f"http://127.0.0.1:{port}", "JOBGATE_TOKEN_FILE": f"{folder}/token",
                     "JOBGATE_PID_FILE": f"{folder}/jobgate.pid"}
    assert "[1/8]" in done.stderr and "[8/8]" in done.stderr
    assert "step=1 loss=" in done.stderr and "step=200 loss=" in done.stderr and "succeeded" in done.stderr
    assert done.stderr.count("  curl ") == 3


def test_the_curl_lines_it_prints_work(house):
    _, _, done = house
    submit, read, cancel = [line.strip() for line in done.stderr.splitlines() if line.startswith("  curl ")]
    job = json.loads(subprocess.run(["sh", "-c", submit], capture_output=True, text=True).stdout)
    ended = json.loads(subprocess.run(["sh", "-c", read.replace("/ID", "/" + job["id"])],
                                      capture_output=True, text=True).stdout)
    assert ended["state"] == "succeeded"
    again = json.loads(subprocess.run(["sh", "-c", cancel.replace("/ID", "/" + job["id"])],
                                      capture_output=True, text=True).stdout)
    assert again["id"] == job["id"] and again["state"] == "succeeded"


def test_secrets_are_readable_by_their_owner_only(house):
    folder, _, _ = house
    for name in ("token", "netrc"):
        found = (folder / name).stat()
        assert stat.S_IMODE(found.st_mode) == 0o600 and found.st_uid == os.geteuid()
    assert stat.S_IMODE((folder / "pg").stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "run").stat().st_mode) == 0o700


def test_nothing_runs_as_root_and_postgresql_has_no_port(house):
    folder, port, done = house
    pid = gateway_pid(said(done))
    postmaster = int((folder / "pg/postmaster.pid").read_text().split()[0])
    for process in (pid, postmaster):
        uid = pathlib.Path(f"/proc/{process}").stat().st_uid
        assert uid != 0 and (os.geteuid() != 0 or uid == pathlib.Path(folder / "spool").stat().st_uid)
    listening = subprocess.run(["sh", "-c", f"cat /proc/{postmaster}/net/tcp /proc/{postmaster}/net/tcp6"],
                               capture_output=True, text=True).stdout
    sockets = {os.readlink(link) for link in pathlib.Path(f"/proc/{postmaster}/fd").iterdir() if link.is_symlink()}
    inodes = {line.split()[9] for line in listening.splitlines() if " 0A " in line}
    assert not any(f"socket:[{inode}]" in sockets for inode in inodes)


def test_a_second_call_is_quick_and_changes_nothing(house):
    folder, _, done = house
    before = {path: path.read_bytes() for path in (folder / "token", folder / "jobgate.yaml", folder / "jobgate.pid")}
    started = time.monotonic()
    again = call(UP, "--dir", folder)
    assert again.returncode == 0 and said(again) == said(done)
    assert time.monotonic() - started < 4
    assert before == {path: path.read_bytes() for path in before}
    assert "step=" not in again.stderr


def test_a_gateway_that_died_is_started_again_with_its_jobs(house):
    folder, _, done = house
    found = said(done)
    body = '{"command": ["sleep", "600"], "name": "survivor"}'
    curl(found, "/v1/jobs?wait=10&until=started", "-H", "Content-Type: application/json", "-d", body)
    old = gateway_pid(found)
    os.kill(old, signal.SIGKILL)
    system.wait_until(lambda: not system.alive(old), what="its end")
    again = call(UP, "--dir", folder)
    assert again.returncode == 0, again.stderr
    assert gateway_pid(found) != old
    assert '"running"' in curl(found, "/v1/jobs?name=survivor&fields=state")
    assert '"count"' in curl(found, "/v1/jobs/cancel", "-H", "Content-Type: application/json", "-d",
                             '{"name": "survivor"}')


def test_a_database_that_died_is_started_again(house):
    folder, _, done = house
    postmaster = int((folder / "pg/postmaster.pid").read_text().split()[0])
    for pid in [postmaster, *system.children(postmaster)]:
        system.kill(pid)
    system.wait_until(lambda: not system.alive(postmaster), what="its end")
    assert call(UP, "--dir", folder).returncode == 0
    assert '"items"' in curl(said(done), "/v1/jobs")


def test_two_calls_at_once(house):
    folder, _, done = house
    pid = gateway_pid(said(done))
    os.kill(pid, signal.SIGKILL)
    system.wait_until(lambda: not system.alive(pid), what="its end")
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: call(UP, "--dir", folder), range(3)))
    assert [result.returncode for result in results] == [0, 0, 0], [result.stderr for result in results]
    assert len({result.stdout for result in results}) == 1


def test_down_stops_and_up_comes_back_with_everything(house):
    folder, _, done = house
    found = said(done)
    pid = gateway_pid(found)
    listed = curl(found, "/v1/jobs?fields=id")
    stopped = call(DOWN, "--dir", folder)
    assert stopped.returncode == 0, stopped.stderr
    assert not system.alive(pid) and not (folder / "pg/postmaster.pid").exists()
    assert call(DOWN, "--dir", folder).returncode == 0
    assert call(UP, "--dir", folder).returncode == 0
    assert curl(found, "/v1/jobs?fields=id") == listed


def test_another_port(house):
    folder, port, done = house
    other = system.free_port()
    moved = call(UP, "--dir", folder, "--port", other)
    assert moved.returncode == 0 and said(moved)["JOBGATE_URL"] == f"http://127.0.0.1:{other}"
    assert '"items"' in curl(said(moved), "/v1/jobs")
    assert call(UP, "--dir", folder, "--port", port).returncode == 0


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = one_line(call(UP, "--dir", tmp_path / "s", "--port", taken.getsockname()[1]))
        assert f"port {taken.getsockname()[1]} is in use" in line and "--port" in line


@pytest.mark.parametrize("arguments,word", [
    (("--colour",), "--colour"), (("--port", "http"), "--port"), (("--port", "70000"), "--port"),
    (("--port",), "--port"),
    (("--dir", "relative"), "absolute"), (("--dir", "/"), "root"), (("--dir", "/" + "x" * 100), "too long"),
    (("--kubernetes-number", "3"), "--with kubernetes"), (("--kubeconfig", "/etc/hosts"), "--with kubernetes"),
    (("--with", "kubernetes", "--context", "x"), "--kubeconfig"),
    (("--with", "kubernetes", "--kubeconfig", "/none"), "cannot read /none"),
    (("--with", "kubernetes", "--kubeconfig", "/etc/hosts", "--kubernetes-number", "3"), "--kubernetes-number"),
    (("--with", "kubernetes", "--dir", "/tmp/a b"), "letters"),
    (("--with", "kubernetes", "--dir", "/" + "x" * 50), "49 bytes"),
])
def test_bad_arguments(arguments, word):
    assert word in one_line(call(UP, *arguments))


def test_help():
    for program in (UP, DOWN):
        done = call(program, "--help")
        assert done.returncode == 0 and "--dir DIR" in done.stdout


def test_a_folder_that_is_somebody_elses(tmp_path):
    (tmp_path / "precious").write_text("x")
    assert "not empty" in one_line(call(UP, "--dir", tmp_path))
    assert call(DOWN, "--dir", tmp_path, "--purge").returncode == 0
    assert (tmp_path / "precious").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", small], check=True)
    try:
        assert "1024 are needed" in one_line(call(UP, "--dir", small / "s"))
        (small / "s" / "bin").mkdir()
        (small / "s" / "bin" / "jobgate").touch()
        assert "64 are needed" in one_line(call(UP, "--dir", small / "s"))
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_without_root_it_says_what_it_cannot_do(tmp_path):
    done = subprocess.run([*system.prefix(), UP, "--dir", "/var/lib/jobgate-not-mine"], capture_output=True, text=True,
                          cwd="/", stdin=subprocess.DEVNULL)
    assert "cannot make /var/lib/jobgate-not-mine" in one_line(done)


def test_without_root_everything_runs_as_the_caller():
    """In a copy of the tree that somebody without privileges owns."""
    place = system.temporary_folder("u")
    try:
        shutil.copytree(system.ROOT, place / "jobgate", ignore=shutil.ignore_patterns(".git", "build", "build-*"))
        subprocess.run(["chown", "-R", f"{system.RUNNER.pw_uid}:{system.RUNNER.pw_gid}", place / "jobgate"], check=True)
        command = [*system.prefix(), "env", f"HOME={place}"]
        port = system.free_port()
        done = subprocess.run([*command, place / "jobgate/deploy/up", "--dir", place / "s", "--port", str(port)],
                              capture_output=True, text=True, cwd="/", stdin=subprocess.DEVNULL, timeout=900)
        assert done.returncode == 0, done.stderr
        assert pathlib.Path(f"/proc/{gateway_pid(said(done))}").stat().st_uid == system.RUNNER.pw_uid
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=10) as answer:
            assert answer.status == 200
    finally:
        subprocess.run([*command, place / "jobgate/deploy/down", "--dir", place / "s", "--purge"], cwd="/",
                       capture_output=True, stdin=subprocess.DEVNULL)
        assert not (place / "s").exists()
        system.remove_folder(place)


def test_purge_ends_jobs_and_leaves_nothing():
    folder = pathlib.Path("/tmp") / f"jg-purge-{os.getpid()}"
    done = call(UP, "--dir", folder, "--port", system.free_port(), "--no-demo")
    assert done.returncode == 0, done.stderr
    assert "step=" not in done.stderr
    found = said(done)
    pids = system.own_file(f"/tmp/jg-purge-{os.getpid()}.pids")
    pids.chmod(0o666)
    try:
        curl(found, "/v1/jobs?wait=10&until=started", "-H", "Content-Type: application/json", "-d",
             json.dumps({"command": ["/bin/sh", "-c", f"echo $$ >> {pids}; sleep 600"]}))
        (job,) = system.wait_until(lambda: [int(pid) for pid in pids.read_text().split()], what="the job")
        gateway = gateway_pid(found)
        done = call(DOWN, "--dir", folder, "--purge")
        assert done.returncode == 0, done.stderr
        assert not folder.exists() and not system.alive(job) and not system.alive(gateway)
    finally:
        call(DOWN, "--dir", folder, "--purge")
        pids.unlink()
