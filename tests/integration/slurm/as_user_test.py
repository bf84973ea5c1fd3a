"""jobgate-slurm-as-user: what it does as whom, and all that it does not."""

import json
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import struct
import subprocess

import pytest

from tests.harness import as_user, slurm, system

pytestmark = pytest.mark.one_thread

# Stands where sbatch is named, to see what reaches it: the site's sbatch may be any program.
PROBE = """#!/usr/bin/python3
import json, os, resource, sys
arguments, umask = sys.argv[1:], os.umask(0)
fds = [int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]
more = os.read(3, 1 << 20).decode() if "--export-file=3" in arguments else ""
status = open("/proc/self/status").read()
print(json.dumps({"arguments": arguments, "environment": dict(os.environ), "file": more, "fds": sorted(fds),
    "ids": [os.getresuid(), os.getresgid(), os.getgroups()], "folder": os.getcwd(), "umask": umask,
    "script": sys.stdin.read(), "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    "new": "NoNewPrivs:\\t1" in status, "capable": "CapEff:\\t0000000000000000" not in status}))
sys.stderr.write("a word\\0\\xff")
"""


@pytest.fixture(scope="module")
def site():
    with slurm.Slurm("jgasuser") as made:
        yield made


@pytest.fixture(scope="module")
def place(site):
    folder = site.folder / "as-user"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture(scope="module")
def service(site, place):
    with as_user.AsUser(place, site.users, site.conf) as made:
        yield made


@pytest.fixture(scope="module")
def probe(site, place):
    program = place / "probe"
    program.write_text(PROBE)
    program.chmod(0o755)
    folder = place / "probed"
    folder.mkdir(mode=0o755)
    with as_user.AsUser(folder, site.users, site.conf, program) as made:
        yield made


@pytest.fixture
def home(site):
    folder = pathlib.Path(os.path.expanduser(f"~{site.users[0]}")) / f"as-user-{os.getpid()}"
    folder.mkdir(mode=0o700)
    shutil.chown(folder, site.users[0], site.users[0])
    yield folder
    shutil.rmtree(folder)


def write(path, text, user):
    path.write_text(text)
    shutil.chown(path, user, user)
    return path


def sbatch(site, service, *arguments, script="#!/bin/sh\ntrue\n", environment=(), seconds=30.0, user=0, **more):
    home = os.path.expanduser(f"~{site.users[user]}")
    return service.ask(verb="sbatch", user=site.users[user], path=home, arguments=list(arguments), script=script,
                       environment=[f"HOME={home}", *environment], deadline=as_user.deadline(seconds), **more)


# ---- folder and open ----


def test_a_folder_is_the_users_own_and_closed_to_others(service, site, home):
    path = home / "new"
    for _ in range(2):
        assert service.ask(verb="folder", user=site.users[0], path=str(path)) == {"outcome": "done"}
    found = path.stat()
    assert (found.st_mode & 0o7777, path.owner(), path.group()) == (0o700, site.users[0], site.users[0])


def test_a_folder_that_cannot_be(service, site, home):
    def outcome(path, user=0):
        return service.ask(verb="folder", user=site.users[user], path=str(path))["outcome"]

    write(home / "file", "", site.users[0])
    (home / "link").symlink_to(home)
    assert outcome(home / "file") == "wrong"
    assert outcome(home / "link") == "wrong"
    assert outcome(home / "a/b") == "unseen"
    assert outcome("/etc/new") == "forbidden"
    assert outcome("/etc") == "wrong"
    assert outcome(home / "new", user=1) == "forbidden"
    assert not (home / "a").exists()


def test_a_file_is_opened_as_its_user(service, site, home):
    path = write(home / "x.out", "hello\n", site.users[0])
    path.chmod(0o600)
    answer = service.ask(verb="open", user=site.users[0], path=str(path))
    assert answer["outcome"] == "done" and answer["size"] == 6
    with os.fdopen(answer["fd"], "rb") as opened:
        assert opened.read() == b"hello\n"
        with open(path, "ab") as growing:
            growing.write(b"more\n")
        assert opened.read() == b"more\n"
        with pytest.raises(OSError):
            os.write(opened.fileno(), b"x")


def test_what_is_not_opened(service, site, home):
    user = site.users[0]
    secret = pathlib.Path("/etc/shadow")
    (home / "link").symlink_to(secret)
    (home / "loop").symlink_to("loop")
    os.mkfifo(home / "fifo")
    shutil.chown(home / "fifo", user)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(home / "socket"))
        expected = {"link": "wrong", "loop": "wrong", "fifo": "wrong", "socket": "wrong", "": "wrong",
                    "none": "absent", "none/x": "unseen"}
        found = {name: service.ask(verb="open", user=user, path=str(home / name)) for name in expected}
    assert {name: answer["outcome"] for name, answer in found.items()} == expected
    assert service.ask(verb="open", user=user, path=str(secret))["outcome"] == "forbidden"
    assert service.ask(verb="open", user=user, path="/dev/null")["outcome"] == "wrong"
    mine = write(home / "mine", "", user)
    assert service.ask(verb="open", user=site.users[1], path=str(mine))["outcome"] == "forbidden"
    assert not any("fd" in answer for answer in found.values())


# ---- who may ask, and as whom ----


def test_only_the_gateway_is_heard(service, site):
    assert service.socket.stat().st_uid == 0  # who connects is looked at
    for uid in (0, pwd.getpwnam(site.users[0]).pw_uid):
        with service.connection(user=uid) as theirs:
            assert as_user.receive(theirs) is None
    system.wait_until(lambda: "as_user.stranger" in service.log.read_text(), what="the log's line")


@pytest.mark.parametrize("user", ["root", "daemon", system.RUNNER.pw_name, "no-such-user", "0", "", "x" * 300])
def test_nobody_else_is_become(service, user):
    expected = "invalid" if len(user) in (0, 300) else "refused"
    for path in ("/tmp", "/etc/shadow"):
        assert service.ask(verb="open", user=user, path=path)["outcome"] == expected


def test_the_list_is_read_each_time_and_only_believed_when_it_is_roots(service, site):
    text = service.list.read_text()
    ask = {"verb": "open", "user": site.users[0], "path": "/none"}
    try:
        service.list.write_text(f"# {site.users[0]}\n{site.users[0]}x\n  {site.users[1]} # a comment\n")
        assert service.ask(**ask)["outcome"] == "refused"
        assert service.ask(**ask | {"user": site.users[1]})["outcome"] == "absent"
        service.list.write_text("root\ndaemon\n")
        for user in ("root", "daemon"):
            assert service.ask(**ask | {"user": user})["outcome"] == "refused"
        service.list.chmod(0o666)
        assert service.ask(**ask)["outcome"] == "busy"
    finally:
        service.list.chmod(0o644)
        service.list.write_text(text)
    assert service.ask(**ask)["outcome"] == "absent"


def test_a_group_instead_of_a_list(site, place):
    folder = place / "grouped"
    folder.mkdir(mode=0o755)
    grouped = as_user.AsUser(folder, [], site.conf)
    at = grouped.arguments.index("--users")
    grouped.arguments[at:at + 2] = ["--group", site.users[0]]
    with grouped:
        assert grouped.ask(verb="open", user=site.users[0], path="/none")["outcome"] == "absent"
        assert grouped.ask(verb="open", user=site.users[1], path="/none")["outcome"] == "refused"


@pytest.mark.parametrize("wrong", [
    ["--client", "root"], ["--client", "no-such-user"], ["--socket", "relative"], ["--min-uid", "0"], ["--bogus"],
    ["--group", "no-such-group"], ["--sbatch", "/none"], ["--conf", "/none"], ["word"], ["--socket", "/" + "x" * 200],
])
def test_it_does_not_start_with(service, wrong):
    done = subprocess.run([system.build_folder() / "jobgate-slurm-as-user", *map(str, service.arguments), *wrong],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and done.stderr.startswith("jobgate-slurm-as-user: ")


def test_it_does_not_take_anothers_place(service):
    done = subprocess.run([system.build_folder() / "jobgate-slurm-as-user", *map(str, service.arguments)],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and "in use" in done.stderr


# ---- what is no request ----


@pytest.mark.parametrize("members", [
    {}, {"verb": "run"}, {"verb": 1}, {"verb": "open"}, {"verb": "open", "path": "x"}, {"verb": "open", "path": ""},
    {"verb": "open", "path": "/" + "x" * 5000}, {"verb": "open", "path": 1},
    {"verb": "open", "path": "/x", "more": 1},
    {"verb": "open", "path": "/x", "script": ""}, {"verb": "sbatch", "path": "/"},
    {"verb": "open", "path": "/tmp\0/x"},
], ids=lambda members: json.dumps(members)[:60])
def test_requests_that_do_not_follow_the_page(service, site, members):
    assert service.ask(user=site.users[0], **members)["outcome"] == "invalid"


@pytest.mark.parametrize("member, value", [
    ("arguments", ["x"]), ("arguments", ["--"]), ("arguments", ["-p"]), ("arguments", "--x"), ("arguments", [1]),
    ("arguments", ["--x"] * 5000), ("arguments", ["--" + "x" * 140000]), ("environment", ["A"]),
    ("environment", ["=A"]),
    ("deadline", -1), ("deadline", 1.5), ("deadline", 1 << 62), ("script", None),
])
def test_requests_to_run_sbatch_that_do_not(probe, site, member, value):
    request = {"verb": "sbatch", "user": site.users[0], "path": "/tmp", "arguments": [], "environment": [],
               "script": "", "deadline": as_user.deadline(20), member: value}
    assert probe.ask(**request)["outcome"] == "invalid"


def test_random_frames(service, site):
    rng = random.Random(7)
    good = json.dumps({"verb": "open", "user": site.users[0], "path": "/none"}).encode()
    for _ in range(60):
        data = bytearray(struct.pack(">I", len(good)) + good)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with service.connection() as ours:
            ours.sendall(bytes(data[:rng.randrange(len(data) + 1)]))
            ours.shutdown(socket.SHUT_WR)
            answer = as_user.receive(ours)
        assert answer is None or answer["outcome"] in ("invalid", "absent", "unseen", "refused", "wrong")
    with service.connection() as ours:
        ours.sendall(struct.pack(">I", 1 << 31))
        assert as_user.receive(ours)["outcome"] == "invalid"
    assert service.ask(verb="open", user=site.users[0], path="/none")["outcome"] == "absent"


def test_a_request_that_is_too_large(service):
    with service.connection() as ours:
        ours.sendall(struct.pack(">I", 40 << 20))
        with pytest.raises(OSError):
            for _ in range(40):
                ours.sendall(b" " * (1 << 20))


def test_clients_that_say_nothing_hold_nobody_up(service, site):
    silent = [service.connection() for _ in range(40)]
    opened = [one.__enter__() for one in silent]
    assert service.ask(verb="open", user=site.users[0], path="/none")["outcome"] == "absent"
    for one in opened:
        one.close()


# ---- sbatch ----


def test_sbatch_runs_as_the_user_and_sees_what_it_should(probe, site):
    variables = ["A=1", "B=x y\n'\"$", "PATH=/bin", "LD_PRELOAD=/x.so", "SLURM_CONF=/x", "SBATCH_PARTITION=x",
                 "GLIBC_TUNABLES=x", "E="]
    answer = sbatch(site, probe, "--parsable", "--comment=a b;$(x)\n", script="#!/bin/sh\n\u00e5\n",
                    environment=variables)
    assert (answer["outcome"], answer["status"], answer["stderr"]) == ("done", 0, "a word?\u00ff")
    seen = json.loads(answer["stdout"])
    user = site.users[0]
    uid, gid = pwd.getpwnam(user)[2:4]
    assert seen["ids"] == [[uid] * 3, [gid] * 3, [gid]]
    assert seen["new"] and not seen["capable"]
    assert seen["arguments"] == ["--parsable", "--comment=a b;$(x)\n", "--export-file=3"]
    home = os.path.expanduser(f"~{user}")
    expected = {"HOME": home, "A": "1", "B": "x y\n'\"$", "PATH": "/bin", "E": "", "SLURM_CONF": str(site.conf)}
    assert {k: v for k, v in seen["environment"].items() if k != "LC_CTYPE"} == expected
    hidden = ["LD_PRELOAD=/x.so", "SLURM_CONF=/x", "SBATCH_PARTITION=x", "GLIBC_TUNABLES=x"]
    assert seen["file"].split("\0") == [*hidden, ""]
    assert (seen["folder"], seen["umask"], seen["script"]) == (home, 0o022, "#!/bin/sh\n\u00e5\n")
    assert seen["fds"] == [0, 1, 2, 3] and seen["core"] == 0 and seen["files"] == 1024


def test_its_words_are_bounded(site, place):
    folder = place / "loud"
    folder.mkdir(mode=0o755)
    program = folder / "sbatch"
    program.write_text("#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' x\nexit 3\n")
    program.chmod(0o755)
    with as_user.AsUser(folder, site.users, site.conf, program) as loud:
        answer = sbatch(site, loud)
    assert (answer["outcome"], answer["status"], answer["stdout"]) == ("done", 3 << 8, "x" * (32 * 1024))


def test_a_full_controller_is_told_before_sbatch_asks_again(site, place):
    """Where it is dead before that; on a busy machine it may not be in time. Words within others are none of them."""
    folder = place / "full"
    folder.mkdir(mode=0o755)
    program = folder / "sbatch"
    words = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"
    program.write_text(f"#!/bin/sh\nprintf '%s\n' \"${{1#--comment=}}{words.strip()}\" >&2\nexec sleep 600\n")
    program.chmod(0o755)
    with as_user.AsUser(folder, site.users, site.conf, program) as full:
        answer = system.wait_until(lambda: next(filter(lambda one: one["outcome"] == "full",
                                                       [sbatch(site, full)]), None), 90, "the end in time")
        assert (answer["stderr"], "status" in answer) == (words, False)
        assert sbatch(site, full, "--comment=theirs ", seconds=0.5)["outcome"] == "late"


def test_it_is_killed_at_the_deadline_and_when_nobody_waits(site, place):
    folder = place / "slow"
    folder.mkdir(mode=0o755)
    program, pids = folder / "sbatch", folder / "pids"
    pids.mkdir(mode=0o777)
    pids.chmod(0o777)
    program.write_text(f"""#!/bin/sh
if [ "$1" = --alone ]; then touch {pids}/$$; exec sleep 600; fi
sleep 600 &
touch {pids}/$$ {pids}/$!
wait
""")
    program.chmod(0o755)

    def all_dead():
        return not any(system.alive(int(one.name)) for one in pids.iterdir())

    with as_user.AsUser(folder, site.users, site.conf, program) as slow:
        assert sbatch(site, slow, seconds=0.5)["outcome"] == "late"
        system.wait_until(all_dead, what="the end of sbatch")
        assert sbatch(site, slow, seconds=-5)["outcome"] == "busy"
        before = len(list(pids.iterdir()))
        request = {"verb": "sbatch", "user": site.users[0], "path": "/", "environment": [], "script": "",
                   "deadline": as_user.deadline(25)}
        with slow.connection() as ours:
            as_user.send(ours, json.dumps(request | {"arguments": []}).encode())
            system.wait_until(lambda: len(list(pids.iterdir())) == before + 2, 30, "sbatch")
        system.wait_until(all_dead, what="the end of sbatch")
        with slow.connection() as ours:
            as_user.send(ours, json.dumps(request | {"arguments": ["--alone"]}).encode())
            system.wait_until(lambda: len(list(pids.iterdir())) == before + 3, 30, "sbatch")
            slow.process.send_signal(signal.SIGTERM)
            slow.process.wait(20 * system.PATIENCE)
        system.wait_until(all_dead, what="the end of sbatch")


def test_sbatch_of_the_site(service, site):
    done = sbatch(site, service, "--parsable", "--hold", "--comment=hello", "--export-file=/etc/shadow",
                  environment=["LD_LIBRARY_PATH=/opt/lib", "COLOUR=r\u00f8d"])
    assert done["outcome"] == "done" and done["status"] == 0, done
    job = site.job(int(done["stdout"]))
    assert (job["UserId"].split("(")[0], job["Comment"]) == (site.users[0], "hello")
    site.run("scancel", done["stdout"].strip())
    refused = sbatch(site, service, "--partition=nowhere")
    assert refused["status"] == 1 << 8 and "Invalid partition name specified" in refused["stderr"]
    unknown = sbatch(site, service, "--bogus=1")
    assert unknown["status"] == 255 << 8 and "unrecognized option" in unknown["stderr"]


def test_a_folder_that_is_not_here(service, site):
    answer = service.ask(verb="sbatch", user=site.users[0], path="/none", arguments=[], environment=[], script="",
                         deadline=as_user.deadline())
    assert answer["outcome"] == "unseen"
