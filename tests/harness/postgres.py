"""A real PostgreSQL cluster that the tests own, on a unix socket only."""

import itertools
import pathlib
import subprocess

import psycopg

from tests.harness import system

ROLES = ("jobgate_owner", "jobgate_serve")
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0777
max_connections = 200
shared_buffers = 128MB
fsync = off
full_page_writes = off
log_line_prefix = '%m [%p] %u@%d '
log_statement = none
"""
# fsync only matters when the machine goes down; synchronous_commit stays on.


def binaries():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"),
                   key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError("PostgreSQL is not installed")
    return found[-1].parent


class Cluster:
    """initdb on construction; start, stop, kill and pause as often as a test likes."""

    def __init__(self, folder, settings=""):
        self.folder = pathlib.Path(folder)
        self.bin = binaries()
        self.data = self.folder / "pg"
        self.socket = system.make_folder(self.folder / "s")
        self.log = self.folder / "postgres.log"
        self._numbers = itertools.count(1)
        system.checked([self.bin / "initdb", "-N", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
                        "-U", "postgres", "-D", self.data], cwd="/")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(SETTINGS.format(socket=self.socket) + settings)

    def dsn(self, database="postgres", user="postgres"):
        return f"host={self.socket} user={user} dbname={database}"

    def start(self):
        # pg_ctl hands its descriptors on to the server, so its output is a file.
        with open(self.log, "ab") as log:
            subprocess.run([self.bin / "pg_ctl", "-D", self.data, "-w", "-t", "60", "start"], check=True,
                           cwd="/", stdout=log, stderr=log, stdin=subprocess.DEVNULL, **system.as_runner())
        return self

    def stop(self, mode="fast"):
        """mode: smart, fast, or immediate (no checkpoint: recovery at the next start)."""
        if self.running():
            system.checked([self.bin / "pg_ctl", "-D", self.data, "-w", "-m", mode, "stop"], cwd="/")

    def kill(self):
        """kill -9 of the postmaster and its children, as the machine's OOM killer would."""
        pid = self.pid()
        offspring = system.children(pid)
        for victim in [pid, *offspring]:
            system.kill(victim)
        # A backend may have been started meanwhile; it ends when it notices. And a postmaster
        # that is still a zombie would make its successor refuse to start.
        system.wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists() and not self._processes(), 20,
                          "PostgreSQL's end")

    def _processes(self):
        """Every process in the data folder."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/cwd"):
            try:
                if entry.readlink() == self.data:
                    found.append(entry)
            except OSError:
                continue
        return found

    def pid(self):
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def running(self):
        try:
            return system.alive(self.pid())
        except FileNotFoundError:
            return False

    def connect(self, database="postgres", user="postgres", **options):
        return psycopg.connect(self.dsn(database, user), autocommit=True, **options)

    def query(self, statement, parameters=None, database="postgres"):
        with self.connect(database) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def create_roles(self):
        for role in ROLES:
            self.query(f"CREATE ROLE {role} LOGIN")

    def create_database(self, template=None):
        """A new database of jobgate_owner; its name."""
        name = f"jobgate_{next(self._numbers)}"
        source = f" TEMPLATE {template}" if template else " TEMPLATE template0"
        self.query(f"CREATE DATABASE {name} OWNER jobgate_owner{source}")
        return name

    def drop_database(self, name):
        self.query(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
