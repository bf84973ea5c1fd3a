"""Runs last: every documented answer was seen by some test before it."""

import pytest

from tests.harness.contract import read_exclusions


@pytest.mark.last
def test_every_documented_answer_was_exercised(request, contract):
    if not request.config.getoption("--require-coverage"):
        return
    missing, needless = contract.unexercised(read_exclusions())
    assert not missing, f"documented, but never seen: {missing}"
    assert not needless, f"excluded in unexercised.yaml, but seen: {needless}"
