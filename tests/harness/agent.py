"""jobgate-slurm-agent, spoken to as the gateway does: frames over a socketpair (backends/slurm/protocol.h)."""

import json
import select
import socket
import struct
import subprocess
import time
import uuid

from tests.harness import slurm, system

FD = 3
LSAN_OPTIONS = f"suppressions={system.ROOT}/tests/integration/lsan.supp:print_suppressions=0"


def mark(number=1):
    """A new mark, as it is in a job's comment."""
    return f"{uuid.UUID(int=uuid.uuid4().int & ~(0xf << 76) | 0x7 << 76)}.{number}"


def comment(number=1):
    return "jobgate:" + mark(number)


def program():
    return system.build_folder() / "jobgate-slurm-agent"


class Agent:
    def __init__(self, role, conf, user=None, token=None, environment=(), more=()):
        """user: whom it runs as, root when None. more: descriptors it inherits besides."""
        self.ours, theirs = socket.socketpair()
        named = {"SLURM_CONF": conf, "SLURM_JWT": token, "LSAN_OPTIONS": LSAN_OPTIONS}
        variables = {name: str(value) for name, value in named.items() if value} | dict(environment)
        with theirs:
            fd = theirs.fileno()
            prefix = ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups"] if user else []
            self.process = subprocess.Popen(
                ["bash", "-c", f'exec "$@" {FD}<&{fd}', "bash", *slurm.enter(), *prefix, program(), role],
                pass_fds=(fd, *more), env=variables, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE)
        self._bytes, self._ids, self._others = b"", iter(range(1, 1 << 30)), []
        self.jobs = {}  # of the tables, as they were last said

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Closes our end; what it said on standard error, and its status."""
        self.ours.close()
        try:
            _, said = self.process.communicate(timeout=20 * system.PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, said = self.process.communicate()
        return said.decode(), self.process.returncode

    def send_bytes(self, data):
        self.ours.sendall(data)

    def send(self, frame):
        data = json.dumps(frame).encode()
        self.send_bytes(struct.pack(">I", len(data)) + data)

    def _fill(self, size, deadline):
        while len(self._bytes) < size:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.ours], [], [], left)[0]:
                raise AssertionError("the agent says nothing")
            got = self.ours.recv(1 << 20)
            if not got:
                raise EOFError(self.process.stderr.read().decode())
            self._bytes += got

    def receive(self, seconds=20.0):
        """The next frame; EOFError when the agent ended."""
        deadline = time.monotonic() + seconds * system.PATIENCE
        self._fill(4, deadline)
        size = 4 + struct.unpack(">I", self._bytes[:4])[0]
        self._fill(size, deadline)
        frame, self._bytes = json.loads(self._bytes[4:size]), self._bytes[size:]
        self._keep(frame)
        return frame

    def post(self, op, **members):
        """Asks and does not wait; the request's number."""
        number = next(self._ids)
        self.send({"id": number, "op": op, **members})
        return number

    def answer(self, number):
        """The answer to a request; what came before is kept for find()."""
        while True:
            frame = self.receive()
            if frame.get("id") == number:
                return frame
            self._others.append(frame)

    def ask(self, op, **members):
        return self.answer(self.post(op, **members))

    def find(self, condition, what, seconds=20.0):
        """The first frame that meets a condition, in the order in which they came."""
        deadline = time.monotonic() + seconds * system.PATIENCE
        while time.monotonic() < deadline:
            frame = self._others.pop(0) if self._others else self.receive(seconds)
            if condition(frame):
                return frame
        raise system.Late(f"{what} did not come")

    def record(self, condition, what="the record", seconds=20.0):
        """Waits until one of the jobs, as they were said to be, meets a condition, and returns it."""
        def meeting():
            return next((record for record in self.jobs.values() if condition(record)), None)

        deadline = time.monotonic() + seconds * system.PATIENCE
        while not meeting():
            if time.monotonic() >= deadline:
                raise system.Late(f"{what} did not come")
            self._others.append(self.receive(seconds))
        return meeting()

    def _keep(self, frame):
        self.jobs.update((record["job"], record) for record in frame.get("jobs", ()))
        for number in frame.get("gone", ()):
            self.jobs.pop(number, None)


def conf(cluster, *lines):
    """An agent's own settings: the cluster's, and some lines over them."""
    path = cluster.folder / f"agent-{uuid.uuid4().hex}.conf"
    path.write_text(f"include {cluster.conf}\n" + "".join(line + "\n" for line in lines))
    path.chmod(0o644)
    return path


