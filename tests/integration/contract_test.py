"""The contract checker itself: it accepts what is documented and finds what is not."""

import copy
import email.message
import json

import pytest

from tests.harness.client import Answer
from tests.harness.contract import Contract, Violation

CONTRACT = Contract()
JOB = "/v1/jobs/0193607e-8c1b-7d4f-9a52-6f0c3b1d2e4a"


def example(path, method, status, media="application/json"):
    answer = CONTRACT.resolve(CONTRACT.document["paths"][path][method]["responses"][str(status)])
    return copy.deepcopy(answer["content"][media]["example"])


def answer(status, body, media="application/json", **headers):
    message = email.message.Message()
    message["X-Request-Id"] = "5f0c3b1d2e4a6f0c3b1d2e4a0193607e"
    if media:
        message["Content-Type"] = media
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return Answer(status, message, json.dumps(body).encode() if body is not None else b"")


def problem(status, code, **headers):
    return answer(status, {"type": "about:blank", "title": "x", "status": status, "detail": "x", "code": code,
                           "retryable": False, "request_id": "5f0c3b1d2e4a6f0c3b1d2e4a0193607e"},
                  "application/problem+json", **headers)


def job():
    return example("/v1/jobs/{id}", "get", 200)


def test_the_documents_own_examples_pass():
    CONTRACT.check("GET", JOB, answer(200, job(), ETag='"1"'))
    CONTRACT.check("POST", "/v1/jobs?wait=1", answer(201, example("/v1/jobs", "post", 201), Location=JOB))
    CONTRACT.check("GET", JOB, problem(404, "not_found"))
    CONTRACT.check("PUT", JOB, problem(405, "method_not_allowed", Allow="GET"))
    CONTRACT.check("GET", "/nowhere", problem(404, "not_found"))
    CONTRACT.check("DELETE", JOB, answer(204, None, None))
    assert ("getJob", 200) in CONTRACT.exercised and ("getJob", 404) in CONTRACT.exercised


WRONG = {
    "no ETag": ("GET", JOB, lambda: answer(200, job())),
    "no request id": ("GET", "/healthz", lambda: Answer(200, email.message.Message(), b'{"status": "ok"}')),
    "an undocumented status": ("GET", JOB, lambda: answer(202, job(), ETag='"1"')),
    "an undocumented problem": ("GET", JOB, lambda: problem(409, "conflict")),
    "an undocumented member": ("GET", JOB, lambda: answer(200, job() | {"colour": "red"}, ETag='"1"')),
    "a wrong type": ("GET", JOB, lambda: answer(200, job() | {"exit_code": "0"}, ETag='"1"')),
    "an unknown state": ("GET", JOB, lambda: answer(200, job() | {"state": "done"}, ETag='"1"')),
    "a missing member": ("GET", JOB + "/result", lambda: answer(200, {"id": job()["id"]}, ETag='"1"')),
    "a member below": ("GET", "/v1/jobs", lambda: answer(200, {"items": [job() | {"x": 1}], "next": None})),
    "another media type": ("GET", JOB, lambda: answer(200, job(), "text/plain", ETag='"1"')),
    "a body with 204": ("DELETE", JOB, lambda: answer(204, {}, None)),
    "a body with HEAD": ("HEAD", JOB, lambda: answer(200, job(), ETag='"1"')),
    "405 without Allow": ("PUT", JOB, lambda: problem(405, "method_not_allowed")),
    "405 for a method there is": ("GET", JOB, lambda: problem(405, "method_not_allowed", Allow="GET")),
    "503 without Retry-After": ("GET", JOB, lambda: problem(503, "unavailable")),
    "404 for an operation without it": ("GET", "/v1/jobs", lambda: problem(404, "not_found")),
    "an unknown code": ("GET", JOB, lambda: problem(404, "lost_in_space")),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_violation_is_found(kind):
    method, target, make = WRONG[kind]
    with pytest.raises(Violation):
        CONTRACT.check(method, target, make())


def test_a_problem_that_contradicts_its_answer():
    wrong = problem(404, "not_found")
    wrong.status = 503
    wrong.headers["Retry-After"] = "1"
    with pytest.raises(Violation):
        CONTRACT.check("GET", JOB, wrong)


def test_what_was_not_exercised_is_listed():
    fresh = Contract()
    fresh.check("GET", "/healthz", answer(200, {"status": "ok"}))
    missing, needless = fresh.unexercised([("getJob", 503), ("getHealth", 200)])
    assert ("getJob", 200) in missing and ("getJob", 503) not in missing and ("getHealth", 200) not in missing
    assert needless == [("getHealth", 200)]
