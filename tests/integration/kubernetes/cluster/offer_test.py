"""What the cluster offers, held against what kubectl says of it."""

import pytest

from tests.harness import kubernetes, system
from tests.harness.kubernetes_site import gateway_on

GPU = "nvidia.com/gpu"


def view(site):
    return site.api.get("/v1/backends/kubernetes").json()


def offer_where(site, condition, what):
    """The backend as it is shown, once its offer meets a condition."""
    def read():
        found = view(site)
        return found if found["offer"] and condition(found) else None
    return system.wait_until(read, 150, what)


def named(items, key="name"):
    return {item[key]: item for item in items}


def test_with_no_rights_but_the_namespaces(made):
    """The rest is left out, and why."""
    found = offer_where(made, lambda it: "controller" in it["offer"], "the offer")
    assert found["reachable"] and found["observed_at"]
    server = made.kube.checked("version", "-o", "json")
    assert f'"{found["offer"]["controller"]["version"]}"' in server
    refused = named(found["offer"]["not_permitted"], "what")
    assert set(refused) == {"nodes", "pods", "priorityclasses"}
    assert 'nodes is forbidden: User "system:serviceaccount:' in refused["nodes"]["detail"]
    assert set(found["offer"]) == {"controller", "not_permitted"}


def test_a_project_sees_its_namespace_and_the_quotas_of_it(made):
    made.kube.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "some"},
                     "spec": {"hard": {"requests.cpu": "40", "count/jobs.batch": "1k"}}}, namespace=made.namespace)
    system.wait_until(lambda: made.kube.get("quota", "some", namespace=made.namespace)["status"].get("used"), 60,
                      "the quota")
    made.kill()
    made.start()
    found = offer_where(made, lambda it: it["access"][0]["quotas"], "the quota")
    (access,) = found["access"]
    assert (access["project"], access["namespace"], access["service_account"]) == (made.project, made.namespace, None)
    (quota,) = access["quotas"]
    assert quota["name"] == "some"
    assert named(quota["limits"], "resource") == {
        "requests.cpu": {"resource": "requests.cpu", "limit": "40", "used": "0"},
        "count/jobs.batch": {"resource": "count/jobs.batch", "limit": "1k", "used": "0"}}
    # Nobody else's.
    name = f"{made.project}-other"
    made.gateway.cli("user", "create", name)
    made.gateway.cli("project", "create", name, "--member", f"{name}:viewer")
    other = made.gateway.client(made.gateway.token(name))
    assert made.namespace not in other.get("/v1/backends/kubernetes").text.replace(
        f"serviceaccount:{made.namespace}:", "")
    assert "count/jobs.batch" not in other.get("/v1/backends/kubernetes").text


@pytest.fixture(scope="module")
def permitted(folder, binaries, contract, cluster, kube):
    """A gateway that may read the cluster, too."""
    with gateway_on(kube, folder, binaries, contract, cluster) as site:
        more = (kubernetes.FOLDER / "cluster-role.yaml").read_text().replace("PROJECT_NAMESPACE", site.namespace)
        kube.checked("apply", "-f", "-", input=more)
        try:
            site.kill()
            site.start()
            yield site
        finally:
            kube.checked("delete", "clusterrolebinding", f"jobgate-offer-{site.namespace}")


def test_nodes_and_classes(permitted):
    found = offer_where(permitted, lambda it: "nodes" in it["offer"], "the nodes")["offer"]
    nodes = permitted.kube.get("nodes")["items"]
    has = [node["status"]["allocatable"] for node in nodes]
    assert (found["nodes"], found["nodes_available"]) == (len(nodes), len(nodes))
    assert found["total"]["cpus"] == sum(int(item["cpu"]) for item in has)
    assert found["total"]["memory"] == sum(int(item["memory"].removesuffix("Ki")) * 1024 for item in has)
    assert found["total"]["gpus"] == sum(int(item[GPU]) for item in has) > 0
    label = nodes[0]["metadata"]["labels"][f"{GPU}.product"]
    assert [(item["type"], item["total"]) for item in found["gpu_types"]] == [(label, found["total"]["gpus"])]
    assert "not_permitted" not in found
    classes = named(found["priority_classes"])
    theirs = permitted.kube.get("priorityclasses")["items"]
    assert {name: item["value"] for name, item in classes.items()} == {
        item["metadata"]["name"]: item["value"] for item in theirs}
    for key, total in found["total"].items():
        assert 0 <= found["largest_free"][key] <= found["free"][key] <= total


def test_what_a_job_has_is_not_free(permitted):
    job = permitted.api.submit(command=["sleep", "300"], resources={"gpus": 1, "cpus": 0.1, "memory": "16Mi"})
    permitted.wait_for(job, "state", "running")
    permitted.kill()
    permitted.start()
    found = offer_where(permitted, lambda it: it["offer"].get("free", {}).get("gpus", 99) <
                        it["offer"]["total"]["gpus"], "less that is free")["offer"]
    assert found["free"]["cpus"] < found["total"]["cpus"] and found["free"]["memory"] < found["total"]["memory"]
    assert found["gpu_types"][0]["free"] == found["free"]["gpus"]
    permitted.api.post(f"/v1/jobs/{job['id']}/cancel")
    permitted.api.wait(job["id"], seconds=60)
