"""The real binary: its settings, its life, its command line."""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

import yaml

from tests.harness import system
from tests.harness.client import Client

SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=66",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": f"exitcode=66:suppressions={system.ROOT}/tests/integration/tsan.supp",
}
REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer")


def install_binaries(folder):
    """Copies the build where RUNNER can read it, whatever the modes of the tree's parents."""
    folder = system.make_folder(folder)
    for name in ("jobgate", "jobgate-shim", "jobgate-slurm-agent"):
        source = system.build_folder() / name
        if source.exists():
            shutil.copy2(source, folder / name)
            os.chmod(folder / name, 0o755)
            system.own(folder / name)
    if not (folder / "jobgate").exists():
        raise RuntimeError(f"there is no jobgate in {system.build_folder()}; build it first")
    return folder


def merge(base, changes):
    """A deep copy of the mapping `base` with `changes` over it."""
    merged = dict(base)
    for key, value in changes.items():
        merged[key] = merge(merged.get(key) or {}, value) if isinstance(value, dict) else value
    return merged


@dataclasses.dataclass
class Member:
    """A user of one project with a token."""

    user: str
    project: str
    token: str
    client: Client


class Gateway:
    """settings: laid over the usual ones; backend: over those of the backend `local`."""

    def __init__(self, folder, binaries, cluster, database, contract, settings=None, port=None, spool=None,
                 backend=None):
        self.folder = system.make_folder(folder)
        self.binary = pathlib.Path(binaries) / "jobgate"
        self.cluster, self.database, self.contract = cluster, database, contract
        self.port = port or system.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.spool = spool or system.make_folder(self.folder / "spool")
        self.log = self.folder / "gateway.log"
        self.config = self.folder / "jobgate.yaml"
        self.process = None
        self.backend = backend or {}
        self.write_settings(settings or {})

    def write_settings(self, changes):
        base = {
            "listen": {"address": "127.0.0.1", "port": self.port, "loops": 0},
            "database": {"serve": self.cluster.dsn(self.database, "jobgate_serve"),
                         "owner": self.cluster.dsn(self.database, "jobgate_owner")},
            "log": {"level": "debug" if os.environ.get("JOBGATE_TEST_DEBUG") else "info"},
            "url": self.url,
            "backends": [{"name": "local", "type": "local", "directory": str(self.spool),
                          "cpus": 16, "memory": "16Gi", "gpus": 2} | self.backend],
        }
        self.config.write_text(yaml.safe_dump(merge(base, changes), sort_keys=False))
        system.own(self.config)

    # -- life --------------------------------------------------------------------------

    def environment(self, extra=None):
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "TZ") if key in os.environ}
        return {**kept, **SANITIZER_ENVIRONMENT, **(extra or {})}

    def spawn(self, environment=None):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "--config", self.config], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env=self.environment(environment), start_new_session=True, **system.as_runner())
        return self

    def start(self, environment=None):
        self.spawn(environment)
        self.wait_ready()
        return self

    def wait_ready(self, seconds=15.0):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the gateway ended with {self.process.returncode}:\n{self.tail()}")
            return self.probe("/ready") == 200
        system.wait_until(ready, seconds, "readiness")

    def probe(self, path):
        """The status of a GET without a token, or None when nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code
        except OSError:
            return None

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds=30.0):
        """SIGTERM; fails when the end is not clean or a sanitizer has reported something."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds * system.PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the gateway did not stop in {seconds} s:\n{self.tail()}") from None
        if self.process is not None:
            assert self.process.returncode == 0, f"exit {self.process.returncode}:\n{self.tail()}"
        self.assert_clean()

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()

    def wait_end(self, seconds=30.0):
        """Waits for the process to end by itself; the exit status."""
        return self.process.wait(seconds * system.PATIENCE)

    def assert_clean(self):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        for report in REPORTS:
            if report in text:
                start = text.index(report)
                raise AssertionError(text[max(0, start - 200):start + 6000])

    def log_lines(self):
        """What the gateway has logged; fails on a line that is not a JSON object."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def tail(self, lines=40):
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def rss_kib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def shims(self):
        """The pids of the supervisors of this gateway's jobs, also of an earlier life of it."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                arguments = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            words = arguments.split(b"\0")
            if words[0].endswith(b"jobgate-shim") and words[1:2] == [str(self.spool).encode()]:
                found.append(int(entry.name))
        return found

    # -- the command line --------------------------------------------------------------

    def command(self, *arguments, timeout=30):
        return system.run([self.binary, "--config", self.config, *arguments], timeout=timeout,
                          env=self.environment(), cwd=self.folder)

    def cli(self, *arguments):
        """Runs a subcommand that must work; what it printed."""
        done = self.command(*arguments)
        assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def token(self, user, *arguments):
        return self.cli("token", "create", "--user", user, *arguments)

    def client(self, token=None, **options):
        return Client(self.url, token, self.contract, **options)

    def member(self, user, project, role="submitter", new_user=True, new_project=True):
        """Makes a user, a project with the backend `local`, and a token."""
        if new_user:
            self.cli("user", "create", user)
        if new_project:
            self.cli("project", "create", project, "--default-backend", "local", "--member", f"{user}:{role}")
        else:
            self.cli("project", "member", project, user, role)
        token = self.token(user)
        return Member(user, project, token, self.client(token))
