"""Probes, metrics, documents, methods, and what every answer has in common."""

import json
import subprocess

import pytest

from tests.harness import calls, system
from tests.harness.contract import Contract

CALLS = {call.id: call for call in calls.every_call(Contract())}
PATHS = sorted({call.path for call in CALLS.values()})
GETS = [name for name, call in CALLS.items() if call.method == "GET"]
WITHOUT_PARAMETERS = [name for name, call in CALLS.items() if not call.public]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "QUERY", "PROPFIND", "get"]


@pytest.mark.parametrize("path", ["/healthz", "/ready", "/startup"])
def test_probes(gateway, path):
    assert gateway.client().get(path).json() == {"status": "ok"}
    assert gateway.client().get(path + "?anything=1").status == 200


def test_metrics_pass_promtool(gateway, api):
    api.submit(["true"], query={"wait": 30})
    api.get("/v1/jobs/none")
    text = gateway.client().get("/metrics").text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr, done.stderr


def test_metrics_as_openmetrics_for_who_accepts_it(gateway):
    answer = gateway.client().get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_metrics_count_by_operation_and_have_bounded_labels(gateway, api):
    def series():
        text = gateway.client().get("/metrics").text
        return {line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")}
    api.get("/v1/jobs")
    before = series()
    assert any("listJobs" in line for line in before)
    for number in range(200):
        api.get(f"/v1/nothing{number}")
        api.get("/v1/jobs", name=f"x{number}")
        api.request("X" + "ABCDEFGHIJ"[number % 10], "/v1/jobs")
    assert len(series() - before) < 20


def test_metrics_tell_what_happens(gateway, member):
    def read():
        lines = gateway.client().get("/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def read_with_the_end():
        told = read()
        return told if told['jobgate_backend_lag_seconds_count{backend="local"}'] > 0 else None

    assert member.client.submit(["true"], query={"wait": 60})["succeeded"]
    told = system.wait_until(read_with_the_end, what="the lag of the first end")
    assert told['jobgate_http_requests_total{operation="createJob",status="2xx"}'] > 0
    assert told['jobgate_db_batch_commands_sum{channel="writer"}'] > 0
    assert told['jobgate_http_request_duration_seconds_count{operation="createJob"}'] > 0
    assert told['jobgate_backend_handover_seconds_count{backend="local"}'] > 0
    assert {f'jobgate_jobs{{state="{state}"}}' for state in ("queued", "pending", "running")} <= set(told)
    for channel in ("writer", "reader", "pages-1", "pages-2", "bulk", "lines-1", "lines-2"):
        assert told[f'jobgate_db_up{{channel="{channel}"}}'] == 1
        assert told[f'jobgate_db_pending_commands{{channel="{channel}"}}'] >= 0
        assert told[f'jobgate_db_batch_commands_sum{{channel="{channel}"}}'] >= 0
    for mailbox in ('jobgate_backend_pending_messages{backend="local"}', "jobgate_hub_pending_messages"):
        assert told[mailbox] >= 0


def test_the_contract_is_served_as_it_was_built(gateway, contract):
    client = gateway.client()
    served = client.get("/openapi.json").json()
    assert set(served["paths"]) == set(contract.document["paths"])
    for path in ("/openapi.json", "/docs"):
        tag = client.get(path).headers["ETag"]
        assert client.get(path, headers={"If-None-Match": tag}).status == 304
        assert client.get(path, headers={"If-None-Match": '"other"'}).status == 200


def test_the_page_for_people(gateway):
    answer = gateway.client().get("/docs")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<html" in answer.text.lower() and "/v1/jobs" in answer.text
    assert "http://" not in answer.text.replace("http://127.0.0.1", "").replace("http://www.w3.org", "")


def test_backends(api):
    def read():
        (backend,) = api.get("/v1/backends").json()["items"]
        return backend if backend["reachable"] else None

    backend = system.wait_until(read, what="the backend's word")
    assert (backend["name"], backend["type"]) == ("local", "local")
    assert backend["offer"]["total"]["cpus"] == 16
    assert backend == {name: value for name, value in api.get("/v1/backends/local").json().items() if name != "access"}


def test_a_backend_that_is_not_there(api):
    assert api.get("/v1/backends/nowhere").json()["code"] == "not_found"
    assert api.get("/v1/backends/no%20where").status == 400


@pytest.mark.parametrize("name", GETS)
def test_head_is_get_without_the_body(gateway, api, name):
    call = CALLS[name]
    client = gateway.client() if call.public else api
    got, head = client.request("GET", call.path), client.request("HEAD", call.path)
    assert head.status == got.status and head.body == b""
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    if name != "getMetrics":
        assert head.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.body))


@pytest.mark.parametrize("path", PATHS)
def test_every_other_method_is_405_with_what_is_allowed(api, path):
    allowed = {call.method for call in CALLS.values() if call.path == path}
    if "GET" in allowed:
        allowed.add("HEAD")
    for method in METHODS:
        if method in allowed:
            continue
        answer = api.request(method, path)
        assert (answer.status, answer.code) == (405, "method_not_allowed"), method
        assert {name.strip() for name in answer.headers["Allow"].split(",")} == allowed


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/jobs/", "/V1/jobs", "/v1//jobs", "/v1/jobs/x/y/z",
                                  "/v2/jobs", "/v1/jobs/../jobs", "/v1/jobs%2f", "/favicon.ico"])
def test_an_unknown_path(api, path):
    answer = api.get(path)
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("name", WITHOUT_PARAMETERS)
def test_an_unknown_parameter_is_refused_everywhere(api, name):
    answer = calls.send(api, calls.with_query(CALLS[name], colour="red"))
    assert answer.status == 400 and "?colour" in answer.pointers()


@pytest.mark.parametrize("bad", ["1", "0193607e-8c1b-7d4f-9a52-6f0c3b1d2e4", "g193607e-8c1b-7d4f-9a52-6f0c3b1d2e4a",
                                 "0193607e_8c1b-7d4f-9a52-6f0c3b1d2e4a"])
def test_an_id_that_is_none(api, bad):
    answer = api.get(f"/v1/jobs/{bad}")
    assert answer.status == 400 and "{id}" in answer.pointers()


@pytest.mark.parametrize("path", ["/v1/jobs/%00", "/v1/jobs/%ff", "/v1/jobs/%zz", "/v1/jobs?name=%00",
                                  "/v1/jobs?name=%ff"])
def test_a_target_that_is_no_text(api, path):
    assert api.get(path).status == 400


@pytest.mark.parametrize("index", ["-1", "2147483648", "x", "01", "1.0"])
def test_an_index_that_is_none(api, index):
    answer = api.get(f"/v1/jobs/{calls.NO_JOB}/tasks/{index}")
    assert answer.status == 400 and "{index}" in answer.pointers()


def test_request_ids_differ_and_are_in_the_log(gateway, api):
    ids = [api.get("/v1/jobs").headers["X-Request-Id"] for _ in range(3)]
    assert len(set(ids)) == 3
    answer = api.get("/v1/jobs", limit="x")
    request_id = answer.headers["X-Request-Id"]
    assert answer.json()["request_id"] == request_id

    def is_logged():
        return [line for line in gateway.log_lines() if line.get("request_id") == request_id]

    (line,) = system.wait_until(is_logged, what="the line of the request")
    assert (line["event"], line["operation"], line["status"]) == ("http.request", "listJobs", 400)


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("sent, told", [(TRACE, True), (TRACE + " ", True), (TRACE.upper(), False),
                                        ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", False), ("x" * 4000, False)])
def test_the_trace_of_a_request_is_in_the_log(gateway, api, sent, told):
    answers = {200: api.get("/v1/jobs", headers={"traceparent": sent}),
               400: api.get("/v1/jobs", limit="x", headers={"traceparent": sent}),
               404: api.get("/v1/nothing", headers={"traceparent": sent})}
    for status, answer in answers.items():
        assert answer.status == status

    def logged():
        wanted = {answer.headers["X-Request-Id"] for status, answer in answers.items() if status >= 400}
        lines = [line for line in gateway.log_lines() if line.get("request_id") in wanted]
        return lines if len(lines) == 2 else None

    for line in system.wait_until(logged, what="the lines of the requests"):
        assert line.get("trace_id") == ("4bf92f3577b34da6a3ce929d0e0e4736" if told else None)
        assert line.get("parent_id") == ("00f067aa0ba902b7" if told else None)


def test_log_lines_are_json_and_hold_no_secret(gateway, member):
    member.client.submit(["echo", "do-not-log-this"], hold=True)
    lines = gateway.log_lines()
    assert lines and all({"time", "level", "event"} <= set(line) for line in lines)
    text = json.dumps(lines)
    assert member.token not in text and member.token.removeprefix("jg_") not in text and "do-not-log-this" not in text


def test_idle_memory_is_small(new_gateway):
    if system.SANITIZED:
        return
    assert new_gateway().start().rss_kib() < 40 * 1024
