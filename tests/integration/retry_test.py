"""POST /v1/jobs/{id}/retry, repeated safely."""

ONCE = {"Idempotency-Key": "once"}


def ended(api):
    return api.submit(["true"], query={"wait": 30})["id"]


def test_a_key_makes_one_retry(api):
    job = ended(api)
    first = api.post(f"/v1/jobs/{job}/retry", headers=ONCE)
    again = api.post(f"/v1/jobs/{job}/retry", headers=ONCE)
    assert first.status == again.status == 201
    assert first.json()["id"] == again.json()["id"] and again.json()["retry_of"] == job
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert api.post(f"/v1/jobs/{job}/retry").json()["id"] != first.json()["id"]


def test_a_key_belongs_to_one_job_only(api):
    assert api.post(f"/v1/jobs/{ended(api)}/retry", headers=ONCE).status == 201
    answer = api.post(f"/v1/jobs/{ended(api)}/retry", headers=ONCE)
    assert (answer.status, answer.code) == (422, "idempotency_mismatch")
    answer = api.post("/v1/jobs", {"command": ["true"]}, headers=ONCE)
    assert (answer.status, answer.code) == (422, "idempotency_mismatch")


def test_a_retry_that_was_deleted_is_gone(api):
    job = ended(api)
    new = api.post(f"/v1/jobs/{job}/retry", headers=ONCE).json()["id"]
    api.wait(new)
    assert api.delete(f"/v1/jobs/{new}").status == 204
    answer = api.post(f"/v1/jobs/{job}/retry", headers=ONCE)
    assert (answer.status, answer.code) == (410, "gone")
