"""Fields of a spec that only Kubernetes has, as a job on a real one finds them."""

import pytest

from tests.harness.kubernetes_site import outcome

GATEWAY = {"host_paths": ["/etc"]}


def shell(script):
    return {"command": ["sh", "-c", script]}


@pytest.fixture(scope="module")
def stocked(made):
    """Its namespace has a Secret, a ConfigMap, and a volume of the node's with its claim."""
    name = made.namespace
    made.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "models"},
                     "stringData": {"token": "s3same $x"}}, namespace=name)
    made.kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
                     "data": {"lr.txt": "0.1\n"}}, namespace=name)
    made.kube.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"{name}-data"},
                     "spec": {"capacity": {"storage": "1Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                              "hostPath": {"path": "/etc"}, "claimRef": {"name": "data", "namespace": name}}})
    made.kube.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
                     "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "",
                              "resources": {"requests": {"storage": "1Mi"}}}}, namespace=name)
    yield made
    made.kube.checked("delete", "pv", f"{name}-data", "--wait=false")


def test_volumes_and_secrets(stocked):
    volumes = [{"path": "/settings", "config_map": "settings"}, {"path": "/keys", "secret": "models"},
               {"path": "/cache", "empty": "1Mi"}, {"path": "/data", "claim": "data", "read_only": True},
               {"path": "/host", "host_path": "/etc", "read_only": True}]
    script = ("set -e; cat /settings/lr.txt; cat /keys/token; echo; echo \"$TOKEN\"; echo 7 >/cache/x; cat /cache/x; "
              "ls -d /data/passwd /host/passwd; ! touch /data/x 2>/dev/null")
    job = stocked.ended(volumes=volumes, secrets={"TOKEN": {"secret": "models", "key": "token"}}, **shell(script))
    assert outcome(job) == ("succeeded", "completed", 0, None), job["message"]
    assert stocked.api.log(job["id"]) == "0.1\ns3same $x\ns3same $x\n7\n/data/passwd\n/host/passwd\n"


def test_a_volume_that_is_not_there(stocked):
    job = stocked.api.submit(volumes=[{"path": "/data", "claim": "nowhere"}], **shell("exit 0"))
    job = stocked.wait_for(job, "reason", "unschedulable")
    assert 'persistentvolumeclaim "nowhere" not found' in job["message"]
    stocked.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert stocked.api.wait(job["id"], seconds=60)["state"] == "cancelled"


def test_scratch_and_shared_memory(made):
    job = made.ended(resources={"cpus": "10m", "memory": "32Mi", "scratch": "8Mi", "shared_memory": "4Mi"},
                     **shell("set -e; echo 1 >/tmp/x; df -k /dev/shm | tail -n 1 | awk '{print $2}'"))
    assert outcome(job)[0] == "succeeded", job["message"]
    assert made.api.log(job["id"]) == "4096\n"


def test_a_patch(made):
    change = {"metadata": {"annotations": {"example.org/owner": "ana"}},
              "spec": {"template": {"spec": {"hostAliases": [{"ip": "192.0.2.7", "hostnames": ["registry.test"]}]}}}}
    job = made.ended(options={"kubernetes": change}, **shell("grep registry.test /etc/hosts"))
    assert outcome(job)[0] == "succeeded", job["message"]
    assert made.api.log(job["id"]).split() == ["192.0.2.7", "registry.test"]
    assert made.objects(job)[0]["metadata"]["annotations"]["example.org/owner"] == "ana"


def test_a_patch_that_the_cluster_refuses(made):
    """In the words of its API server, which the gateway asks to refuse what it does not know."""
    for pod, place in (({"hostAliases": [{"ip": "nowhere"}]}, "spec.template.spec.hostAliases"),
                       ({"tolerations": [{"keys": "spot"}]}, "keys")):
        job = made.ended(options={"kubernetes": {"spec": {"template": {"spec": pod}}}}, **shell("exit 0"))
        assert outcome(job)[:2] == ("failed", "rejected") and place in job["message"]
        assert made.objects(job) == []
