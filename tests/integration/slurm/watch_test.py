"""jobgate-slurm-agent's role `watch` on a real Slurm."""

import os
import pathlib
import signal
import struct
import subprocess

import pytest

from tests.harness import agent, slurm, system

pytestmark = pytest.mark.one_thread

SCRIPT = "#!/bin/bash\n"
NO_CHANGE = {"jobs": [], "gone": []}
CONNECT_FAILED, TIMED_OUT, HELD_BY_USER, NON_ZERO = 1800, 5004, 16, 24


@pytest.fixture(scope="module")
def cluster():
    with slurm.Slurm("jgwatch", append="MinJobAge=2\n") as found:
        yield found


@pytest.fixture(scope="module")
def conf(cluster):
    return agent.conf(cluster, "MessageTimeout=2")


@pytest.fixture
def watch(conf):
    """As nobody, who may read here, and with a variable that would make libslurm cut lists of tasks."""
    with agent.Agent("watch", conf, user="nobody", environment={"SLURM_BITSTR_LEN": "10"}) as made:
        assert "hello" in made.receive()
        yield made


def held(cluster, user, *options, comment=None, script=SCRIPT):
    more = [f"--comment={comment}"] if comment else []
    return cluster.submit(user, "--hold", "--output=/dev/null", *more, *options, script=script)


def is_table(frame):
    return "table" in frame


def test_it_says_hello(cluster, conf):
    with agent.Agent("watch", conf) as made:
        hello = made.receive()
    version = cluster.run("sinfo", "--version").stdout.split()[1]
    assert hello == {"hello": version, "cluster": cluster.name, "accounting": False, "max_array_size": 20001,
                     "min_job_age": 2, "message_timeout": 2}


def test_a_job_is_said_from_its_submit_until_it_is_gone(cluster, watch):
    user, comment = cluster.users[0], agent.comment()
    others = {held(cluster, user), held(cluster, user, comment="jobgate:nonsense.1")}
    number = held(cluster, user, comment=f"{comment} and their own", script=SCRIPT + "exit 3\n")
    first = watch.record(lambda record: record["job"] == number)
    assert not others & {record["job"] for record in watch.jobs.values()}
    about = first.pop("about")
    uid = pathlib.Path(os.path.expanduser(f"~{user}")).stat().st_uid
    assert first == {"job": number, "reason": HELD_BY_USER, "uid": uid, "comment": f"{comment} and their own",
                     "submit": first["submit"], "requeue": 1}
    assert about == {"partition": "main", "time_limit_s": 600, "nodes": 1, "cpus": 1, "tasks": 1,
                     "memory_per_cpu_mib": 100, "tres": about["tres"], "work_dir": about["work_dir"],
                     "stdout": "/dev/null"}
    assert cluster.run("scontrol", "release", number).returncode == 0
    last = watch.record(lambda record: record.get("state") == 5, "its end")
    assert (last["job"], last["exit"], last["reason"]) == (number, 3 << 8, NON_ZERO)
    assert last["start"] <= last["end"] and last["node"].startswith(cluster.name) and "task" not in last
    assert not others & set(watch.find(lambda frame: number in frame.get("gone", ()), "that it is gone")["gone"])


def test_what_was_made_of_a_job_is_said_once_and_when_it_changes(cluster, watch):
    number = held(cluster, cluster.users[0], "--mem=300", "--nice=7", "--time=5", comment=agent.comment())
    about = watch.record(lambda record: record["job"] == number)["about"]
    assert (about["memory_mib"], about["nice"], about["time_limit_s"]) == (300, 7, 300)
    cluster.run("scontrol", "update", f"jobid={number}", "timelimit=9")
    later = watch.record(lambda record: record["job"] == number and record.get("about") != about)
    assert later["about"] == {**about, "time_limit_s": 540}
    cluster.run("scontrol", "update", f"jobid={number}", "comment=mine")
    assert "about" not in watch.record(lambda record: record["job"] == number and record["comment"] == "mine")
    cluster.run("scontrol", "release", number)
    begun = watch.record(lambda record: record["job"] == number and "tres_allocated" in record.get("about", ()))
    assert begun["about"]["tres_allocated"].startswith("cpu=1,mem=300M")
    watch.find(lambda frame: number in frame.get("gone", ()), "that it is gone")


def test_tables_are_numbered_and_say_differences_only(cluster, watch):
    number = held(cluster, cluster.users[0], comment=agent.comment())
    table, quiet = watch.find(lambda frame: frame.get("jobs"), "the job"), 0
    told = {record["job"]: record for record in table["jobs"]}
    while quiet < 2:  # slurmctld completes a record when it first looks at the job
        later = watch.find(is_table, "a table")
        assert later["table"] == table["table"] + 1 and later["asked_at"] > table["asked_at"]
        for record in later["jobs"]:
            before = told.get(record["job"], {})
            assert any(before.get(name) != value for name, value in record.items()), record
            told[record["job"]] = before | record
        quiet = quiet + 1 if {name: later[name] for name in NO_CHANGE} == NO_CHANGE else 0
        table = later
    cluster.run("scancel", number)
    watch.record(lambda record: record["job"] == number and record.get("state") == 4)


def test_an_array_has_its_tasks_whole(cluster, watch):
    indices = [index * index for index in range(1, 120)]
    number = held(cluster, cluster.users[0], f"--array={','.join(map(str, indices))}%2", comment=agent.comment(),
                  script=SCRIPT + "exit $SLURM_ARRAY_TASK_ID\n")
    pending = watch.record(lambda record: record["job"] == number)
    assert pending["array"] == number and "task" not in pending
    assert pending["tasks"] == ",".join(map(str, indices)) + "%2"
    cluster.run("scancel", f"{number}_[4-20000]")
    cluster.run("scontrol", "release", number)
    task = watch.record(lambda record: record.get("task") == 1 and record.get("state") == 5)
    assert (task["array"], task["exit"]) == (number, 1 << 8) and "tasks" not in task


def test_task_0_is_said(cluster, watch):
    number = cluster.submit(cluster.users[0], "--array=0-1", "--output=/dev/null", f"--comment={agent.comment()}",
                            script=SCRIPT)
    assert watch.record(lambda record: record.get("task") == 0)["array"] == number


def test_a_job_stays_ours_when_its_owner_rewrites_the_comment(cluster, watch):
    user = cluster.users[0]
    number = held(cluster, user, "--array=1-2", comment=agent.comment(), script=SCRIPT)
    watch.record(lambda record: record["job"] == number)
    assert cluster.run("scontrol", "update", f"jobid={number}", "comment=mine", user=user).returncode == 0
    watch.record(lambda record: record["job"] == number and record["comment"] == "mine")
    cluster.run("scontrol", "release", number)
    for task in (1, 2):
        watch.record(lambda record: record.get("task") == task and record.get("state") == 3)


def test_another_user_with_the_same_comment_is_said_with_his_uid(cluster, watch):
    comment = agent.comment()
    numbers = [held(cluster, user, comment=comment) for user in cluster.users]
    records = [watch.record(lambda record: record["job"] == number) for number in numbers]
    assert records[0]["uid"] != records[1]["uid"]


def test_a_comment_that_is_no_text(cluster, watch):
    number = held(cluster, cluster.users[0], comment=agent.comment() + " \udcff")
    assert watch.record(lambda record: record["job"] == number)["comment"].endswith(" ?")


def test_the_offer(cluster, watch):
    number = cluster.submit(cluster.users[0], "--gres=gpu:a100:3", "--mem=500", "-c2", "--output=/dev/null",
                            f"--comment={agent.comment()}", script=SCRIPT + "sleep 1000\n")
    watch.record(lambda record: record["job"] == number and record.get("state") == 1)
    offer = watch.ask("offer")
    main, low = offer["partitions"]
    waiting = len(cluster.run("squeue", "-h", "-a", "-r", "-tPD").stdout.splitlines())
    jobs = {name: number for name, number in (("pending", waiting), ("running", 1)) if number}
    assert main == {"name": "main", "max_time_s": 86400, "default_time_s": 600, "nodes": f"{cluster.name}[1-2]",
                    "starts": True, "accepts": True, "default": True, **jobs}
    assert {name: offer.get(name) for name in jobs} == jobs
    assert low["name"] == "low" and not {"max_time_s", "pending", "running"} & low.keys() and not low["default"]
    assert not {"qos", "associations"} & offer.keys()  # there is no accounting
    assert offer["controller"]["version"] == cluster.run("sinfo", "--version").stdout.split()[1]
    node = next(node for node in offer["nodes"] if node["cpus_used"])
    assert (node["cpus"], node["cpus_used"], node["memory_mib"], node["memory_used_mib"]) == (8, 2, 8000, 500)
    assert node["gres"] == "gpu:a100:4" and node["gres_used"].startswith("gpu:a100:3")
    assert node["features"] == "a100,fast" and node["booted"] > 0 and node["partitions"] == "main,low" and node["takes"]
    cluster.run("scancel", number)


def test_a_dead_controller_is_said_and_forgotten(cluster, watch):
    number = held(cluster, cluster.users[0], comment=agent.comment())
    watch.record(lambda record: record["job"] == number)
    cluster.kill("slurmctld", signal.SIGTERM)  # so that it does not forget the job
    error = watch.find(lambda frame: frame.get("error") == CONNECT_FAILED, "the error")
    assert "onnect" in error["text"]
    refused = watch.ask("offer")
    assert refused["error"] == CONNECT_FAILED and "partitions" not in refused
    assert cluster.up().returncode == 0
    assert watch.find(is_table, "a table") and number in watch.jobs
    cluster.run("scancel", number)
    watch.record(lambda record: record["job"] == number and record.get("state") == 4)


def test_a_stopped_controller_is_said_and_forgotten(cluster, watch):
    watch.find(is_table, "a table")
    cluster.kill("slurmctld", signal.SIGSTOP)
    try:
        assert watch.find(lambda frame: "error" in frame, "the error")["error"] == TIMED_OUT
    finally:
        cluster.kill("slurmctld", signal.SIGCONT)
    watch.find(is_table, "a table")


@pytest.mark.parametrize("data, words", [
    (struct.pack(">I", 0), "frame"),
    (struct.pack(">I", 1 << 31), "frame"),
    (struct.pack(">I", 3) + b"[1]", "frame"),
    (struct.pack(">I", 3) + b"\xff{}", "frame"),
    (struct.pack(">I", 2) + b"{}", "'id'"),
    (struct.pack(">I", 22) + b'{"id":1,"op":"submit"}', "'submit'"),
], ids=str)
def test_what_is_no_request_ends_it_with_a_line(watch, data, words):
    watch.send_bytes(data)
    with pytest.raises(EOFError) as ended:
        watch.find(lambda frame: False, "its end")
    assert words in str(ended.value) and ended.value.args[0].count("\n") == 1
    assert watch.end()[1] == 1


def test_it_ends_with_the_other_end(watch):
    watch.find(is_table, "a table")
    assert watch.end() == ("", 0)


def test_it_keeps_no_descriptor_of_others(conf):
    with open("/dev/zero", "rb") as theirs:
        os.set_inheritable(theirs.fileno(), True)
        with agent.Agent("watch", conf, more=[theirs.fileno()]) as made:
            made.find(is_table, "a table")
            folder = pathlib.Path(f"/proc/{made.process.pid}/fd")
            kept = {int(path.name): os.readlink(path) for path in folder.iterdir()}
    assert "/dev/zero" not in kept.values()
    assert kept[0] == kept[1] and kept[0].endswith("/dev/null") and kept[3].startswith("socket:")


@pytest.mark.parametrize("variables, words", [
    ({"SLURM_CONF": "/nowhere/slurm.conf"}, "cannot read SLURM_CONF (/nowhere/slurm.conf): No such file"),
    ({}, "cannot read SLURM_CONF (not set)"),
])
def test_without_settings_it_ends_at_once(variables, words):
    with agent.Agent("watch", None, environment=variables) as made:
        with pytest.raises(EOFError, match="jobgate-slurm-agent: ") as ended:
            made.receive()
        assert words in str(ended.value)


def test_without_settings_that_it_includes_it_ends_at_once(cluster):
    with agent.Agent("watch", agent.conf(cluster, "Include /nowhere/more.conf")) as made:
        with pytest.raises(EOFError, match="cannot read /nowhere/more.conf, which SLURM_CONF includes: No such file"):
            made.receive()


@pytest.mark.parametrize("arguments, words", [([], "usage"), (["wait"], "usage"), (["watch"], "descriptor 3")])
def test_started_by_hand_it_says_what_is_missing(arguments, words):
    done = subprocess.run([*slurm.enter(), agent.program(), *arguments], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=20 * system.PATIENCE)
    assert done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1
