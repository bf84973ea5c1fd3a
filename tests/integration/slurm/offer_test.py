"""What a cluster offers, and to whom: `/v1/backends/{name}`, held against Slurm's own programs."""

import os
import re
import time

import pytest

from tests.harness import slurm, system
from tests.harness.site import gateway_beside

MIB = 1024 ** 2
HOUR = 3600
# Partitions that not everybody may use, and a node whose GPUs have no type, which is down: written so that `up` does
# not start it.
MORE = """
nodename={0}3 NodeHostname=localhost NodeAddr=127.0.0.1 Port=1 CPUs=4 RealMemory=4000 Gres=gpu:2 Feature=old State=DOWN
PartitionName=old Nodes={0}3 MaxTime=2-00:00:00 State=DRAIN MaxNodes=1 DenyAccounts=wasteful,idle DenyQOS=late
PartitionName=few Nodes={0}[1,3] State=DOWN AllowAccounts=research,teaching AllowGroups=nogroup AllowQOS=normal,high
PartitionName=off Nodes={0}1 State=INACTIVE
PartitionName=some Nodes={0}1 DenyAccounts=research
PartitionName=urgent Nodes={0}1 AllowQOS=high
PartitionName=group Nodes={0}1 AllowGroups=nogroup
"""


def grant(cluster):
    """The first user has two accounts, one with two QOS."""
    for words in ("add account teaching Description=teaching Organization=trial",
                  "add qos high Description=urgent Priority=100 MaxWall=2:00:00",
                  f"add user {cluster.users[0]} Account=teaching QOS=normal,high DefaultQOS=high"):
        done = cluster.run("sacctmgr", "-i", "-Q", *words.split())
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def site():
    name = slurm.own_name("jgoffer")
    with slurm.Slurm("jgoffer", accounting=True, append=MORE.format(name)) as made:
        grant(made)
        yield made


def backend(made, member=0):
    return made.members[member].get("/v1/backends/slurm").json()


def offer_where(made, condition, what):
    """The offer, once it meets a condition."""
    def read():
        found = backend(made)["offer"]
        return found if found and condition(found) else None
    return system.wait_until(read, 90, what)


def by_name(items):
    return {item["name"]: item for item in items}


def shown(made, what):
    """What scontrol has of all partitions or nodes, by name."""
    lines = made.slurm.run("scontrol", "-a", "-o", "show", what).stdout.splitlines()
    return {line.split()[0].split("=")[1]: dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines}


def seconds(text):
    days, _, rest = text.rpartition("-")
    hours, minutes, left = map(int, rest.split(":"))
    return (int(days or 0) * 24 + hours) * HOUR + minutes * 60 + left



def names(text):
    return None if text in (None, "ALL") else text.split(",")


def limit(text):
    return None if text in ("UNLIMITED", "NONE") else seconds(text)


STATES = {"UP": ("up", True), "DOWN": ("down", True), "DRAIN": ("draining", False), "INACTIVE": ("inactive", False)}


def test_queues_are_the_partitions(made):
    queues = by_name(offer_where(made, lambda offer: "queues" in offer, "the offer")["queues"])
    partitions = shown(made, "partition")
    assert set(queues) == set(partitions) == {"main", "low", "old", "few", "off", "some", "urgent", "group"}
    for name, queue in queues.items():
        theirs = partitions[name]
        assert (queue["state"], queue["accepts_jobs"]) == STATES[theirs["State"]]
        assert queue["default"] == (theirs["Default"] == "YES")
        assert queue.get("max_time_limit") == limit(theirs["MaxTime"])
        assert queue.get("default_time_limit") == limit(theirs["DefaultTime"])
        assert str(queue.get("max_nodes", "UNLIMITED")) == theirs["MaxNodes"]
        assert (queue["nodes"], queue["total"]["cpus"]) == (int(theirs["TotalNodes"]), int(theirs["TotalCPUs"]))
        assert queue["restricted"] == any(names(theirs.get(word)) for word in (
            "AllowAccounts", "AllowGroups", "AllowQos", "DenyAccounts", "DenyQos"))


def test_the_controller_is_named(made):
    controller = offer_where(made, lambda offer: offer, "the offer")["controller"]
    assert controller["version"] == made.slurm.run("sinfo", "--version").stdout.split()[1]
    began = made.slurm.run("date", "+%s", "-u", "-d", controller["started_at"]).stdout
    assert 0 <= time.time() - int(began) < HOUR


@pytest.fixture(scope="module")
def busy(made):
    """The offer of a cluster with jobs: two run, nine tasks wait, one of them for both of two partitions."""
    alice, bob = made.slurm.users
    sleep = "#!/bin/bash\nsleep 1000\n"
    for user, script, *options in ((alice, sleep, "-pmain", "--gres=gpu:a100:3", "--mem=6500", "-c6"),
                                   (bob, sleep, "-plow", "--mem=100"),
                                   (alice, "#!/bin/bash\n", "--hold", "-pmain", "--array=1-7"),
                                   (bob, "#!/bin/bash\n", "--hold", "-pmain,low"),
                                   (bob, "#!/bin/bash\n", "--hold", "-plow")):
        made.slurm.submit(user, "-Jbusy", "-o/dev/null", *options, script=script)
    yield offer_where(made, lambda offer: offer["jobs"] == {"pending": 9, "running": 2}, "the jobs in the offer")
    made.slurm.run("scancel", "-n", "busy")


def idle_cpus(made, partition):
    """sinfo's: allocated/idle/other/total."""
    return int(made.slurm.run("sinfo", "-h", "-p", partition, "-o", "%C").stdout.split("/")[1])


def test_what_is_free_is_what_no_job_has(made, busy):
    nodes, main = shown(made, "node"), by_name(busy["queues"])["main"]
    for part, of in ((busy, list(nodes.values())),
                     (main, [node for node in nodes.values() if "main" in node.get("Partitions", "")])):
        assert part["nodes"] == len(of)
        assert part["total"]["cpus"] == sum(int(node["CPUTot"]) for node in of)
        assert part["total"]["memory"] == sum(int(node["RealMemory"]) for node in of) * MIB
        left = [int(node["RealMemory"]) - int(node["AllocMem"]) for node in of if not node["State"].startswith("DOWN")]
        assert part["nodes_available"] == len(left) == 2
        assert part["free"]["memory"] == sum(left) * MIB == (16000 - 6600) * MIB
        assert part["largest_free"]["memory"] == max(left) * MIB
        assert (part["free"]["gpus"], part["largest_free"]["gpus"]) == (5, 4)
    assert main["free"]["cpus"] == idle_cpus(made, "main") == 9
    assert busy["gpu_types"] == [{"type": "a100", "total": 8, "free": 5}, {"total": 2, "free": 0}]
    assert busy["features"] == ["a100", "fast", "old"] and by_name(busy["queues"])["old"]["features"] == ["old"]


def test_jobs_of_everybody_are_counted(made, busy):
    def queued(*options):
        return len(made.slurm.run("squeue", "-h", "-r", "-tPD", *options).stdout.splitlines())
    queues = by_name(busy["queues"])
    assert queues["main"]["jobs"] == {"pending": queued("-pmain"), "running": 1} == {"pending": 8, "running": 1}
    assert queues["low"]["jobs"] == {"pending": queued("-plow"), "running": 1} == {"pending": 2, "running": 1}
    assert queues["old"]["jobs"] == {"pending": 0, "running": 0}


def test_a_project_sees_whom_it_is_and_what_that_may_use(made):
    offer_where(made, lambda offer: {"normal", "high"} <= by_name(offer["qos"]).keys(), "the new QOS")
    user = made.slurm.users[0]
    theirs = made.slurm.run("sacctmgr", "-nP", "show", "assoc", f"user={user}", "format=account,qos,defaultqos").stdout
    found = backend(made)
    [access] = found["access"]
    assert (access["user"], access["account"]) == (user, None) and access["project"].startswith("m0-")
    assert sorted((grant["account"], sorted(grant["qos"]), grant.get("default_qos", ""))
                  for grant in access["grants"]) == sorted(
        (account, sorted(qos.split(",")), preset)
        for account, qos, preset in (line.split("|") for line in theirs.splitlines()))
    assert [grant["account"] for grant in access["grants"] if grant["default"]] == ["research"]
    high = {"name": "high", "description": "urgent", "priority": 100, "max_time_limit": 2 * HOUR}
    assert high in found["offer"]["qos"]


def test_nothing_of_other_projects_is_seen(made):
    offer_where(made, lambda offer: "qos" in offer, "the offer")
    for member, (own, other) in enumerate((made.slurm.users, reversed(made.slurm.users))):
        for path in ("/v1/backends/slurm", "/v1/backends"):
            text = made.members[member].get(path).text
            assert other not in text and (own in text) == (path != "/v1/backends")


def test_a_project_with_an_account_and_one_whose_user_is_not_known_there(made):
    name = f"two-{os.getpid()}-{time.monotonic_ns()}"
    gateway = made.gateway
    gateway.cli("user", "create", name)
    for suffix in ("a", "b", "c"):
        gateway.cli("project", "create", name + suffix, "--default-backend", "slurm", "--member", f"{name}:viewer")
    gateway.cli("project", "identity", name + "a", "slurm", made.slurm.users[0], "--account", "teaching")
    gateway.cli("project", "identity", name + "b", "slurm", "nobody")
    offer_where(made, lambda offer: "qos" in offer, "the offer")
    access = gateway.client(gateway.token(name)).get("/v1/backends/slurm").json()["access"]
    assert [(item["project"], item["user"], item["account"], len(item["grants"])) for item in access] == [
        (name + "a", made.slurm.users[0], "teaching", 2), (name + "b", "nobody", None, 0)]


def test_who_may_use_a_queue_is_told_of_ones_own_grants_alone(made):
    """Of an account and its QOS; the names of others that a partition is for, or not for, are nowhere."""
    offer_where(made, lambda offer: {"normal", "high"} <= by_name(offer["qos"]).keys(), "the new QOS")
    first, second = ({grant["account"]: set(grant["queues"]) for grant in backend(made, member)["access"][0]["grants"]}
                     for member in range(2))
    # urgent is for the QOS high, which the first user has with one account; group is not looked at.
    assert first == {"research": {"main", "low", "old", "few", "off", "group"},
                     "teaching": {"main", "low", "old", "few", "off", "group", "some", "urgent"}}
    assert second == {"research": first["research"]}
    for path in ("/v1/backends/slurm", "/v1/backends"):
        text = made.members[1].get(path).text
        assert not any(f'"{name}"' in text for name in ("teaching", "wasteful", "idle", "late", "nogroup"))


@pytest.mark.parametrize("spec, pointer, words", [
    ({"queue": "few"}, "/queue", "the queue few is down"),
    ({"queue": "main", "time_limit": "1d1h"}, "/time_limit", "the queue main allows 1d at most"),
    ({"time_limit": "1d1h"}, "/time_limit", "the queue main allows 1d at most"),
    ({"queue": "some"}, "/queue", "the account research may not use the queue some"),
    ({"queue": "urgent"}, "/queue", "the QOS normal may not use the queue urgent"),
    ({"queue": "group"}, None, "User's group not permitted"),
    ({"queue": "old"}, None, "inactive or drain"),
    ({"queue": "main", "resources": {"nodes": 3}}, None, "node configuration is not available"),
    ({"queue": "low", "time_limit": "1d1h"}, None, None),
], ids=str)
def test_a_dry_run_says_what_the_controllers_test_passes_over(made, spec, pointer, words):
    offer_where(made, lambda offer: "qos" in offer, "the offer")
    answer = made.members[1].post("/v1/jobs?dry_run=true", {"command": ["true"], **spec})
    assert answer.status == (422 if words else 200), answer.text
    assert not words or words in answer.json()["detail"]
    assert not pointer or answer.json()["errors"][0]["pointer"] == pointer


def dry_script(api, *lines, **query):
    text = "".join(["#!/bin/bash\n", *(f"#{line}\n" for line in lines), "true\n"])
    return api.request("POST", "/v1/jobs", raw=text.encode(), query={"dry_run": "true", **query},
                       headers={"Content-Type": "text/x-shellscript"})


@pytest.mark.parametrize("lines, query, pointer, words", [
    (["SBATCH -p few"], {}, "/script", "the queue few is down"),
    (["SBATCH -J x", "BSUB -q few"], {}, "/script", "the queue few is down"),
    (["SBATCH -p few"], {"queue": "main"}, None, None),
    (["SBATCH -p main"], {"queue": "few"}, "?queue", "the queue few is down"),
    (["SBATCH --time=1-1"], {}, "/script", "the queue main allows 1d at most"),
    (["SBATCH --time=1-1"], {"queue": "main"}, "/script", "the queue main allows 1d at most"),
    (["SBATCH --time=1-1"], {"time_limit": "1h"}, None, None),
    (["SBATCH -p main"], {"time_limit": "1d1h"}, "?time_limit", "the queue main allows 1d at most"),
    (["SBATCH --part some"], {}, "/script", "the account research may not use the queue some"),
    (["SBATCH -p urgent -q normal"], {}, "/script", "the QOS normal may not use the queue urgent"),
    (["SBATCH -p group"], {}, None, "User's group not permitted"),
    (["SBATCH -p low -t 1-1"], {}, None, None),
], ids=str)
def test_a_dry_run_of_a_script_says_it_too(made, lines, query, pointer, words):
    offer_where(made, lambda offer: "qos" in offer, "the offer")
    answer = dry_script(made.members[1], *lines, **query)
    assert answer.status == (422 if words else 200), answer.text
    assert not words or words in answer.json()["detail"]
    assert not pointer or answer.json()["errors"][0]["pointer"] == pointer


def test_the_account_and_the_qos_of_a_script_count(made):
    offer_where(made, lambda offer: {"normal", "high"} <= by_name(offer["qos"]).keys(), "the new QOS")
    for options, words in (("-p some -A research", "the account research may not use the queue some"),
                           ("-p some -A teaching", None), ("-p urgent -A teaching", None),
                           ("-p urgent -A teaching --qos=normal", "the QOS normal may not use the queue urgent")):
        answer = dry_script(made.members[0], f"SBATCH {options}")
        assert answer.status == (422 if words else 200), answer.text
        assert not words or words in answer.json()["detail"]


def test_a_replica_that_does_not_lead_says_so(made, folder, binaries, contract, service):
    def untested(answer):
        assert answer.status == 200, answer.text
        return [warning["detail"] for warning in answer.json()["warnings"] if warning["rule"] == "not_tested"]

    def dry(api, **spec):
        return api.post("/v1/jobs?dry_run=true", {"command": ["true"], **spec})
    with gateway_beside(made, folder, binaries, contract, as_user=str(service.socket)) as other:
        assert dry(made.api, queue="nowhere").status == dry_script(other, "SBATCH -p nowhere").status == 422
        assert untested(dry(made.api)) == untested(dry_script(made.api, "SBATCH -p low")) == []
        for answer in (dry(other, queue="nowhere"), dry_script(other, "SBATCH -p low")):
            [words] = untested(answer)
            assert "does not lead" in words


def scheduler_of(api, job, **members):
    """What slurmctld has made of a job, once it has these members."""
    def read():
        found = api.get(f"/v1/jobs/{job['id']}").json()["scheduler"]
        return found if found and members.items() <= found.items() else None
    return system.wait_until(read, 60, f"the scheduler's {members or 'word'}")


def test_what_slurmctld_makes_of_a_job_is_shown(made):
    api = made.members[0]
    job = api.submit(command=["sleep", "300"], queue="low", resources={"cpus": 2, "memory": "300Mi", "gpus": 1},
                     time_limit="10m", priority=-3)
    system.wait_until(lambda: "gpu:a100" in scheduler_of(api, job)["resources"], 60, "what it was given")
    found = scheduler_of(api, job)
    theirs = made.slurm.job(found["id"])
    assert [int(found["id"])] == made.numbers(job)
    assert (found["queue"], found["account"], found["qos"]) == (theirs["Partition"], theirs["Account"], theirs["QOS"])
    assert (found["queue"], found["account"], found["qos"]) == ("low", "research", "normal")
    assert found["time_limit"] == seconds(theirs["TimeLimit"]) == 600
    assert (found["nodes"], found["cpus"], found["memory"]) == (1, 2, 300 * MIB)
    assert found["resources"] == theirs["TRES"] and "gres/gpu=1" in found["resources"]
    assert found["nice"] == int(theirs["Nice"].split("=")[0]) == 3
    assert (found["working_directory"], found["stdout"]) == (theirs["WorkDir"], theirs["StdOut"])
    tag = api.get(f"/v1/jobs/{job['id']}").headers["ETag"]
    made.slurm.run("scontrol", "update", f"jobid={found['id']}", "timelimit=7")
    assert scheduler_of(api, job, time_limit=420) == {**found, "time_limit": 420}
    assert api.get(f"/v1/jobs/{job['id']}").headers["ETag"] != tag
    api.post(f"/v1/jobs/{job['id']}/cancel")
    ended = api.wait(job["id"], seconds=60)
    assert ended["terminal"] and ended["scheduler"]["time_limit"] == 420
    [listed] = api.get("/v1/jobs", ids=job["id"], fields="scheduler").json()["items"]
    assert listed == {"id": job["id"], "scheduler": ended["scheduler"]}
    assert "scheduler" not in api.get("/v1/jobs", ids=job["id"]).json()["items"][0]


def test_an_array_has_one_such_record(made):
    api = made.members[1]
    job = api.submit(command=["true"], array={"indices": "1-5"}, queue="low")
    found = scheduler_of(api, job, queue="low", account="research")
    assert set(made.slurm.run("squeue", "-h", "-a", "-t", "all", "-o", "%F", "-j", found["id"]).stdout.split()) == {
        found["id"]}
    ended = api.wait(job["id"], seconds=90)
    assert ended["state"] == "succeeded" and ended["scheduler"]["id"] == found["id"]


def requests(made):
    """How often slurmctld was asked for partitions."""
    found = re.search(r"REQUEST_PARTITION_INFO .*count:(\d+)", made.slurm.run("sdiag").stdout)
    return int(found.group(1)) if found else 0


def test_reading_asks_nothing_of_slurm(made):
    before, began = requests(made), time.monotonic()
    for _ in range(100):
        backend(made)
    assert requests(made) - before <= 2 + (time.monotonic() - began) / 10


def test_what_was_known_is_kept_while_the_controller_is_away(made):
    offer_where(made, lambda offer: offer, "the offer")
    made.slurm.kill("slurmctld")
    system.wait_until(lambda: not backend(made)["reachable"], 60, "word that it is away")
    before, after = backend(made), backend(made)
    assert before == after and before["offer"]["queues"] and before["observed_at"]
    assert made.slurm.up().returncode == 0
    system.wait_until(lambda: backend(made)["reachable"] and backend(made)["observed_at"] != before["observed_at"], 90,
                      "a new offer")
