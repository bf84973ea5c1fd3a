"""Manifests of Jobs as textbooks have them, unchanged, on a real Kubernetes."""

import pytest

from tests.harness import kubernetes, system
from tests.harness.kubernetes_site import outcome

TYPE = {"Content-Type": "application/yaml"}

GPU = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: train-code, namespace: default}}
data:
  train.sh: |
    echo "training on $(hostname)"
    ls -d /data/passwd
---
apiVersion: batch/v1
kind: Job
metadata:
  name: train-resnet
  namespace: default
  labels: {{app: trainer, team: vision}}
spec:
  backoffLimit: 0
  template:
    metadata:
      labels: {{app: trainer}}
    spec:
      restartPolicy: Never
      nodeSelector:
        nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB
      containers:
      - name: trainer
        image: {kubernetes.IMAGE}
        command: ["sh", "/code/train.sh"]
        resources:
          limits: {{nvidia.com/gpu: 1, cpu: 100m, memory: 32Mi}}
        volumeMounts:
        - {{name: data, mountPath: /data, readOnly: true}}
        - {{name: code, mountPath: /code}}
      volumes:
      - name: data
        persistentVolumeClaim: {{claimName: imagenet}}
      - name: code
        configMap: {{name: train-code}}
"""

FLAKY = f"""
apiVersion: batch/v1
kind: Job
metadata: {{name: flaky}}
spec:
  backoffLimit: 1
  template:
    spec:
      restartPolicy: OnFailure
      containers:
      - name: main
        image: {kubernetes.IMAGE}
        command: [sh, -c, "echo attempt $JOBGATE_ATTEMPT; exit 3"]
"""

SLOW = f"""
apiVersion: batch/v1
kind: Job
metadata: {{generateName: slow-}}
spec:
  activeDeadlineSeconds: 6
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - {{name: main, image: "{kubernetes.IMAGE}", command: [sleep, "300"]}}
"""

INDEXED = f"""
apiVersion: batch/v1
kind: Job
metadata: {{name: indexed}}
spec:
  completions: 3
  parallelism: 2
  completionMode: Indexed
  backoffLimitPerIndex: 1
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: {kubernetes.IMAGE}
        command:
        - sh
        - -c
        - |
          echo $JOB_COMPLETION_INDEX of attempt $JOBGATE_ATTEMPT
          [ $JOB_COMPLETION_INDEX = 1 ] || [ $JOBGATE_ATTEMPT = 2 ]
"""


def submit(made, manifest, status=201, **query):
    answer = made.api.request("POST", "/v1/jobs", raw=manifest.encode(), headers=TYPE, query=query)
    assert answer.status == status, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def imagenet(made):
    name = made.namespace
    made.kube.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"{name}-imagenet"},
                     "spec": {"capacity": {"storage": "1Mi"}, "accessModes": ["ReadOnlyMany"], "storageClassName": "",
                              "hostPath": {"path": "/etc"}, "claimRef": {"name": "imagenet", "namespace": name}}})
    made.kube.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "imagenet"},
                     "spec": {"accessModes": ["ReadOnlyMany"], "storageClassName": "",
                              "resources": {"requests": {"storage": "1Mi"}}}}, namespace=name)
    yield
    made.kube.checked("delete", "pv", f"{name}-imagenet", "--wait=false")


def test_one_gpu_with_a_node_selector_a_claim_and_a_config_map(made, imagenet):
    job = submit(made, GPU)
    assert (job["name"], job["labels"]) == ("train-resnet", {"app": "trainer", "team": "vision"})
    told = {warning["pointer"] for warning in job["warnings"] if warning["rule"] == "taken_over"}
    assert told == {"/metadata/name", "/metadata/namespace"}
    job = made.api.wait(job["id"], seconds=90)
    assert outcome(job) == ("succeeded", "completed", 0, None), job["message"]
    (pod,) = made.objects(job, "pod")
    assert made.api.log(job["id"]) == f"training on {pod['metadata']['name']}\n/data/passwd\n"
    (found,) = made.objects(job)
    main = found["spec"]["template"]["spec"]["containers"][0]
    assert main["name"] == "trainer" and main["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert job["spec"]["resources"]["gpus"] == 1
    assert found["spec"]["template"]["spec"]["volumes"][1]["configMap"]["name"] == f"jg-{job['id']}-1-0"
    system.wait_until(lambda: made.objects(job, "configmap") == [], 60, "the end of its ConfigMap")


def test_a_back_off_limit_with_on_failure_is_a_retry(made):
    job = submit(made, FLAKY)
    told = {warning["pointer"] for warning in job["warnings"] if warning["rule"] == "taken_over"}
    assert "/spec/template/spec/restartPolicy" in told and job["spec"]["retry"]["limit"] == 1
    job = made.api.wait(job["id"], seconds=120)
    assert outcome(job) == ("failed", "exit_code", 3, None)
    assert [made.api.log(job["id"], attempt=number) for number in (1, 2)] == ["attempt 1\n", "attempt 2\n"]


def test_an_active_deadline_is_the_jobs(made):
    job = submit(made, SLOW)
    assert (job["name"], job["spec"]["deadline"]) == ("slow", 6)
    assert outcome(made.api.wait(job["id"], seconds=60))[:2] == ("failed", "deadline")


def test_an_indexed_job_is_an_array(made):
    """A task that is tried again has a Job of its own, for its index must be the same."""
    job = submit(made, INDEXED)
    assert job["spec"]["array"] == {"indices": "0-2", "max_parallel": 2}
    job = made.api.wait(job["id"], seconds=150)
    assert (job["state"], job["counts"]["succeeded"]) == ("succeeded", 3), job["message"]
    logs = [made.api.log(job["id"], task=index) for index in range(3)]
    assert logs == ["0 of attempt 2\n", "1 of attempt 1\n", "2 of attempt 2\n"]
    assert len(made.objects(job)) == 3


def test_what_kubectl_shows_of_a_job_is_one_here(made):
    """With all that the API server put into it."""
    text = FLAKY.replace("backoffLimit: 1", "backoffLimit: 0\n  suspend: true")
    made.kube.checked("apply", "-f", "-", namespace=made.namespace, input=text)
    shown = made.kube.checked("get", "job", "flaky", "-o", "yaml", namespace=made.namespace)
    assert "controller-uid" in shown and "\nstatus:" in shown
    job = submit(made, shown)
    assert job["reason"] == "held" and job["labels"] == {}
    made.api.post(f"/v1/jobs/{job['id']}/release")
    assert outcome(made.api.wait(job["id"], seconds=90)) == ("failed", "exit_code", 3, None)


def test_a_retry_of_it_runs_it_again(made):
    first = made.api.wait(submit(made, FLAKY.replace("backoffLimit: 1", "backoffLimit: 0"))["id"], seconds=90)
    answer = made.api.post(f"/v1/jobs/{first['id']}/retry")
    assert answer.status == 201, answer.text
    assert outcome(made.api.wait(answer.json()["id"], seconds=90)) == ("failed", "exit_code", 3, None)


def test_tasks_that_are_no_row_have_a_job_each(made):
    """Their index is what the Job's controller says it is."""
    job = submit(made, INDEXED.replace("parallelism: 2", "suspend: true").replace("of attempt $JOBGATE_ATTEMPT", "ran")
                 .replace("[ $JOB_COMPLETION_INDEX = 1 ] || [ $JOBGATE_ATTEMPT = 2 ]", "exit 0"))
    assert made.api.post(f"/v1/jobs/{job['id']}/tasks/cancel", {"indices": "1"}).status == 202
    made.api.post(f"/v1/jobs/{job['id']}/release")
    job = made.api.wait(job["id"], seconds=90)
    assert (job["counts"]["succeeded"], job["counts"]["cancelled"]) == (2, 1), job["message"]
    assert [made.api.log(job["id"], task=index) for index in (0, 2)] == ["0 ran\n", "2 ran\n"]
    assert len(made.objects(job)) == 2
