"""An answer that is read while it is made, on a connection of its own."""

import socket
import urllib.parse


class Cut(AssertionError):
    """The answer ended without its last chunk."""


class Stream:
    """Follows a log. Content comes in the pieces that were sent."""

    def __init__(self, api, path, timeout=60, receive_bytes=None, **query):
        self.socket = socket.socket()
        if receive_bytes:  # before the connection is made, or it has no effect
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(timeout)
        self.socket.connect((api.host, api.port))
        target = path + "?" + urllib.parse.urlencode({"follow": "true", **query})
        fields = "".join(f"{name}: {value}\r\n" for name, value in api.headers.items())
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: {api.host}\r\n{fields}\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        for line in iter(self.file.readline, b"\r\n"):
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()

    def pieces(self):
        """Until the end; raises Cut when that is not the one that was meant."""
        assert self.status == 200, self.status
        assert self.headers["transfer-encoding"] == "chunked"
        try:
            while size := int(self.file.readline() or "x", 16):
                piece = self.file.read(size + 2)
                assert piece.endswith(b"\r\n")
                yield piece[:-2]
        except (ValueError, ConnectionError) as error:
            raise Cut(str(error)) from error
        self.file.readline()

    def read_until(self, end):
        """At least until the bytes read end so."""
        read = b""
        for piece in self.pieces():
            read += piece
            if read.endswith(end):
                return read
        raise AssertionError(f"the stream ended before {end!r}, after {read[-200:]!r}")

    def rest(self):
        return b"".join(self.pieces())

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
