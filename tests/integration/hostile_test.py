"""What clients and jobs with bad intentions must not get."""

import os
import socket

import pytest

from tests.harness import system

OWN_LOG = "log=$(readlink /proc/$$/fd/1); "


def list_descriptors(text):
    return [line.split(" -> ") for line in text.splitlines() if " -> " in line]


# ---- jobs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("setup", [[], [":"]], ids=["plain", "setup"])
def test_a_job_inherits_nothing_but_its_streams(api, setup):
    job = api.submit(["ls", "-l", "/proc/self/fd"], setup=setup, query={"wait": 30})
    targets = [target for _, target in list_descriptors(api.log(job["id"]))]
    assert targets[0] == "/dev/null" and len(targets) == 4  # the fourth is the folder that ls reads
    assert targets[1].endswith(".out") and targets[2].endswith(".err") and targets[3].endswith("/fd")


@pytest.mark.parametrize("replace", [
    "rm $log; ln -s /etc/passwd $log",
    "rm $log; mkfifo $log",
    "rm $log; mkdir $log",
    "mv $folder $folder.away; ln -s $folder.away $folder",
], ids=["link", "pipe", "folder", "parent"])
def test_what_a_job_puts_in_place_of_its_log_is_not_read(api, replace):
    job = api.sh(OWN_LOG + "folder=$(dirname $log); " + replace, working_directory="/tmp", query={"wait": 30})
    assert job["state"] == "succeeded"
    answer = api.get(f"/v1/jobs/{job['id']}/logs")
    assert (answer.status, answer.code) == (410, "gone")


def test_a_log_with_a_hole_of_terabytes_has_an_end(api):
    job = api.sh(OWN_LOG + "truncate -s 10T $log; echo last", query={"wait": 30})
    path = f"/v1/jobs/{job['id']}/logs"
    assert api.get(path, tail=1).body.endswith(b"last\n")
    assert api.get(path, headers={"Range": "bytes=-5"}).body == b"last\n"


@pytest.fixture
def root_gateway(new_gateway, monkeypatch):
    """A gateway that runs as root, with jobs of another user."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    made = new_gateway(backend={"user": "games"})
    monkeypatch.setattr(system, "as_runner", dict)
    for folder in (made.folder.parent, made.folder, made.spool):
        folder.chmod(0o711)
    os.chown(made.spool, 0, 0)
    os.chown(made.config, 0, 0)
    made.config.chmod(0o600)
    return made.start()


def test_a_job_of_another_user_does_not_get_at_the_gateway(root_gateway):
    api = root_gateway.member("ana", "vision").client
    other = api.submit(["sleep", "60"], environment={"SECRET": "hush"})
    api.wait(other["id"], until="started")
    pid, spool, config = root_gateway.process.pid, root_gateway.spool, root_gateway.config
    job = api.sh(OWN_LOG + f"""
        id -u; id -G; grep -c 'CapEff:.0*$' /proc/self/status; grep NoNewPrivs /proc/self/status
        for file in {config} /proc/{pid}/environ /proc/{pid}/mem /proc/$PPID/mem /proc/$PPID/fd/3 {spool}/live/*.task \
                {spool}/live/{other['id']}.1.task; do
            cat "$file" >/dev/null 2>&1 && echo "read $file"
        done
        for folder in {spool} {spool}/jobs {spool}/live {spool}/trash "$(dirname $log)"; do
            ls "$folder" >/dev/null 2>&1 && echo "listed $folder"
            touch "$folder/x" 2>/dev/null && echo "wrote $folder"
        done
        rm $log 2>/dev/null && echo removed
        kill -9 $PPID 2>/dev/null && echo killed
        true""", query={"wait": 30})
    printed = api.log(job["id"]).split("\n")
    assert printed == [*printed[:2], "1", "NoNewPrivs:\t1", ""]
    assert "0" not in printed[0].split() + printed[1].split()
    api.cancel(other["id"])


# ---- other tenants -------------------------------------------------------------------------


@pytest.fixture
def theirs(other):
    """Four jobs of somebody else; the first has a key."""
    spec = {"hold": True, "name": "secret", "labels": {"a": "1"}}
    first = other.client.submit(["true"], headers={"Idempotency-Key": "key"}, **spec)
    return [first["id"], *(other.client.submit(["true"], **spec)["id"] for _ in range(3))]


def test_no_filter_shows_or_ends_the_jobs_of_others(api, other, theirs):
    mine = api.submit(["true"], hold=True, labels={"a": "1"})["id"]
    ids = [*theirs, mine]
    for query in ({"ids": ",".join(ids)}, {"label": "a=1"}, {"label": "a"}, {"name": "secret"}, {"owner": other.user},
                  {"project": other.project}, {"idempotency_key": "key"}, {"ids": theirs[0], "project": other.project}):
        assert {job["id"] for job in api.pages("/v1/jobs", **query)} <= {mine}, query
    for body in ({"ids": ids}, {"labels": {"a": "1"}}, {"name": "secret"}, {"owner": other.user},
                 {"project": other.project}, {"ids": theirs, "project": other.project}):
        assert set(api.post("/v1/jobs/cancel", body).json()["ids"]) <= {mine}, body
    assert all(other.client.job(job)["cancel_requested_at"] is None for job in theirs)


def test_a_cursor_of_somebody_else_leads_to_nothing_of_theirs(api, other, theirs):
    cursor = other.client.get("/v1/jobs", limit=1).json()["next"]
    assert api.get("/v1/jobs", limit=1, cursor=cursor).json()["items"] == []
    event = other.client.get("/v1/events", limit=1).json()["items"][0]
    assert api.get("/v1/events", after=event["cursor"]).json()["items"] == []


def test_a_finished_job_that_was_just_read_is_not_shown_to_others(api, other):
    job = other.client.submit(["true"], query={"wait": 30})["id"]
    other.client.job(job)
    other.client.job(job)
    for headers in ({}, {"If-None-Match": "*"}):
        assert api.get(f"/v1/jobs/{job}", headers=headers).status == 404
        assert api.get(f"/v1/jobs/{job.upper()}", headers=headers).status == 404


# ---- clients -------------------------------------------------------------------------------


def test_clients_that_do_not_read_hold_no_more_than_the_budget(new_gateway):
    """A page of jobs has some MB; without a bound a few hundred clients took all memory."""
    gateway = new_gateway().start()
    member = gateway.member("ana", "vision")
    large = {f"V{number}": "x" * 30000 for number in range(30)}
    for _ in range(9):
        member.client.submit(["true"], hold=True, environment=large)
    request = (f"GET /v1/jobs?fields=spec&limit=100 HTTP/1.1\r\nHost: x\r\n"
               f"Authorization: Bearer {member.token}\r\n\r\n").encode()
    before = gateway.rss_kib()
    clients = []
    try:
        for _ in range(120):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", gateway.port))
            client.sendall(request)
            clients.append(client)
        refused = 0
        for client in clients:
            client.settimeout(60)
            refused += b" 503 " in client.recv(64)
        assert refused > 60
        # A sanitizer keeps several bytes for each one; without the budget it would be ten times as many.
        assert gateway.rss_kib() - before < 500 * 1024 * (4 if system.SANITIZED else 1)
        # Small answers are given all the same, and large ones again when those clients are gone.
        assert member.client.get("/v1/jobs", limit=5).status == 200
        assert member.client.get("/v1/jobs", fields="spec", limit=100).status == 503
    finally:
        for client in clients:
            client.close()
    system.wait_until(lambda: member.client.get("/v1/jobs", fields="spec", limit=100).status == 200,
                      what="a large answer")


def test_a_long_method_does_not_fill_the_log(gateway):
    before = gateway.log.stat().st_size
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
        client.sendall(b"X" * 4000 + b" /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(64).startswith(b"HTTP/1.1 405 ")
    system.wait_until(lambda: gateway.log.stat().st_size > before, what="the line")
    assert "X" * 100 not in gateway.log.read_text()
    gateway.log_lines()


# ---- the operator's secrets ----------------------------------------------------------------


@pytest.mark.parametrize("conninfo", [
    "postgresql://jobgate:hush%hush@127.0.0.1/jobgate",
    "postgresql://jobgate:hush@[::1/jobgate",
    "host=127.0.0.1 user=jobgate password=some hush dbname=jobgate",
], ids=["percent", "bracket", "blank"])
def test_what_libpq_cannot_read_is_not_quoted(new_gateway, conninfo):
    made = new_gateway(settings={"database": {"serve": conninfo, "owner": conninfo}})
    for words in (["--migrate"], ["user", "create", "ana"]):
        done = made.command(*words)
        assert done.returncode == 1 and "malformed" in done.stderr and "hush" not in done.stderr
    made.spawn()
    system.wait_until(lambda: "malformed" in made.log.read_text(), what="the line")
    made.stop()
    assert "hush" not in made.log.read_text()
