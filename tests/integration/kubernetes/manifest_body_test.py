"""POST /v1/jobs with a manifest of Kubernetes as the body. No cluster is there: what runs is in cluster/."""

import json

import pytest

TYPE = "application/yaml"
JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: train
  labels: {team: vision}
spec:
  suspend: true
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: python:3.12
        command: [python3, train.py]
        resources: {limits: {cpu: 2, memory: 4Gi}}
"""
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: code}\ndata: {train.py: print(1)}\n---\n"


def post(api, text, headers=None, **query):
    raw = text if isinstance(text, bytes) else text.encode()
    return api.request("POST", "/v1/jobs", raw=raw, headers={"Content-Type": TYPE, **(headers or {})}, query=query)


def pod(line):
    """The manifest with a line more in its pod's spec."""
    return JOB.replace("      restartPolicy", f"      {line}\n      restartPolicy")


def rendered(api, job):
    text = api.get(f"/v1/jobs/{job['id']}/manifest").body.decode()
    return [json.loads(part) for part in text.split("---\n")]


def test_it_becomes_a_job(kube_api):
    answer = post(kube_api, JOB)
    assert answer.status == 201, answer.text
    job = answer.json()
    assert (job["name"], job["labels"], job["reason"]) == ("train", {"team": "vision"}, "held")
    spec = job["spec"]
    assert (spec["image"], spec["resources"]) == ("python:3.12", {"cpus": 2, "memory": "4Gi", "gpus": 0})
    assert spec["retry"]["limit"] == 6 and "command" not in spec and spec["manifest"]["config_maps"] == []
    told = [warning for warning in job["warnings"] if warning["rule"] == "taken_over"]
    assert [warning["pointer"] for warning in told] == ["/metadata/name", "/spec/backoffLimit"]
    (made,) = rendered(kube_api, job)
    assert made["metadata"]["name"] == f"jg-{job['id']}-1" and made["metadata"]["namespace"] == "team-a"
    main = made["spec"]["template"]["spec"]["containers"][0]
    assert main["command"] == ["python3", "train.py"] and main["resources"] == {"limits": {"cpu": 2, "memory": "4Gi"}}


def test_config_maps_come_with_it_in_any_form(kube_api):
    documents = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "code"}, "data": {"a": "1"}},
                 {"apiVersion": "batch/v1", "kind": "Job", "spec": {"suspend": True, "template": {"spec": {
                     "restartPolicy": "Never", "volumes": [{"name": "v", "configMap": {"name": "code"}}],
                     "containers": [{"name": "c", "image": "i"}]}}}}]
    as_list = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
    for text in (MAP + JOB, as_list):
        answer = post(kube_api, text)
        assert answer.status == 201, answer.text
        config_map, job = rendered(kube_api, answer.json())
        assert (config_map["kind"], config_map["metadata"]["name"]) == ("ConfigMap", f"{job['metadata']['name']}-0")


def test_parameters_are_fields_of_the_job(kube_api):
    job = post(kube_api, JOB, backend="open", queue="gpu", time_limit="2h", array="0-2", max_parallel=2).json()
    assert (job["backend"], job["spec"]["queue"], job["spec"]["time_limit"]) == ("open", "gpu", "2h")
    assert job["task_count"] == 3 and job["spec"]["array"] == {"indices": "0-2", "max_parallel": 2}
    twice = post(kube_api, JOB, name="mine", cpus="3", gpus=1, gpu_type="a100", working_directory="/tmp")
    assert (twice.status, set(twice.pointers())) == (422, {"?name", "?cpus", "?gpus", "?gpu_type"}), twice.text
    beside = post(kube_api, JOB, working_directory="/tmp")
    assert (beside.status, list(beside.pointers())) == (422, ["?working_directory"])
    holes = post(kube_api, JOB, array="0-8:2")
    assert (holes.status, list(holes.pointers())) == (422, ["/array"]), holes.text


def test_a_key_is_of_manifest_and_parameters(kube_api):
    key = {"Idempotency-Key": "a manifest"}
    first = post(kube_api, JOB, headers=key)
    again = post(kube_api, JOB, headers=key)
    assert first.status == 201 and again.json()["id"] == first.json()["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert post(kube_api, JOB, headers=key, queue="q").code == "idempotency_mismatch"


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
NO_JOBS = {
    "nothing but blanks": (" \n", "no Job"),
    "no YAML": ("a: [1\n", "manifest:"),
    "a bomb": (BOMB, "manifest:"),
    "a key twice": (JOB + "kind: Job\n", "manifest:"),
    "a tag": (JOB.replace("train.py", "!!python/object:os.system x"), "manifest:"),
    "too deep": ("a: " + "[" * 40 + "]" * 40, "deep"),
    "no kind": ("a: 1\n", "kind"),
    "a Deployment": (JOB.replace("kind: Job", "kind: Deployment").replace("batch/v1", "apps/v1"), "Deployment"),
    "a CronJob": (JOB.replace("kind: Job", "kind: CronJob"), "CronJob"),
    "a Pod beside it": (JOB + "---\napiVersion: v1\nkind: Pod\n", "Pod"),
    "a Secret beside it": (JOB + "---\napiVersion: v1\nkind: Secret\n", "Secret"),
    "two Jobs": (JOB + "---\n" + JOB, "several"),
    "ConfigMaps alone": (MAP, "no Job"),
    "too many documents": (MAP * 16 + JOB, "16"),
    "a NUL": (JOB + "\0", "NUL"),
    "Latin-1": (JOB.encode() + b"# \xe9\n", "UTF-8"),
}


@pytest.mark.parametrize("kind", NO_JOBS)
def test_what_is_no_job(kube_api, kind):
    text, words = NO_JOBS[kind]
    answer = post(kube_api, text)
    assert (answer.status, answer.code) == (400, "invalid") and words in answer.text, answer.text


POD = "/spec/template/spec"
HOSTILE = [
    (pod("hostNetwork: true"), f"{POD}/hostNetwork"),
    (pod("serviceAccountName: admin"), f"{POD}/serviceAccountName"),
    (pod("nodeName: node1"), f"{POD}/nodeName"),
    (pod("volumes: [{name: root, hostPath: {path: /}}]"), f"{POD}/volumes/0/hostPath/path"),
    (pod("securityContext: {runAsUser: 0}"), f"{POD}/securityContext/runAsUser"),
    (JOB + "        securityContext: {privileged: true}\n", f"{POD}/containers/0/securityContext/privileged"),
    (JOB.replace("restartPolicy: Never", "restartPolicy: Always"), f"{POD}/restartPolicy"),
    (JOB.replace("suspend: true", "successPolicy: {rules: []}"), "/spec/successPolicy"),
    (JOB.replace("suspend: true", "completions: many"), "/spec/completions"),
    (JOB.replace("suspend: true", "parallelism: 3"), "/spec/completions"),
    (JOB.replace("        image: python:3.12\n", ""), f"{POD}/containers/0/image"),
]


@pytest.mark.parametrize("text, pointer", HOSTILE, ids=[pointer for _, pointer in HOSTILE])
def test_what_cannot_be_run_so(kube_api, text, pointer):
    answer = post(kube_api, text)
    assert (answer.status, list(answer.pointers())) == (422, [pointer]), answer.text


def test_a_backend_that_knows_no_manifests(api):
    named, preset = post(api, JOB, backend="local"), post(api, JOB)
    assert (named.status, list(named.pointers())) == (422, ["?backend"]) and "of type local" in named.text
    assert (preset.status, list(preset.pointers())) == (422, ["/backend"])
    assert list(post(api, JOB, backend="nowhere").pointers()) == ["?backend"]
    assert list(post(api, JOB, project="nowhere").pointers()) == ["?project"]
    answer = api.post("/v1/jobs", {"manifest": {"job": {}}})
    assert (answer.status, list(answer.pointers())) == (422, ["/manifest"])


def test_what_is_read_back_can_be_sent_again(kube_api):
    spec = post(kube_api, MAP + JOB).json()["spec"]
    again = kube_api.post("/v1/jobs", spec)
    assert again.status == 201 and again.json()["spec"] == spec, again.text
    for change, pointer in (({"image": "other:1"}, "/image"), ({"command": ["true"]}, "/command"),
                            ({"script": "true"}, "/script"), ({"setup": ["true"]}, "/setup"),
                            ({"resources": {**spec["resources"], "cpus": 1}}, "/resources/cpus"),
                            ({"resources": {**spec["resources"], "nodes": 2}}, "/resources/nodes"),
                            ({"volumes": [{"path": "/a", "claim": "a"}]}, "/volumes"),
                            ({"array": {"matrix": {"a": [1, 2]}}}, "/array/matrix")):
        answer = kube_api.post("/v1/jobs", {**spec, **change})
        assert (answer.status, list(answer.pointers())) == (422, [pointer]), answer.text


@pytest.mark.parametrize("manifest, pointer", [
    (7, "/manifest"), ({}, "/manifest/job"), ({"job": []}, "/manifest/job"),
    ({"job": {}, "jobs": {}}, "/manifest/jobs"), ({"job": {}, "config_maps": {}}, "/manifest/config_maps"),
    ({"job": {}, "config_maps": [1]}, "/manifest/config_maps/0"),
])
def test_a_manifest_in_json_of_the_wrong_shape(kube_api, manifest, pointer):
    answer = kube_api.post("/v1/jobs", {"manifest": manifest})
    assert (answer.status, list(answer.pointers())) == (400, [pointer]), answer.text


def test_a_manifest_in_json_is_no_way_around(kube_api):
    good = post(kube_api, JOB).json()["spec"]
    for path, value, place in ((("metadata",), {"namespace": "kube-system"}, "/metadata/namespace"),
                               (("spec", "backoffLimit"), 6, "/spec/backoffLimit"),
                               (("spec", "template", "spec", "hostPID"), True, f"{POD}/hostPID")):
        spec = json.loads(json.dumps(good))
        home = spec["manifest"]["job"]
        for name in path[:-1]:
            home = home[name]
        home[path[-1]] = value
        answer = kube_api.post("/v1/jobs", spec)
        assert (answer.status, list(answer.pointers())) == (422, [f"/manifest/job{place}"]), answer.text
    for job in ({}, {"spec": 7}, {"spec": {"template": {"spec": {"containers": []}}}}):
        answer = kube_api.post("/v1/jobs", {**good, "manifest": {"job": job}})
        assert (answer.status, list(answer.pointers())) == (422, [f"/manifest/job{POD}/containers"]), answer.text
