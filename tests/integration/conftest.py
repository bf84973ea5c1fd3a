"""Fixtures of the integration tests: one PostgreSQL for the session, gateways on top.

`gateway` is shared by the tests that only speak HTTP; each gets projects and users of
its own (`member`). A test that stops, kills or configures something makes its own with
`new_gateway`, and its own PostgreSQL with `new_cluster`.
"""

import itertools
import os
import pathlib

import pytest
import yaml

from tests.harness import gateway as gateway_module
from tests.harness import postgres, system
from tests.harness.contract import Contract

EXCLUSIONS = system.ROOT / "tests" / "contract" / "unexercised.yaml"
NAMES = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--require-coverage", action="store_true",
                     help="fail when a documented answer was never exercised")


def pytest_collection_modifyitems(items):
    if not os.environ.get("JOBGATE_TEST_FULL"):
        items[:] = [item for item in items if not item.get_closest_marker("full")]
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(scope="session")
def contract():
    return Contract()


@pytest.fixture(scope="session")
def folder():
    path = system.temporary_folder("it")
    yield path
    if not os.environ.get("JOBGATE_TEST_KEEP"):
        system.remove_folder(path)


@pytest.fixture(scope="session")
def binaries(folder):
    return gateway_module.install_binaries(folder / "bin")


def make_cluster(folder, binaries, contract):
    """A started cluster with the roles and a migrated database to copy."""
    cluster = postgres.Cluster(system.make_folder(folder)).start()
    cluster.create_roles()
    cluster.template = cluster.create_database()
    migrator = gateway_module.Gateway(folder / "migrator", binaries, cluster, cluster.template, contract)
    done = migrator.command("--migrate")
    assert done.returncode == 0, done.stderr
    return cluster


@pytest.fixture(scope="session")
def cluster(folder, binaries, contract):
    made = make_cluster(folder / "c0", binaries, contract)
    yield made
    made.stop("immediate")


@pytest.fixture
def new_cluster(folder, binaries, contract):
    """Makes clusters a test may break."""
    made = []

    def make():
        made.append(make_cluster(folder / f"c{next(NAMES)}", binaries, contract))
        return made[-1]

    yield make
    for each in made:
        each.stop("immediate")


def build_gateway(folder, binaries, cluster, contract, **options):
    database = options.pop("database", None) or cluster.create_database(cluster.template)
    return gateway_module.Gateway(folder / f"g{next(NAMES)}", binaries, cluster, database, contract, **options)


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


@pytest.fixture(scope="session")
def gateway(folder, binaries, cluster, contract):
    made = build_gateway(folder, binaries, cluster, contract).start()
    yield made
    end_gateway(made)


@pytest.fixture
def new_gateway(request, folder, binaries, contract):
    """Makes gateways with a database of their own: new_gateway(cluster=…, settings={…})."""
    made = []

    def make(cluster=None, **options):
        cluster = cluster or request.getfixturevalue("cluster")
        made.append(build_gateway(folder, binaries, cluster, contract, **options))
        return made[-1]

    yield make
    for each in made:
        end_gateway(each)


@pytest.fixture
def member(gateway):
    """A fresh user with a fresh project; what it left is cancelled."""
    number = next(NAMES)
    made = gateway.member(f"user{number}", f"project{number}")
    yield made
    made.client.post("/v1/jobs/cancel", {"project": made.project})


@pytest.fixture
def api(member):
    """The HTTP client of `member`."""
    return member.client


@pytest.fixture
def other(gateway):
    """Somebody else, in another project."""
    number = next(NAMES)
    return gateway.member(f"user{number}", f"project{number}")


def read_exclusions(path=EXCLUSIONS):
    """[(operation, status)] from the committed file; each must carry a reason."""
    listed = yaml.safe_load(pathlib.Path(path).read_text()) or []
    assert all(entry.get("reason") for entry in listed), "every exclusion needs a reason"
    return [(entry["operation"], entry["status"]) for entry in listed]
