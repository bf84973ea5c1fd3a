"""GET /v1/jobs: filters, order, pages."""

import datetime
import re
import urllib.parse

import pytest


@pytest.fixture
def shelf(api):
    """Six held jobs of different kinds, oldest first."""
    return [api.submit(["true"], hold=True, name=f"n{number % 2}", priority=number,
                       labels={"even": str(number % 2 == 0).lower(), f"only{number}": ""})["id"]
            for number in range(6)]


def listed(api, **query):
    answer = api.get("/v1/jobs", **query)
    assert answer.status == 200, answer.text
    return [job["id"] for job in answer.json()["items"]]


def test_newest_first_and_without_the_spec(api, shelf):
    answer = api.get("/v1/jobs").json()
    assert [job["id"] for job in answer["items"]] == shelf[::-1]
    assert answer["next"] is None
    assert all("spec" not in job and job["state"] == "queued" for job in answer["items"])


def test_fields_with_the_spec(api, shelf):
    items = api.get("/v1/jobs", fields="state,spec", ids=shelf[0]).json()["items"]
    assert set(items[0]) == {"id", "state", "spec"}


def test_filters(api, shelf, member):
    assert listed(api, name="n1") == [shelf[5], shelf[3], shelf[1]]
    assert listed(api, label="even=true") == [shelf[4], shelf[2], shelf[0]]
    assert listed(api, label="only3") == [shelf[3]]
    assert listed(api, label="even=true,only3") == []
    assert listed(api, label="even=true,only2") == [shelf[2]]
    assert listed(api, ids=",".join([shelf[1], shelf[4]])) == [shelf[4], shelf[1]]
    assert listed(api, ids="0193607e-8c1b-7d4f-9a52-6f0c3b1d2e4a") == []
    assert listed(api, state="queued,running") == shelf[::-1]
    assert listed(api, state="succeeded") == []
    assert listed(api, owner=member.user) == shelf[::-1]
    assert listed(api, owner="nobody-at-all") == []
    assert listed(api, project=member.project) == shelf[::-1]
    assert listed(api, project="no-such-project") == []
    assert listed(api, backend="local", name="n0", label="only4") == [shelf[4]]
    assert listed(api, backend="elsewhere") == []


def test_by_time(api, shelf):
    created = [api.job(job)["created_at"] for job in shelf]
    assert listed(api, created_after=created[3]) == shelf[:2:-1]
    assert listed(api, created_before=created[3]) == shelf[2::-1]
    assert listed(api, created_after=created[1], created_before=created[3]) == [shelf[2], shelf[1]]
    there = datetime.datetime.fromisoformat(created[3]).astimezone(datetime.timezone(datetime.timedelta(hours=5)))
    assert listed(api, created_after=there.isoformat()) == shelf[:2:-1]


def test_by_idempotency_key(api):
    job = api.submit(["true"], hold=True, headers={"Idempotency-Key": "a/b+c:1 2"})
    api.submit(["true"], hold=True)
    assert listed(api, idempotency_key="a/b+c:1 2") == [job["id"]]
    assert listed(api, idempotency_key="other") == []


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7])
def test_pages_join_without_a_gap(api, shelf, limit):
    assert [job["id"] for job in api.pages("/v1/jobs", limit=limit)] == shelf[::-1]
    assert [job["id"] for job in api.pages("/v1/jobs", limit=limit, name="n1")] == shelf[5::-2]
    assert [job["id"] for job in api.pages("/v1/jobs", limit=limit, ids=",".join(shelf[:4]))] == shelf[3::-1]


def test_jobs_that_come_meanwhile_do_not_move_the_pages(api, shelf):
    first = api.get("/v1/jobs", limit=3).json()
    api.submit(["true"], hold=True)
    rest = api.get("/v1/jobs", limit=3, cursor=first["next"]).json()
    assert [job["id"] for job in first["items"] + rest["items"]] == shelf[::-1]


def test_link_leads_to_the_next_page(api, shelf):
    answer = api.get("/v1/jobs", limit=4, name="n1", label="even=false")
    assert "Link" not in answer.headers
    answer = api.get("/v1/jobs", limit=2, name="n1", label="even=false")
    target = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers["Link"]).group(1)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(target).query)
    assert query["cursor"] == [answer.json()["next"]] and query["name"] == ["n1"]
    assert [job["id"] for job in api.request("GET", target).json()["items"]] == [shelf[1]]


@pytest.mark.parametrize("cursor", ["x", "AAAA", "A" * 255])
def test_a_made_up_cursor(api, cursor):
    answer = api.get("/v1/jobs", cursor=cursor)
    assert answer.status == 422 and "?cursor" in answer.pointers()


def test_a_cursor_of_another_list(api, shelf):
    after = api.get("/v1/events").json()["next"]
    assert api.get("/v1/jobs", cursor=after).status == 422
    cursor = api.get("/v1/jobs", limit=1).json()["next"]
    assert api.get("/v1/events", after=cursor).status == 422
    assert api.get(f"/v1/jobs/{shelf[0]}/events", after=cursor).status == 422
    assert api.get(f"/v1/jobs/{shelf[0]}/tasks", cursor=cursor).status == 422


BAD = [
    ("limit", "0"), ("limit", "1001"), ("limit", "ten"), ("limit", "1e2"), ("state", "done"), ("state", ""),
    ("state", "queued,,running"), ("ids", "1"), ("ids", ",".join(["0193607e-8c1b-7d4f-9a52-6f0c3b1d2e4a"] * 101)),
    ("fields", "id,colour"), ("label", "=x"), ("label", ",".join("abcdefghi")), ("created_after", "yesterday"),
    ("created_after", "2026-02-30T00:00:00Z"), ("name", "a b"), ("name", "n" * 64), ("project", ""),
    ("idempotency_key", "é"), ("stat", "queued"), ("cursor", "a.b"),
]


@pytest.mark.parametrize("name,value", BAD, ids=[f"{name}={value[:12]}" for name, value in BAD])
def test_a_bad_parameter_is_refused(api, name, value):
    answer = api.get("/v1/jobs", **{name: value})
    assert answer.status == 400 and any(pointer.startswith(f"?{name}") for pointer in answer.pointers()), answer.text


def test_a_misspelt_parameter_is_answered_with_the_right_one(api):
    assert "state" in api.get("/v1/jobs", stat="queued").pointers()["?stat"]


def test_a_parameter_given_twice(api):
    assert api.request("GET", "/v1/jobs?limit=1&limit=2").status == 400
