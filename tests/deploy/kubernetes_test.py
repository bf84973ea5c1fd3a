"""deploy/kubernetes: a real Kubernetes on one machine, and the rights of jobgate in a namespace."""

import json
import os
import pathlib
import signal
import subprocess

import pytest

from tests.harness import kubernetes, system
from tests.harness.deployment import one_line
from tests.harness.kubernetes import DOWN, GRANT, UP, call, job

pytestmark = pytest.mark.timeout(600)

PARTS = {"containerd", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"}
GPU = "nvidia.com/gpu"
# What kubelet would set for the whole machine.
SYSCTLS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
           "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes", "net/ipv4/ip_forward")


@pytest.fixture(scope="module")
def cluster():
    """One that the tests of this module break."""
    with kubernetes.Kubernetes("deploy", "--gpus", "3", "--node-grace", "20", "--toleration", "30") as found:
        yield found


def gpus(count):
    return {"limits": {GPU: str(count)}}


def scheduling(cluster, name, namespace):
    """What the scheduler says of the pod of a Job that waits."""
    def found():
        pods = cluster.get("pods", "-l", f"job-name={name}", namespace=namespace)["items"]
        conditions = [entry for pod in pods for entry in pod["status"].get("conditions", [])]
        return [entry["message"] for entry in conditions if entry.get("reason") == "Unschedulable"]
    return system.wait_until(found, 60, "the scheduler's word")[0]


def test_a_job_runs_and_its_output_is_there(kube, kube_namespace):
    kube.apply(job("hello", "echo hello from $(hostname)"), namespace=kube_namespace)
    assert kube.finished("hello", kube_namespace) == "Complete"
    assert kube.checked("logs", "job/hello", namespace=kube_namespace).startswith("hello from hello-")


def test_a_job_that_fails_has_its_exit_code(kube, kube_namespace):
    kube.apply(job("fails", "exit 7"), namespace=kube_namespace)
    assert kube.finished("fails", kube_namespace) == "Failed"
    [pod] = kube.get("pods", "-l", "job-name=fails", namespace=kube_namespace)["items"]
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 7


def test_memory_is_limited(kube, kube_namespace):
    kube.apply(job("greedy", "tail /dev/zero", resources={"limits": {"memory": "20Mi"}}), namespace=kube_namespace)
    assert kube.finished("greedy", kube_namespace) == "Failed"
    [pod] = kube.get("pods", "-l", "job-name=greedy", namespace=kube_namespace)["items"]
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "OOMKilled"


def test_gpus_are_counted(cluster):
    with cluster.namespace() as namespace:
        cluster.apply(job("two", "true", resources=gpus(2)), job("four", "true", resources=gpus(4)),
                      namespace=namespace)
        assert cluster.finished("two", namespace) == "Complete"
        assert f"Insufficient {GPU}" in scheduling(cluster, "four", namespace)
    labels = cluster.get("node", cluster.node)["metadata"]["labels"]
    assert labels[f"{GPU}.product"].startswith("NVIDIA-")


def test_the_settings_reach_the_parts(cluster):
    assert cluster.options[1] == cluster.number and f"198.18.{cluster.number}.2" in cluster.url
    with cluster.namespace() as namespace:
        cluster.apply(job("waits", "true", suspend=False), namespace=namespace)
        assert cluster.finished("waits", namespace) == "Complete"
        [pod] = cluster.get("pods", namespace=namespace)["items"]
    assert {entry["tolerationSeconds"] for entry in pod["spec"]["tolerations"]} == {30}
    manager = pathlib.Path(f"/proc/{cluster.pids()['kube-controller-manager']}/cmdline").read_bytes()
    assert b"--node-monitor-grace-period\00020s\0" in manager


def test_two_clusters_on_one_machine_know_nothing_of_each_other(kube, cluster):
    assert kube.url != cluster.url
    assert kube.get("node", "node1")["metadata"]["uid"] != cluster.get("node", "node1")["metadata"]["uid"]
    wrong = cluster.kubectl("get", "nodes", "--server", kube.url, "--request-timeout", "10s")
    assert wrong.returncode != 0 and "certificate" in wrong.stderr


def test_what_died_or_stopped_is_started_again_and_the_rest_left(cluster):
    with cluster.namespace() as namespace:
        cluster.apply(job("outlives", "until [ -e /tmp/go ]; do sleep 0.1; done; echo whole"), namespace=namespace)
        system.wait_until(lambda: cluster.get("job", "outlives", namespace=namespace)["status"].get("ready") == 1, 60,
                          "the start of the job")
        before = cluster.pids()
        assert set(before) == PARTS
        for part in ("kube-apiserver", "kubelet"):
            cluster.kill(part)
        cluster.kill("kube-scheduler", signal.SIGSTOP)
        cluster.cut()
        done = cluster.up()
        assert done.returncode == 0, done.stderr
        changed = {part for part, pid in cluster.pids().items() if pid != before[part]}
        assert changed == {"kube-apiserver", "kubelet"}
        assert "the network was cut" in done.stderr and "kubelet started" in done.stderr
        assert cluster.get("node", cluster.node)["status"]["allocatable"][GPU] == "3"
        cluster.checked("exec", "job/outlives", "--", "touch", "/tmp/go", namespace=namespace)
        assert cluster.finished("outlives", namespace) == "Complete"
        cluster.apply(job("after", "true", resources=gpus(3)), namespace=namespace)
        assert cluster.finished("after", namespace) == "Complete"


def test_a_second_call_changes_nothing(cluster):
    before = cluster.pids()
    done = cluster.up()
    assert done.returncode == 0 and cluster.pids() == before
    assert dict(line.split("=", 1) for line in done.stdout.splitlines()) == cluster.said
    assert "started" not in done.stderr and "GPUs" not in done.stderr


def traces(cluster):
    """What of a cluster there is outside its folder."""
    folder = str(cluster.folder).encode()
    processes = [path for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")
                 if path.parent.name != str(os.getpid()) and folder in read(path)]
    routes = subprocess.run(["ip", "route"], check=True, capture_output=True, text=True).stdout.splitlines()
    return {"processes": processes,
            "link": list(pathlib.Path("/sys/class/net").glob(f"jgk8s-{cluster.number}*")),
            "routes": [line for line in routes if f"198.18.{cluster.number}." in line],
            "mounts": [line for line in read("/proc/mounts").splitlines() if folder in line],
            "cgroups": list(pathlib.Path("/sys/fs/cgroup").glob(f"**/jobgate-k8s-{cluster.number}"))}


def read(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError:
        return b""


def sysctls():
    return {name: read(f"/proc/sys/{name}") for name in SYSCTLS}


def filter_rules():
    rules = subprocess.run(["iptables-save"], check=True, capture_output=True, text=True).stdout.splitlines()
    return [line for line in rules if "KUBE" in line or "CNI" in line]


def test_down_keeps_the_objects_and_a_purge_leaves_nothing():
    before = sysctls()
    with kubernetes.Kubernetes("purge") as cluster:
        assert sysctls() == before and filter_rules() == []
        with cluster.namespace("kept") as namespace:
            cluster.apply(job("kept", "sleep 1000"), namespace=namespace)
            system.wait_until(lambda: cluster.get("job", "kept", namespace=namespace)["status"].get("ready") == 1, 60,
                              "the start of the job")
            assert cluster.down().returncode == 0
            left = traces(cluster)
            # With the route a call is refused at once, wherever other calls go.
            assert len(left.pop("routes")) == 1 and not any(left.values()), left
            assert cluster.up().returncode == 0
            assert cluster.get("job", "kept", namespace=namespace)["metadata"]["name"] == "kept"
    assert not any(traces(cluster).values()), traces(cluster)
    assert not cluster.folder.exists()


def test_jobgates_rights_are_those_of_its_namespace(kube, kube_namespace, tmp_path):
    own, other, config = f"{kube_namespace}-own", kube_namespace, tmp_path / "kubeconfig"
    done = call(GRANT, "--kubeconfig", kube.config, "--kubectl", kube.program, "--namespace", own, "--expires", "1h",
                "--output", config)
    assert done.returncode == 0, done.stderr
    assert config.stat().st_mode & 0o777 == 0o600 and "client-key" not in config.read_text()

    def may(*words, namespace=own, **options):
        done = kube.kubectl(*words, config=config, namespace=namespace, **options)
        assert done.returncode == 0 or "Forbidden" in done.stderr or "forbidden" in done.stderr, done.stderr
        return done.returncode == 0

    manifest = tmp_path / "job.json"
    manifest.write_text(json.dumps(job("mine", "echo mine")))
    reads = [("get", "jobs"), ("get", "pods"), ("get", "events"), ("get", "resourcequotas"),
             ("get", "jobs", "-w", "--request-timeout", "1s")]
    assert may("create", "-f", manifest)
    assert kube.finished("mine", own) == "Complete"
    assert may("logs", "job/mine")
    assert all(may(*words) for words in reads)
    assert may("patch", "job", "mine", "-p", '{"metadata": {"labels": {"a": "b"}}}')
    assert may("delete", "job", "mine", "--wait=false")
    for words in (("create", "-f", manifest), *reads):
        assert not may(*words, namespace=other), words
    for words in (("get", "nodes"), ("get", "namespaces"), ("get", "secrets"), ("create", "namespace", "x"),
                  ("create", "--raw", f"/api/v1/namespaces/{own}/pods/any/exec?command=true", "-f", manifest),
                  ("get", "jobs", "--all-namespaces"), ("create", "token", "jobgate")):
        assert not may(*words), words
    kube.kubectl("delete", "namespace", own, "--wait=false")


@pytest.mark.parametrize("options, words", [
    (["--dir", "relative"], "absolute"),
    (["--dir", "/" + "x" * 60], "60 bytes"),
    (["--dir", "/tmp/a b"], "letters"),
    (["--number", "256"], "--number must be a number from 0 to 255"),
    (["--gpus", "-1"], "--gpus must be a number"),
    (["--node-grace", "soon"], "--node-grace must be a number"),
    (["--toleration"], "--toleration needs a value"),
    (["--bogus"], "unknown argument '--bogus'"),
])
def test_a_wrong_option_is_told_in_one_line(options, words):
    assert words in one_line(call(UP, *options))


def test_a_wrong_option_of_grant_is_told_in_one_line(tmp_path):
    output = ("--output", tmp_path / "out")
    assert "--namespace must be" in one_line(call(GRANT, "--namespace", "Big", *output))
    assert "--output is needed" in one_line(call(GRANT, "--namespace", "good"))
    assert "no program /nowhere" in one_line(call(GRANT, "--namespace", "good", *output, "--kubectl", "/nowhere"))


def test_a_number_is_one_clusters(kube):
    other = pathlib.Path("/tmp") / f"jg-k8s-other-{os.getpid()}"
    done = call(UP, "--dir", other, "--number", kube.number)
    assert "another cluster's" in done.stderr.splitlines()[-1]
    assert call(DOWN, "--dir", other, "--purge").returncode == 0
    assert kube.checked("get", "nodes")


def test_without_a_new_enough_go_it_says_how_to_get_it(tmp_path):
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go1.19.8\n")
    go.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = call(UP, "--only-build", env=environment)
    assert "go1.19.8" in one_line(done) and "https://go.dev/dl/" in done.stderr
    go.write_text("#!/bin/sh\nexit 1\n")
    assert "here is none" in one_line(call(UP, "--only-build", env=environment))


def test_root_is_needed():
    done = subprocess.run([*system.prefix(), UP, "--dir", "/tmp/jg-not-there"], capture_output=True, text=True, cwd="/",
                          stdin=subprocess.DEVNULL)
    assert "root is needed" in one_line(done)
