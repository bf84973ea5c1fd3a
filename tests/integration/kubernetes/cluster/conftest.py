"""A gateway for each module on a namespace of the cluster that the tests of a run share. These tests are those of the
part `kubernetes`."""

import pytest

from tests.harness.kubernetes_site import gateway_on


@pytest.fixture(scope="module")
def made(request, folder, binaries, contract, cluster, kube):
    settings = getattr(request.module, "GATEWAY", {})
    with gateway_on(kube, folder, binaries, contract, cluster, **settings) as site:
        yield site
