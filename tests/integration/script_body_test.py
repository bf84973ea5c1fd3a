"""POST /v1/jobs with a script as the body, and fields of the spec as query parameters."""

import pytest

TYPE = "text/x-shellscript"
SCRIPT = "#!/bin/sh\necho hello from $0 >/dev/null; echo hello\n"


def post(api, script, headers=None, **query):
    raw = script if isinstance(script, bytes) else script.encode()
    return api.request("POST", "/v1/jobs", raw=raw, headers={"Content-Type": TYPE, **(headers or {})}, query=query)


def test_a_script_runs_as_it_is(api):
    answer = post(api, SCRIPT, wait=30)
    assert answer.status == 201, answer.text
    job = answer.json()
    assert (job["state"], job["reason"], job["name"]) == ("succeeded", "completed", "job")
    assert job["spec"]["script"] == SCRIPT and "command" not in job["spec"]
    assert api.log(job["id"]) == "hello\n"
    assert post(api, "#!/bin/sh\nexit 3\n", wait=30, fail_on_failure="true").status == 424


@pytest.mark.parametrize("size, status, words", [
    (524288, 200, ""), (524289, 400, "524288"), (4_000_000, 413, "1048576"),
])
def test_the_longest_script(api, size, status, words):
    answer = post(api, SCRIPT + "#" * (size - len(SCRIPT)), dry_run="true")
    assert answer.status == status and words in answer.text
    assert status != 200 or answer.json()["rendered"].count("#") >= size - len(SCRIPT)


def test_parameters_are_fields_of_the_spec(api, member):
    answer = post(api, SCRIPT, project=member.project, backend="local", name="train", queue="gpu", time_limit="2h30m",
                  array="0-9:3", max_parallel=2, cpus="1500m", memory="64Mi", gpus=0, working_directory="/tmp",
                  dry_run="true")
    assert answer.status == 200, answer.text
    found = answer.json()
    spec = found["spec"]
    assert (spec["name"], spec["queue"], spec["time_limit"]) == ("train", "gpu", "2h30m")
    assert spec["array"] == {"indices": "0-9:3", "max_parallel": 2}
    assert spec["resources"] == {"cpus": "1500m", "memory": "64Mi", "gpus": 0}
    assert (spec["project"], spec["backend"], spec["working_directory"]) == (member.project, "local", "/tmp")
    assert "echo hello" in found["rendered"] and not list(api.pages("/v1/jobs"))


def test_parameters_go_with_json_too(api):
    job = api.submit(["true"], query={"name": "by-query", "cpus": "0.5"}, hold=True, resources={"memory": "32Mi"})
    assert job["name"] == "by-query"
    assert job["spec"]["resources"] == {"memory": "32Mi", "cpus": "0.5", "gpus": 0}
    twice = api.post("/v1/jobs", {"command": ["true"], "name": "a", "resources": {"cpus": 1}}, name="b", cpus="2")
    assert twice.status == 422 and set(twice.pointers()) == {"?name", "?cpus"}
    lines = api.request("POST", "/v1/jobs", raw=b'{"command": ["true"]}\n', query={"name": "b", "array": "1"},
                        headers={"Content-Type": "application/x-ndjson"})
    assert lines.status == 422 and set(lines.pointers()) == {"?name", "?array"}


@pytest.mark.parametrize("query, status", [
    ({"name": "a b"}, 400), ({"time_limit": "soon"}, 400), ({"time_limit": "0"}, 422), ({"time_limit": "400d"}, 422),
    ({"array": "3-1"}, 422), ({"array": "1%2"}, 400), ({"array": ""}, 400), ({"max_parallel": 0}, 400),
    ({"cpus": "none"}, 400), ({"cpus": "99999"}, 422), ({"memory": "1X"}, 400), ({"memory": "0"}, 422),
    ({"gpus": -1}, 400), ({"working_directory": "here"}, 400), ({"backend": "nowhere"}, 422),
    ({"project": "nobodys"}, 422), ({"gpu_type": "a100"}, 422), ({"max_parallel": 2}, 422),
])
def test_a_bad_parameter_is_pointed_at(api, query, status):
    answer = post(api, SCRIPT, **query)
    assert answer.status == status, answer.text
    name = "/array" if query == {"max_parallel": 2} else "?" + next(iter(query))
    assert list(answer.pointers()) == [name]


@pytest.mark.parametrize("script, status, words", [
    (b"#!/bin/sh\necho \xe9\n", 400, "line 2 is no UTF-8: byte 0xe9"),
    (b"#!/bin/sh\ntrue\necho \xc3", 400, "line 3 is no UTF-8: byte 0xc3"),
    (b"#!/bin/sh\n\0\n", 400, "line 2 has a NUL byte"),
    (b"", 400, "a body is needed"),
    (b"#!/bin/sh\n" + b"#" * 524288, 400, "must have 1 to 524288 characters"),
    (b"#!/bin/sh\r\ntrue\r\n", 422, "carriage return"),
    (b"#" * (1 << 20) + b"#", 413, "larger than"),
])
def test_what_is_no_script(api, script, status, words):
    answer = post(api, script)
    assert answer.status == status and words in answer.text


def test_text_beyond_ascii_arrives(api):
    script = "echo 'r\u00f8d \U0001f680\ttab'\n"
    job = post(api, script, wait=30, headers={"Content-Type": TYPE + "; charset=UTF-8"}).json()
    assert job["spec"]["script"] == script
    assert api.log(job["id"]) == "r\u00f8d \U0001f680\ttab\n"
    assert post(api, script, headers={"Content-Type": TYPE + "; charset=latin-1"}).status == 415


def test_a_key_is_of_script_and_parameters(api):
    key = {"Idempotency-Key": "a script"}
    first = post(api, SCRIPT, headers=key, name="one")
    assert first.status == 201
    again = post(api, SCRIPT, headers=key, name="one", wait=30)
    assert again.json()["id"] == first.json()["id"] and again.headers["Idempotent-Replayed"] == "true"
    for query in ({}, {"name": "two"}, {"name": "one", "cpus": "1"}):
        assert post(api, SCRIPT, headers=key, **query).code == "idempotency_mismatch"
    assert post(api, SCRIPT + "true\n", headers=key, name="one").code == "idempotency_mismatch"


def test_lines_for_sbatch_are_comments_to_a_backend_that_has_none(api):
    job = post(api, "#!/bin/sh\n#SBATCH --array=0-3 -J own --bogus\necho plain\n", wait=30).json()
    assert (job["state"], job["name"], job["task_count"]) == ("succeeded", "job", 1)
    assert job["spec"]["resources"]["cpus"] == 1 and "array" not in job["spec"]
