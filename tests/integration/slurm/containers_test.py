"""Images on a real Slurm: by a command in front of the job's program, by a plugin, and by Slurm itself."""

import json
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest

from tests.harness import slurm, system
from tests.harness.site import gateway_on, outcome

HERE = pathlib.Path(__file__).parent
# The site's own command: it writes down what it was told, and runs the program outside of any container.
COMMAND = """#!/bin/sh
printf '%s\\0' "$@" >"$HOME/words-$JOBGATE_JOB_ID"
shift 3
if [ "$1" = --gpu ]; then shift; fi
shift
exec "$@"
"""
WORDS = ["exec", "--bind", "/data"]
HOSTILE = ["a'b", 'a"b', "$(touch$IFS~/pwned)", "`id`", "a;id", "#x", "%j", "--writable", "-B", "a\\", "a&b|c"]


@pytest.fixture(scope="module")
def place():
    """A folder that everybody can read, and the file of the plugin's in it."""
    with tempfile.TemporaryDirectory(prefix="jg-images-", dir="/tmp") as made:
        pathlib.Path(made).chmod(0o755)
        yield pathlib.Path(made)


@pytest.fixture(scope="module")
def site(place):
    subprocess.run(["cc", "-shared", "-fPIC", "-o", place / "pyxis.so", HERE / "pyxis.c"], check=True)
    (place / "plugstack.conf").write_text(f"required {place}/pyxis.so {place}/images\n")
    (place / "images").touch()
    (place / "images").chmod(0o666)  # a plugin writes as the job's user
    (place / "runtime").write_text(COMMAND)
    (place / "runtime").chmod(0o755)
    with slurm.Slurm("jgimages", append=f"PlugStackConfig={place}/plugstack.conf\n") as made:
        yield made


@pytest.fixture(scope="module")
def on(folder, binaries, contract, cluster, site):
    """A gateway whose backend has these settings."""
    def make(**changes):
        return gateway_on(site, folder, binaries, contract, cluster, **changes)
    return make


@pytest.fixture(scope="module")
def made(on, place):
    with on(container="apptainer", container_command=[str(place / "runtime"), *WORDS],
            container_gpu_arguments=["--gpu"]) as gateway:
        yield gateway


def told(made, job):
    """What the command was told."""
    path = made.home() / f"words-{job['id']}"
    words = path.read_text().split("\0")[:-1]
    path.unlink()
    return words


def finished(made, *jobs):
    for job in jobs:
        assert outcome(made.api.wait(job["id"], seconds=60)) == ("succeeded", "completed", 0, None), job["spec"]


def test_the_program_runs_behind_the_sites_command(made):
    command = made.api.submit(command=["printf", "%s|", "it's", "$HOME `id`", ""], image="python:3.12")
    script = made.api.submit(script="#!/usr/bin/env python3\nimport sys\nprint(1 + 1, len(sys.argv))\n",
                             image="/images/a.sif")
    plain = made.api.submit(script="echo no line of its own\n", image="oras://a.org/b:c")
    setup = made.api.submit(script="#!/bin/sh -e\nfalse\necho never\n", setup=["export A=1"], image="a",
                            retry={"limit": 0})
    gpus = made.api.submit(command=["true"], image="a", resources={"gpus": 1, "cpus": 1, "memory": "50Mi"})
    finished(made, command, script, plain, gpus)
    assert outcome(made.api.wait(setup["id"], seconds=60)) == ("failed", "exit_code", 1, None)
    assert told(made, command) == [*WORDS, "docker://python:3.12", "printf", "%s|", "it's", "$HOME `id`", ""]
    assert made.output(command) == "it's|$HOME `id`||"
    assert told(made, script) == [*WORDS, "/images/a.sif", "/usr/bin/env", "python3", "/dev/fd/3"]
    assert made.output(script) == "2 1\n"
    assert told(made, plain) == [*WORDS, "oras://a.org/b:c", "/bin/sh", "/dev/fd/3"]
    assert made.output(plain) == "no line of its own\n"
    assert told(made, setup) == [*WORDS, "docker://a", "/bin/sh", "-e", "/dev/fd/3"]
    assert told(made, gpus) == [*WORDS, "--gpu", "docker://a", "true"]


def test_hostile_images_stay_one_word(made):
    jobs = [made.api.submit(command=["true"], image=image) for image in HOSTILE]
    finished(made, *jobs)
    for image, job in zip(HOSTILE, jobs, strict=True):
        assert told(made, job) == [*WORDS, f"docker://{image}", "true"]
    assert not (made.home() / "pwned").exists()
    for image in ("a b", "a\nb", "", "a" * 10240, "æ"):
        answer = made.api.post("/v1/jobs", {"command": ["true"], "image": image})
        assert (answer.status, answer.json()["errors"][0]["pointer"]) == (400, "/image")


def test_a_plugin_is_told_as_sbatch_tells_it(on, place):
    with on(container="pyxis") as made:
        images = ["python:3.12", "nvcr.io/nvidia/pytorch:25.01", "/images/a.sqsh", *HOSTILE]
        jobs = [made.api.submit(command=["env", "-0"], image=image) for image in images]
        numbers = [made.slurm.submit(made.slurm.users[0], f"--container-image={image.replace('io/', 'io#')}",
                                     "--output=/dev/null", script="#!/bin/sh\n") for image in images]
        finished(made, *jobs)
        system.wait_until(lambda: all(made.slurm.state(number) == "COMPLETED" for number in numbers), 60, "their ends")
        seen = dict(line.split(" ", 1) for line in (place / "images").read_text().splitlines())
        for number, job in zip(numbers, jobs, strict=True):
            assert seen[str(made.numbers(job)[0])] == seen[str(number)]
        assert seen[str(numbers[1])] == "nvcr.io#nvidia/pytorch:25.01"
        variable = "SLURM_SPANK__SLURM_SPANK_OPTION_pyxis_container_image=python:3.12"  # as after sbatch
        assert variable in made.output(jobs[0]).split("\0")
        shown = made.api.post("/v1/jobs?dry_run=true", {"command": ["true"], "image": "a"}).json()["rendered"]
        assert "#SBATCH --container-image=a\n" in shown


def test_slurm_itself_is_told_of_a_bundle(on):
    with on(container="slurm") as made:
        job = made.api.submit(command=["true"], image="/bundles/a", options={"slurm": {"begin": "2035-01-01"}})
        system.wait_until(lambda: made.numbers(job), 60, "the job at slurmctld")
        assert made.slurm.job(made.numbers(job)[0])["Container"] == "/bundles/a"
        answer = made.api.post("/v1/jobs", {"command": ["true"], "image": "python:3.12"})
        assert answer.status == 422 and "OCI bundle" in answer.json()["errors"][0]["detail"]
        twice = made.api.post("/v1/jobs", {"command": ["true"], "image": "/a",
                                           "options": {"slurm": {"container": "/b"}}})
        assert twice.json()["errors"][0]["pointer"] == "/options/slurm/container"
        made.slurm.run("scancel", "--user", made.slurm.users[0])


# -- real containers --------------------------------------------------------------------------

@pytest.fixture(scope="module")
def root(place):
    """The root folder of an image: busybox, and a file that tells it from the machine."""
    made = place / "bundle/rootfs"
    for name in ("bin", "etc", "proc", "dev", "sys", "tmp", "home", "var", "usr/bin"):
        (made / name).mkdir(parents=True)
    shutil.copy("/usr/bin/busybox", made / "bin/busybox")  # a static one
    for name in ("sh", "cat", "env", "id", "pwd"):
        (made / "bin" / name).symlink_to("busybox")
    (made / "usr/bin/env").symlink_to("/bin/busybox")
    (made / "etc/os-release").write_text("ID=in-the-bundle\n")
    for name in ("passwd", "group", "hosts", "resolv.conf"):
        (made / "etc" / name).touch()  # runtimes lay their own over them
    (made / "tmp").chmod(0o777)
    return made


def bundle(root, user):
    """Makes it an OCI bundle that its user can run without privileges."""
    person = pwd.getpwnam(user)
    ids = [{"containerID": 0, "hostID": number, "size": 1} for number in (person.pw_uid, person.pw_gid)]
    kinds = ("mount", "user")
    config = {"ociVersion": "1.0.2", "root": {"path": "rootfs"},
              "process": {"cwd": "/", "args": ["/bin/sh"], "env": ["PATH=/bin"],
                          "user": {"uid": 0, "gid": 0}},
              "mounts": [{"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]},
                         {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}],
              "linux": {"namespaces": [{"type": kind} for kind in kinds], "uidMappings": ids[:1],
                        "gidMappings": ids[1:]}}
    (root.parent / "config.json").write_text(json.dumps(config))
    return root.parent


@pytest.fixture(scope="module")
def runtime(site):
    """Slurm's own settings for a runtime; its nodes read them when they start."""
    call = f"runc --rootless=true --root={site.folder}/oci"
    names = "%n.%u.%j.%s.%t"
    (site.folder / "oci").mkdir(mode=0o777)
    (site.folder / "oci").chmod(0o777)
    (site.folder / "etc/oci.conf").write_text("".join(
        f'RunTime{name}="{call} {words}"\n' for name, words in (
            ("Query", f"state {names}"), ("Kill", f"kill -a {names}"), ("Delete", f"delete --force {names}"),
            ("Run", f"run {names} -b %b"))))
    for path in (site.folder / "run").glob("slurmd-*.pid"):
        site.kill(path.stem)
    assert site.up().returncode == 0


def test_a_job_runs_inside_a_bundle(on, root, runtime):
    with on(container="slurm") as made:
        where = bundle(root, made.slurm.users[0])
        command = made.api.submit(command=["cat", "/etc/os-release"], image=str(where))
        script = made.api.submit(script="#!/bin/sh\ncat /etc/os-release; echo $TEXT; exit 3\n", image=str(where),
                                 environment={"TEXT": "a 'b"}, retry={"limit": 0})
        finished(made, command)
        assert outcome(made.api.wait(script["id"], seconds=60)) == ("failed", "exit_code", 3, None)
        # Between the runtime's own warnings, and Slurm's.
        assert "ID=in-the-bundle\n" in made.output(command)
        printed = made.output(script)
        assert "ID=in-the-bundle\n" in printed and "a 'b\n" in printed


def test_a_job_runs_inside_an_unprivileged_runtime(on, root):
    with on(container="apptainer", container_command=["ch-run", "--cd=/tmp"]) as made:
        script = made.api.submit(script="#!/bin/sh\ncat /etc/os-release; pwd; echo $TEXT\n", image=str(root),
                                 environment={"TEXT": "a 'b"})
        finished(made, script)
        assert made.output(script) == "ID=in-the-bundle\n/tmp\na 'b\n"


def test_a_site_without_any_refuses_them(on):
    with on(features={"zone=a": "fast"}) as made:
        answer = made.api.post("/v1/jobs", {"command": ["true"], "image": "python:3.12"})
        assert answer.status == 422 and answer.json()["errors"][0]["pointer"] == "/image"
        offer = system.wait_until(lambda: made.backend()["offer"], 60, "the offer")
        assert "container" not in offer and offer["node_selectors"] == ["zone=a"]


def test_the_offer_has_what_runs_images(made):
    offer = system.wait_until(lambda: made.backend()["offer"], 60, "the offer")
    assert offer["container"] == {"runtime": "apptainer"} and offer["node_selectors"] == []
