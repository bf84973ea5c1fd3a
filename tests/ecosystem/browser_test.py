"""A page of another origin submits and reads a job, in a real browser."""

import functools
import http.server
import shutil
import threading
import urllib.parse

import pytest

from tests.ecosystem import conftest
from tests.harness import house, system


@pytest.fixture
def pages():
    """A web server of the examples' pages; its origin."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(system.ROOT / "deploy/examples/browser"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def open_page(folder, gateway, member, origin):
    place = system.make_folder(folder / f"desk{next(house.NAMES)}")
    desk = conftest.Desk(place, member, conftest.lay_out(place, gateway, member))
    program = system.own_file(place / "browser.js", (system.ROOT / "tests/ecosystem/browser.js").read_text())
    secret = urllib.parse.quote(f"{gateway.url}|{member.token}", safe="")
    return desk.run("node", program, f"{origin}/page.html#{secret}", CHROMIUM=shutil.which("chromium")).strip()


def test_a_page_of_an_allowed_origin_runs_a_job(folder, new_gateway, pages):
    gateway = new_gateway(settings={"cors": {"origins": pages}}).start()
    member = gateway.member("ana", "vision")
    shown = open_page(folder, gateway, member, pages)
    (job,) = member.client.pages("/v1/jobs")
    tag = member.client.get(f"/v1/jobs/{job['id']}").headers["ETag"]
    assert shown == f"succeeded, {tag}: hello from a page"


def test_a_page_of_another_origin_does_nothing(folder, new_gateway, pages):
    gateway = new_gateway(settings={"cors": {"origins": "https://page.example"}}).start()
    member = gateway.member("ana", "vision")
    assert open_page(folder, gateway, member, pages) == "failed: Failed to fetch"
    assert list(member.client.pages("/v1/jobs")) == []
