"""Lint rules (rules/) and the test that each of them can fail (rules_test.py)."""
