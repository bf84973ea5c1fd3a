"""What a spec says of Kubernetes, and what of it is refused before any cluster is asked: none is there."""

import json

import pytest

COMMAND = {"image": "busybox:1", "command": ["true"]}
SECRET = {"secret": "models", "key": "token"}


def rendered(api, **spec):
    """The objects that a job becomes, the Job last."""
    job = api.submit(hold=True, **COMMAND, **spec)
    text = api.get(f"/v1/jobs/{job['id']}/manifest").body.decode()
    return [json.loads(part) for part in text.split("---\n")]


def patch(**pod):
    return {"spec": {"template": {"spec": pod}}}


def test_a_patch_changes_the_job(kube_api):
    change = patch(terminationGracePeriodSeconds=120, automountServiceAccountToken=False,
                   affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}})
    change["metadata"] = {"annotations": {"example.org/owner": "ana"}}
    (job,) = rendered(kube_api, options={"kubernetes": change})
    assert job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 120
    assert "affinity" in job["spec"]["template"]["spec"]
    assert job["metadata"]["annotations"]["example.org/owner"] == "ana"
    assert job["metadata"]["annotations"]["jobgate.dev/mark"]


def test_it_is_kept_as_it_was_written(kube_api):
    change = patch(tolerations=[{"key": "spot", "operator": "Exists"}], dnsConfig=None,
                   hostAliases=[{"ip": "10.0.0.1"}])
    job = kube_api.submit(hold=True, **COMMAND, options={"kubernetes": change, "slurm": {"qos": "high"}})
    assert job["spec"]["options"] == {"kubernetes": change, "slurm": {"qos": "high"}}
    assert kube_api.get(f"/v1/jobs/{job['id']}").json()["spec"]["options"]["kubernetes"] == change
    assert [warning["pointer"] for warning in job["warnings"] if warning["rule"] == "ignored"] == ["/options/slurm"]


POD = "/options/kubernetes/spec/template/spec"
HOSTILE = [
    ({"metadata": {"namespace": "kube-system"}}, "/options/kubernetes/metadata/namespace"),
    ({"metadata": {"name": "mine"}}, "/options/kubernetes/metadata/name"),
    ({"metadata": {"ownerReferences": []}}, "/options/kubernetes/metadata/ownerReferences"),
    ({"metadata": {"labels": {"jobgate.dev/job": "x"}}}, "/options/kubernetes/metadata/labels/jobgate.dev~1job"),
    ({"metadata": None}, "/options/kubernetes/metadata"),
    ({"kind": "CronJob"}, "/options/kubernetes/kind"),
    ({"spec": {"backoffLimit": 6}}, "/options/kubernetes/spec/backoffLimit"),
    ({"spec": {"template": None}}, "/options/kubernetes/spec/template"),
    ({"spec": {"suspend": True}}, "/options/kubernetes/spec/suspend"),
    (patch(serviceAccountName="admin"), f"{POD}/serviceAccountName"),
    (patch(automountServiceAccountToken=True), f"{POD}/automountServiceAccountToken"),
    (patch(hostNetwork=True), f"{POD}/hostNetwork"),
    (patch(hostPID=True), f"{POD}/hostPID"),
    (patch(nodeName="node1"), f"{POD}/nodeName"),
    (patch(securityContext={"runAsUser": 0}), f"{POD}/securityContext/runAsUser"),
    (patch(securityContext=None), f"{POD}/securityContext"),
    (patch(volumes=[{"name": "root", "hostPath": {"path": "/"}}]), f"{POD}/volumes/0/name"),
    (patch(containers=[{"name": "main", "securityContext": {"privileged": True}}]), f"{POD}/containers/0/name"),
    (patch(initContainers=[{"name": "i", "image": "b", "securityContext": {"privileged": True}}]),
     f"{POD}/initContainers/0/securityContext/privileged"),
    (patch(runtimeClassName="kata"), f"{POD}/runtimeClassName"),
    (patch(restartPolicy="OnFailure"), f"{POD}/restartPolicy"),
    ({"stats": 7}, "/options/kubernetes/stats"),
]


@pytest.mark.parametrize("change, pointer", HOSTILE, ids=[pointer for _, pointer in HOSTILE])
def test_a_patch_stays_within_what_the_site_permits(kube_api, change, pointer):
    answer = kube_api.post("/v1/jobs", {**COMMAND, "options": {"kubernetes": change}})
    assert (answer.status, answer.code) == (422, "unprocessable") and pointer in answer.pointers(), answer.text


def test_a_site_may_open_more(kube_api):
    change = {"spec": {"template": {"metadata": {"annotations": {"sidecar.istio.io/inject": "false"}},
                                    "spec": {"runtimeClassName": "kata"}}}}
    (job,) = rendered(kube_api, backend="open", options={"kubernetes": change})
    assert job["spec"]["template"]["spec"]["runtimeClassName"] == "kata"
    assert job["spec"]["template"]["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"


@pytest.mark.parametrize("change", [7, [], "spec", None, {f"m{i}": 1 for i in range(17)}], ids=str)
def test_what_is_no_patch(kube_api, change):
    answer = kube_api.post("/v1/jobs", {**COMMAND, "options": {"kubernetes": change}})
    assert (answer.status, list(answer.pointers())) == (400, ["/options/kubernetes"]), answer.text


def test_a_patch_is_no_deeper_than_all_json(kube_api):
    change = "7"
    for _ in range(40):
        change = f'{{"spec": {change}}}'
    body = f'{{"image": "b", "command": ["true"], "options": {{"kubernetes": {change}}}}}'
    answer = kube_api.request("POST", "/v1/jobs", raw=body.encode(), headers={"Content-Type": "application/json"})
    assert answer.status == 400 and "deeper" in answer.text


def test_volumes_and_secrets(kube_api):
    volumes = [{"path": "/data", "claim": "imagenet", "read_only": True, "sub_path": "train"},
               {"path": "/etc/config", "config_map": "settings"}, {"path": "/keys", "secret": "models"},
               {"path": "/cache", "empty": 1073741824}, {"path": "/host", "host_path": "/mnt/data/shared"}]
    (job,) = rendered(kube_api, backend="open", volumes=volumes, secrets={"HF_TOKEN": SECRET})
    pod = job["spec"]["template"]["spec"]
    sources = [{name: value for name, value in volume.items() if name != "name"} for volume in pod["volumes"]]
    assert sources == [{"persistentVolumeClaim": {"claimName": "imagenet"}}, {"configMap": {"name": "settings"}},
                       {"secret": {"secretName": "models"}}, {"emptyDir": {"sizeLimit": "1Gi"}},
                       {"hostPath": {"path": "/mnt/data/shared"}}]
    (main,) = pod["containers"]
    assert main["volumeMounts"][0] == {"name": pod["volumes"][0]["name"], "mountPath": "/data", "readOnly": True,
                                       "subPath": "train"}
    assert {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "models", "key": "token"}}} in main["env"]


MEANINGLESS = [
    ({"volumes": [{"path": "/data"}]}, "/volumes/0"),
    ({"volumes": [{"path": "/data", "claim": "a", "empty": "1Gi"}]}, "/volumes/0"),
    ({"volumes": [{"path": "/data", "claim": "Upper"}]}, "/volumes/0/claim"),
    ({"volumes": [{"path": "/data", "claim": "a"}, {"path": "/data/", "claim": "b"}]}, "/volumes/1/path"),
    ({"volumes": [{"path": "/a/../etc", "claim": "a"}]}, "/volumes/0/path"),
    ({"volumes": [{"path": "/jobgate", "claim": "a"}]}, "/volumes/0/path"),
    ({"volumes": [{"path": "/data", "claim": "a", "sub_path": "../b"}]}, "/volumes/0/sub_path"),
    ({"volumes": [{"path": "/host", "host_path": "/mnt/data"}]}, "/volumes/0/host_path"),
    ({"volumes": [{"path": "/host", "host_path": "/mnt/data/../../etc"}], "backend": "open"}, "/volumes/0/host_path"),
    ({"volumes": [{"path": "/host", "host_path": "/etc"}], "backend": "open"}, "/volumes/0/host_path"),
    ({"secrets": {"A": {"secret": "Upper", "key": "k"}}}, "/secrets/A"),
    ({"secrets": {"JOBGATE_TOKEN": SECRET}}, "/secrets/JOBGATE_TOKEN"),
    ({"secrets": {"A": SECRET}, "environment": {"A": "1"}}, "/secrets/A"),
    ({"secrets": {"A": SECRET}, "array": {"matrix": {"A": [1, 2]}}}, "/array/matrix/A"),
]


@pytest.mark.parametrize("spec, pointer", MEANINGLESS, ids=[str(spec) for spec, _ in MEANINGLESS])
def test_a_wrong_meaning_is_422_with_its_pointer(kube_api, spec, pointer):
    answer = kube_api.post("/v1/jobs", {**COMMAND, **spec})
    assert (answer.status, list(answer.pointers())) == (422, [pointer]), answer.text


MALFORMED = [
    ({"volumes": {"path": "/a"}}, "/volumes"), ({"volumes": ["/a"]}, "/volumes/0"),
    ({"volumes": [{"claim": "a"}]}, "/volumes/0/path"), ({"volumes": [{"path": "a", "claim": "a"}]}, "/volumes/0/path"),
    ({"volumes": [{"path": "/a", "pvc": "a"}]}, "/volumes/0/pvc"),
    ({"volumes": [{"path": "/a", "claim": "a", "read_only": "yes"}]}, "/volumes/0/read_only"),
    ({"volumes": [{"path": "/a", "empty": "much"}]}, "/volumes/0/empty"),
    ({"volumes": [{"path": f"/{i}", "claim": "a"} for i in range(65)]}, "/volumes"),
    ({"secrets": ["A"]}, "/secrets"), ({"secrets": {"A": "s/k"}}, "/secrets/A"),
    ({"secrets": {"A": {"secret": "s"}}}, "/secrets/A/key"), ({"secrets": {"1A": SECRET}}, "/secrets/1A"),
]


@pytest.mark.parametrize("spec, pointer", MALFORMED, ids=[str(spec)[:60] for spec, _ in MALFORMED])
def test_a_wrong_shape_is_400_with_its_pointer(kube_api, spec, pointer):
    answer = kube_api.post("/v1/jobs", {**COMMAND, **spec})
    assert (answer.status, list(answer.pointers())) == (400, [pointer]), answer.text
