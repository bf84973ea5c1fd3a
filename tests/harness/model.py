"""The pure model in C, asked from Python by property tests (tests/unit/server/model/answers.c)."""

import json
import os
import subprocess

from hypothesis import HealthCheck, settings

from tests.harness import system

FULL = bool(os.environ.get("JOBGATE_TEST_FULL"))

# Always the same examples, so that a run does not depend on luck; new and more of them in a full run.
examples = settings(max_examples=5000 if FULL else 100, derandomize=not FULL, database=None, deadline=None,
                    suppress_health_check=[HealthCheck.too_slow])


class Model:
    """The program that answers. One that a question ended is started again for the next."""

    def __enter__(self):
        self.process = self.start()
        return self

    def __exit__(self, *_):
        assert self.end() == 0

    def start(self):
        program = system.build_folder() / "tests/unit/model_answers"
        return subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=30)

    def ask(self, *question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            status, self.process = self.end(), self.start()
            raise AssertionError(f"it ended with status {status} at {question}")
        return json.loads(line)
