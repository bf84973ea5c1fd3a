"""Outgoing HTTP (server/net) against a server that cuts, stalls, lies and resets."""

import contextlib
import hashlib
import select
import socket
import subprocess
import threading

import pytest

from tests.harness import hostile, net, system, tls

PIECE = 64 * 1024
MOST_OUT = 4096
TOKEN = "sesame-5f1c"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return tls.Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def identity(authority):
    return authority.sign("server", "IP:127.0.0.1")


@pytest.fixture
def serve(authority, identity):
    """A server with this answer(exchange)."""
    with contextlib.ExitStack() as stack:
        def make(answer, certificate=identity, **options):
            return stack.enter_context(hostile.Server(*certificate, answer, **options))
        yield make


@pytest.fixture
def connect(serve, authority):
    """A client of a server with this answer(exchange)."""
    with contextlib.ExitStack() as stack:
        def make(answer):
            return stack.enter_context(net.Net(serve(answer).url, ca=authority.certificate))
        yield make


def test_an_answer_comes_whole(connect):
    seen = []

    def answer(exchange):
        seen.append(exchange)
        exchange.answer(201, '{"a": 1}', kind="application/json; charset=x")

    home = connect(answer).ask("POST", "/a/b?c=d%20e", body="12345", content_type="text/x", token=TOKEN)
    assert (home["outcome"], home["status"], home["body"]) == ("done", 201, '{"a": 1}')
    assert home["type"] == "application/json; charset=x"
    [exchange] = seen
    assert (exchange.method, exchange.target, exchange.body) == ("POST", "/a/b?c=d%20e", b"12345")
    assert exchange.header["content-type"] == "text/x"
    assert exchange.header["authorization"] == f"Bearer {TOKEN}"
    assert "accept-encoding" not in exchange.header


def test_a_method_without_a_body_has_none(connect):
    seen = []
    client = connect(lambda exchange: (seen.append(exchange), exchange.answer(200)))
    assert client.ask("DELETE", "/x")["status"] == 200
    assert (seen[0].method, seen[0].header.get("content-length")) == ("DELETE", None)
    assert "authorization" not in seen[0].header


def test_a_connection_is_kept(connect):
    connections = set()
    client = connect(lambda exchange: (connections.add(exchange.connection), exchange.answer(200)))
    for _ in range(5):
        assert client.ask()["outcome"] == "done"
    assert len(connections) == 1


def test_nobody_is_trusted_but_by_the_authority(serve, tmp_path):
    seen = []
    other = tls.Authority(tmp_path / "other")
    with net.Net(serve(seen.append).url, ca=other.certificate) as client:
        home = client.ask(token=TOKEN)
    assert (home["outcome"], home["sent"], home["code"]) == ("failed", False, "unavailable")
    assert "certificate" in home["message"]
    assert not seen


def test_a_certificate_of_another_name_is_not_trusted(serve, authority):
    elsewhere = authority.sign("elsewhere", "DNS:kubernetes.default.svc")
    url = serve(lambda exchange: exchange.answer(200, "{}"), elsewhere).url
    with net.Net(url, ca=authority.certificate) as client:
        home = client.ask()
        assert (home["outcome"], home["sent"]) == ("failed", False)
    with net.Net(url, ca=authority.certificate, server_name="kubernetes.default.svc") as client:
        assert client.ask()["status"] == 200


def test_we_show_our_certificate(serve, authority):
    seen = []
    certificate, key = authority.sign("jobgate")

    def answer(exchange):
        seen.append(dict(field[0] for field in exchange.connection.getpeercert()["subject"]))
        exchange.answer(200)

    with net.Net(serve(answer, ca=authority.certificate).url, ca=authority.certificate, certificate=certificate,
                 key=key) as client:
        assert client.ask()["status"] == 200
    assert seen == [{"commonName": "jobgate"}]


def test_a_key_that_is_none_is_told_without_it(serve, authority):
    certificate, _ = authority.sign("jobgate")
    with net.Net(serve(lambda exchange: exchange.answer(200)).url, ca=authority.certificate,
                 certificate=certificate, key=f"-----BEGIN PRIVATE KEY-----\n{TOKEN}\n") as client:
        home = client.ask()
    assert (home["outcome"], home["sent"]) == ("failed", False)
    assert TOKEN not in home["message"]


@pytest.mark.parametrize("url", [
    "http://example.org", "ftp://127.0.0.1", "https://user@127.0.0.1", "https://a:b@127.0.0.1", "https://127.0.0.1?x",
    "https://127.0.0.1/#x", "file:///etc/passwd", "", "http://127.0.0.1.example.org"])
def test_a_url_is_https_and_nothing_else(url):
    with net.Net(url) as client:
        assert client.wait(lambda line: "refused" in line)["refused"] == "invalid"


def test_a_certificate_needs_its_key(authority):
    with net.Net("https://127.0.0.1", certificate=authority.certificate) as client:
        assert client.wait(lambda line: "refused" in line)["refused"] == "invalid"


@pytest.mark.parametrize("request_", [{"target": "x"}, {"target": "/a b"}, {"target": "/a\r\nX: y"},
                                      {"token": "a\r\nX: y"}])
def test_nothing_is_smuggled_into_a_request(request_, connect):
    seen = []
    home = connect(seen.append).ask(**request_)
    assert (home["outcome"], home["sent"], home["code"]) == ("failed", False, "invalid")
    assert not seen


def test_nobody_listens():
    with net.Net(f"https://127.0.0.1:{system.free_port()}") as client:
        home = client.ask()
    assert (home["outcome"], home["sent"], home["status"]) == ("failed", False, 0)


def test_the_environment_has_no_proxy_for_us(serve, authority):
    nowhere = f"http://127.0.0.1:{system.free_port()}"
    environment = {"https_proxy": nowhere, "HTTPS_PROXY": nowhere, "ALL_PROXY": nowhere, "no_proxy": ""}
    with net.Net(serve(lambda exchange: exchange.answer(200)).url, ca=authority.certificate,
                 environment=environment) as client:
        assert client.ask()["status"] == 200


def test_a_redirect_is_not_followed(connect):
    seen = []

    def answer(exchange):
        seen.append(exchange.target)
        exchange.answer(302, header=["Location: /there"])

    home = connect(answer).ask(target="/here")
    assert (home["outcome"], home["status"], seen) == ("done", 302, ["/here"])


# -- what goes wrong on the way ---------------------------------------------------------------

def half(exchange):
    exchange.begin(header=["Content-Length: 100"])
    exchange.send("x" * 50)


def half_a_chunk(exchange):
    exchange.begin_stream()
    exchange.send("ff\r\nhalf")


@pytest.mark.parametrize("answer", [half, half_a_chunk, hostile.Exchange.reset, lambda exchange: exchange.send("HTT"),
                                    lambda exchange: exchange.send("nonsense\r\n\r\n"), lambda exchange: None])
def test_what_is_cut_off_is_no_answer(answer, connect):
    home = connect(answer).ask("POST", body="x")
    assert (home["outcome"], home["sent"], home["code"]) == ("failed", True, "unavailable")


@pytest.fixture
def deaf():
    """The URL of a server that accepts connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


def test_a_connection_that_does_not_come_about(deaf):
    with net.Net(deaf) as client:
        home = client.ask(connect_ms=200)
    assert (home["outcome"], home["sent"]) == ("failed", False)


def test_an_answer_that_takes_too_long(connect):
    home = connect(hostile.Exchange.wait_closed).ask("POST", body="x", total_ms=300)
    assert (home["outcome"], home["sent"]) == ("failed", True)


def test_silence_in_an_answer(connect):
    def answer(exchange):
        exchange.begin(header=["Content-Length: 100"])
        exchange.send("x")
        exchange.wait_closed()

    home = connect(answer).ask(silence_ms=300)
    assert (home["outcome"], home["status"], home["code"]) == ("failed", 200, "unavailable")


@pytest.mark.parametrize("more,outcome,code", [(0, "done", "ok"), (1, "failed", "too_large")])
def test_an_answer_is_bounded(more, outcome, code, connect):
    home = connect(lambda exchange: exchange.answer(200, "x" * (1000 + more))).ask(max_bytes=1000)
    assert (home["outcome"], home["code"]) == (outcome, code)


def test_a_header_is_bounded(connect):
    def answer(exchange):
        exchange.answer(200, header=[f"X-{n}: {'x' * 1000}" for n in range(int(exchange.target[1:]))])

    client = connect(answer)
    assert client.ask(target="/15")["outcome"] == "done"
    home = client.ask(target="/17")
    assert (home["outcome"], home["code"]) == ("failed", "too_large")


def test_one_more_than_may_be_out(deaf):
    """All wait for one connection, which does not come about."""
    with net.Net(deaf) as client:
        last = [client.post() for _ in range(MOST_OUT + 1)][-1]
        refused = client.wait(lambda line: "refused" in line or line.get("code") == "overloaded")
        assert refused["id"] <= last


def test_many_at_once(connect):
    client = connect(lambda exchange: exchange.answer(200, exchange.target))
    wanted = {client.post(target=f"/{n}"): f"/{n}" for n in range(100)}
    got = {}
    for _ in wanted:
        home = client.wait(lambda line: "id" in line)
        got[home["id"]] = home["body"]
    assert got == wanted


# -- streams ----------------------------------------------------------------------------------

def to_its_end(client, stream):
    """(what came home last, the text of the pieces before)"""
    text = ""
    while (home := client.of(stream))["outcome"] == "more":
        text += home["body"]
        client.say(next=stream)
    return home, text


def test_a_stream_comes_in_pieces(connect):
    go_on = threading.Event()

    def answer(exchange):
        exchange.begin_stream()
        exchange.piece("one\n")
        go_on.wait()
        exchange.piece("two\n")
        exchange.end_stream()

    client = connect(answer)
    stream = client.post(stream=True, total_ms=0)
    text = ""
    while text != "one\n":
        home = client.of(stream)
        assert (home["outcome"], home["status"]) == ("more", 200)
        text += home["body"]
        client.say(next=stream)
    go_on.set()
    last, text = to_its_end(client, stream)
    assert (last["outcome"], last["length"], text) == ("done", 0, "two\n")


def test_a_stream_is_told_before_it_says_anything(connect):
    def answer(exchange):
        exchange.begin_stream()
        exchange.wait_closed()

    client = connect(answer)
    home = client.ask(stream=True, total_ms=0)
    assert (home["outcome"], home["status"], home["length"]) == ("more", 200, 0)


def test_what_nobody_takes_is_not_read(connect):
    """Several times what the kernel's buffers hold."""
    parts, size = 640, 100 * 1024
    stuck, sent, whole = threading.Event(), hashlib.sha256(), hashlib.sha256()

    def answer(exchange):
        exchange.begin_stream()
        for n in range(parts):
            piece = f"{n:08}".encode() * (size // 8)
            sent.update(piece)
            if not select.select([], [exchange.connection], [], 1)[1]:
                stuck.set()
            exchange.piece(piece)
        exchange.end_stream()

    client = connect(answer)
    stream = client.post(stream=True, total_ms=0, silence_ms=20000)
    home = client.of(stream)
    assert stuck.wait(60)
    while home["outcome"] == "more":
        assert home["length"] <= PIECE
        whole.update(home["body"].encode())
        client.say(next=stream)
        home = client.of(stream)
    assert home["outcome"] == "done"
    assert whole.digest() == sent.digest()


def test_what_is_no_stream_comes_whole(connect):
    client = connect(lambda exchange: exchange.answer(410, "gone", kind="text/plain"))
    home = client.ask(stream=True, total_ms=0)
    assert (home["outcome"], home["status"], home["body"]) == ("done", 410, "gone")


@pytest.mark.parametrize("end", [hostile.Exchange.reset, lambda exchange: None])
def test_a_stream_is_cut_off_after_what_came(end, connect):
    def answer(exchange):
        exchange.begin_stream()
        exchange.piece("one\n")
        exchange.send("5\r\ntw")
        end(exchange)

    client = connect(answer)
    stream = client.post(stream=True, total_ms=0)
    home, text = to_its_end(client, stream)
    assert home["outcome"] == "failed"
    # An RST may take with it what was on its way.
    assert "one\ntw".startswith(text)


def test_a_stream_falls_silent(connect):
    def answer(exchange):
        exchange.begin_stream()
        exchange.piece("one\n")
        exchange.wait_closed()

    client = connect(answer)
    stream = client.post(stream=True, total_ms=0, silence_ms=300)
    home, text = to_its_end(client, stream)
    assert (home["outcome"], home["code"], text) == ("failed", "unavailable", "one\n")


def test_a_stream_is_cancelled_wherever_it_is(connect):
    closed = threading.Semaphore(0)

    def answer(exchange):
        exchange.begin_stream()
        exchange.wait_closed()
        closed.release()

    client = connect(answer)
    in_hand = client.post(stream=True, total_ms=0)
    client.of(in_hand)
    out = client.post(stream=True, total_ms=0)
    client.of(out)
    client.say(next=out)
    for stream in (in_hand, out):
        client.say(cancel=stream)
        assert client.of(stream)["outcome"] == "cancelled"
        assert closed.acquire(timeout=20)


def test_a_request_is_cancelled(connect):
    arrived = threading.Event()

    def answer(exchange):
        arrived.set()
        exchange.wait_closed()

    client = connect(answer)
    number = client.post("POST", body="x")
    assert arrived.wait(20)
    client.say(cancel=number)
    home = client.of(number)
    assert (home["outcome"], home["sent"]) == ("cancelled", True)


def test_no_secret_is_told(connect):
    client = connect(hostile.Exchange.reset)
    client.ask(token=TOKEN)
    assert TOKEN not in str(client.heard)


# -- HTTP/2 -----------------------------------------------------------------------------------

@pytest.fixture
def nginx(identity, folder):
    """The URL of a server that has HTTP/2, and says which it was asked by."""
    home, port = system.make_folder(folder / "nginx"), system.free_port()
    for path, name in zip(identity, ("crt", "key"), strict=True):
        system.own_file(home / name, path.read_text())
    temporary = "".join(f"    {kind}_temp_path {home}/{kind};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf = system.own_file(home / "nginx.conf", f"""
daemon off;
pid {home}/pid;
error_log {home}/log;
events {{}}
http {{
    access_log off;
{temporary}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {home}/crt;
        ssl_certificate_key {home}/key;
        location / {{ return 200 $server_protocol; }}
    }}
}}
""")
    process = subprocess.Popen(["nginx", "-c", conf, "-p", home, "-e", home / "log"], stdin=subprocess.DEVNULL,
                               **system.as_runner())
    system.wait_until(lambda: _listens(port), what="nginx")
    yield f"https://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


def _listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True


def test_http2_where_there_is_and_a_connection_of_its_own_for_a_stream(nginx, authority):
    with net.Net(nginx, ca=authority.certificate) as client:
        assert {client.ask()["body"] for _ in range(3)} == {"HTTP/2.0"}
        stream = client.post(stream=True, total_ms=0)
        home, text = to_its_end(client, stream)
        assert (home["outcome"], text) == ("done", "HTTP/1.1")
