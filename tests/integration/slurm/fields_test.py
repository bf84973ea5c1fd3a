"""Each field of a spec, and each option beside them, on a real Slurm: as the same job by the real sbatch."""

import re

import pytest

from tests.harness import slurm, system
from tests.harness.site import gateway_on, outcome
from tests.integration.slurm.work_test import OPTIONS, OWN, here, names_of_options, sbatch_arguments

FEATURES = {"zone=a": "fast", "gpu/kind=big": "a100"}
LATER = "2034-06-01T10:00:00"  # held jobs are looked at less closely than those that wait
SCRIPT = "#!/bin/sh\n"
# Beside what two jobs never share: the mark, and what slurmctld writes of its last try to start one.
UNLIKE = OWN | {"Comment", "Reason", "StartTime", "EndTime", "Priority"}

# Members of a spec, and what people would write for sbatch.
FIELDS = [
    ({}, {}),
    ({"name": "train-7"}, {"job-name": "train-7"}),
    ({"queue": "low"}, {"partition": "low"}),
    ({"time_limit": "90m"}, {"time": "90"}),
    ({"time_limit": 61}, {"time": "2"}),
    ({"priority": -7}, {"nice": "7"}),
    ({"working_directory": "/tmp"}, {"chdir": "/tmp"}),
    ({"resources": {"nodes": 2}}, {"nodes": "2"}),
    ({"resources": {"nodes": 1, "tasks_per_node": 3}}, {"nodes": "1", "ntasks-per-node": "3", "mem": "3G"}),
    ({"resources": {"nodes": 2, "tasks_per_node": 2, "cpus": 2, "memory": "1Gi", "gpus": 2}},
     {"nodes": "2", "ntasks-per-node": "2", "cpus-per-task": "2", "mem": "1G", "gres": "gpu:2"}),
    ({"resources": {"tasks_per_node": 4}}, {"ntasks-per-node": "4", "mem": "4G"}),
    ({"resources": {"cpus": 2.5}}, {"cpus-per-task": "3"}),
    ({"resources": {"memory": "100M"}}, {"mem": "96M"}),
    ({"resources": {"memory_per_cpu": "100Mi", "cpus": 2}}, {"mem-per-cpu": "100M", "cpus-per-task": "2"}),
    ({"resources": {"gpus": 1}}, {"gres": "gpu:1", "cpus-per-task": "4", "mem": "8G"}),
    ({"resources": {"gpus": 2, "gpu_type": "a100", "cpus": 1, "memory": "1Gi"}}, {"gres": "gpu:a100:2"}),
    ({"resources": {"scratch": "1Mi"}}, {"tmp": "1"}),
    ({"resources": {"scratch": "1Ti"}}, {"tmp": "1T"}),
    ({"resources": {"shared_memory": "10Mi"}}, {}),
    ({"node_selector": {"feature": "a100"}}, {"constraint": "a100"}),
    ({"node_selector": {"zone": "a", "gpu/kind": "big"}}, {"constraint": "fast&a100"}),
    ({"options": {"slurm": {"exclusive": True, "nice": 5, "contiguous": False, "oversubscribe": False}}},
     {"exclusive": "", "nice": "5"}),
    ({"options": {"slurm": {"mem": 0, "cpus-per-task": 2}}}, {"mem": "0", "cpus-per-task": "2"}),
    ({"resources": {"gpus": 1, "cpus": 1}, "options": {"slurm": {"gres-flags": "enforce-binding"}}},
     {"gres": "gpu:1", "gres-flags": "enforce-binding", "mem": "8G"}),
    # Refused by the controller, in the same words.
    ({"resources": {"nodes": 3}}, {"nodes": "3"}),
    ({"resources": {"memory": "90Ti"}}, {"mem": "90T"}),
    ({"resources": {"gpus": 1, "gpu_type": "tpu", "cpus": 1, "memory": "1Gi"}}, {"gres": "gpu:tpu:1"}),
    ({"resources": {"tasks_per_node": 100, "memory": "1Gi"}}, {"ntasks-per-node": "100"}),
    ({"node_selector": {"feature": "nowhere"}}, {"constraint": "nowhere"}),
    ({"queue": "nowhere"}, {"partition": "nowhere"}),
]
AT_ONCE = 80  # jobs that wait there: the gateway hands over no more than its window has room for
MEMORY, CPUS = {"mem", "mem-per-cpu", "mem-per-gpu"}, {"cpus-per-task", "cpus-per-gpu"}


@pytest.fixture(scope="module")
def site():
    # Nodes that are stopped for a test are not to be given up by themselves.
    with slurm.Slurm("jgfields", append="SlurmdTimeout=300\n") as made:
        yield made


@pytest.fixture(scope="module")
def made(folder, binaries, contract, cluster, site):
    with gateway_on(site, folder, binaries, contract, cluster, features=FEATURES) as gateway:
        yield gateway


def with_defaults(options):
    """What sbatch is to be told to have the same job: the defaults of a spec are said."""
    return ({} if options.keys() & MEMORY else {"mem": "1G"}) | ({} if options.keys() & CPUS else
                                                               {"cpus-per-task": "1"}) | options


def by_sbatch(site, options):
    options = {"begin": LATER, "job-name": "job"} | with_defaults(options)
    return site.run("sbatch", "--parsable", "--no-requeue", "--output=/dev/null", *sbatch_arguments(options),
                    user=site.users[0], stdin=None, input=SCRIPT)


def put_off(spec):
    """So that it does not start."""
    own = spec.get("options", {}).get("slurm", {})
    return {"script": SCRIPT, "retry": {"limit": 0}} | spec | {"options": {"slurm": {"begin": LATER} | own}}


def settle(made, job):
    """Waits until slurmctld has said whether it takes the job, and gives the job as it is then."""
    def settled():
        found = made.api.get(f"/v1/jobs/{job['id']}").json()
        return found if found["terminal"] or found["state"] == "pending" else None
    return system.wait_until(settled, 60, "word of slurmctld")


def compare_one(made, job, spec, options):
    real, found = by_sbatch(made.slurm, options), settle(made, job)
    if real.returncode:
        assert outcome(found)[:2] == ("failed", "rejected"), (spec, real.stderr)
        if "is no option of this version" in found["message"]:
            return
        assert all(words in real.stderr for words in found["message"].split(": ")), (spec, found["message"])
        return
    assert found["state"] == "pending", (spec, found["message"])
    theirs, ours = (made.slurm.job(number) for number in (int(real.stdout), made.numbers(job)[0]))
    assert {name: value for name, value in ours.items() if name not in UNLIKE} == {
        name: value for name, value in theirs.items() if name not in UNLIKE}, spec


def compare(made, pairs):
    """Submits all, and then compares each with its like."""
    jobs = [made.api.submit(**put_off(spec)) for spec, _ in pairs]
    try:
        for job, (spec, options) in zip(jobs, pairs, strict=True):
            compare_one(made, job, spec, options)
    finally:
        for job in jobs:
            made.api.post(f"/v1/jobs/{job['id']}/cancel")
        made.slurm.run("scancel", "--user", made.slurm.users[0])


def test_fields_mean_what_people_would_tell_sbatch(made):
    compare(made, FIELDS)


def test_every_option_goes_through_to_slurm(made):
    given = [here(made.slurm, options) for options in OPTIONS if options and "array" not in options]
    assert len(given) > 90
    for start in range(0, len(given), AT_ONCE):
        part = given[start:start + AT_ONCE]
        compare(made, [({"options": {"slurm": options}}, options) for options in part])


def test_the_gateway_knows_the_options_that_the_agent_has():
    source = (system.ROOT / "backends/slurm/option_names.c").read_text()
    ours = set(re.findall(r'"([a-z-]+)"', source[source.index("known[]"):source.index("others[]")]))
    assert ours == names_of_options() - {"array", "container-image"}


def test_a_job_on_several_nodes_starts_the_others_with_srun(made):
    job = made.api.submit(script="#!/bin/bash\nsrun sh -c 'echo $SLURMD_NODENAME $SLURM_PROCID'\n",
                          resources={"nodes": 2, "tasks_per_node": 2, "memory": "50Mi"}, time_limit=300)
    assert [warning["rule"] for warning in job["warnings"]] == []
    assert outcome(made.api.wait(job["id"], seconds=60)) == ("succeeded", "completed", 0, None)
    places = [f"{made.slurm.name}{node} {process}" for node, process in ((1, 0), (1, 1), (2, 2), (2, 3))]
    assert sorted(made.output(job).splitlines()) == places
    alone = made.api.submit(command=["true"], resources={"nodes": 2, "memory": "50Mi"}, time_limit=300)
    told = [(warning["rule"], warning["pointer"]) for warning in alone["warnings"]]
    assert told == [("one_node", "/resources/nodes")]


@pytest.mark.parametrize("spec, pointer, words", [
    ({"options": {"slurm": {"partitoin": "low"}}}, "/options/slurm/partitoin", "is it partition?"),
    ({"options": {"slurm": {"uid": 0}}}, "/options/slurm/uid", "set by jobgate itself"),
    ({"options": {"slurm": {"wait": True}}}, "/options/slurm/wait", "is about sbatch itself"),
    ({"options": {"slurm": {"nodefile": "/etc/passwd"}}}, "/options/slurm/nodefile", "say nodelist"),
    ({"options": {"slurm": {"tasks-per-node": 2}}, "resources": {"tasks_per_node": 2}}, "/options/slurm/tasks-per-node",
     "tasks_per_node"),
    ({"options": {"slurm": {"comment": "x"}}}, "/options/slurm/comment", "set by jobgate itself"),
    ({"options": {"slurm": {"array": "0-3"}}}, "/options/slurm/array", "say array"),
    ({"options": {"slurm": {"partition": "low"}}, "queue": "main"}, "/options/slurm/partition", "/queue"),
    ({"options": {"slurm": {"qos": "a\n#SBATCH --uid=0"}}}, "/options/slurm/qos", "one line"),
    ({"node_selector": {"zone": "b"}}, "/node_selector/zone", "zone=b"),
    ({"node_selector": {"feature": "a/b"}}, "/node_selector/feature", "feature=a/b"),
])
def test_what_cannot_be_carried_is_refused_at_once(made, spec, pointer, words):
    answer = made.api.post("/v1/jobs", {"command": ["true"], **spec})
    error = answer.json()["errors"][0]
    assert (answer.status, error["pointer"]) == (422, pointer) and words in error["detail"]


@pytest.mark.parametrize("spec, pointer", [
    ({"name": "a\n#SBATCH --uid=0"}, "/name"), ({"name": "$(id)"}, "/name"), ({"queue": "main --uid=0"}, "/queue"),
    ({"queue": "-p"}, "/queue"), ({"labels": {"a": "b\nc"}}, "/labels/a"), ({"labels": {"a;b": "c"}}, "/labels/a;b"),
    ({"node_selector": {"feature": "a|b"}}, "/node_selector/feature"),
    ({"node_selector": {"feature": "[a&b]"}}, "/node_selector/feature"),
    ({"node_selector": {"feature": "a" * 64}}, "/node_selector/feature"),
    ({"options": {"slurm": {"--uid": 0}}}, "/options/slurm/--uid"),
    ({"options": {"slurm": {"qos=x --uid": 0}}}, "/options/slurm/qos=x --uid"),
    ({"options": {"slurm": {"qos": "a" * 10240}}}, "/options/slurm/qos"),
    ({"options": {"slurm": {"qos": ["a"]}}}, "/options/slurm/qos"), ({"options": {"slurm": {"qos": None}}},
                                                                   "/options/slurm/qos"),
    ({"options": {"slrum": {}}}, "/options/slrum"), ({"resources": {"nodes": 0}}, "/resources/nodes"),
    ({"resources": {"gpu_type": "a100:8,license", "gpus": 1}}, "/resources/gpu_type"),
    ({"resources": {"nodes": "1-2"}}, "/resources/nodes"), ({"environment": {"A=B": "c"}}, "/environment/A=B"),
    ({"working_directory": "tmp"}, "/working_directory"),
])
def test_what_is_no_word_of_its_kind_is_refused_at_once(made, spec, pointer):
    answer = made.api.post("/v1/jobs", {"command": ["true"], **spec})
    assert (answer.status, answer.json()["errors"][0]["pointer"]) == (400, pointer)


HOSTILE = ["a' 'b", 'a" "b', "$(touch ~/pwned)", "`touch ~/pwned`", "a; touch ~/pwned", "# --uid=0", "%j%A%u",
           "--uid=0", "-x", "a\\", "æ ø\u2028"]


def test_hostile_texts_stay_texts(made):
    """In options, which the controller refuses in its words, in paths and in what a job finds."""
    refused = [made.api.submit(command=["true"], retry={"limit": 0}, options={"slurm": {"reservation": text}})
               for text in HOSTILE]
    taken = [made.api.submit(command=["printenv", "TEXT"], environment={"TEXT": f"{text}\nx"},
                             working_directory=f"/tmp/{text}", options={"slurm": {
                                 "mail-user": text, "mail-type": "FAIL", "network": text}}) for text in HOSTILE]
    for text, job in zip(HOSTILE, refused, strict=True):
        found = made.api.wait(job["id"], seconds=60)
        assert outcome(found)[:2] == ("failed", "rejected") and "Requested reservation" in found["message"], text
    for text, job in zip(HOSTILE, taken, strict=True):
        assert outcome(made.api.wait(job["id"], seconds=90)) == ("succeeded", "completed", 0, None), text
        assert f"{text}\nx\n" in made.output(job)
        shown = made.slurm.run("scontrol", "-o", "show", "job", made.numbers(job)[0]).stdout
        assert f" Network={text} " in shown and f" MailUser={text} " in shown and "UserId=root" not in shown
    assert not (made.home() / "pwned").exists()


def test_a_value_that_sbatch_would_not_take_is_the_jobs_outcome(made):
    for options, words in (({"time": "2h"}, "options/time: must be minutes"), ({"mem": "5Gi"}, "options/mem: must be"),
                           ({"exclusive": "maybe"}, "options/exclusive: must be one of")):
        job = made.api.submit(command=["true"], options={"slurm": options})
        found = made.api.wait(job["id"], seconds=60)
        assert outcome(found)[:2] == ("failed", "rejected") and words in found["message"]
        dry = made.api.post("/v1/jobs?dry_run=true", {"command": ["true"], "options": {"slurm": options}})
        assert dry.status == 422 and words in dry.text


def test_a_job_ends_when_each_of_its_silent_nodes_answers(made):
    job = made.api.submit(script="#!/bin/bash\nsrun sleep 300\n", resources={"nodes": 2, "memory": "50Mi"},
                          time_limit=600, retry={"limit": 0})
    system.wait_until(lambda: made.api.get(f"/v1/jobs/{job['id']}").json()["state"] == "running", 60, "its start")
    name = f"{made.slurm.name}2"
    made.slurm.kill(f"slurmd-{name}")
    assert made.slurm.run("scontrol", "update", f"nodename={name}", "state=down", "reason=test").returncode == 0
    number = made.numbers(job)[0]
    system.wait_until(lambda: made.slurm.state(number) == "NODE_FAIL", 60, "the silence")
    for _ in range(2):  # what is told of the nodes was asked for since
        before = made.backend()["observed_at"]
        system.wait_until(lambda: made.backend()["observed_at"] != before, 60, "word of the nodes")
    found = made.api.get(f"/v1/jobs/{job['id']}").json()
    assert found["state"] == "running" and found["reason"] in ("node_unavailable", "ending"), found
    made.slurm.run("scontrol", "update", f"nodename={name}", "state=resume")
    assert made.slurm.up().returncode == 0
    assert outcome(made.api.wait(job["id"], seconds=90))[:2] == ("failed", "node_failure")
