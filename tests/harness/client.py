"""A small HTTP client that hands every exchange to the contract."""

import base64
import dataclasses
import http.client
import json
import socket
import threading
import time
import urllib.parse

from tests.harness import system

TERMINAL = ("succeeded", "failed", "cancelled")


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float = 0.0

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()

    @property
    def code(self):
        """The code of a problem."""
        return self.json()["code"]

    def pointers(self):
        """Of a problem: pointer -> detail."""
        return {fault["pointer"]: fault["detail"] for fault in self.json().get("errors", [])}


class Client:
    """One principal. Connections are kept alive, one per thread."""

    def __init__(self, url, token=None, contract=None, basic=False, timeout=300):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname, parts.port
        self.contract, self.timeout = contract, timeout
        self.headers = {}
        if token and basic:
            secret = base64.b64encode(f"anyone:{token}".encode()).decode()
            self.headers["Authorization"] = f"Basic {secret}"
        elif token:
            self.headers["Authorization"] = f"Bearer {token}"
        self._local = threading.local()

    def _connection(self):
        if getattr(self._local, "connection", None) is None:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._local.connection = connection
        return self._local.connection

    def close(self):
        if getattr(self._local, "connection", None) is not None:
            self._local.connection.close()
            self._local.connection = None

    def request(self, method, path, body=None, headers=None, query=None, raw=None):
        """body: sent as JSON. raw: sent as it is. A header of None is left out."""
        target = path + ("?" + urllib.parse.urlencode(query, safe=",") if query else "")
        sent = dict(self.headers)
        if raw is not None:
            payload = raw
        elif body is not None:
            payload = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        else:
            payload = None
        sent.update(headers or {})
        sent = {name: value for name, value in sent.items() if value is not None}
        started = time.monotonic()
        got = self._exchange(method, target, payload, sent)
        answer = Answer(got.status, got.headers, self._content(got), time.monotonic() - started)
        if self.contract is not None:
            self.contract.check(method, target, answer)
        return answer

    def _exchange(self, method, target, payload, headers):
        reused = getattr(self._local, "connection", None) is not None
        try:
            connection = self._connection()
            connection.request(method, target, payload, headers)
            return connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # A kept connection may have been closed meanwhile; nothing else is repeated,
            # and only what changes nothing.
            self.close()
            if not reused or method not in ("GET", "HEAD"):
                raise
            connection = self._connection()
            connection.request(method, target, payload, headers)
            return connection.getresponse()
        except BaseException:
            self.close()
            raise

    def _content(self, got):
        try:
            return got.read()
        except BaseException:  # cut short: the connection is not one to ask again on
            self.close()
            raise

    def get(self, path, headers=None, **query):
        return self.request("GET", path, headers=headers, query=query)

    def head(self, path, headers=None, **query):
        return self.request("HEAD", path, headers=headers, query=query)

    def post(self, path, body=None, headers=None, **query):
        return self.request("POST", path, body, headers=headers, query=query)

    def delete(self, path, headers=None):
        return self.request("DELETE", path, headers=headers)

    # -- jobs ---------------------------------------------------------------------------

    def submit(self, command=None, headers=None, query=None, **spec):
        """Submits a job that must be accepted; the job."""
        if command is not None:
            spec["command"] = command
        answer = self.request("POST", "/v1/jobs", spec, headers=headers, query=query)
        assert answer.status == 201, answer.text
        return answer.json()

    def sh(self, text, **spec):
        return self.submit(["/bin/sh", "-c", text], **spec)

    def job(self, job_id, **query):
        answer = self.get(f"/v1/jobs/{job_id}", **query)
        assert answer.status == 200, answer.text
        return answer.json()

    def wait(self, job_id, until="terminal", seconds=30):
        """Long-polls until the job is there."""
        deadline = time.monotonic() + seconds * system.PATIENCE
        while True:
            job = self.job(job_id, wait=min(30, int(seconds) + 1), until=until)
            if job["terminal"] or (until == "started" and job["state"] == "running"):
                return job
            if time.monotonic() >= deadline:
                raise system.Late(f"the job is still {job['state']}/{job['reason']}")

    def log(self, job_id, **query):
        answer = self.get(f"/v1/jobs/{job_id}/logs", **query)
        assert answer.status == 200, answer.text
        return answer.text

    def cancel(self, job_id):
        answer = self.post(f"/v1/jobs/{job_id}/cancel")
        assert answer.status == 202, answer.text
        return answer.json()

    def pages(self, path, **query):
        """Every item of a list, page after page."""
        while True:
            answer = self.get(path, **query)
            assert answer.status == 200, answer.text
            page = answer.json()
            yield from page["items"]
            if page["next"] is None:
                return
            query["cursor"] = page["next"]

    def events(self, path="/v1/events", **query):
        """The events there are now, page after page."""
        while True:
            answer = self.get(path, **query)
            assert answer.status == 200, answer.text
            page = answer.json()
            yield from page["items"]
            if not page["items"]:
                return
            query["after"] = page["next"]


def raw_exchange(host, port, data, timeout=10):
    """Sends bytes as they are and reads to the end of the connection; what came back."""
    with socket.create_connection((host, port), timeout=timeout) as sock:
        sock.sendall(data)
        received = b""
        try:
            while chunk := sock.recv(65536):
                received += chunk
        except (TimeoutError, ConnectionResetError):
            pass
        return received


def parse_answer(received):
    """The first answer in what a connection carried."""

    class Source:
        def makefile(self, *_):
            import io
            return io.BytesIO(received)

    answer = http.client.HTTPResponse(Source())
    answer.begin()
    return Answer(answer.status, answer.headers, answer.read())
