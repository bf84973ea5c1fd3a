"""Web pages of other origins: what browsers are told, and that nothing is said unasked."""

import pytest

from tests.harness import house
from tests.harness.client import Client

PAGE, OTHER, STRANGER = "https://page.example", "http://127.0.0.1:3000", "https://stranger.example"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture(scope="module")
def open_gateway(folder, binaries, cluster, contract):
    made = house.build_gateway(folder, binaries, cluster, contract,
                               settings={"cors": {"origins": f"{PAGE}, {OTHER}"}}).start()
    yield made
    house.end_gateway(made)


@pytest.fixture(scope="module")
def page(open_gateway):
    """A member's client."""
    return open_gateway.member("ana", "vision").client


def preflight(gateway, origin, path="/v1/jobs", **headers):
    """The contract has no OPTIONS, so this is not held against it."""
    return Client(gateway.url).request("OPTIONS", path, headers={"Origin": origin, **ASKS, **headers})


def names(answer, field):
    return {name.strip().lower() for name in answer.headers[field].split(",")}


def tells_nothing(answer):
    return not any(name.lower().startswith("access-control-") for name in answer.headers)


@pytest.mark.parametrize("origin", [PAGE, OTHER])
def test_a_browser_asks_first_and_is_told_what_it_may_do(open_gateway, origin):
    answer = preflight(open_gateway, origin)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == origin and answer.headers["Vary"] == "Origin"
    assert names(answer, "Access-Control-Allow-Methods") == {"get", "head", "post"}
    assert names(answer, "Access-Control-Allow-Headers") >= {
        "authorization", "content-type", "idempotency-key", "if-none-match", "range", "last-event-id", "traceparent"}
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_it_is_told_what_the_path_allows(open_gateway):
    answer = preflight(open_gateway, PAGE, "/v1/jobs/0193607e-8c1b-7d4f-9a52-6f0c3b1d2e4a")
    assert names(answer, "Access-Control-Allow-Methods") == {"get", "head", "patch", "delete"}
    assert preflight(open_gateway, PAGE, "/v1/nothing").status == 404


@pytest.mark.parametrize("origin", [STRANGER, PAGE + ":443", PAGE.upper(), PAGE + ".stranger.example", "https://page",
                                    "null", ",", f"{PAGE}, {OTHER}", "*", ""])
def test_a_stranger_is_told_nothing(open_gateway, page, origin):
    refused = preflight(open_gateway, origin)
    assert refused.status == 405 and names(refused, "Allow") == {"get", "head", "post"} and tells_nothing(refused)
    answer = page.get("/v1/jobs", headers={"Origin": origin})
    assert answer.status == 200 and tells_nothing(answer)
    assert answer.headers["Vary"] == "Origin"


def test_an_options_that_is_no_browsers_question_is_not_allowed(open_gateway):
    for headers in ({"Access-Control-Request-Method": None}, {"Origin": None}):
        answer = preflight(open_gateway, PAGE, **headers)
        assert answer.status == 405 and answer.headers["Allow"]


def test_every_answer_may_be_read_by_the_page(open_gateway, page):
    job = page.submit(["true"], query={"wait": 30})
    path, origin = f"/v1/jobs/{job['id']}", {"Origin": PAGE}
    tag = page.get(path).headers["ETag"]
    answers = [
        page.get(path, headers=origin), page.get(path, headers=origin),
        page.get(path, headers={**origin, "If-None-Match": tag}), page.get(path, headers=origin, fields="state"),
        page.get(path + "/logs", headers=origin), page.get("/openapi.json", headers=origin),
        page.get("/healthz", headers=origin), page.post("/v1/jobs", {"command": ["true"]}, headers=origin),
        page.get("/v1/jobs", headers=origin, limit="x"), page.get("/v1/nothing", headers=origin),
        page.request("PUT", "/v1/jobs", headers=origin), open_gateway.client().get("/v1/jobs", headers=origin),
        open_gateway.client().request("POST", "/v1/jobs", raw=b"x" * (2 << 20), headers=origin),
        page.post("/v1/jobs", {"command": ["true"], "x": "y" * (2 << 20)}, headers=origin),
        page.get("/v1/jobs", headers={**origin, "X-Long": "x" * 9000}), page.delete(path, headers=origin),
    ]
    assert [answer.status for answer in answers] == [200, 200, 304, 200, 200, 200, 200, 201, 400, 404, 405, 401, 401,
                                                     413, 431, 204]
    for answer in answers:
        assert answer.headers.get_all("Access-Control-Allow-Origin") == [PAGE], answer.status
        assert answer.headers.get_all("Vary") == ["Origin"], answer.status
        assert names(answer, "Access-Control-Expose-Headers") >= {
            "etag", "location", "link", "retry-after", "x-request-id", "content-range", "idempotent-replayed"}


def test_an_answer_that_is_kept_is_marked_for_who_asks(page):
    path = f"/v1/jobs/{page.submit(['true'], query={'wait': 30})['id']}"
    for origin in (PAGE, OTHER, STRANGER, PAGE):
        told = page.get(path, headers={"Origin": origin}).headers["Access-Control-Allow-Origin"]
        assert told == (None if origin == STRANGER else origin)
    unasked = page.get(path)
    assert tells_nothing(unasked) and unasked.headers["Vary"] == "Origin"


def test_every_page_may_be_allowed(new_gateway):
    gateway = new_gateway(settings={"cors": {"origins": "*"}}).start()
    assert preflight(gateway, STRANGER).status == 204
    answer = gateway.client().get("/healthz", headers={"Origin": STRANGER})
    assert answer.headers["Access-Control-Allow-Origin"] == "*" and "Vary" not in answer.headers


def test_by_default_no_page_is_allowed(gateway, api):
    refused = preflight(gateway, PAGE)
    assert refused.status == 405 and refused.headers["Allow"] and tells_nothing(refused)
    answer = api.get("/v1/jobs", headers={"Origin": PAGE})
    assert answer.status == 200 and tells_nothing(answer) and "Vary" not in answer.headers
