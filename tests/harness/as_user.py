"""jobgate-slurm-as-user, and requests to it (backends/slurm/as_user_request.h)."""

import array
import contextlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import time

from tests.harness import system


class AsUser:
    """The service, for a cluster's users; whoever the gateways of the tests run as may ask."""

    def __init__(self, folder, users, conf="/dev/null", sbatch="/usr/bin/sbatch", options=()):
        self.folder = pathlib.Path(folder)
        self.socket = self.folder / "as-user"
        self.list = self.folder / "users"
        self.list.write_text("".join(f"{user}\n" for user in users))
        self.log = self.folder / "as-user.log"
        self.arguments = ["--socket", self.socket, "--client", system.RUNNER.pw_name, "--users", self.list,
                          "--conf", conf, "--sbatch", sbatch, *options]
        self.process = None

    @classmethod
    def of(cls, site, conf=None):
        """For all users of a cluster."""
        folder = site.folder / "as-user"
        folder.mkdir(mode=0o755)
        return cls(folder, site.users, conf or site.conf)

    def __enter__(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [system.build_folder() / "jobgate-slurm-as-user", *map(str, self.arguments)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env={"SECRET": "of the service", "LD_BIND_NOW": "1"}, umask=0)
        system.wait_until(lambda: self.listens() or self.process.poll() is not None, what="the socket")
        assert self.process.poll() is None, self.log.read_text()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20 * system.PATIENCE)

    def listens(self):
        with socket.socket(socket.AF_UNIX) as ours:
            return ours.connect_ex(str(self.socket)) == 0

    @contextlib.contextmanager
    def connection(self, user=system.RUNNER.pw_uid):
        """One of a user's: who connects is who this thread is then."""
        with socket.socket(socket.AF_UNIX) as ours:
            ours.settimeout(60 * system.PATIENCE)
            os.seteuid(user)
            try:
                ours.connect(str(self.socket))
            finally:
                os.seteuid(0)
            yield ours

    def ask(self, **request):
        """The answer, with "fd" when a descriptor came with it."""
        with self.connection() as ours:
            send(ours, json.dumps(request).encode())
            return receive(ours)


def send(ours, data):
    ours.sendall(struct.pack(">I", len(data)) + data)


def receive(ours):
    """An answer; None when the connection was closed instead."""
    data, more, _, _ = ours.recvmsg(1 << 16, socket.CMSG_SPACE(4))
    fds = array.array("i")
    for level, kind, content in more:
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        fds.frombytes(content)
    while data and (len(data) < 4 or len(data) < 4 + struct.unpack(">I", data[:4])[0]):
        data += ours.recv(1 << 16)
    if not data:
        return None
    return json.loads(data[4:]) | ({"fd": fds[0]} if fds else {})


def deadline(seconds=30.0):
    return int((time.monotonic() + seconds * system.PATIENCE) * 1_000_000)
