"""A cluster for a module, jobgate-slurm-as-user beside it, and a gateway on both. A module says in CLUSTER and GATEWAY
what they are to be, or has a fixture of its own in the place of one of these."""

import pytest

from tests.harness import as_user, slurm
from tests.harness.site import gateway_on


@pytest.fixture(scope="module")
def site(request):
    with slurm.Slurm(**request.module.CLUSTER) as made:
        yield made


@pytest.fixture(scope="module")
def service(site):
    with as_user.AsUser.of(site) as made:
        yield made


@pytest.fixture(scope="module")
def made(request, folder, binaries, contract, cluster, site, service):
    settings = getattr(request.module, "GATEWAY", {})
    with gateway_on(site, folder, binaries, contract, cluster, as_user=str(service.socket), **settings) as gateway:
        yield gateway
