"""An HTTPS server that a test plays itself, byte by byte: it cuts, stalls, lies and resets.

`answer` is given each request as an Exchange, in a thread of its connection. What it does not answer is closed
when it returns, unless it went on with keep(); an exception in it is kept in `troubles`.
"""

import contextlib
import socket
import ssl
import struct
import threading


class Exchange:
    def __init__(self, connection, method, target, header, body):
        self.connection, self.method, self.target, self.header, self.body = connection, method, target, header, body
        self.kept = False

    def send(self, data):
        """A text may have bytes that are none, as surrogates."""
        self.connection.sendall(data.encode(errors="surrogateescape") if isinstance(data, str) else data)

    def answer(self, status=200, body="", header=(), kind="application/json"):
        """A whole answer, after which the connection stays."""
        body = body.encode() if isinstance(body, str) else body
        self.begin(status, (f"Content-Length: {len(body)}", *header), kind)
        self.send(body)
        self.kept = True

    def begin(self, status=200, header=(), kind="application/json"):
        """The header of an answer, and no more."""
        self.send("\r\n".join([f"HTTP/1.1 {status} x", f"Content-Type: {kind}", *header, "", ""]))

    def begin_stream(self):
        self.begin(header=["Transfer-Encoding: chunked"])

    def piece(self, data):
        data = data.encode() if isinstance(data, str) else data
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end_stream(self):
        self.send("0\r\n\r\n")

    def reset(self):
        """No end of TLS and none of TCP, but an RST."""
        plain = socket.socket(fileno=self.connection.detach())
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        plain.close()

    def wait_closed(self):
        """Until the other side has closed the connection."""
        with contextlib.suppress(OSError):
            while self.connection.recv(65536):
                pass


class Server:
    def __init__(self, certificate, key, answer, ca=None):
        """ca: the authority of client certificates, which are asked for then."""
        self.answer, self.troubles, self._open = answer, [], set()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        if ca:
            self._context.load_verify_locations(ca)
            self._context.verify_mode = ssl.CERT_OPTIONAL
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        assert not self.troubles, self.troubles

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection = self._context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        self._open.add(connection)
        try:
            while (exchange := self._read(connection)) is not None:
                self.answer(exchange)
                if not exchange.kept:
                    break
        except OSError:
            pass  # the other side may go at any time
        except BaseException as trouble:  # noqa: B036
            self.troubles.append(repr(trouble))
        finally:
            self._open.discard(connection)
            with contextlib.suppress(OSError):
                connection.close()

    def _read(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        header = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(header.get("content-length", 0)):
            body += connection.recv(65536)
        return Exchange(connection, method, target, header, body)
