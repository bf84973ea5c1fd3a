"""Files of users that do not answer, processes of users that do not end, and what jobgate leaves with them."""

import ctypes
import json
import os
import pathlib
import platform
import pwd
import signal
import socket
import struct
import threading

import pytest

from tests.harness import as_user, fuse, system
from tests.harness.site import gateway_beside, gateway_on, outcome

CLUSTER = {"name": "jgfiles"}
OF_ONE = 16  # requests as one user at a time (backends/slurm/as_user/seats.h)


@pytest.fixture
def place(site):
    """A folder that the users may go through."""
    folder = site.folder / f"place-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    folder.rmdir()


def uid_of(user):
    return pwd.getpwnam(user).pw_uid


def request(verb, user, path):
    return json.dumps({"verb": verb, "user": user, "path": str(path)}).encode()


# ---- a submission of which nothing arrived: the first test begins it, the last sees its end ----


@pytest.fixture(scope="module")
def mute(site):
    """A service whose sbatch does nothing the first time, and then is the real one."""
    folder = site.folder / "mute"
    for name in ("", "runs"):
        (folder / name).mkdir()
        (folder / name).chmod(0o777)
    conf = folder / "sbatch.conf"
    conf.write_text(f"include {site.conf}\nAuthInfo=socket={site.folder}/munge/socket,ttl=10\n")
    program = folder / "sbatch"
    program.write_text(f'#!/bin/sh\nbefore=$(ls {folder}/runs)\ntouch {folder}/runs/$$\n'
                       '[ "$before" ] || exec sleep 600\nexec /usr/bin/sbatch "$@"\n')
    program.chmod(0o755)
    with as_user.AsUser(folder, site.users, conf, program) as made:
        yield made


@pytest.fixture(scope="module")
def again(mute, site, folder, binaries, contract, cluster):
    """A gateway, and a script of which sbatch was killed before it sent anything."""
    with gateway_on(site, folder, binaries, contract, cluster, as_user=str(mute.socket), munge_life="10s") as made:
        made.written = made.home() / f"again-{os.getpid()}"
        made.runs = mute.folder / "runs"
        made.job = made.api.submit(script=f"#!/bin/sh\n#SBATCH -J again\necho $JOBGATE_ATTEMPT >>{made.written}\n")
        (first,) = system.wait_until(lambda: list(made.runs.iterdir()), 60, "sbatch")
        system.kill(int(first.name))
        yield made


def test_what_may_have_arrived_is_unknown(again):
    system.wait_until(lambda: again.api.job(again.job["id"])["reason"] == "submit_unknown", 60, "what is not known")
    assert not again.numbers(again.job) and len(list(again.runs.iterdir())) == 1


# ---- file systems that users serve ----


def test_what_a_user_serves_is_not_read(service, site, place):
    """Whoever holds a descriptor of such a file waits as long as its user likes; root's own are as others."""
    user = site.users[0]
    with fuse.Fuse(place / "theirs", uid_of(user)) as theirs:
        answer = service.ask(verb="open", user=user, path=str(theirs.file))
        assert answer["outcome"] == "wrong" and "a user serves" in answer["text"] and "fd" not in answer
    with fuse.Fuse(place / "sites", 0) as sites:
        answer = service.ask(verb="open", user=user, path=str(sites.file))
        assert answer["outcome"] == "done", answer
        with os.fdopen(answer["fd"]) as opened:
            assert opened.read() == "hello\n"


def test_one_that_does_not_answer_holds_up_its_user_alone(service, site, place):
    """Not even a signal ends what waits for it: its user has only so many places for it."""
    user, other = site.users[:2]
    with fuse.Fuse(place / "silent", uid_of(user), silent=[fuse.LOOKUP]) as silent:
        waiting = [service.connection() for _ in range(OF_ONE)]
        opened = [one.__enter__() for one in waiting]
        for one in opened:
            as_user.send(one, request("open", user, silent.file))
        system.wait_until(lambda: silent.asked.count(fuse.LOOKUP) > 0, 60, "the first that waits")
        system.wait_until(lambda: len(system.children(service.process.pid)) == OF_ONE, 60, "those that wait")
        system.wait_until(lambda: service.ask(verb="open", user=user, path="/none")["outcome"] == "busy", 60,
                          "no place for one more")
        assert service.ask(verb="open", user=other, path="/none")["outcome"] == "absent"
        for one in opened:
            one.close()
    system.wait_until(lambda: not system.children(service.process.pid), 60, "their end")
    assert service.ask(verb="open", user=user, path="/none")["outcome"] == "absent"


# ---- processes that users stop ----


@pytest.fixture
def slow(site):
    """A service whose sbatch says a number and does not end."""
    folder = site.folder / "slow"
    folder.mkdir(mode=0o755, exist_ok=True)
    program = folder / "sbatch"
    program.write_text("#!/bin/sh\necho 123\nprintf 45\nexec sleep 600\n")
    program.chmod(0o755)
    with as_user.AsUser(folder, site.users, site.conf, program) as made:
        yield made


def run(user, seconds):
    return {"verb": "sbatch", "user": user, "path": "/", "arguments": [], "environment": [], "script": "",
            "deadline": as_user.deadline(seconds)}


def test_what_sbatch_said_before_it_was_killed_is_told(slow, site):
    answer = slow.ask(**run(site.users[0], 1))
    assert (answer["outcome"], answer["stdout"]) == ("late", "123\n45") and "status" not in answer


def test_who_stops_it_does_not_make_it_live_on(slow, site):
    """A user may stop the process that has become him; its deadline is kept by one that has not."""
    user = site.users[0]
    with slow.connection() as ours:
        as_user.send(ours, json.dumps(run(user, 5)).encode())
        session = system.wait_until(lambda: system.children(slow.process.pid), 30, "the session")[0]
        sbatch = system.wait_until(lambda: system.children(session), 30, "sbatch")[0]
        for pid in (session, sbatch):
            site.run("kill", f"-{signal.SIGSTOP.value}", pid, user=user)
        assert as_user.receive(ours) is None
    system.wait_until(lambda: not system.alive(session) and not system.alive(sbatch), 30, "their end")


# ---- what every replica says ----


def test_every_replica_shows_what_was_submitted(made, folder, binaries, contract, service):
    """How a task is numbered is known to whoever leads; the others have it from the record."""
    far = {"command": ["true"], "array": {"indices": "7,30000"}}  # MaxArraySize is 20001
    job = made.api.submit(**far, hold=True)
    system.wait_until(lambda: "max_array_size" in made.backend()["offer"], 60, "what the cluster offers")
    with gateway_beside(made, folder, binaries, contract, as_user=str(service.socket)) as other:
        for at in range(2):
            texts = [api.get(f"/v1/jobs/{job['id']}/manifest").text for api in (made.api, other)]
            assert texts[0] == texts[1] and "jobgate_from 1 30000" in texts[0]
            assert at or "#SBATCH --array=0-1\n" in texts[0]
            made.api.post(f"/v1/jobs/{job['id']}/release")
            assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("succeeded", "completed")
        dry = other.request("POST", "/v1/jobs", far, query={"dry_run": "true"})
        assert dry.status == 200 and dry.json()["rendered"].count("jobgate_from") == texts[1].count("jobgate_from")


# ---- what is left with users ----

ID, OTHER = "0193b0a0-0000-7000-8000-000000000001", "0193b0a0-0000-7000-8000-000000000002"


def test_only_outputs_of_the_job_are_removed(service, site):
    user = site.users[0]
    folder = pathlib.Path(os.path.expanduser(f"~{user}")) / f"outputs-{os.getpid()}"
    site.run("mkdir", folder, user=user)
    site.run("touch", *(folder / name for name in (
        f"{ID}.1.out", f"{ID}.12_345.err", f"{ID}.1.txt", f"{ID}.1_.out", f"{ID}..out", f"{ID}.1.out.old",
        f"x{ID}.1.out", f"{OTHER}.1.out", "mine")), user=user)
    site.run("ln", "-s", "mine", folder / f"{ID}.2.out", user=user)
    site.run("mkdir", folder / f"{ID}.3.out", user=user)

    def remove(path=folder, as_whom=user):
        return service.ask(verb="remove", user=as_whom, path=str(path), job=ID)["outcome"]

    before = {path.name for path in folder.iterdir()}
    (folder / "link").symlink_to(folder)
    assert (remove(folder / "none"), remove(folder / "link"), remove(folder / "mine")) == ("absent", "unseen", "unseen")
    assert remove(as_whom=site.users[1]) in ("wrong", "forbidden")
    (folder / "link").unlink()
    assert {path.name for path in folder.iterdir()} == before
    assert remove() == remove() == "done"
    assert before - {path.name for path in folder.iterdir()} == {f"{ID}.1.out", f"{ID}.12_345.err"}
    site.run("rm", "-r", folder, user=user)


def test_output_goes_with_the_record(made):
    """What a script has named itself is its user's, and stays."""
    own = made.home() / f"own-{os.getpid()}"
    plain, array, script, other = jobs = [made.api.submit(**spec) for spec in (
        {"command": ["echo", "x"]}, {"command": ["echo", "x"], "array": {"indices": "3-4"}},
        {"script": f"#!/bin/sh\n#SBATCH -e {own}\necho x; echo own >&2\n"}, {"command": ["echo", "x"]})]
    for job in jobs:
        assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("succeeded", "completed")

    def left():
        return {path.name.split(".")[0] for path in (made.home() / ".jobgate").iterdir()}

    assert {job["id"] for job in jobs} <= left()
    for job in (plain, array, script):
        assert made.api.delete(f"/v1/jobs/{job['id']}").status == 204
    system.wait_until(lambda: not {plain["id"], array["id"], script["id"]} & left(), 60, "the end of the outputs")
    assert other["id"] in left() and own.read_text() == "own\n"
    made.slurm.run("rm", own, user=made.slurm.users[0])


class Between:
    """Stands between a gateway and the service, and keeps requests to remove something until it is opened."""

    def __init__(self, service):
        self.service, self.opened, self.kept = service, threading.Event(), 0
        self.path = service.folder / "between"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(64)
        self.path.chmod(0o666)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            threading.Thread(target=self.serve, args=[self.listener.accept()[0]], daemon=True).start()

    def serve(self, theirs):
        (size,) = struct.unpack(">I", theirs.recv(4, socket.MSG_WAITALL))
        asked = theirs.recv(size, socket.MSG_WAITALL)
        if json.loads(asked)["verb"] == "remove":
            self.kept += 1
            self.opened.wait()
        with socket.socket(socket.AF_UNIX) as ours:
            self.become(system.RUNNER.pw_uid)
            ours.connect(str(self.service.socket))
            self.become(0)
            as_user.send(ours, asked)
            answer = as_user.receive(ours)
        fds = [answer.pop("fd")] if "fd" in answer else []
        data = json.dumps(answer).encode()
        socket.send_fds(theirs, [struct.pack(">I", len(data)) + data], fds)

    def become(self, uid):
        """This thread alone."""
        number = {"x86_64": 117, "aarch64": 147}[platform.machine()]  # of setresuid()
        assert ctypes.CDLL(None).syscall(number, -1, uid, -1) == 0


def test_removing_many_holds_up_nobody(made, service, folder, binaries, contract):
    """Of a user one is removed at a time, whatever becomes of it."""
    between = Between(service)
    jobs = [made.api.submit(command=["echo", "x"]) for _ in range(12)]
    for job in jobs:
        assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("succeeded", "completed")
    with gateway_beside(made, folder, binaries, contract, as_user=str(between.path)) as other:
        for job in jobs[1:]:
            assert other.delete(f"/v1/jobs/{job['id']}").status == 204
        system.wait_until(lambda: between.kept, 60, "a removal")
        assert other.log(jobs[0]["id"]) == "x\n"
        assert between.kept == 1
        between.opened.set()
        system.wait_until(lambda: between.kept == len(jobs) - 1, 60, "the others")
        ids = {job["id"] for job in jobs[1:]}
        system.wait_until(lambda: not any(path.name.split(".")[0] in ids
                                          for path in (made.home() / ".jobgate").iterdir()), 60, "their end")


def test_what_cannot_be_removed_now_is_removed_later(made, site, folder, binaries, contract):
    place = site.folder / "later"
    place.mkdir(mode=0o755)
    service = as_user.AsUser(place, site.users, site.conf)
    job = made.api.submit(command=["echo", "x"])
    assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("succeeded", "completed")
    with gateway_beside(made, folder, binaries, contract, as_user=str(service.socket)) as other:
        with socket.socket(socket.AF_UNIX) as dying:
            dying.settimeout(60 * system.PATIENCE)
            dying.bind(str(service.socket))
            service.socket.chmod(0o666)
            dying.listen()
            assert other.delete(f"/v1/jobs/{job['id']}").status == 204
            dying.accept()[0].close()
        service.socket.unlink()
        assert list((made.home() / ".jobgate").glob(f"{job['id']}.*"))
        with service:
            system.wait_until(lambda: not list((made.home() / ".jobgate").glob(f"{job['id']}.*")), 90, "its removal")


def test_what_a_task_of_an_array_of_a_script_finds(made):
    """sbatch gives all tasks one environment: the index is Slurm's to say."""
    script = "#!/bin/sh\n#SBATCH -a 4-5\nenv | grep -e ^JOBGATE -e ^SLURM_ARRAY_TASK_ID | sort\n"
    job = made.api.submit(script=script)
    assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("succeeded", "completed")
    for index in (4, 5):
        names = dict(line.split("=") for line in made.api.log(job["id"], task=index).splitlines())
        assert names.pop("JOBGATE_URL") == made.gateway.url
        assert names == {"JOBGATE_ATTEMPT": "1", "JOBGATE_JOB_ID": job["id"], "SLURM_ARRAY_TASK_ID": str(index)}


@pytest.mark.timeout(300)
def test_what_surely_never_arrived_is_submitted_again_once(again):
    """Surely: nothing is sent any more, munge's credential is over, and a whole table read later lacks it."""
    assert outcome(again.api.wait(again.job["id"], seconds=150)) == ("succeeded", "completed", 0, None)
    assert again.written.read_text() == "1\n" and len(again.numbers(again.job)) == 1
    assert len(list(again.runs.iterdir())) == 2
    again.slurm.run("rm", again.written, user=again.slurm.users[0])
