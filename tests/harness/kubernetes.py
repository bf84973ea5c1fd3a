"""A real Kubernetes of one machine, by deploy/kubernetes/local/up.

It takes 10 s to start and a GiB of memory, so most tests share one (shared), each in namespaces of its own. Who breaks
or configures it has another (Kubernetes("name")).
"""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess

from tests.harness import system

FOLDER = system.ROOT / "deploy/kubernetes"
UP, DOWN, GRANT = FOLDER / "local/up", FOLDER / "local/down", FOLDER / "grant"
IMAGE = "docker.io/local/busybox:1"

# Numbers of clusters: some for each process of the tests, and those that are shared.
FIRST, OF_A_PROCESS = 8, 4
SHARED = range(FIRST + OF_A_PROCESS * system.SLOTS, 256)
_numbers = itertools.cycle(range(OF_A_PROCESS))
_names = itertools.count()


def call(program, *arguments, timeout=900, **options):
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          **{"stdin": subprocess.DEVNULL, "cwd": "/", **options})


class Kubernetes:
    """A cluster in a folder of its own; as a context manager from its start to its purge."""

    def __init__(self, name, *options, folder=None, number=None):
        self.folder = folder or pathlib.Path("/tmp") / f"jg-k8s-{name}-{os.getpid()}"
        self.number = FIRST + OF_A_PROCESS * system.slot() + next(_numbers) if number is None else number
        self.options = ["--number", self.number, *options]

    def __enter__(self):
        done = self.up(*self.options)
        if done.returncode != 0:
            self.down("--purge")
            raise RuntimeError(done.stderr)
        self.said = dict(line.split("=", 1) for line in done.stdout.splitlines())
        self.config, self.program = pathlib.Path(self.said["KUBECONFIG"]), pathlib.Path(self.said["KUBECTL"])
        self.url, self.node = self.said["KUBERNETES_URL"], self.said["KUBERNETES_NODE"]
        return self

    def __exit__(self, *_):
        self.down("--purge")

    def up(self, *options):
        """Starts it, or what of it died or was stopped; heals a cut."""
        return call(UP, "--dir", self.folder, *options)

    def down(self, *options):
        return call(DOWN, "--dir", self.folder, *options)

    # -- what is in it --

    def kubectl(self, *arguments, namespace=None, config=None, **options):
        environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(config or self.config),
                       "KUBECACHEDIR": str(self.folder / "cache"), "HOME": "/nonexistent"}
        if namespace:
            # Before the words, which may have a command of a container's at their end.
            arguments = "--namespace", namespace, *arguments
        if "input" in options:
            options["stdin"] = None
        return call(self.program, *arguments, timeout=120, env=environment, **options)

    def checked(self, *arguments, **options):
        """The same of a call that must succeed: what it prints."""
        done = self.kubectl(*arguments, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, *what, namespace=None):
        """An object or a list of objects, as the API has it."""
        return json.loads(self.checked("get", *what, "-o", "json", namespace=namespace))

    def apply(self, *objects, namespace=None):
        several = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.checked("apply", "-f", "-", namespace=namespace, input=json.dumps(several))

    @contextlib.contextmanager
    def namespace(self, prefix="test"):
        """A new namespace with its default service account. It goes when the block ends, which does not wait for it."""
        name = f"{prefix}-{os.getpid()}-{next(_names)}"
        self.checked("create", "namespace", name)
        system.wait_until(lambda: self.kubectl("get", "serviceaccount", "default", namespace=name).returncode == 0, 60,
                          "the default service account")
        try:
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")

    def finished(self, name, namespace):
        """A Job, once it is complete or has failed for good: its last condition."""
        def found():
            conditions = self.get("job", name, namespace=namespace)["status"].get("conditions", [])
            return [entry["type"] for entry in conditions
                    if entry["type"] in ("Complete", "Failed") and entry["status"] == "True"]
        return system.wait_until(found, 90, f"the end of the Job {name}", every=0.2)[0]

    # -- what runs it --

    def init_pid(self):
        """The first process of its namespaces, as seen from here."""
        return system.children(int((self.folder / "run/init.pid").read_text()))[0]

    def pids(self):
        """The parts that run, as seen from here: etcd, kube-apiserver, kubelet and so on."""
        found = {}
        for pid in system.children(self.init_pid()):
            with contextlib.suppress(OSError):
                program = pathlib.Path(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0].decode())
                if program.parent == self.folder / "bin":
                    found[program.name] = pid
        return found

    def kill(self, part, sign=signal.SIGKILL):
        """Ends a part, and waits for that; with SIGSTOP or SIGCONT only sends it. up() starts it again."""
        pid = self.pids()[part]
        os.kill(pid, sign)
        if sign not in (signal.SIGSTOP, signal.SIGCONT):
            system.wait_until(lambda: not system.alive(pid), 60, f"the end of {part}")

    def cut(self):
        """What this machine sends to the cluster is lost from now on. heal() or up() ends that."""
        self._filter("-I")

    def heal(self):
        self._filter("-D")

    def _filter(self, verb):
        subprocess.run(["nsenter", "--target", str(self.init_pid()), "--net", "iptables", verb, "INPUT", "-i", "node",
                        "-j", "DROP"], check=True, capture_output=True, stdin=subprocess.DEVNULL)


def job(name, script, *, resources=None, pod=None, **spec):
    """A Job of one shell script, tried once."""
    container = {"name": "main", "image": IMAGE, "command": ["sh", "-c", script], "resources": resources or {}}
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container], **(pod or {})}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": {"spec": pod}, **spec}}


# -- the cluster that a run of the tests shares --------------------------------------------
#
# Each process that uses it holds a shared lock on a file beside its folder; who gets that lock for
# itself is the last. A process that is killed loses its lock, and the next run clears up after it.

@contextlib.contextmanager
def _gate():
    """One process of this machine at a time starts or ends a shared cluster."""
    with open("/tmp/jobgate-tests-kubernetes.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run():
    """Names this run of the tests, the same in each of its processes."""
    return os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))[:12]


def _end_if_unused(users):
    """Within the gate: purges the cluster of a users' file, if nobody holds that."""
    with open(users, encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        folder = users.with_suffix("")
        done = call(DOWN, "--dir", folder, "--purge")
        if done.returncode == 0:
            shutil.rmtree(folder, ignore_errors=True)
            users.unlink()


@contextlib.contextmanager
def shared():
    """The cluster of this run of the tests: started by the first process that asks, ended by the last."""
    folder = pathlib.Path("/tmp") / f"jg-k8s-run-{_run()}"
    users = folder.with_suffix(".users")
    with contextlib.ExitStack() as held:
        with _gate():
            file = held.enter_context(open(users, "w", encoding="ascii"))
            fcntl.flock(file, fcntl.LOCK_SH)
            for other in pathlib.Path("/tmp").glob("jg-k8s-run-*.users"):
                if other != users:
                    _end_if_unused(other)
            # The number is for whoever comes first: the others find a cluster that has one.
            cluster = Kubernetes("run", folder=folder, number=_free_number()).__enter__()
        try:
            yield cluster
        finally:
            with _gate():
                held.close()
                _end_if_unused(users)


def _free_number():
    """Whose link is not there: a shared cluster is up as long as it is."""
    return next(number for number in SHARED if not pathlib.Path(f"/sys/class/net/jgk8s-{number}").exists())
