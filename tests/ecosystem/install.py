"""Installs the tools of others that the ecosystem tests drive the gateway with, once.

Programs are Debian's; packages of PyPI, npm and Maven go into a cache of this project's own. Jobs
run as RUNNER and use it too, so root's cache is where everybody can read it.
"""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
CACHE = (pathlib.Path("/var/cache") if os.geteuid() == 0 else
         pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")) / "jobgate-tests"
PYTHON, NODE, JARS = CACHE / "python", CACHE / "node", CACHE / "jars"

# The program that must be there, and the Debian package that has it.
PROGRAMS = {"java": "default-jre-headless", "mvn": "maven", "node": "nodejs", "npm": "npm", "go": "golang-go",
            "chromium": "chromium", "curl": "curl"}
GENERATOR = ("org.openapitools", "openapi-generator-cli", "7.25.0")
GENERATOR_JAR = JARS / f"{GENERATOR[1]}-{GENERATOR[2]}.jar"


class Failed(RuntimeError):
    """Something could not be installed."""


def run(name, *command, **options):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise Failed(f"{name} could not be installed:\n{done.stdout[-3000:]}")


def install_programs():
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if not missing:
        return
    if os.geteuid() != 0:
        raise Failed(f"these packages are missing, install them as root: {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("the list of packages", "apt-get", "update", "-q", env=environment)
    run(" ".join(missing), "apt-get", "install", "-q", "-y", "--no-install-recommends", *missing, env=environment)


def install_python():
    run("the Python environment", "/usr/bin/python3", "-m", "venv", "--clear", PYTHON)
    run("the Python packages", PYTHON / "bin/pip", "install", "-q", "-r", HERE / "requirements.txt")


def install_node():
    NODE.mkdir(exist_ok=True)
    shutil.copy(HERE / "package.json", NODE)
    run("the npm packages", "npm", "install", "--no-audit", "--no-fund", "--loglevel=error", cwd=NODE)


def install_generator():
    run("openapi-generator", "mvn", "-q", "-B", f"-Dmaven.repo.local={CACHE / 'm2'}", "dependency:copy",
        f"-Dartifact={':'.join(GENERATOR)}", f"-DoutputDirectory={JARS}", cwd=CACHE)


# What there is to install: its name, how, and the text that asks for another when it changes.
PARTS = [
    ("python", install_python, (HERE / "requirements.txt").read_text()),
    ("node", install_node, (HERE / "package.json").read_text()),
    ("generator", install_generator, ":".join(GENERATOR)),
]


def install():
    os.umask(0o022)
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install_programs()
        for name, function, wanted in PARTS:
            stamp = CACHE / f"{name}.stamp"
            digest = hashlib.sha256(wanted.encode()).hexdigest()
            if not stamp.exists() or stamp.read_text() != digest:
                print(f"   installing for the ecosystem tests: {name}", flush=True)
                stamp.unlink(missing_ok=True)
                function()
                stamp.write_text(digest)


def environment():
    """For a process that uses what was installed; it runs as RUNNER."""
    return {"PATH": f"{PYTHON / 'bin'}:{NODE / 'node_modules/.bin'}:{os.environ['PATH']}", "LANG": "C.UTF-8",
            "JUPYTER_PATH": str(PYTHON / "share/jupyter"), "NODE_PATH": str(NODE / "node_modules"),
            "PYTHONDONTWRITEBYTECODE": "1", "GOTOOLCHAIN": "local", "GOFLAGS": "-modcacherw"}


if __name__ == "__main__":
    try:
        install()
    except Failed as failure:
        sys.exit(str(failure))
