"""A TCP proxy on loopback that a test can cut, or make silent."""

import contextlib
import select
import socket
import threading

PIECE = 64 * 1024


class Proxy:
    """Passes connections on to a port, until it is told otherwise:

    cut()     ends those there are, and refuses new ones
    silence() accepts, and passes nothing on any more, in either direction
    mend()    from then on new ones are passed on again; those that were silenced stay so
    """

    def __init__(self, address, port, to):
        self.port, self._to = port, (address, to)
        self._address = (address, port)
        self._lock = threading.Lock()
        self._pairs, self._silent, self._listener = set(), False, None

    def __enter__(self):
        self.mend()
        return self

    def __exit__(self, *_):
        self.cut()

    def count(self):
        """How many connections there are."""
        with self._lock:
            return len(self._pairs)

    def mend(self):
        with self._lock:
            self._silent = False
            if self._listener:
                return
            self._listener = socket.create_server(self._address, backlog=128)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def silence(self):
        with self._lock:
            self._silent = True

    def cut(self):
        with self._lock:
            listener, self._listener = self._listener, None
            pairs, self._pairs = self._pairs, set()
        if listener:
            end(listener)
        for pair in pairs:
            for each in pair:
                end(each)

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client):
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.suppress(OSError, ValueError))
            stack.enter_context(client)
            server = stack.enter_context(socket.create_connection(self._to))
            pair = (client, server)
            with self._lock:
                if not self._listener:
                    return
                self._pairs.add(pair)
            stack.callback(self._forget, pair)
            other, silenced = {client: server, server: client}, False
            while True:
                for each in select.select(pair, [], [])[0]:
                    data = each.recv(PIECE)
                    if not data:
                        return
                    silenced = silenced or self._silent
                    if not silenced:
                        other[each].sendall(data)

    def _forget(self, pair):
        with self._lock:
            self._pairs.discard(pair)


def end(sock):
    """Ends a connection or a listener, also for a thread that waits for it."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
