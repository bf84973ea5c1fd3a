"""What a backend was given, or would be."""

import re
import uuid

import pytest

SPECS = {
    "command": {"command": ["sh", "-c", "echo \"$COLOUR\" '$x'"], "environment": {"COLOUR": "rød ' $y"}},
    "script": {"script": "#!/bin/bash\ntrue\n", "name": "it", "setup": ["module load x"], "time_limit": "2h"},
    "array": {"command": ["true"], "array": {"matrix": {"lr": [0.1, 0.01], "seed": [1, 2]}, "max_parallel": 1}},
}


def manifest(api, job, **query):
    answer = api.get(f"/v1/jobs/{job['id']}/manifest", **query)
    assert answer.status == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    return answer.body.decode()


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_it_is_what_a_dry_run_renders_before_and_after(api, spec):
    dry = api.post("/v1/jobs?dry_run=true", spec)
    assert dry.status == 200, dry.text
    rendered = dry.json()["rendered"]
    [dry_id] = set(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", rendered))
    job = api.submit(**spec, hold=True)
    expected = rendered.replace(dry_id, job["id"])
    assert manifest(api, job) == manifest(api, job, **{"as": "local"}) == expected
    assert api.get(f"/v1/jobs/{job['id']}/manifest?submission=1").status == 404  # it was not handed over
    api.post(f"/v1/jobs/{job['id']}/release")
    api.wait(job["id"])
    assert manifest(api, job, submission=1) == expected


def test_each_submission_has_its_own(api):
    job = api.submit(["false"], retry={"limit": 1, "on": [1], "delay": 0})
    api.wait(job["id"])
    first, last = (manifest(api, job, submission=number) for number in (1, 2))
    assert f"{job['id']}.1\n" in first and f"{job['id']}.2\n" in last and manifest(api, job) == last
    assert "export JOBGATE_ATTEMPT='1'\n" in first and "export JOBGATE_ATTEMPT='2'\n" in last
    answer = api.get(f"/v1/jobs/{job['id']}/manifest?submission=3")
    assert (answer.status, answer.json()["detail"]) == (404, "there is no such submission")


def test_another_type_is_refused(api):
    job = api.submit(["true"], hold=True)
    answer = api.get(f"/v1/jobs/{job['id']}/manifest?as=slurm")
    assert (answer.status, answer.code) == (422, "unprocessable")
    assert "of type local" in answer.json()["detail"] and "slurm" in answer.json()["detail"]
    assert api.get(f"/v1/jobs/{job['id']}/manifest?as=lsf").status == 400


def test_it_is_for_members(api, other):
    job = api.submit(["true"], hold=True)
    for answer in (other.client.get(f"/v1/jobs/{job['id']}/manifest"), api.get(f"/v1/jobs/{uuid.uuid4()}/manifest")):
        assert (answer.status, answer.json()["detail"]) == (404, "there is no such job")
