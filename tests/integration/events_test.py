"""The event log: order, pages, waiting."""

import concurrent.futures


def kinds(events):
    return [(event["kind"], event["state"]) for event in events]


def test_a_jobs_life_in_events(api, member):
    job = api.submit(["true"], query={"wait": 30})
    events = list(api.events(f"/v1/jobs/{job['id']}/events"))
    assert kinds(events)[0][0] == "submitted"
    assert events[0]["actor"] == member.user and events[0]["request_id"]
    states = [event["state"] for event in events if event["kind"] == "state"]
    assert states[-1] == "succeeded" and events[-1]["reason"] == "completed"
    assert {event["job_id"] for event in events} == {job["id"]}
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)


def test_the_request_id_of_a_call_is_in_its_event(api):
    answer = api.post("/v1/jobs", {"command": ["true"], "hold": True})
    events = list(api.events(f"/v1/jobs/{answer.json()['id']}/events"))
    assert events[0]["request_id"] == answer.headers["X-Request-Id"]


def test_cancelling_is_an_event_with_its_actor(api, member):
    job = api.submit(["true"], hold=True)
    api.cancel(job["id"])
    api.wait(job["id"])
    events = list(api.events(f"/v1/jobs/{job['id']}/events"))
    asked = [event for event in events if event["kind"] == "cancel_requested"]
    assert len(asked) == 1 and asked[0]["actor"] == member.user
    assert (events[-1]["state"], events[-1]["reason"]) == ("cancelled", "cancelled_by_user")


def test_pages_of_any_size_hold_the_same_events(api):
    for _ in range(5):
        api.submit(["true"], query={"wait": 30})
    whole = [event["cursor"] for event in api.events()]
    assert len(whole) >= 10 and len(set(whole)) == len(whole)
    for limit in (1, 3, 1000):
        assert [event["cursor"] for event in api.events(limit=limit)] == whole
    assert [event["cursor"] for event in api.events(after=whole[4])] == whole[5:]


def test_an_empty_page_leads_on(api):
    api.submit(["true"], hold=True)
    end = api.get("/v1/events").json()["next"]
    empty = api.get("/v1/events", after=end).json()
    assert empty["items"] == []
    job = api.submit(["true"], hold=True)
    assert [event["job_id"] for event in api.get("/v1/events", after=empty["next"]).json()["items"]] == [job["id"]]


def test_waiting_for_an_event(api):
    api.submit(["true"], hold=True)
    end = api.get("/v1/events").json()["next"]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, "/v1/events", after=end, wait=30)
        job = api.submit(["true"], hold=True)
        answer = waiting.result()
    assert [event["job_id"] for event in answer.json()["items"]] == [job["id"]] and answer.seconds < 15


def test_waiting_for_one_jobs_event_is_not_disturbed_by_another(api):
    mine, another = api.submit(["true"], hold=True), api.submit(["true"], hold=True)
    path = f"/v1/jobs/{mine['id']}/events"
    end = api.get(path).json()["next"]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, path, after=end, wait=30)
        api.post(f"/v1/jobs/{another['id']}/release")
        api.wait(another["id"])
        api.cancel(mine["id"])
        events = waiting.result().json()["items"]
    assert events and {event["job_id"] for event in events} == {mine["id"]}


def test_waiting_in_vain(api):
    end = api.get("/v1/events").json()["next"]
    answer = api.get("/v1/events", after=end, wait=1)
    assert answer.json()["items"] == [] and 0.9 <= answer.seconds < 10


def test_nobody_sees_the_events_of_another_project(api, other):
    other.client.submit(["true"], hold=True)
    mine = api.submit(["true"], hold=True)
    assert {event["job_id"] for event in api.events()} == {mine["id"]}
