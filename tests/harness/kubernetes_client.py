"""The Kubernetes client, spoken to by lines (tests/unit/backends/kubernetes/answers.c)."""

import itertools
import json

from tests.harness import net


def kubeconfig(path, url, ca, *, namespace="team-a", **user):
    """Writes a kubeconfig of one context; JSON is YAML."""
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": namespace}}],
        "clusters": [{"name": "it", "cluster": {"server": url, "certificate-authority": str(ca)}}],
        "users": [{"name": "it", "user": user}]}))
    return path


class Client(net.Lines):
    def __init__(self, **source):
        super().__init__("kubernetes_answers")
        self._ids = itertools.count(1)
        self.say(connect={name: str(value) for name, value in source.items()})
        self.home = self.wait(lambda line: "home" in line or "refused" in line).get("home")

    def begin(self, verb, **more):
        number = next(self._ids)
        self.say(call={"id": number, "verb": verb, "namespace": "team-a", **more})
        return number

    def of(self, number, seconds=30):
        return self.wait(lambda line: line.get("id") == number, seconds)

    def ask(self, verb, **more):
        return self.of(self.begin(verb, **more))

    def watch(self, **more):
        self.say(watch={"kind": "jobs", "namespace": "team-a", **more})

    def told(self, count, seconds=30):
        """The next things a watch tells, short: "begin", "seen NAME VERSION", "trouble VERDICT"."""
        return [_short(self.wait(lambda line: "watch" in line, seconds)) for _ in range(count)]

    def told_until(self, last, seconds=30):
        told = []
        while not told or told[-1] != last:
            told += self.told(1, seconds)
        return told


def _short(line):
    if "object" in line:
        metadata = line["object"]["metadata"]
        return f"{line['watch']} {metadata['name']} {metadata['resourceVersion']}"
    return f"trouble {line['verdict']}" if line["watch"] == "trouble" else line["watch"]
