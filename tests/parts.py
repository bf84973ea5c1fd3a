"""The parts of the test command, in one table, and what runs them (see tests/run)."""

import argparse
import concurrent.futures
import dataclasses
import itertools
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree

from tests.ecosystem import install
from tests.harness import debian13, kubernetes, postgres, system
from tests.harness.contract import Contract, read_exclusions

ROOT = system.ROOT
JOBS = os.cpu_count() or 2
IN_CI = bool(os.environ.get("CI"))


@dataclasses.dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


class Builds:
    """What was built in this call of tests/run; parts that run at once share it."""

    def __init__(self):
        self.lock, self.folders = threading.Lock(), {}


class Run:
    """A part's run: where its output and results go, what was built, what to pass on."""

    def __init__(self, options, builds, output):
        self.full, self.extra = options.full, options.extra
        self.output = output  # a file; what a part says, and the programs that it runs, goes there
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="jobgate-run-"))
        self.remarks = []  # a line each, for the end of the output: all that some readers are shown
        self._builds = builds

    def say(self, text):
        print(text, file=self.output, flush=True)

    def failed(self, what, text):
        """Says now what failed, and names it again at the end."""
        self.remarks.append(f"FAILED {what}")
        self.say(f"FAILED {what}\n{text}")

    def build(self, preset):
        """Configures and builds a preset once; its folder, or None when that failed."""
        with self._builds.lock:
            if preset not in self._builds.folders:
                self._builds.folders[preset] = self._build(preset)
            return self._builds.folders[preset]

    def _build(self, preset):
        folder = ROOT / "build" / preset
        log = self.scratch / f"build-{preset}.log"
        configure = ["cmake", "--preset", preset, "-DPython3_EXECUTABLE=/usr/bin/python3"]
        if not (folder / "build.ninja").exists() and shutil.which("ccache"):
            configure.append("-DCMAKE_C_COMPILER_LAUNCHER=ccache")
        steps = [] if (folder / "build.ninja").exists() else [configure]
        steps.append(["cmake", "--build", "--preset", preset, "-j", str(JOBS)])
        started = time.monotonic()
        with open(log, "wb") as output:
            for step in steps:
                if subprocess.run(step, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
                                  stdin=subprocess.DEVNULL).returncode != 0:
                    self.failed(f"build {preset}", tail(log, 60))
                    return None
        if time.monotonic() - started > 1:
            self.say(f"   built {preset} in {time.monotonic() - started:.0f} s")
        return folder


def tail(path, lines):
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


# -- C tests ------------------------------------------------------------------------------

def unit_tests(folder):
    """[(name, command, working folder)] of the tests CMake registered."""
    listed = json.loads(subprocess.run(["ctest", "--test-dir", folder, "--show-only=json-v1"], check=True,
                                       capture_output=True, stdin=subprocess.DEVNULL).stdout)
    found = []
    for test in listed["tests"]:
        properties = {entry["name"]: entry["value"] for entry in test.get("properties", [])}
        if "command" in test:
            found.append((test["name"], test["command"], properties.get("WORKING_DIRECTORY", str(folder))))
    return found


def database_tests(folder):
    """The same of the C tests that need a PostgreSQL (tests/integration/CMakeLists.txt)."""
    return [(path.name, [str(path)], str(folder)) for path in sorted(folder.glob("tests/integration/*_test"))]


def cmocka_tally(results):
    """Counts the test cases in the XML files one executable wrote."""
    tally = Tally()
    for path in results.glob("*.xml"):
        for case in xml.etree.ElementTree.parse(path).iter("testcase"):
            if case.find("skipped") is not None:
                tally.skipped += 1
            elif case.find("failure") is not None or case.find("error") is not None:
                tally.failed += 1
            else:
                tally.passed += 1
    return tally


def run_c_test(run, test, environment):
    name, command, folder = test
    results = pathlib.Path(tempfile.mkdtemp(prefix=name, dir=run.scratch))
    environment = {**os.environ, **environment, "CMOCKA_MESSAGE_OUTPUT": "xml",
                   "CMOCKA_XML_FILE": str(results / "%g.xml")}
    output, code = b"", None
    try:
        done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output, code = (late.stdout or b"") + b"\nit did not end in 300 s", -1
    try:
        tally = cmocka_tally(results)
    except xml.etree.ElementTree.ParseError:
        tally = Tally()
    # A crash, a leak report or a program without cmocka: the exit status counts as one.
    if code != 0 and tally.failed == 0:
        tally.failed = 1
    elif code == 0 and tally == Tally():
        tally.passed = 1
    if tally.failed:
        failures = "\n".join(xml_failures(results))
        run.failed(f"{name} (exit {code})", f"{failures}\n{output.decode(errors='replace')[-6000:]}")
    return tally


def xml_failures(results):
    for path in results.glob("*.xml"):
        try:
            for case in xml.etree.ElementTree.parse(path).iter("testcase"):
                for failure in case.findall("failure"):
                    yield f"  {case.get('name')}: {(failure.text or '').strip()}"
        except xml.etree.ElementTree.ParseError:
            yield path.read_text(errors="replace")[-3000:]


def run_c_tests(run, preset, listed, database=None):
    """database: a Database; the tests then run one after the other, each in a new one of it."""
    folder = run.build(preset)
    if folder is None:
        return Tally(failed=1)
    environment = {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1",
                   "TSAN_OPTIONS": f"suppressions={ROOT}/tests/integration/tsan.supp"}

    def one(test):
        return run_c_test(run, test, environment | (database.environment() if database else {}))

    total = Tally()
    with concurrent.futures.ThreadPoolExecutor(1 if database else JOBS) as pool:
        for tally in pool.map(one, listed(folder)):
            total.add(tally)
    return total


class Database:
    """A cluster for the C tests; tests/integration/db/support.h says how they are told of it."""

    def __enter__(self):
        self.folder = system.temporary_folder("c")
        self.cluster = postgres.Cluster(self.folder).start()
        self.cluster.create_roles()
        return self

    def __exit__(self, *_):
        self.cluster.stop("immediate")
        system.remove_folder(self.folder)

    def environment(self):
        if not self.cluster.running():
            self.cluster.start()
        control = shlex.join([*system.prefix(), str(self.cluster.bin / "pg_ctl"), "-D", str(self.cluster.data), "-w"])
        quiet = f">>{self.cluster.log} 2>&1"
        return {"JOBGATE_TEST_PG": self.cluster.dsn(self.cluster.create_database()),
                "JOBGATE_TEST_PG_STOP": f"{control} -m immediate stop {quiet}",
                "JOBGATE_TEST_PG_START": f"{control} start {quiet}"}


# -- pytest -------------------------------------------------------------------------------

# How many tests of a call of pytest may fail beside the others and pass alone.
UNSTEADY = 3
# Parts that wait more than they work, beside each other.
AT_ONCE = 3
# Most of a test is waiting for a server or a job, so more of them than cores run at once.
TOGETHER = ["-n", str(2 * JOBS), "--dist", "worksteal"]


def run_pytest(run, preset, *arguments, environment=None):
    """Where all that is wrong is that a few tests waited in vain, each is tried once more, alone: a busy machine
    is told apart from what is broken. What passed only then is named at the end."""
    folder = run.build(preset)
    if folder is None:
        return Tally(failed=1)
    environment = {**os.environ, "JOBGATE_BUILD": str(folder), **(environment or {})}
    if run.full:
        environment["JOBGATE_TEST_FULL"] = "1"
    tally, failed, code = call_pytest(run, environment, *arguments, *run.extra)
    if 0 < len(failed) == tally.failed <= UNSTEADY and all(each["late"] for each in failed.values()):
        again, failed_again, _ = call_pytest(run, environment, *(f"tests/{name}" for name in failed))
        unsteady = failed.keys() - failed_again.keys()
        run.remarks += [f"UNSTEADY (passed alone) {name}: {failed[name]['why']}" for name in sorted(unsteady)]
        if again.failed == len(failed_again) and again.passed == len(unsteady):
            tally.failed -= len(unsteady)
            tally.passed += len(unsteady)
            failed = failed_again
    run.remarks += [f"FAILED {name}: {each['why']}" for name, each in failed.items()]
    if code != 0 and not failed and tally.failed:
        run.remarks.append(f"FAILED pytest {' '.join(map(str, arguments))} (exit {code})")
    return tally


def call_pytest(run, environment, *arguments):
    """(tally, what failed by name, exit status)"""
    number = len(list(run.scratch.iterdir()))
    results, listed = run.scratch / f"pytest-{number}.xml", run.scratch / f"pytest-{number}.failed"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", str(ROOT / "tests" / "pytest.ini"), f"--junit-xml={results}",
         *arguments], cwd=ROOT, env={**environment, "JOBGATE_TEST_FAILED": str(listed)}, stdin=subprocess.DEVNULL,
        stdout=run.output, stderr=subprocess.STDOUT)
    tally = Tally()
    if results.exists():
        for suite in xml.etree.ElementTree.parse(results).iter("testsuite"):
            failed = int(suite.get("failures")) + int(suite.get("errors"))
            skipped = int(suite.get("skipped"))
            tally.add(Tally(int(suite.get("tests")) - failed - skipped, failed, skipped))
    if done.returncode != 0 and tally.failed == 0:
        tally.failed = 1
    return tally, json.loads(listed.read_text()) if listed.exists() else {}, done.returncode


# -- the parts ----------------------------------------------------------------------------

def lint(run):
    """Rules are programs: they print what they found and exit non-zero."""
    tally = Tally()
    run.build("dev")  # the generated headers and compile commands some rules read
    rules = sorted(path for path in (ROOT / "tests/lint/rules").iterdir() if os.access(path, os.X_OK))

    def check(rule):
        return rule, subprocess.run([rule, ROOT], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    stdin=subprocess.DEVNULL, text=True, cwd=ROOT)

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for rule, done in pool.map(check, rules):
            if done.returncode == 0:
                tally.passed += 1
            else:
                tally.failed += 1
                run.failed(rule.name, done.stdout)
    tally.add(run_pytest(run, "dev", "tests/lint/rules_test.py"))
    return tally


def unit(run, preset="dev"):
    tally = run_c_tests(run, preset, unit_tests)
    tally.add(run_pytest(run, preset, "tests/unit"))
    return tally


# What needs a real Kubernetes, and runs in the part of that name.
KUBERNETES_ALONE = ("tests/deploy/kubernetes_test.py", "tests/deploy/with_kubernetes_test.py")
ON_KUBERNETES = "tests/integration/kubernetes/cluster"


def integration(run, preset="dev", *arguments):
    arguments = (*arguments, f"--ignore={ON_KUBERNETES}")
    exercised = run.scratch / f"exercised-{preset}"
    exercised.mkdir()
    environment = {"JOBGATE_EXERCISED": str(exercised)}
    if run.build(preset) is None:
        return Tally(failed=1)
    if run.extra:
        return run_pytest(run, preset, "tests/integration", *arguments, environment=environment)

    def in_c():
        with Database() as database:
            return run_c_tests(run, preset, database_tests, database)

    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        c_tally = beside.submit(in_c)
        tally = run_pytest(run, preset, "tests/integration", *TOGETHER, *arguments, environment=environment)
        tally.add(c_tally.result())
    tally.add(coverage(run, exercised))
    return tally


def coverage(run, exercised):
    """Every documented answer was seen by some test; counts as one test."""
    contract = Contract()
    contract.read_exercised(exercised)
    missing, needless = contract.unexercised(read_exclusions())
    if missing or needless:
        run.failed("coverage of openapi.yaml", f"documented, but never seen: {missing}\n"
                   f"excluded in unexercised.yaml, but seen: {needless}")
        return Tally(failed=1)
    return Tally(passed=1)


def sanitized(preset, *arguments):
    """What waits waits four times as long there (system.PATIENCE), and gives up before the test's time is over."""
    def part(run):
        tally = unit(run, preset)
        tally.add(integration(run, preset, "--timeout=300", *arguments))
        return tally
    return part


def contract(run):
    return run_pytest(run, "dev", "tests/contract")


def ecosystem(run):
    """Tools and clients of others, from deploy/examples. What cannot be installed is a failure."""
    try:
        install.install()
    except install.Failed as failure:
        run.failed(str(failure), "")
        return Tally(failed=1)
    return run_pytest(run, "dev", "tests/ecosystem", "--timeout=600", *([] if run.extra else ["-n", str(JOBS)]))


def faults(run):
    return run_pytest(run, "dev", "tests/faults")


def deploy(run):
    elsewhere = [] if run.extra else [f"--ignore={path}" for path in KUBERNETES_ALONE]
    return run_pytest(run, "release", "tests/deploy", *elsewhere)


def kubernetes_program(run):
    """Builds what deploy/kubernetes/local runs, once for a user; whether it is there."""
    done = subprocess.run([kubernetes.UP, "--only-build"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=run.output,
                          stderr=subprocess.STDOUT)
    if done.returncode != 0:
        run.failed("the program of deploy/kubernetes/local", "it could not be built; the lines above say why")
    return done.returncode == 0


def real_kubernetes(run):
    if not kubernetes_program(run):
        return Tally(failed=1)
    return run_pytest(run, "dev", *KUBERNETES_ALONE, ON_KUBERNETES)


def newer_slurm(run):
    """The agent built for the Slurm of the next Debian, and its tests with that Slurm."""
    try:
        debian13.install()
    except install.Failed as failure:
        run.failed(str(failure), "")
        return Tally(failed=1)
    return run_pytest(run, "debian13", *(f"tests/integration/slurm/{name}_test.py" for name in ("watch", "work")),
                      environment={"JOBGATE_TEST_SLURM": "debian13"})


def bench(run):
    """Every benchmark once, small: that it runs and prints its line, not what it says."""
    program = ROOT / "tests/bench/run"
    if run.build("release") is None or not program.exists():
        return Tally(failed=1)
    done = subprocess.run([program, "--smoke", "--json", *run.extra], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=run.output, stderr=subprocess.STDOUT)
    return Tally(passed=1) if done.returncode == 0 else Tally(failed=1)


def fuzz(run):
    """Every libFuzzer target from its corpus: always the same 20,000 runs, so that what it finds does not
    depend on luck; with --full new ones for minutes."""
    folder = run.build("fuzz")
    if folder is None:
        return Tally(failed=1)

    def one(target):
        corpus = ROOT / "tests/fuzz/corpus" / target.name.removesuffix("_fuzz")
        found = run.scratch / target.name
        found.mkdir()
        effort = ["-max_total_time=300"] if run.full else ["-seed=1", "-runs=20000"]
        command = [target, *effort, f"-artifact_prefix={found}/", found]
        if corpus.is_dir():
            command.append(corpus)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        if done.returncode == 0:
            return Tally(passed=1)
        run.failed(target.name, done.stdout.decode(errors="replace")[-4000:])
        return Tally(failed=1)

    tally = Tally()
    targets = sorted(path for path in folder.rglob("*_fuzz") if path.is_file() and os.access(path, os.X_OK))
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for each in pool.map(one, targets):
            tally.add(each)
    return tally


@dataclasses.dataclass
class Part:
    name: str
    run: object
    about: str
    usual: bool = True  # runs when no part is named
    waits: bool = False  # uses the processors little, so that others like it run beside it


PARTS = [
    Part("lint", lint, "format, cppcheck, layers, banned functions, spelling, sizes"),
    Part("unit", unit, "the cmocka executables of the dev build, and the Python tests beside them"),
    Part("integration", integration, "real PostgreSQL, real gateway; every exchange against openapi.yaml"),
    Part("contract", contract, "schemathesis against the running gateway", waits=True),
    Part("ecosystem", ecosystem, "clients and tools of others drive the gateway as in deploy/examples", waits=True),
    Part("faults", faults, "kill -9, PostgreSQL away, two gateways, Slurm cut off (all of it with --full)", waits=True),
    Part("deploy", deploy, "deploy/up and deploy/down in a folder of their own, and a real Slurm", waits=True),
    Part("kubernetes", real_kubernetes, "a real Kubernetes by deploy/kubernetes/local/up, and what runs on it",
         usual=False, waits=True),
    Part("newer-slurm", newer_slurm, "the agent with Slurm 24.11, in a Debian 13 in a folder", waits=True),
    Part("asan", sanitized("asan"), "unit and integration with AddressSanitizer and UBSan"),
    Part("tsan", sanitized("tsan", "-m", "not one_thread"), "unit and integration with ThreadSanitizer"),
    Part("fuzz", fuzz, "the libFuzzer targets, a fixed number of runs each"),
    Part("bench-smoke", bench, "every benchmark once, small"),
]


def arguments():
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(prog="tests/run", description="Runs jobgate's tests.",
                                     epilog="What follows from the first other option on goes to pytest.")
    parser.add_argument("--full", action="store_true", help="the long campaigns as well")
    parser.add_argument("--list", action="store_true", help="say which parts there are")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(names))
    own = ("--full", "--list", "--help", "-h")
    words = sys.argv[1:]
    end = next((n for n, word in enumerate(words) if word.startswith("-") and word not in own), len(words))
    options = parser.parse_args(words[:end])
    options.extra = words[end:]
    unknown = set(options.parts) - set(names)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))} (there are {', '.join(names)})")
    return options


def run_part(part, options, builds, output):
    """(tally, remarks) of a part, whose output ends with its tally."""
    run, started = Run(options, builds, output), time.monotonic()
    run.say(f"== {part.name}: {part.about}")
    tally = part.run(run)
    run.say(f"   {part.name}: {tally.passed} ok, {tally.failed} bad, {tally.skipped} left out, "
            f"{time.monotonic() - started:.1f} s")
    shutil.rmtree(run.scratch, ignore_errors=True)
    return tally, run.remarks


def run_beside(parts, options, builds):
    """The results of parts that run AT_ONCE; what each says is shown whole when it has ended."""
    def one(part):
        with tempfile.TemporaryFile("a+", encoding="utf-8", errors="replace") as output:
            result = run_part(part, options, builds, output)
            output.seek(0)
            with shown:
                shutil.copyfileobj(output, sys.stdout)
                sys.stdout.flush()
            return result

    shown = threading.Lock()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(one, parts)


def main():
    options = arguments()
    if options.list:
        for part in PARTS:
            print(f"{part.name:12} {part.about}")
        return 0
    builds, total, remarks = Builds(), Tally(), []
    wanted = [part for part in PARTS if (part.name in options.parts if options.parts else part.usual)]
    for waits, together in itertools.groupby(wanted, key=lambda part: part.waits):
        together = list(together)
        if waits and len(together) > 1:
            results = run_beside(together, options, builds)
        else:
            results = (run_part(part, options, builds, sys.stdout) for part in together)
        for tally, said in results:
            total.add(tally)
            remarks += said
    for line in remarks:
        print(line, flush=True)
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed or (IN_CI and total.skipped) or total == Tally() else 0


if __name__ == "__main__":
    sys.exit(main())
