"""Tokens, scopes, roles, and that nothing crosses tenants."""

import base64
import subprocess

import pytest

from tests.harness import calls, system
from tests.harness.contract import Contract

CALLS = {call.id: call for call in calls.every_call(Contract())}
GUARDED = [name for name, call in CALLS.items() if not call.public]
READS = [name for name in GUARDED if CALLS[name].scope.endswith(":read")]
WRITES = [name for name in GUARDED if CALLS[name].scope.endswith(":write")]
OF_ONE_JOB = [name for name in GUARDED if "/v1/jobs/" + calls.NO_JOB in CALLS[name].path]


@pytest.mark.parametrize("name", GUARDED)
def test_without_a_token(gateway, name):
    answer = calls.send(gateway.client(), CALLS[name])
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert "Bearer" in answer.headers["WWW-Authenticate"] and "Basic" in answer.headers["WWW-Authenticate"]


def unknown(token):
    return token[:-1] + ("A" if token[-1] != "A" else "B")


BAD = {
    "unknown": lambda token: f"Bearer {unknown(token)}",
    "longer": lambda token: f"Bearer {token}x",
    "empty": lambda token: "Bearer ",
    "no scheme": lambda token: token,
    "another scheme": lambda token: f"Digest {token}",
    "not base64": lambda token: "Basic !!!",
    "no colon": lambda token: "Basic " + base64.b64encode(token.encode()).decode(),
    "as the user": lambda token: "Basic " + base64.b64encode(f"{token}:".encode()).decode(),
    "huge": lambda token: "Bearer " + "a" * 4000,
}


@pytest.mark.parametrize("kind", BAD)
def test_with_a_bad_token(gateway, member, kind):
    answer = gateway.client().get("/v1/me", headers={"Authorization": BAD[kind](member.token)})
    assert (answer.status, answer.code) == (401, "unauthenticated")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_has_no_case(gateway, member, scheme):
    assert gateway.client().get("/v1/me", headers={"Authorization": f"{scheme} {member.token}"}).status == 200


def test_basic_with_the_token_as_password(gateway, member):
    assert gateway.client(member.token, basic=True).get("/v1/me").json()["principal"]["user"] == member.user


def test_curl_with_a_netrc_line(gateway, member, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login x password {member.token}\n")
    netrc.chmod(0o600)
    done = subprocess.run(["curl", "-sS", "-n", "--netrc-file", netrc, f"{gateway.url}/v1/jobs?wait=30",
                           "-H", "Content-Type: application/json", "-d", '{"command": ["true"]}'],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and '"succeeded":true' in done.stdout.replace(" ", ""), done


def test_me(gateway, member):
    me = member.client.get("/v1/me").json()
    assert me["principal"]["user"] == member.user and me["principal"]["expires_at"] is None
    assert me["memberships"] == [{"project": member.project, "role": "submitter"}]
    assert set(me["scopes"]) >= {"jobs:read", "jobs:write"}
    token = gateway.token(member.user, "--name", "laptop", "--expires", "90d", "--scopes", "jobs:read")
    me = gateway.client(token).get("/v1/me").json()
    assert me["principal"]["expires_at"] and me["scopes"] == ["jobs:read"]
    (line,) = [line for line in gateway.cli("token", "list", "--user", member.user).splitlines() if "laptop" in line]
    assert line.split()[0] == me["principal"]["token"]


def test_a_revoked_token(gateway, member):
    token = gateway.token(member.user, "--name", "lost")
    client = gateway.client(token)
    assert client.get("/v1/me").status == 200
    (line,) = [line for line in gateway.cli("token", "list", "--user", member.user).splitlines() if "lost" in line]
    assert token not in line
    gateway.cli("token", "revoke", line.split()[0])
    # A gateway may keep a token for a moment.
    system.wait_until(lambda: client.get("/v1/me").status == 401, 5, "the revocation")


def test_an_expired_token(gateway, member):
    client = gateway.client(gateway.token(member.user, "--expires", "1s"))
    system.wait_until(lambda: client.get("/v1/me").status == 401, 10, "the expiry")


@pytest.mark.parametrize("name", WRITES)
def test_a_token_that_may_only_read(gateway, member, name):
    answer = calls.send(gateway.client(gateway.token(member.user, "--scopes", "jobs:read")), CALLS[name])
    assert (answer.status, answer.code) == (403, "forbidden") and "jobs:write" in answer.json()["detail"]


@pytest.mark.parametrize("name", READS)
def test_a_token_that_may_only_write(gateway, member, name):
    answer = calls.send(gateway.client(gateway.token(member.user, "--scopes", "jobs:write")), CALLS[name])
    assert (answer.status, answer.code) == (403, "forbidden") and "jobs:read" in answer.json()["detail"]


def test_a_viewer_reads_and_changes_nothing(gateway, member):
    viewer = gateway.member(f"viewer-{member.user}", member.project, "viewer", new_project=False).client
    job = member.client.submit(["true"], hold=True)
    path = f"/v1/jobs/{job['id']}"
    assert viewer.get(path).status == 200
    assert [job["id"] for job in viewer.pages("/v1/jobs")] == [job["id"]]
    for method, target, body in [("POST", "/v1/jobs", {"command": ["true"], "project": member.project}),
                                 ("POST", path + "/cancel", None), ("POST", path + "/hold", None),
                                 ("POST", path + "/release", None), ("DELETE", path, None),
                                 ("POST", path + "/retry", None),
                                 ("PATCH", path, {"array": {"max_parallel": 1}})]:
        answer = viewer.request(method, target, body)
        assert (answer.status, answer.code) == (403, "forbidden"), target
    assert viewer.post("/v1/jobs/cancel", {"ids": [job["id"]]}).json()["count"] == 0
    assert member.client.job(job["id"])["cancel_requested_at"] is None


def test_a_submitter_does_not_end_a_colleagues_job_and_a_manager_does(gateway, member):
    colleague = gateway.member(f"colleague-{member.user}", member.project, new_project=False).client
    manager = gateway.member(f"manager-{member.user}", member.project, "manager", new_project=False).client
    job = member.client.submit(["true"], hold=True)
    assert colleague.post(f"/v1/jobs/{job['id']}/cancel").status == 403
    assert colleague.post("/v1/jobs/cancel", {"ids": [job["id"]]}).json()["count"] == 0
    assert manager.post(f"/v1/jobs/{job['id']}/cancel").status == 202
    assert member.client.wait(job["id"])["state"] == "cancelled"


@pytest.mark.parametrize("name", OF_ONE_JOB)
def test_another_projects_job_is_as_one_that_does_not_exist(contract, api, other, name):
    theirs = other.client.submit(["true"], hold=True)["id"]
    wanted = {call.id: call for call in calls.every_call(contract, theirs)}[name]
    answer, nothing = calls.send(api, wanted), calls.send(api, CALLS[name])
    assert answer.status == nothing.status == 404

    def comparable(reply):
        return {key: value for key, value in reply.json().items() if key != "request_id"}
    assert comparable(answer) == comparable(nothing)


def test_another_project_is_as_one_that_does_not_exist(api, other):
    def problem(project):
        answer = api.post("/v1/jobs", {"command": ["true"], "project": project})
        return answer.status, answer.text.replace(project, "P").replace(answer.headers["X-Request-Id"], "")
    assert problem(other.project) == problem("no-such-project-at-all")
    other.client.submit(["true"], hold=True)
    assert api.get("/v1/jobs", project=other.project).json()["items"] == []
    assert api.get("/v1/jobs").json()["items"] == []


def test_a_token_of_one_project_does_not_see_the_others(gateway, member, other):
    gateway.cli("project", "member", other.project, member.user, "submitter")
    theirs = other.client.submit(["true"], hold=True)["id"]
    assert member.client.get(f"/v1/jobs/{theirs}").status == 200
    bound = gateway.client(gateway.token(member.user, "--project", member.project))
    assert bound.get(f"/v1/jobs/{theirs}").status == 404
    assert bound.get("/v1/jobs").json()["items"] == []
    assert bound.post("/v1/jobs", {"command": ["true"], "project": other.project}).status in (403, 422)
