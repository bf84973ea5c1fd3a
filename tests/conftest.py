"""Fixtures of all Python tests: one PostgreSQL for the session, gateways on top.

`gateway` is shared by the tests that only speak HTTP; each gets projects and users of
its own (`member`). A test that stops, kills or configures something makes its own with
`new_gateway`, and its own PostgreSQL with `new_cluster`.
"""

import json
import os
import pathlib

import pytest

from tests.harness import house, kubernetes, slurm, system
from tests.harness.contract import Contract
from tests.harness.gateway import install_binaries

FAILED = {}  # by the name of each test that did: why, and whether it only waited in vain


def pytest_collection_modifyitems(items):
    if not os.environ.get("JOBGATE_TEST_FULL"):
        items[:] = [item for item in items if not item.get_closest_marker("full")]


def pytest_runtest_logreport(report):
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        why = (crash.message if crash else report.when).partition("\n")[0][:200]
        FAILED.setdefault(report.nodeid, {"why": why, "late": getattr(report, "late", False)})


def pytest_sessionfinish(session):
    """What failed and why, for tests/parts.py; only the process that has the reports of all writes it."""
    listed = os.environ.get("JOBGATE_TEST_FAILED")
    if listed and not hasattr(session.config, "workerinput"):
        pathlib.Path(listed).write_text(json.dumps(FAILED), encoding="utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call):
    report = yield
    report.late = bool(call.excinfo and call.excinfo.errisinstance(system.Late))
    if report.failed:
        report.sections += [(f"Slurm in {cluster.folder}", cluster.describe()) for cluster in slurm.RUNNING]
    return report


@pytest.fixture(scope="session")
def contract():
    made = Contract()
    yield made
    if os.environ.get("JOBGATE_EXERCISED"):
        made.write_exercised(os.environ["JOBGATE_EXERCISED"])


@pytest.fixture(scope="session")
def folder():
    path = system.temporary_folder("it")
    yield path
    if not os.environ.get("JOBGATE_TEST_KEEP"):
        system.remove_folder(path)


@pytest.fixture(scope="session")
def binaries(folder):
    return install_binaries(folder / "bin")


@pytest.fixture(scope="session")
def cluster(folder, binaries, contract):
    made = house.make_cluster(folder / "c0", binaries, contract)
    yield made
    made.stop("immediate")


@pytest.fixture
def new_cluster(folder, binaries, contract):
    """Makes clusters a test may break."""
    made = []

    def make():
        made.append(house.make_cluster(folder / f"c{next(house.NAMES)}", binaries, contract))
        return made[-1]

    yield make
    for each in made:
        each.stop("immediate")


@pytest.fixture(scope="session")
def gateway(folder, binaries, cluster, contract):
    made = house.build_gateway(folder, binaries, cluster, contract).start()
    yield made
    house.end_gateway(made)


@pytest.fixture
def new_gateway(request, folder, binaries, contract):
    """Makes gateways with a database of their own: new_gateway(cluster=…, settings={…})."""
    made = []

    def make(cluster=None, **options):
        cluster = cluster or request.getfixturevalue("cluster")
        made.append(house.build_gateway(folder, binaries, cluster, contract, **options))
        return made[-1]

    yield make
    for each in made:
        house.end_gateway(each)


@pytest.fixture
def member(gateway):
    """A fresh user with a fresh project; what it left is cancelled."""
    number = next(house.NAMES)
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
    number = next(house.NAMES)
    return gateway.member(f"user{number}", f"project{number}")


@pytest.fixture
def tmp_path_shared(folder):
    """A folder in which the test and its jobs can both write."""
    return system.make_folder(folder / f"t{next(house.NAMES)}")


@pytest.fixture(scope="session")
def kube():
    """A real Kubernetes that all processes of the run share: for tests that leave it as it is."""
    with kubernetes.shared() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kube_namespace(kube):
    """A namespace of it for the tests of a module."""
    with kube.namespace() as name:
        yield name
