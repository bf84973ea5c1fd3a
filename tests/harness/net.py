"""server/net, spoken to by lines (tests/unit/server/net/answers.c)."""

import itertools
import json
import os
import subprocess
import threading

from tests.harness import system


class Lines:
    """A program that takes JSON lines and gives some. `heard` has them all."""

    def __init__(self, program, *arguments, environment=()):
        self.process = subprocess.Popen(
            [system.build_folder() / "tests" / "unit" / program, *map(str, arguments)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **dict(environment)})
        self.heard, self._change, self._seen, self._over = [], threading.Condition(), 0, False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._change:
                self.heard.append(json.loads(line))
                self._change.notify_all()
        with self._change:
            self._over = True
            self._change.notify_all()

    def say(self, **what):
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()

    def wait(self, wanted, seconds=20):
        """The first line not waited for before of which wanted(line) is true."""
        with self._change:
            at = self._seen

            def found():
                return next((n for n in range(at, len(self.heard)) if wanted(self.heard[n])), None)
            self._change.wait_for(lambda: found() is not None or self._over, seconds * system.PATIENCE)
            n = found()
            assert n is not None, f"heard only {self.heard[at:]}"
            self._seen = n + 1
            return self.heard[n]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(20 * system.PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._reader.join()
            said = self.process.stderr.read().decode()
        assert self.process.returncode == 0, said


class Net(Lines):
    def __init__(self, url, *, environment=(), **peer):
        super().__init__("net_answers", environment=environment)
        self._ids = itertools.count(1)
        self.say(peer={"url": url, **{name: _text(value) for name, value in peer.items()}})

    def post(self, method="GET", target="/", **more):
        number = next(self._ids)
        self.say(request={"id": number, "method": method, "target": target, **more})
        return number

    def of(self, number, seconds=20):
        """What came home next of a request."""
        return self.wait(lambda line: line.get("id") == number, seconds)

    def ask(self, method="GET", target="/", **more):
        return self.of(self.post(method, target, **more))


def _text(value):
    return value.read_text() if hasattr(value, "read_text") else value
