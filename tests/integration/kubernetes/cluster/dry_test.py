"""Dry runs by the API server, and what it would pass over."""

import pytest

from tests.harness import system
from tests.harness.kubernetes_site import gateway_on

RUN = {"command": ["sh", "-c", "exit 0"]}


def dry(site, **spec):
    return site.api.post("/v1/jobs?dry_run=true", {**RUN, **spec})


def refused(answer, pointer, words):
    assert answer.status == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["pointer"] == pointer and words in error["detail"]


@pytest.fixture
def quota(made):
    """A quota that counts already."""
    def make(**hard):
        made.kube.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"},
                         "spec": {"hard": {key.replace("__", "/").replace("_", "."): value for key, value in
                                           hard.items()}}}, namespace=made.namespace)
        system.wait_until(lambda: made.kube.get("quota", "few", namespace=made.namespace)["status"].get("hard"), 60,
                          "the quota")
    yield make
    made.kube.checked("delete", "quota", "few", "--ignore-not-found", namespace=made.namespace)


@pytest.mark.parametrize("spec", [{}, {"array": {"indices": "0-9", "max_parallel": 2}},
                                  {"script": "#!/bin/sh\n" + "# a line of a long script\n" * 10000}])
def test_what_would_be_taken(made, spec):
    """It shows the very Job, and nothing is made."""
    answer = made.api.post("/v1/jobs?dry_run=true", spec if "script" in spec else {**RUN, **spec})
    assert answer.status == 200, answer.text
    assert '"kind": "Job"' in answer.json()["rendered"] and "id" not in answer.json()
    assert [warning["rule"] for warning in answer.json()["warnings"]] == ["time_limit"]
    for kind in ("jobs", "configmaps"):
        assert made.kube.get(kind, "-l", "jobgate.dev/job", namespace=made.namespace)["items"] == []


def test_its_refusal_is_in_the_servers_words(folder, binaries, contract, cluster, kube):
    wrong = [{"key": "spot", "operator": "Perhaps"}]
    with gateway_on(kube, folder, binaries, contract, cluster, tolerations=wrong) as made:
        answer = dry(made)
        assert answer.status == 422
        assert "the cluster says: spec.template.spec.tolerations[0].operator" in answer.json()["detail"]


@pytest.mark.parametrize("image", ["docker.io/Local/busybox", "busybox:", "busybox@sha256:12"])
def test_an_image_that_no_node_would_pull(made, image):
    refused(dry(made, image=image), "/image", "is no name of an image")


def test_a_quota_that_no_pod_fits_into(made, quota):
    quota(requests_cpu="1500m", limits_memory="1Gi")
    assert dry(made, resources={"cpus": 1, "memory": "1Gi"}).status == 200
    refused(dry(made, resources={"cpus": 2, "memory": "64Mi"}), "/resources/cpus", "requests.cpu=1500m")
    refused(dry(made, resources={"cpus": 1, "memory": "2Gi"}), "/resources/memory", "limits.memory=1Gi")


def test_a_quota_of_jobs_is_only_told(made, quota):
    quota(count__jobs_batch="0")
    answer = dry(made)
    assert answer.status == 200, answer.text
    (told,) = (warning["detail"] for warning in answer.json()["warnings"] if warning["rule"] == "cluster")
    assert told.startswith("it would wait: ") and "exceeded quota" in told


def test_the_servers_warnings_are_told(folder, binaries, contract, cluster, kube):
    with gateway_on(kube, folder, binaries, contract, cluster, user=0, allow_root=True) as made:
        made.kube.checked("label", "namespace", made.namespace, "pod-security.kubernetes.io/warn=restricted")
        answer = dry(made)
        assert answer.status == 200, answer.text
        (told,) = (warning["detail"] for warning in answer.json()["warnings"] if warning["rule"] == "cluster")
        assert "would violate PodSecurity" in told


def test_a_namespace_that_is_not_there(made):
    made.gateway.cli("project", "identity", made.project, "kubernetes", "not-there")
    try:
        answer = dry(made)
        assert answer.status == 503 and "the cluster says" in answer.json()["detail"]
    finally:
        made.gateway.cli("project", "identity", made.project, "kubernetes", made.namespace)
