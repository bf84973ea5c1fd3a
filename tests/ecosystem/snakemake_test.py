"""Snakemake drives its jobs through three one-line shell commands."""

import json


def test_three_steps_are_three_jobs(desk):
    place = desk.folder / "snakemake"
    desk.run("snakemake", "--profile", "profile", cwd=place)
    assert json.loads((place / "score.json").read_text())["loss"] < 0.05
    jobs = desk.jobs()
    assert [(job["name"], job["state"]) for job in jobs] == [
        ("preprocess", "succeeded"), ("train", "succeeded"), ("evaluate", "succeeded")]
    assert desk.member.client.job(jobs[1]["id"])["spec"]["resources"]["memory"] == "256Mi"


def test_a_step_that_fails_ends_the_run(desk):
    place = desk.folder / "snakemake"
    (desk.folder / "steps/train.py").write_text("raise SystemExit(3)\n")
    try:
        desk.run("snakemake", "--profile", "profile", cwd=place)
        raise AssertionError("it did not fail")
    except RuntimeError as failure:
        assert "train" in str(failure)
    assert [(job["name"], job["state"]) for job in desk.jobs()] == [("preprocess", "succeeded"), ("train", "failed")]


def test_the_cancel_command_ends_all_it_is_given(desk):
    ids = [desk.member.client.submit(["sleep", "600"])["id"] for _ in range(3)]
    place = desk.folder / "snakemake"
    desk.run("./cancel", *ids, cwd=place)
    for job in ids:
        assert desk.member.client.wait(job)["state"] == "cancelled"
        assert desk.run("./status", job, cwd=place).strip() == "failed"
