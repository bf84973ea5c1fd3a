"""Clusters with a migrated database, and gateways on them."""

import itertools

from tests.harness import postgres, system
from tests.harness.gateway import Gateway

NAMES = itertools.count(1)


def make_cluster(folder, binaries, contract):
    """A started cluster with the roles and a migrated database to copy."""
    cluster = postgres.Cluster(system.make_folder(folder)).start()
    cluster.create_roles()
    cluster.template = cluster.create_database()
    migrator = Gateway(folder / "migrator", binaries, cluster, cluster.template, contract)
    done = migrator.command("--migrate")
    assert done.returncode == 0, done.stderr
    return cluster


def build_gateway(folder, binaries, cluster, contract, **options):
    database = options.pop("database", None) or cluster.create_database(cluster.template)
    return Gateway(folder / f"g{next(NAMES)}", binaries, cluster, database, contract, **options)


def end_gateway(gateway):
    """Stops it and what its jobs left running."""
    try:
        gateway.stop()
    finally:
        gateway.kill()
        for shim in gateway.shims():
            for job in system.children(shim):
                system.kill(job)
            system.kill(shim)
