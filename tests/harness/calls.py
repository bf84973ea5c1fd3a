"""One well-formed call per documented operation, made from openapi.yaml's own examples."""

import dataclasses
import urllib.parse

NO_JOB = "0193607e-8c1b-7d4f-9a52-6f0c3b1d2e4a"


@dataclasses.dataclass(frozen=True)
class Call:
    id: str
    method: str
    path: str
    body: object
    public: bool
    scope: str


def example_of(content):
    if "example" in content:
        return content["example"]
    return next(iter(content["examples"].values()))["value"]


def every_call(contract, job_id=NO_JOB):
    """The calls by operation; `job_id` fills the paths."""
    calls = []
    for operation in contract.operations:
        path = operation.path.replace("{id}", job_id).replace("{index}", "0").replace("{name}", "local")
        path = path.replace("{attempt}", "1")
        body = operation.body.get("requestBody")
        value = example_of(body["content"]["application/json"]) if body else None
        calls.append(Call(operation.id, operation.method.upper(), path, value, operation.body.get("security") == [],
                          operation.body.get("x-scope", "")))
    return sorted(calls, key=lambda call: call.id)


def with_query(call, **query):
    return dataclasses.replace(call, path=call.path + "?" + urllib.parse.urlencode(query))


def send(client, call, headers=None):
    return client.request(call.method, call.path, call.body, headers=headers)
