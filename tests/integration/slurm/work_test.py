"""jobgate-slurm-agent's role `work` on a real Slurm."""

import itertools
import os
import pathlib
import pwd
import re
import signal
import string
import struct
import subprocess
import time

import pytest

from tests.harness import agent, slurm, system

pytestmark = pytest.mark.one_thread

SCRIPT = "#!/bin/bash\n"
EAGAIN, CONNECT_FAILED, TIMED_OUT, BAD_USER = 11, 1800, 5004, 2010
LATER = 60_000_000  # µs
NAMES = itertools.count(1)

# What sbatch and the agent are both told. Nodes are named n1 and n2 here.
OPTIONS = [
    {}, {"partition": "low"}, {"account": "any"}, {"qos": "normal"}, {"wckey": "any"}, {"time": "90"},
    {"time": "2-00"}, {"time": "0:45"}, {"time": "UNLIMITED"}, {"time": "10", "time-min": "5"},
    {"nodes": "2"}, {"nodes": "1-2"}, {"ntasks": "3"}, {"ntasks-per-node": "4"}, {"ntasks-per-node": "2", "nodes": "2"},
    {"nodes": "2", "ntasks": "4"}, {"nodes": "1-2", "ntasks": "1"}, {"nodes": "2", "ntasks": "1"}, {"nodes": "3"},
    {"cpus-per-task": "3"}, {"cpus-per-task": "2", "ntasks": "2"}, {"cpus-per-task": "2", "nodes": "2"},
    {"mincpus": "4"}, {"threads-per-core": "1"}, {"sockets-per-node": "2", "nodes": "1"}, {"cores-per-socket": "2"},
    {"ntasks-per-core": "1"}, {"ntasks-per-socket": "2"}, {"core-spec": "1"}, {"contiguous": ""},
    {"overcommit": "", "ntasks": "20"}, {"overcommit": "", "nodes": "2", "ntasks": "20"}, {"spread-job": ""},
    {"use-min-nodes": ""}, {"nodelist": "n1"}, {"nodelist": "n[1,2]"}, {"nodelist": "n1,n1", "nodes": "2"},
    {"exclude": "n2"}, {"exclusive": ""}, {"exclusive": "user"}, {"exclusive": "mcs"}, {"oversubscribe": ""},
    {"mem": "700"}, {"mem": "1G"}, {"mem": "1gb"}, {"mem": "1500k"}, {"mem": "0"}, {"mem-per-cpu": "200M"},
    {"mem-per-gpu": "300", "gpus": "1"}, {"tmp": "10"}, {"tmp": "1T"},
    {"gres": "gpu:a100:2"}, {"gres": "gpu:1"}, {"gres": "none"}, {"gpus": "2"}, {"gpus": "a100:2"},
    {"gpus-per-node": "a100:2"}, {"gpus-per-node": "1", "nodes": "2"}, {"gpus-per-task": "1", "ntasks": "2"},
    {"gpus-per-task": "1", "nodes": "2"}, {"gpus-per-task": "1", "cpus-per-gpu": "2", "ntasks": "2"},
    {"gpus": "1", "nodes": "1-2"}, {"gpus-per-node": "a100:1", "nodes": "1-2", "cpus-per-gpu": "2"},
    {"gpus": "2", "cpus-per-gpu": "2"}, {"gpus-per-socket": "1", "sockets-per-node": "1"},
    {"gres": "gpu:1", "gres-flags": "enforce-binding"}, {"gpus-per-node": "a100:1", "gres": "gpu:a100:1"},
    {"constraint": "a100&fast"}, {"prefer": "fast"}, {"cluster-constraint": "any"},
    {"batch": "fast", "constraint": "fast"}, {"nice": ""}, {"nice": "50"}, {"array": "0-9%2"},
    {"array": "1,5,9-20:3"}, {"begin": "2035-01-01T10:00:00"}, {"begin": "2035-01-01"},
    {"deadline": "2035-01-01", "time": "5"}, {"dependency": "singleton"}, {"kill-on-invalid-dep": "yes"},
    {"kill-on-invalid-dep": "no"}, {"signal": "B:USR1@120"}, {"signal": "sigterm"}, {"signal": "R:10@5"},
    {"signal": "BR:HUP"}, {"mail-type": "BEGIN,END"}, {"mail-type": "ALL", "mail-user": "a@example.org"},
    {"mail-type": "none"}, {"no-kill": ""}, {"open-mode": "append"}, {"switches": "1@10"}, {"switches": "2"},
    {"thread-spec": "1"}, {"distribution": "cyclic"}, {"distribution": "block:cyclic:fcyclic", "ntasks": "2"},
    {"tasks-per-node": "2", "nodes": "2"}, {"ntasks-per-gpu": "2", "gpus": "2"}, {"ntasks-per-tres": "1", "gpus": "2"},
    {"ntasks-per-gpu": "2", "gpus-per-node": "1", "nodes": "2"}, {"ntasks-per-gpu": "1", "ntasks": "2"},
    {"ntasks-per-gpu": "2", "gres": "gpu:a100:1", "nodes": "1"},
    {"ntasks-per-gpu": "2", "gres": "gpu:a100", "nodes": "1"},
    {"hint": "nomultithread"}, {"hint": "Multithread"}, {"hint": "compute_bound", "sockets-per-node": "1"},
    {"hint": "memory_bound", "nodes": "1"}, {"ntasks-per-gpu": "2", "nodes": "1"},
    {"hint": "memory_bound", "cores-per-socket": "2"},
    {"extra-node-info": "1"}, {"extra-node-info": "1:2"}, {"extra-node-info": "*:2:1"}, {"extra-node-info": "1-2:*:*"},
    {"extra-node-info": "1:2", "nodes": "2"}, {"extra-node-info": "1:2", "ntasks": "3"},
    {"cpu-freq": "low"}, {"cpu-freq": "Performance"}, {"cpu-freq": "1000-high:ondemand"}, {"cpu-freq": "2000000"},
    {"gpu-bind": "closest", "gpus": "1"}, {"gpu-bind": "verbose,single:2", "gpus": "1"},
    {"gpu-bind": "map_gpu:0*2,1", "gpus": "2"}, {"gpu-bind": "mask_gpu:0x1,2", "gpus": "2"}, {"gpu-bind": "none"},
    {"gpu-bind": "per_task:1", "gpus-per-task": "1", "ntasks": "2"}, {"gpu-freq": "medium,memory=high,verbose"},
    {"gpu-freq": "450", "gpus": "1"}, {"mem-bind": "local"}, {"mem-bind": "verbose,map_mem:0,1"}, {"mem-bind": "rank"},
    {"mem-bind": "mask_mem:0x1"}, {"mem-bind": "none"}, {"mem-bind": "sort,prefer"},
    {"delay-boot": "5"}, {"delay-boot": "1:30"}, {"profile": "none"}, {"profile": "All"}, {"profile": "task,energy"},
    {"propagate": "NONE"}, {"context": "any"}, {"power": "level"}, {"container-id": "any", "container": "/any"},
    {"extra": "any"}, {"oom-kill-step": ""}, {"oom-kill-step": "0"}, {"resv-ports": "", "stepmgr": ""},
    {"resv-ports": "2", "stepmgr": ""},
    {"segment": "2", "nodes": "2"}, {"stepmgr": ""},
    {"wait-all-nodes": "1"}, {"network": "any"}, {"mcs-label": "any"}, {"bb": "any"}, {"container": "/any"},
    # Refused by the controller, in the same words.
    {"partition": "nowhere"}, {"licenses": "any:1"}, {"reservation": "any"}, {"array": "5-"}, {"array": "30000"},
    {"dependency": "afterok:any"}, {"acctg-freq": "task=30"}, {"gpus": "tpu:1"}, {"nodelist": "nowhere"},
    {"gpus-per-node": "1", "gres": "gpu:a100:1"}, {"gpus-per-task": "1"}, {"gpus-per-socket": "1"},
]
# What is not the same of two jobs.
OWN = {"JobId", "ArrayJobId", "SubmitTime", "EligibleTime", "AccrueTime", "AllocNode:Sid", "LastSchedEval", "Command",
       "StdOut", "StdErr"}


@pytest.fixture(scope="module")
def cluster():
    with slurm.Slurm("jgwork") as found:
        yield found


@pytest.fixture(scope="module")
def conf(cluster):
    return agent.conf(cluster, "MessageTimeout=2")


@pytest.fixture(scope="module")
def token_conf(cluster):
    return agent.conf(cluster, "MessageTimeout=2", "AuthType=auth/jwt")


@pytest.fixture(scope="module")
def people(cluster):
    return [pwd.getpwnam(name) for name in cluster.users]


@pytest.fixture(scope="module")
def warm(conf):
    """As root, for all users; kept for the module."""
    with agent.Agent("work", conf) as made:
        made.receive()
        yield made


@pytest.fixture
def worker(conf):
    with agent.Agent("work", conf) as made:
        made.receive()
        yield made


@pytest.fixture
def token_worker(cluster, token_conf, people):
    """As nobody, with a token of the first user."""
    made = []

    def make(token=None):
        made.append(agent.Agent("work", token_conf, user="nobody", token=token or token_of(cluster, people[0])))
        made[-1].receive()
        return made[-1]

    yield make
    for each in made:
        each.end()


def token_of(cluster, person, lifespan=60):
    said = cluster.run("scontrol", "token", f"username={person.pw_name}", f"lifespan={lifespan}").stdout
    return said.partition("=")[2].strip()


def soon():
    return time.time_ns() // 1000 + LATER


def job_of(person, **members):
    """The members of a submit of a held job that does nothing; None leaves a member out."""
    whole = {"send_before": soon(), "uid": person.pw_uid, "gid": person.pw_gid, "name": f"job{next(NAMES)}",
             "comment": agent.comment(), "script": SCRIPT, "work_dir": person.pw_dir,
             "environment": ["PATH=/usr/bin:/bin"], "stdout": "/dev/null", "held": True} | members
    return {name: value for name, value in whole.items() if value is not None}


def submit(worker, person, **members):
    answer = worker.ask("submit", **job_of(person, **members))
    assert answer["outcome"] == "done", answer
    return answer["job"]


def ended(cluster, number):
    lives = ("PENDING", "RUNNING", "COMPLETING")
    system.wait_until(lambda: cluster.state(number) not in lives, 30, "the end of the job")
    return cluster.job(number)


def named(cluster, name):
    return cluster.run("squeue", "-h", "-n", name, "-o", "%i").stdout.split()


# -- submitting ---------------------------------------------------------------------------

def sbatch_arguments(options):
    return [f"--{name}={value}" if value else f"--{name}" for name, value in options.items()]


def here(cluster, options):
    """With the names that nodes have in this cluster."""
    return {name: re.sub(r"\bn(?=[\d[])", cluster.name, value) for name, value in options.items()}


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(sbatch_arguments(options)) or "none")
def test_an_option_means_what_it_means_to_sbatch(cluster, warm, people, options):
    person, options = people[0], here(cluster, options)
    real = cluster.run("sbatch", "--parsable", "--hold", "--no-requeue", "--job-name=same", "--comment=same",
                       "--output=/dev/null", *sbatch_arguments(options), user=person.pw_name, stdin=None, input=SCRIPT)
    ours = warm.ask("submit", **job_of(person, name="same", comment="same", options=options))
    if "is no option of this version" in ours.get("text", ""):
        assert real.returncode and ours["outcome"] == "invalid"
        return
    if real.returncode:
        assert ours["outcome"] == "refused" and ours["error"]
        assert all(words in real.stderr for words in ours["text"].split(": "))
        return
    assert ours["outcome"] == "done" and ours["text"]
    theirs, ours = (cluster.job(number) for number in (int(real.stdout), ours["job"]))
    assert {name: value for name, value in ours.items() if name not in OWN} == {
        name: value for name, value in theirs.items() if name not in OWN}


def names_of_options():
    source = (system.ROOT / "backends/slurm/agent/options.c").read_text()
    table = source[source.index("struct option options[]"):source.index("static int fail_unknown")]
    return set(re.findall(r'(?:TEXT\(|NUMBER\(|OWN\(|\{|\.name = )"([a-z-]+)"', table)) - {"level"}


def names_elsewhere():
    """Of options that are said otherwise, or are nobody's to say."""
    source = (system.ROOT / "backends/slurm/option_names.c").read_text()
    table = source[source.index("others[]"):source.index("static const char *name_at")]
    return set(re.findall(r'\{"([a-z-]+)"', table))


def test_sbatch_has_no_option_that_is_not_known_here(cluster):
    """It says which of its options begin with a letter; those that stand alone are among what others have."""
    found = set()
    for letter in string.ascii_lowercase:
        said = cluster.run("sbatch", f"--{letter}", user=cluster.users[0], stdin=None, input="").stderr
        found |= set(re.findall(r"'--([a-z-]+)'", said.partition("possibilities:")[2]))
        found |= set(re.findall(r"option '--([a-z-]{2,})' requires", said))
    assert len(found) > 90 and found - names_of_options() - names_elsewhere() == set()


def test_every_option_was_compared():
    names = names_of_options() - {"container-image"}  # of a plugin: containers_test.py
    assert len(names) > 50 and names == {name for options in OPTIONS for name in options}


ENVIRONMENTS = [
    {},
    {"ntasks": "2", "cpus-per-task": "2", "gpus": "2", "mem-per-gpu": "50", "array": "3", "dependency": "singleton",
     "open-mode": "append"},
    {"nodes": "2", "ntasks-per-node": "2", "gpus-per-node": "a100:1", "mem-per-cpu": "100", "threads-per-core": "1"},
    {"ntasks": "2", "gpus-per-task": "a100:1", "cpus-per-gpu": "1", "mem": "500"},
    {"ntasks": "2", "distribution": "cyclic:block"}, {"ntasks": "2", "distribution": "block"},
    {"ntasks": "2", "gpus": "2", "ntasks-per-gpu": "1", "gpu-bind": "single:1", "gpu-freq": "low,memory=high",
     "mem-bind": "verbose,sort,map_mem:0,1", "cpu-freq": "1000-highm1:onDemand", "profile": "task,energy",
     "hint": "nomultithread", "propagate": "NONE"},
    {"ntasks": "2", "hint": "multithread", "mem-bind": "local", "cpu-freq": "performance", "profile": "all",
     "ntasks-per-socket": "1"},
    {"ntasks-per-core": "1", "extra-node-info": "2:1:1", "cpu-freq": "high", "profile": "none", "gpu-bind": "closest"},
]
OWN_VARIABLES = {"SLURM_JOBID", "SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_TASK_PID",
                 "SLURM_SUBMIT_HOST", "SLURM_PRIO_PROCESS", "SLURM_CONF", "SLURM_JOB_START_TIME", "SLURM_JOB_END_TIME"}


def variables_in(output):
    """What a job wrote with env -0, but for what is its own."""
    words = output.read_text().split("\0")[:-1]
    output.unlink()
    return {name: value for name, _, value in (word.partition("=") for word in words) if name not in OWN_VARIABLES}


def test_the_environment_is_the_given_one_and_what_sbatch_adds(cluster, conf, people):
    person, variables = people[0], ["PATH=/usr/bin:/bin", f"HOME={people[0].pw_dir}", "OWN=a=b\nc"]
    leaks = {"SECRET": "x", "SBATCH_PARTITION": "low", "SLURM_CPUS_PER_TASK": "7", "LD_LIBRARY_PATH": "/nowhere"}
    with agent.Agent("work", conf, environment=leaks) as worker:
        worker.receive()
        for options in ENVIRONMENTS:
            # One after the other, for what a node has free is in there.
            output = pathlib.Path(person.pw_dir) / f"environment-{next(NAMES)}"
            script = SCRIPT + f"env -0 >{output}\n"
            real = cluster.run("env", "-i", f"SLURM_CONF={cluster.conf}", *variables, "/usr/bin/sbatch", "--parsable",
                               "--job-name=alike", "--output=/dev/null", *sbatch_arguments(options),
                               user=person.pw_name, stdin=None, input=script)
            assert real.returncode == 0, (options, real.stderr)
            ended(cluster, int(real.stdout))
            wanted = variables_in(output)
            ended(cluster, submit(worker, person, name="alike", script=script, held=False, options=options,
                                  environment=variables))
            assert variables_in(output) == wanted and wanted["OWN"] == "a=b\nc"


def test_a_job_runs_as_its_user_with_her_groups(cluster, worker, people):
    for person in people:
        output = pathlib.Path(person.pw_dir) / f"id-{next(NAMES)}"
        number = submit(worker, person, script=SCRIPT + "id; pwd; exit 3\n", stdout=str(output), held=False)
        assert ended(cluster, number)["ExitCode"] == "3:0"
        wanted = cluster.run("id", user=person.pw_name).stdout
        assert output.read_text() == f"{wanted}{person.pw_dir}\n" and output.owner() == person.pw_name
        output.unlink()


def test_what_was_given_is_what_the_controller_has(cluster, worker, people):
    person, comment = people[0], agent.comment() + " a b,c=d;'q'\"é"
    number = submit(worker, person, name="é 'x' $(id) ; --uid=0", comment=comment, stdout="/tmp/a%j", stderr="/tmp/b%j")
    shown = cluster.run("scontrol", "-o", "show", "job", number).stdout
    assert f"JobName=é 'x' $(id) ; --uid=0 UserId={person.pw_name}({person.pw_uid}) GroupId" in shown
    assert f"Comment={comment} " in shown and "Requeue=0" in shown and f"WorkDir={person.pw_dir}" in shown
    assert f"StdOut=/tmp/a{number}" in shown and f"StdErr=/tmp/b{number}" in shown and "StdIn=/dev/null" in shown


@pytest.mark.parametrize("members, words", [
    ({"uid": 0}, "uid: must be a whole number from 1"), ({"gid": 0}, "gid: must be a whole number from 1"),
    ({"uid": None}, "uid: is needed"), ({"gid": None}, "gid: is needed"), ({"uid": -1}, "uid: must be"),
    ({"uid": 0xfffffffe}, "uid: must be"), ({"uid": 1 << 32}, "uid: must be"), ({"uid": "1000"}, "uid: must be"),
    ({"send_before": None}, "send_before: is needed"), ({"script": None}, "script: is needed"),
    ({"script": "true\n"}, "script: must begin with #!"), ({"work_dir": "here"}, "work_dir: must be an absolute"),
    ({"environment": []}, "environment: must be a list"), ({"environment": ["A"]}, "environment: must be a list"),
    ({"environment": ["=A"]}, "environment: must be a list"), ({"environment": {"A": "B"}}, "environment: must be"),
    ({"environment": [1]}, "environment: must be"), ({"held": 1}, "held: must be true or false"),
    ({"name": 1}, "name: must be a text"), ({"bogus": 1}, "bogus: is not known"), ({"options": []}, "options: must be"),
    ({"options": {"partitoin": "x"}}, "options/partitoin: is no option that is known here; is it partition?"),
    ({"options": {"bogus\n": "x"}}, "is no option that is known here"), ({"options": {"nodes": 2}}, "must be a text"),
    *(({"options": {name: "x"}}, f"options/{name}: is set by jobgate itself")
      for name in ("comment", "requeue", "uid", "gid", "hold", "job-name", "output", "export", "wrap")),
    *(({"options": {name: value}}, f"options/{name}: ") for name, value in (
        ("reboot", ""), ("priority", "1"), ("nodefile", "/etc/passwd"), ("bbf", "x"), ("wait", ""),
        *(("hint", text) for text in ("", "help", "any", "multithread,nomultithread")),
        *(("extra-node-info", text) for text in ("", "0", "1:2:3:4", "x", "1:", "2-1", "1:-1", "70000")),
        *(("cpu-freq", text) for text in ("", "fast", "0", "high-low", "2-1", "low:OnDemand", "OnDemand:OnDemand",
                                          "OnDemand-low", "PowerSave", "1-2:any", "1-2:", "-", "1--2")),
        *(("gpu-bind", text) for text in ("", "any", "single:", "single:x", "map_gpu:", "map_gpu:0x1", "map_gpu:1,,2",
                                          "map_gpu:1*", "mask_gpu:g", "per_task:-1", "verbose", "verbose,")),
        *(("gpu-freq", text) for text in ("", "any", "low,,high", "memory=", "memory=x", "other=1", "-1")),
        *(("mem-bind", text) for text in ("", "any", "help", "map_mem", "map_mem:", "map_mem:x")),
        ("delay-boot", ""), ("delay-boot", "x"), ("profile", ""), ("profile", "any"), ("profile", "none,task"),
        ("propagate", ""), ("propagate", "ALL"), ("propagate", "CORE"), ("ntasks-per-gpu", "0"), ("power", "any"),
        ("segment", "0"), ("resv-ports", "x"), ("oom-kill-step", "2"), ("partition", ""), ("time", "2h"), ("time", "x"),
        ("time", ""), ("time-min", "1:2:3:4"), ("nodes", "0"), ("nodes", "2-1"), ("nodes", "1-"), ("nodes", "x"),
        ("nodes", "1-2-3"), ("ntasks", "0"), ("ntasks", "-1"), ("ntasks", "1.5"), ("ntasks", "9999999999"),
        ("cpus-per-task", "70000"), ("mem", "5Gi"), ("mem", "-1"), ("mem", ""), ("mem", "G"), ("mem", "1P"),
        ("mem", "99999999999999999"), ("mem", "1GBB"), ("tmp", "1000000T"), ("gpus", ""), ("gpus", "1,,2"),
        ("gres", ""), ("cpus-per-gpu", "x"), ("exclusive", "maybe"), ("contiguous", "yes"), ("spread-job", "1"),
        ("mail-type", "SOMETIMES"), ("open-mode", "x"), ("begin", "then"), ("deadline", ""), ("signal", "NOISE"),
        ("signal", "X:TERM"), ("signal", "TERM@x"), ("signal", "BB:TERM"), ("signal", ""), ("switches", "x"),
        ("distribution", "fcyclic"), ("distribution", ""), ("distribution", "block:block:block:block"),
        ("distribution", "x"), ("thread-spec", "x"),
        ("switches", "1@x"), ("nice", "-1"), ("nice", "x"), ("nodelist", "/etc/passwd"), ("nodelist", "n[9-1]"),
        ("nodelist", "n" * 70000), ("exclude", "./x"),
        ("kill-on-invalid-dep", "perhaps"), ("gres-flags", "x"))),
    ({"options": {"mem": "1", "mem-per-cpu": "1"}}, "options/mem: can be said per node, per CPU or per GPU"),
    *(({"options": {"hint": "nomultithread", name: "1"}}, "options/hint: cannot be said together")
      for name in ("extra-node-info", "ntasks-per-core", "threads-per-core")),
    ({"options": {"ntasks-per-gpu": "1"}}, "options/ntasks-per-gpu: needs a number"),
    *(({"options": {"ntasks-per-gpu": "1", name: "1"}}, "options/ntasks-per-gpu: cannot be said together")
      for name in ("ntasks-per-node", "gpus-per-task", "gpus-per-socket")),
    ({"options": {"gpus": "1", "cpus-per-gpu": "1", "cpus-per-task": "1"}}, "options/cpus-per-gpu: cannot be said"),
    *(({"options": {"gpus-per-task": "1"} | more}, "options/gpus: can be said per job, node, socket or task")
      for more in ({"gpus": "2"}, {"gpus-per-node": "1"}, {"gpus-per-socket": "1"}, {"gres": "gpu:1"})),
    ({"options": {"nodelist": "n[1-3]", "ntasks": "2"}}, "options/nodelist: names 3 nodes for 2 tasks"),
    ({"options": {"begin": "2035-01-02", "deadline": "2035-01-01"}}, "options/deadline: is before begin"),
    ({"options": {"gpu-bind": "map_gpu:" + "0," * 4000 + "0"}}, "options: are too long"),
    ({"options": {"gpus": ",".join(["a100:1"] * 1000)}}, "options: ask for too many"),
], ids=lambda value: value[:60] if isinstance(value, str) else "")
def test_a_wrong_request_is_told_and_not_sent(cluster, warm, people, members, words):
    name = f"wrong{next(NAMES)}"
    answer = warm.ask("submit", **job_of(people[0], **({"name": name} | members)))
    assert answer["outcome"] == "invalid" and words in answer["text"] and "job" not in answer
    assert named(cluster, name) == []


def test_no_one_is_root(cluster, worker, people):
    """Not even where the controller would take it: what is asked for is all there is."""
    before = cluster.run("squeue", "-h", "-t", "all", "-o", "%U").stdout.split()
    for members in ({"uid": 0, "gid": 0}, {"uid": None, "gid": None}, {"uid": people[0].pw_uid, "gid": None}):
        assert worker.ask("submit", **job_of(people[0], **members))["outcome"] == "invalid"
    assert cluster.run("squeue", "-h", "-t", "all", "-o", "%U").stdout.split() == before and "0" not in before


def test_what_cannot_run_is_refused_though_it_leaves_a_record(cluster, worker, people):
    answer = worker.ask("submit", **job_of(people[0], held=False, options={"mem": "900G"}))
    assert (answer["outcome"], answer["error"]) == ("refused", 2014) and "not available" in answer["text"]


def test_libslurms_own_words_are_told(worker, people):
    answer = worker.ask("submit", **job_of(people[0], options={"partition": "nowhere"}))
    assert answer["text"] == "Invalid partition name specified: invalid partition specified: nowhere"
    assert worker.ask("submit", **job_of(people[0], options={"begin": "then"}))["outcome"] == "invalid"
    assert worker.end() == ("", 0)


def test_a_late_request_is_not_sent(cluster, worker, people):
    answer = worker.ask("submit", **job_of(people[0], name="late", send_before=time.time_ns() // 1000 - 1))
    assert answer["outcome"] == "not_sent" and "too late" in answer["text"] and named(cluster, "late") == []


def test_what_was_asked_by_somebody_gone_is_not_begun(cluster, worker, people):
    submit(worker, people[0])
    os.kill(worker.process.pid, signal.SIGSTOP)
    for _ in range(3):
        worker.post("submit", **job_of(people[0], name="orphan"))
    worker.ours.close()
    os.kill(worker.process.pid, signal.SIGCONT)
    assert worker.end() == ("", 0) and named(cluster, "orphan") == []


def test_a_dry_run_tells_when_and_leaves_nothing(cluster, worker, people):
    answer = worker.ask("submit", **job_of(people[0], name="dry", test=True))
    assert answer["outcome"] == "done" and answer["start"] > 0 and "job" not in answer
    refused = worker.ask("submit", **job_of(people[0], name="dry", test=True, options={"mem": "900G"}))
    assert (refused["outcome"], refused["error"]) == ("refused", 2014)
    assert named(cluster, "dry") == []


def test_a_full_controller_is_busy(people):
    with slurm.Slurm("jgfull", append="MaxJobCount=2\n") as full:
        with agent.Agent("work", agent.conf(full)) as worker:
            worker.receive()
            outcomes = [worker.ask("submit", **job_of(people[0])) for _ in range(4)]
    assert outcomes[0]["outcome"] == "done"
    assert (outcomes[-1]["outcome"], outcomes[-1]["error"]) == ("busy", EAGAIN)


# -- identities ---------------------------------------------------------------------------

def test_a_token_is_its_user_and_no_other(cluster, token_worker, people):
    worker = token_worker()
    output = pathlib.Path(people[0].pw_dir) / f"token-{next(NAMES)}"
    number = submit(worker, people[0], script=SCRIPT + "id -un\n", stdout=str(output), held=False)
    assert ended(cluster, number)["JobState"] == "COMPLETED" and output.read_text() == f"{people[0].pw_name}\n"
    output.unlink()
    other = worker.ask("submit", **job_of(people[1]))
    assert (other["outcome"], other["error"]) == ("refused", BAD_USER)


def test_a_user_may_not_do_to_others_what_he_may_to_his(cluster, warm, token_worker, people):
    worker = token_worker()
    own, others = submit(worker, people[0], options={"time": "10"}), submit(warm, people[1])
    assert worker.ask("cancel", job=others)["outcome"] == "refused"
    assert worker.ask("change", job=others, time_limit_s=60)["outcome"] == "refused"
    assert worker.ask("change", job=own, time_limit_s=300)["outcome"] == "done"
    assert worker.ask("change", job=own, held=False)["outcome"] == "done"
    assert worker.ask("cancel", job=own)["outcome"] == "done"
    assert cluster.state(others) == "PENDING"


def test_a_bad_token_is_no_refusal_of_the_job(token_worker, people):
    worker = token_worker(token="a.b.c")
    answer = worker.ask("submit", **job_of(people[0]))
    assert answer["outcome"] in ("not_sent", "unknown") and "a.b.c" not in str(answer)
    assert "a.b.c" not in worker.end()[0]


def test_nobody_reads_the_token_of_a_worker(token_worker):
    worker = token_worker()
    peeking = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "cat"]
    for name in ("environ", "maps"):
        done = subprocess.run([*peeking, f"/proc/{worker.process.pid}/{name}"], capture_output=True)
        assert done.returncode != 0 and done.stdout == b""


# -- cancelling and changing --------------------------------------------------------------

def test_indices_of_an_array_are_cancelled(cluster, worker, people):
    number = submit(worker, people[0], options={"array": "0-9"})
    assert worker.ask("cancel", job=number, tasks="2,4-5")["outcome"] == "done"
    assert cluster.job(number)["ArrayTaskId"] == "0-1,3,6-9"
    assert worker.ask("cancel", job=number, tasks="2")["outcome"] == "done"
    assert worker.ask("cancel", job=number)["outcome"] == "done"
    assert cluster.state(number) == "CANCELLED"


def test_what_is_gone_is_cancelled(cluster, worker, people):
    number = submit(worker, people[0])
    assert worker.ask("cancel", job=number) == {"id": 2, "outcome": "done"}
    again = worker.ask("cancel", job=number)
    assert (again["outcome"], again["error"]) == ("done", 2021)
    assert worker.ask("cancel", job=4_000_000)["outcome"] == "done"
    assert worker.ask("change", job=number, time_limit_s=60)["outcome"] == "done"
    assert worker.ask("change", job=4_000_000, held=True)["outcome"] == "done"


def test_a_hold_is_the_owners(cluster, worker, people):
    number = submit(worker, people[0], options={"begin": "2035-01-01"})
    user = people[0].pw_name
    assert cluster.job(number)["Reason"] == "JobHeldUser"
    assert cluster.run("scontrol", "release", number, user=user).returncode == 0
    assert cluster.job(number)["Reason"] != "JobHeldUser"
    assert worker.ask("change", job=number, held=True)["outcome"] == "done"
    assert cluster.job(number)["Reason"] == "JobHeldUser"
    assert cluster.run("scontrol", "release", number, user=user).returncode == 0
    assert worker.ask("change", job=number, held=True)["outcome"] == "done"
    assert worker.ask("change", job=number, held=False)["outcome"] == "done"
    assert cluster.job(number)["Reason"] in ("BeginTime", "None")


def test_limits_are_changed(cluster, worker, people):
    number = submit(worker, people[0], options={"array": "0-9%2", "time": "10"})
    assert worker.ask("change", job=number, time_limit_s=301, max_parallel=5)["outcome"] == "done"
    job = cluster.job(number)
    assert (job["TimeLimit"], job["ArrayTaskThrottle"], job["Reason"]) == ("00:06:00", "5", "JobHeldUser")


@pytest.mark.parametrize("op, members, words", [
    ("cancel", {}, "job: is needed"), ("cancel", {"job": 0}, "job: must be"),
    ("cancel", {"job": 1, "tasks": "[1-2]"}, "tasks: must be indices"), ("cancel", {"job": 1, "tasks": ""}, "tasks:"),
    ("cancel", {"job": 1, "all": True}, "all: is not known"),
    ("change", {"job": 1, "time_limit_s": 0}, "time_limit_s:"), ("change", {"job": 1, "held": "yes"}, "held:"),
    ("change", {"job": 1, "max_parallel": 0}, "max_parallel:"),
])
def test_a_wrong_cancel_or_change_is_told(warm, op, members, words):
    answer = warm.ask(op, **members)
    assert answer["outcome"] == "invalid" and words in answer["text"]


# -- a controller that is away --------------------------------------------------------------

def test_nothing_is_sent_to_a_dead_controller(cluster, worker, people):
    kept = submit(worker, people[0])
    cluster.kill("slurmctld", signal.SIGTERM)
    system.wait_until(lambda: not system.alive(cluster.server_pid("slurmctld")), 30, "its end")
    for op, members in (("submit", job_of(people[0], name="away")), ("submit", job_of(people[0], name="away")),
                        ("cancel", {"job": kept}), ("change", {"job": kept, "held": False})):
        answer = worker.ask(op, **members)
        assert (answer["outcome"], answer["error"]) == ("not_sent", CONNECT_FAILED)
    assert cluster.up().returncode == 0
    assert named(cluster, "away") == []
    assert worker.ask("cancel", job=kept)["outcome"] == "done" and cluster.state(kept) == "CANCELLED"


def test_what_a_stopped_controller_was_sent_is_unknown(cluster, worker, people):
    kept = submit(worker, people[0])
    cluster.kill("slurmctld", signal.SIGSTOP)
    try:
        first = worker.ask("submit", **job_of(people[0], name="unknown"))
        second = worker.ask("submit", **job_of(people[0], name="second"))
        third = worker.ask("cancel", job=kept)
    finally:
        cluster.kill("slurmctld", signal.SIGCONT)
    assert (first["outcome"], first["error"]) == ("unknown", TIMED_OUT)
    # In doubt it is pinged first: that was not answered.
    assert (second["outcome"], third["outcome"]) == ("not_sent", "not_sent")
    system.wait_until(lambda: named(cluster, "unknown"), 30, "the job that was sent")
    assert named(cluster, "second") == [] and cluster.state(kept) == "PENDING"
    assert worker.ask("cancel", job=kept)["outcome"] == "done"


# -- frames ---------------------------------------------------------------------------------

@pytest.mark.parametrize("data, words", [
    (struct.pack(">I", 0), "frame"), (struct.pack(">I", 5) + b"{}{}{", "frame"), (struct.pack(">I", 2) + b"{}", "'id'"),
    (struct.pack(">I", 21) + b'{"id":1,"op":"offer"}', "'offer'"), (b"\xb4\x9a4\t" * 16, "frame"),
], ids=str)
def test_what_is_no_request_ends_it_with_a_line(worker, data, words):
    worker.send_bytes(data)
    worker.process.wait(20 * system.PATIENCE)
    said, status = worker.end()
    assert status == 1 and words in said and said.count("\n") == 1


def test_a_large_table_is_said_in_parts(cluster, warm, conf, people):
    for _ in range(1001):
        submit(warm, people[0])
    with agent.Agent("watch", conf) as watch:
        watch.receive()
        first, second = watch.receive(), watch.receive()
    assert first["more"] and "gone" not in first and len(first["jobs"]) == 1000
    assert second["table"] == first["table"] == 1 and "more" not in second and second["gone"] == []
    assert len(second["jobs"]) >= 1
