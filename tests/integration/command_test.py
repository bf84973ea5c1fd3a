"""The program on its command line, and its start and end."""

import re
import signal
import socket
import threading

import pytest
import yaml

from tests.harness import system


def test_version(gateway):
    done = gateway.command("--version")
    assert done.returncode == 0 and re.search(r"\d+\.\d+\.\d+", done.stdout)


def test_check_config(gateway):
    assert gateway.command("--check-config").returncode == 0


def test_print_config_masks_secrets(new_gateway):
    made = new_gateway()
    made.write_settings({"database": {"serve": made.cluster.dsn(made.database, "jobgate_serve") + " password=hush"}})
    done = made.command("--print-config")
    assert done.returncode == 0 and "hush" not in done.stdout
    shown = yaml.safe_load(done.stdout)
    assert shown["listen"]["port"] == made.port


def test_the_settings_reference_names_every_section(gateway):
    text = gateway.command("--print-settings").stdout
    for word in ("listen", "port", "database", "log", "backends"):
        assert word in text


def test_the_settings_reference_in_the_tree_is_the_programs(gateway):
    assert (system.ROOT / "deploy/settings.md").read_text() == gateway.command("--print-settings").stdout


BAD_SETTINGS = [
    ({"listen": {"port": "eighty"}}, "port"),
    ({"listen": {"port": 70000}}, "port"),
    ({"listen": {"prot": 80}}, "port"),
    ({"log": {"level": "loud"}}, "level"),
    ({"lisen": {}}, "listen"),
    ({"backends": [{"name": "x", "type": "abacus"}]}, "abacus"),
    ({"backends": [{"type": "local"}]}, "name"),
]


@pytest.mark.parametrize("settings,word", BAD_SETTINGS, ids=[word + str(n) for n, (_, word) in enumerate(BAD_SETTINGS)])
def test_bad_settings_are_said_in_one_line(new_gateway, settings, word):
    made = new_gateway()
    made.write_settings(settings)
    done = made.command("--check-config")
    assert done.returncode != 0 and word in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_settings_that_are_not_there(new_gateway):
    made = new_gateway()
    made.config.unlink()
    done = made.command("--check-config")
    assert done.returncode != 0 and "jobgate.yaml" in done.stderr


def test_a_port_in_use_is_said_in_one_line(gateway, new_gateway):
    second = new_gateway()
    second.write_settings({"listen": {"port": gateway.port}})
    done = second.command()
    assert done.returncode == 1
    assert str(gateway.port) in done.stderr.strip().splitlines()[-1]
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_old_schema_is_not_served(new_gateway, cluster):
    made = new_gateway(database=cluster.create_database()).spawn()
    system.wait_until(lambda: not made.running() or made.probe("/healthz") == 200, what="a start or an end")
    if made.running():
        assert made.probe("/ready") == 503
        assert made.command("--migrate").returncode == 0
        made.wait_ready()
    else:
        assert made.process.returncode != 0 and "migrat" in made.tail()
        made.process = None


def test_migrating_twice_at_once(new_gateway, cluster):
    made = new_gateway(database=cluster.create_database())
    results = []
    threads = [threading.Thread(target=lambda: results.append(made.command("--migrate"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [done.returncode for done in results] == [0, 0, 0, 0], results
    assert made.command("--migrate").returncode == 0


def test_a_changed_migration_is_refused(new_gateway, cluster):
    made = new_gateway(database=cluster.create_database(cluster.template))
    cluster.query("UPDATE schema_migrations SET checksum = overlay(checksum PLACING '\\x00'::bytea FROM 1)"
                  if checksum_is_bytes(cluster, made.database) else
                  "UPDATE schema_migrations SET checksum = reverse(checksum)", database=made.database)
    done = made.command("--migrate")
    assert done.returncode != 0 and "0001" in done.stderr


def checksum_is_bytes(cluster, database):
    ((kind,),) = cluster.query("SELECT data_type FROM information_schema.columns WHERE table_name = 'schema_migrations'"
                               " AND column_name = 'checksum'", database=database)
    return kind == "bytea"


def test_the_serving_role_cannot_change_the_schema(gateway, cluster):
    with cluster.connect(gateway.database, "jobgate_serve") as connection:
        for statement in ("DROP TABLE jobs", "CREATE TABLE x ()", "ALTER TABLE jobs ADD x int",
                          "UPDATE schema_migrations SET no = 9"):
            with pytest.raises(Exception, match="permission denied|must be owner"):
                connection.execute(statement)


NAMES_TWICE = [("user", "create"), ("project", "create")]


@pytest.mark.parametrize("noun,verb", NAMES_TWICE)
def test_a_name_twice(gateway, noun, verb):
    gateway.cli(noun, verb, f"twice-{noun}")
    done = gateway.command(noun, verb, f"twice-{noun}")
    assert done.returncode != 0 and f"twice-{noun}" in done.stderr


@pytest.mark.parametrize("words", [("user", "create"), ("user", "create", "a b"), ("project", "create", ""),
                                   ("token", "create"), ("token", "create", "--user", "nobody-at-all"),
                                   ("token", "create", "--user"), ("token", "revoke", "x"), ("colour", "create", "red"),
                                   ("project", "create", "p1", "--member", "nobody-at-all:submitter"),
                                   ("project", "member", "nowhere", "nobody", "submitter"),
                                   ("project", "identity", "nowhere", "slurm", "ada"),
                                   ("project", "identity", "nowhere", "slurm"),
                                   ("project", "identity", "nowhere", "slurm", "a;b"),
                                   ("project", "identity", "nowhere", "slurm", "ada", "--account", "a b"),
                                   ("--colour",)])
def test_a_bad_command_is_said_in_one_line(gateway, words):
    done = gateway.command(*words)
    assert done.returncode != 0 and done.stderr.strip() and not done.stdout


def test_a_stop_finishes_what_was_accepted(new_gateway):
    made = new_gateway().start()
    client = made.member("u", "p").client
    job = client.submit(["true"], hold=True)
    with socket.create_connection(("127.0.0.1", made.port)) as half:
        token = client.headers["Authorization"]
        body = b'{"command": ["true"], "hold": true}'
        half.sendall(f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
                     f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:10])
        waiting = threading.Thread(target=lambda: client.get(f"/v1/jobs/{job['id']}", wait=60))
        waiting.start()
        system.wait_until(lambda: made.probe("/healthz") == 200, what="the gateway")
        made.process.send_signal(signal.SIGTERM)
        half.sendall(body[10:])
        half.settimeout(20)
        answer = half.recv(4096)
    waiting.join(20)
    assert not waiting.is_alive()
    made.wait_end()
    assert answer == b"" or b" 201 " in answer.split(b"\r\n")[0] or b" 503 " in answer.split(b"\r\n")[0]
    if b" 201 " in answer:
        assert made.cluster.query("SELECT count(*) FROM jobs", database=made.database) == [(2,)]


def test_the_pid_of_a_stopped_gateway_is_gone_quickly(new_gateway):
    made = new_gateway().start()
    made.stop(seconds=5)


def test_a_projects_identity_is_set_and_changed(gateway, member):
    def identity():
        return gateway.cluster.query(
            "SELECT identity FROM project_backends b JOIN projects p ON p.id = b.project_id WHERE p.name = %s",
            (member.project,), gateway.database)
    gateway.cli("project", "identity", member.project, "slurm", "ada", "--account", "research")
    assert identity() == [({"user": "ada", "account": "research"},)]
    gateway.cli("project", "identity", member.project, "slurm", "bob")
    assert identity() == [({"user": "bob"},)]
