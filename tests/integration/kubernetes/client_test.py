"""The calls of the Kubernetes client, and what it makes of answers, good and bad."""

import json

import pytest

from tests.harness import hostile, kubernetes_client, system
from tests.integration.kubernetes.conftest import TOKEN

JOBS = "/apis/batch/v1/namespaces/team-a/jobs"
JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}}
WRITE = {"fieldManager": "jobgate", "fieldValidation": "Strict"}


def failure(code, reason, **more):
    return json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
                       "message": f"it is {reason}", **more})


@pytest.mark.parametrize("call,method,path,parameters", [
    (dict(verb="get", kind="jobs", name="a"), "GET", JOBS + "/a", {}),
    (dict(verb="get", kind="jobs", name="a/b?c"), "GET", JOBS + "/a%2Fb%3Fc", {}),
    (dict(verb="list", kind="pods", labels="a=b,c in (d,e)", limit=7), "GET", "/api/v1/namespaces/team-a/pods",
     {"labelSelector": "a=b,c in (d,e)", "limit": "7"}),
    (dict(verb="list", kind="jobs", **{"from": "x+y=="}, fields="a=b"), "GET", JOBS,
     {"fieldSelector": "a=b", "limit": "100", "continue": "x+y=="}),
    (dict(verb="list", kind="nodes", namespace=None), "GET", "/api/v1/nodes", {"limit": "100"}),
    (dict(verb="list", kind="priorityclasses", namespace=None), "GET", "/apis/scheduling.k8s.io/v1/priorityclasses",
     {"limit": "100"}),
    (dict(verb="list", kind="resourcequotas"), "GET", "/api/v1/namespaces/team-a/resourcequotas", {"limit": "100"}),
    (dict(verb="create", kind="jobs", object=JOB), "POST", JOBS, WRITE),
    (dict(verb="create", kind="jobs", object=JOB, dry_run=True), "POST", JOBS, {**WRITE, "dryRun": "All"}),
    (dict(verb="create", kind="services", object=JOB), "POST", "/api/v1/namespaces/team-a/services", WRITE),
    (dict(verb="create", kind="configmaps", object=JOB), "POST", "/api/v1/namespaces/team-a/configmaps", WRITE),
    (dict(verb="create", kind="selfsubjectaccessreviews", namespace=None, object={}), "POST",
     "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", WRITE),
    (dict(verb="patch", kind="jobs", name="a", object=JOB), "PATCH", JOBS + "/a", WRITE),
    (dict(verb="log", name="p", container="main", timestamps=True, tail=5, limit_bytes=9), "GET",
     "/api/v1/namespaces/team-a/pods/p/log",
     {"container": "main", "timestamps": "true", "tailLines": "5", "limitBytes": "9"}),
    (dict(verb="log", name="p", previous=True), "GET", "/api/v1/namespaces/team-a/pods/p/log", {"previous": "true"}),
    (dict(verb="events", uid="u-1"), "GET", "/api/v1/namespaces/team-a/events",
     {"fieldSelector": "involvedObject.uid=u-1", "limit": "100"}),
    (dict(verb="version"), "GET", "/version", {}),
], ids=lambda value: value["verb"] if isinstance(value, dict) and "verb" in value else "")
def test_a_call_is_one_request(call, method, path, parameters, connect, play):
    seen = []

    def answer(exchange):
        seen.append(exchange)
        exchange.answer(200, "{}")

    part = play(answer)
    home = connect(part).ask(**call)
    assert (home["verdict"], home["code"]) == ("ok", 200)
    assert part.asked() == (path, parameters)
    [exchange] = seen
    assert exchange.method == method
    assert exchange.header["authorization"] == f"Bearer {TOKEN}"
    if "object" in call:
        assert json.loads(exchange.body) == call["object"]
        kind = "merge-patch+json" if method == "PATCH" else "json"
        assert exchange.header["content-type"] == f"application/{kind}"


@pytest.mark.parametrize("propagation,policy", [(1, "Background"), (2, "Foreground"), (3, "Orphan")])
def test_a_delete_says_which_and_what_becomes_of_its_pods(propagation, policy, connect):
    seen = []

    def answer(exchange):
        seen.append((exchange.method, exchange.target, json.loads(exchange.body)))
        exchange.answer(200, "{}")

    client = connect(answer)
    client.ask("delete", kind="jobs", name="a", uid="u-1", propagation=propagation)
    client.ask("delete", kind="jobs", name="a", uid="u-1", propagation=propagation, grace=0)
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy,
               "preconditions": {"uid": "u-1"}}
    assert seen == [("DELETE", JOBS + "/a", options), ("DELETE", JOBS + "/a", {**options, "gracePeriodSeconds": 0})]


def test_an_answer_is_an_object(connect):
    home = connect(lambda exchange: exchange.answer(201, json.dumps(JOB))).ask("create", kind="jobs", object=JOB)
    assert home["object"] == JOB


def test_a_log_is_text(connect):
    home = connect(lambda exchange: exchange.answer(200, "{not json\n", kind="text/plain")).ask("log", name="p")
    assert (home["verdict"], home["text"], home["object"]) == ("ok", "{not json\n", None)


def test_a_nul_in_an_object_is_read(connect):
    home = connect(lambda exchange: exchange.answer(200, '{"a": "b\\u0000c"}')).ask("get", kind="pods", name="p")
    assert (home["verdict"], home["object"]) == ("ok", {"a": "b\0c"})


@pytest.mark.parametrize("code,reason,verdict", [
    (409, "AlreadyExists", "exists"), (409, "Conflict", "conflict"), (404, "NotFound", "absent"),
    (410, "Expired", "expired"), (422, "Invalid", "refused"), (403, "Forbidden", "forbidden"),
    (401, "Unauthorized", "unauthenticated"), (429, "TooManyRequests", "later"), (500, "InternalError", "unknown"),
    (504, "Timeout", "unknown")])
def test_an_error_has_a_meaning(code, reason, verdict, connect):
    client = connect(lambda exchange: exchange.answer(code, failure(code, reason)))
    home = client.ask("create", kind="jobs", object=JOB)
    assert (home["verdict"], home["code"], home["reason"]) == (verdict, code, reason)
    assert home["message"] == f"it is {reason}"
    assert home["object"] is None


def test_an_error_names_the_field_at_fault(connect):
    details = {"causes": [{"field": "spec.x", "reason": "FieldValueInvalid", "message": "no"}]}
    home = connect(lambda exchange: exchange.answer(422, failure(422, "Invalid", details=details))).ask(
        "create", kind="jobs", object=JOB)
    assert home["causes"] == [["spec.x", "FieldValueInvalid", "no"]]


@pytest.mark.parametrize("body,header", [(failure(429, "TooManyRequests", details={"retryAfterSeconds": 3}), []),
                                         ("<html>", ["Retry-After: 3"])])
def test_the_server_says_when_to_come_back(body, header, connect):
    home = connect(lambda exchange: exchange.answer(429, body, header)).ask("create", kind="jobs", object=JOB)
    assert (home["verdict"], home["retry_after_ms"]) == ("later", 3000)


def test_the_server_warns(connect):
    header = ['Warning: 299 - "would violate \\"restricted\\""', 'warning: 299 - "unknown field"',
              'warning: 299 - "any \udcff byte"']
    home = connect(lambda exchange: exchange.answer(201, "{}", header)).ask("create", kind="jobs", object=JOB)
    assert home["warnings"] == ['would violate "restricted"', "unknown field", "any ? byte"]


@pytest.mark.parametrize("body", ["", "<html>200 OK</html>", '{"kind": "Jo'])
def test_a_good_answer_that_is_none_proves_nothing(body, connect):
    home = connect(lambda exchange: exchange.answer(201, body)).ask("create", kind="jobs", object=JOB)
    assert (home["verdict"], home["code"]) == ("unknown", 201)


@pytest.mark.parametrize("answer", [hostile.Exchange.reset, lambda exchange: None,
                                    lambda exchange: exchange.begin(201, ["Content-Length: 9"])])
def test_a_change_without_an_answer_is_unknown(answer, connect):
    assert connect(answer).ask("create", kind="jobs", object=JOB)["verdict"] == "unknown"


def test_what_was_not_sent_was_not_done(authority, tmp_path):
    config = kubernetes_client.kubeconfig(tmp_path / "config", f"https://127.0.0.1:{system.free_port()}",
                                          authority.certificate)
    with kubernetes_client.Client(kubeconfig=config) as client:
        assert client.ask("create", kind="jobs", object=JOB)["verdict"] == "not_sent"


@pytest.mark.parametrize("verb,verdict", [("create", "unknown"), ("get", "cancelled")])
def test_a_call_is_cancelled(verb, verdict, connect, play):
    part = play()
    client = connect(part)
    number = client.begin(verb, kind="jobs", name="a", object=JOB)
    part.asked()
    client.say(cancel=number)
    assert client.of(number)["verdict"] == verdict


def test_a_log_is_followed_no_faster_than_it_is_taken(connect):
    def answer(exchange):
        exchange.begin_stream()
        exchange.piece("one\n")
        exchange.piece("two\n")
        exchange.end_stream()

    client = connect(answer)
    number = client.begin("log", name="p", follow=True, by_piece=True)
    text = ""
    while "piece" in (home := client.of(number)):
        text += home["piece"]
        client.say(go_on=number)
    assert (home["verdict"], text) == ("ok", "one\ntwo\n")


def test_a_log_that_is_not_there_yet(connect):
    home = connect(lambda exchange: exchange.answer(400, failure(400, "BadRequest"))).ask("log", name="p", follow=True)
    assert (home["verdict"], home["reason"]) == ("refused", "BadRequest")


# -- credentials ------------------------------------------------------------------------------

@pytest.fixture
def account(tmp_path, authority):
    """The folder of a service account."""
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "ca.crt").write_text(authority.certificate.read_text())
    (folder / "namespace").write_text("team-b")
    (folder / "token").write_text("first\n")
    return folder


def test_a_token_is_replaced(serve, account):
    valid = ["first"]

    def answer(exchange):
        good = exchange.header["authorization"] == f"Bearer {valid[0]}"
        exchange.answer(200 if good else 401, "{}" if good else failure(401, "Unauthorized"))

    port = serve(answer).port
    with kubernetes_client.Client(folder=account, host="127.0.0.1", port=port) as client:
        assert client.home == "team-b"
        assert client.ask("version")["verdict"] == "ok"
        valid[0] = "second"
        assert client.ask("version")["verdict"] == "unauthenticated"
        (account / "token").write_text("second\n")
        system.wait_until(lambda: client.ask("version")["verdict"] == "ok", what="the new token")


def test_another_server_and_certificate_are_found(serve, authority, tmp_path):
    gone = serve(lambda exchange: exchange.answer(401, failure(401, "Unauthorized")))
    here = serve(lambda exchange: exchange.answer(200, "{}"))
    config = kubernetes_client.kubeconfig(tmp_path / "config", gone.url, authority.certificate)
    with kubernetes_client.Client(kubeconfig=config) as client:
        assert client.ask("version")["verdict"] == "unauthenticated"
        kubernetes_client.kubeconfig(config, here.url, authority.certificate)
        system.wait_until(lambda: client.ask("version")["verdict"] == "ok", what="the new server")


def test_what_cannot_be_read_leaves_what_there_was(serve, account):
    answers = [401]
    port = serve(lambda exchange: exchange.answer(answers[0], "{}")).port
    with kubernetes_client.Client(folder=account, host="127.0.0.1", port=port) as client:
        (account / "token").unlink()
        for _ in range(3):
            assert client.ask("version")["verdict"] == "unauthenticated"
        answers[0] = 200
        assert client.ask("version")["verdict"] == "ok"
