"""What a benchmark runs in: a durable PostgreSQL, the release build, one project.

The backend `parked` is led by nobody: its lease's lock is held here. What is submitted to it
costs all that accepting costs, and stays queued.
"""

import contextlib
import os
import pathlib
import tempfile

from tests.bench import rows
from tests.harness import gateway as gateways, postgres, system

# Durable, and with memory for all that is read.
SETTINGS = """
fsync = on
full_page_writes = on
max_wal_size = 8GB
checkpoint_timeout = 30min
shared_buffers = 2GB
"""
LEASE_LOCK = 7203  # db/leases.c


class World:
    def __init__(self, binaries, smoke=False, full=False):
        self.smoke, self.full = smoke, full
        self.folder = system.temporary_folder("bench")
        os.environ["JOBGATE_BUILD"] = str(binaries)
        self.binaries = gateways.install_binaries(self.folder / "bin")
        self.seconds = 1 if smoke else 8
        self.gateway = None
        self._rest = contextlib.ExitStack()

    def __enter__(self):
        self.cluster = postgres.Cluster(system.make_folder(self.folder / "c"), SETTINGS).start()
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
        self._rest.close()
        self.lock.close()
        self.cluster.stop("immediate")
        system.remove_folder(self.folder)

    def backends(self):
        def one(name, cpus):
            return {"name": name, "type": "local", "directory": str(system.make_folder(self.folder / name)),
                    "cpus": cpus, "memory": "8Gi", "gpus": 0}
        return [one("local", 2), one("parked", 1000)]

    def keep(self, context):
        """Enters a context that ends with this world."""
        return self._rest.enter_context(context)

    def beside(self):
        """Another world, with a PostgreSQL of its own, that ends with this one."""
        return self.keep(World(self.binaries, self.smoke, self.full))

    def memory_folder(self):
        """A folder in memory. Files by the ten thousand are made here: ext4 searches for a fresh
        inode past all that were freed in the last minutes, and slows whoever comes next."""
        return pathlib.Path(self.keep(tempfile.TemporaryDirectory(dir="/dev/shm", prefix="jg-bench-")))

    def query(self, statement, parameters=None):
        return self.cluster.query(statement, parameters, self.database)

    def store(self, count, state):
        """Jobs in the record as if they had come and gone; their ids."""
        return rows.store(self, count, state)

    def file(self, name, text):
        return system.own_file(pathlib.Path(self.folder) / name, text)
