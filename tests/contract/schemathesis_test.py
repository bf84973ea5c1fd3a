"""schemathesis against the running gateway, every check on, finds nothing.

Its settings and exclusions, with their reasons, are in schemathesis.toml. Once as one user,
whose calls build on each other, and once as two users of two projects, so that an object
of one shown to the other is a finding.
"""

import json
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from tests.harness import system

SETTINGS = pathlib.Path(__file__).with_name("schemathesis.toml")


def report_cases(path):
    """How many operations the JUnit report has, so that a run that saw nothing fails."""
    return sum(1 for _ in xml.etree.ElementTree.parse(path).iter("testcase"))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1] if not os.environ.get("JOBGATE_TEST_FULL") else [1, 2, 3])
@pytest.mark.parametrize("identity", [["--auth-wfc-user", "ana"], []], ids=["one user", "two users"])
def test_schemathesis_finds_nothing(new_gateway, contract, tmp_path, seed, identity):
    gateway = new_gateway(settings={"log": {"level": "warn"}}).start()
    users = {name: gateway.member(name, f"project-of-{name}", "manager").token for name in ("ana", "bo")}
    wfc = tmp_path / "wfc.json"
    wfc.write_text(json.dumps({"auth": [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}]}
        for name, token in users.items()]}))
    full = bool(os.environ.get("JOBGATE_TEST_FULL"))
    report = tmp_path / "report.xml"
    done = subprocess.run(
        [pathlib.Path(sys.executable).parent / "st", "--config-file", SETTINGS, "run", f"{gateway.url}/openapi.json",
         "--seed", str(seed), "-n", "200" if full else "25", "--suppress-health-check", "all", "--max-failures", "50",
         "--report", "junit", "--report-junit-path", report, "--no-color", *identity],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "JOBGATE_WFC": str(wfc), "JOBGATE_HOOKS": str(SETTINGS.with_name("hooks.py"))})
    (tmp_path / "output.txt").write_text(done.stdout)
    assert gateway.running(), gateway.tail()
    assert gateway.probe("/ready") == 200
    assert done.returncode == 0, done.stdout[-20000:]
    # Exit 0 is also what a run without a single test gives.
    assert report_cases(report) >= len(contract.operations)
    if not system.SANITIZED:
        assert gateway.rss_kib() < 200 * 1024
