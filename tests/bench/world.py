"""What a benchmark runs in: a durable PostgreSQL, the release build, one project.

The backend `parked` is led by nobody: its lease's lock is held here. What is submitted to it
costs all that accepting costs, and stays queued.
"""

import os
import pathlib

from tests.bench import rows
from tests.harness import gateway as gateways, postgres, system

DURABLE = "\nfsync = on\nfull_page_writes = on\nmax_wal_size = 8GB\ncheckpoint_timeout = 30min\n"
LEASE_LOCK = 7203  # db/leases.c


class World:
    def __init__(self, binaries, smoke=False, full=False):
        self.smoke, self.full = smoke, full
        self.folder = system.temporary_folder("bench")
        os.environ["JOBGATE_BUILD"] = str(binaries)
        self.binaries = gateways.install_binaries(self.folder / "bin")
        self.seconds = 1 if smoke else 8
        self.gateway = None

    def __enter__(self):
        self.cluster = postgres.Cluster(system.make_folder(self.folder / "c"), DURABLE).start()
        self.cluster.create_roles()
        self.database = self.cluster.create_database()
        settings = {"log": {"level": "warn"}, "backends": self.backends()}
        self.gateway = gateways.Gateway(self.folder / "g", self.binaries, self.cluster, self.database, None, settings)
        done = self.gateway.command("--migrate")
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        self.lock = self.cluster.connect(self.database)
        self.lock.execute("SELECT pg_advisory_lock(%s, hashtext('parked'))", (LEASE_LOCK,))
        self.member = self.gateway.member("ada", "vision")
        self.project, self.user = self.query("SELECT p.id, u.id FROM projects p, users u")[0]
        return self

    def __exit__(self, *_):
        if self.gateway:
            self.gateway.kill()
        self.lock.close()
        self.cluster.stop("immediate")
        system.remove_folder(self.folder)

    def backends(self):
        def one(name, cpus):
            return {"name": name, "type": "local", "directory": str(system.make_folder(self.folder / name)),
                    "cpus": cpus, "memory": "8Gi", "gpus": 0}
        return [one("local", 2), one("parked", 1000)]

    def query(self, statement, parameters=None):
        return self.cluster.query(statement, parameters, self.database)

    def store(self, count, state):
        """Jobs in the record as if they had come and gone; their ids."""
        return rows.store(self, count, state)

    def file(self, name, text):
        return system.own_file(pathlib.Path(self.folder) / name, text)
