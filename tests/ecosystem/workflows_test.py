"""Prefect and a notebook drive jobs through the API."""

import json


def test_a_prefect_flow_runs_three_jobs(desk):
    place = desk.folder / "prefect"
    said = desk.run("python", "flow.py", place, cwd=place, PREFECT_HOME=str(desk.folder / "home/prefect"),
                    PREFECT_SERVER_ANALYTICS_ENABLED="false", PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="200")
    assert json.loads((place / "score.json").read_text())["loss"] < 0.05 and "loss=" in said
    assert [(job["name"], job["state"]) for job in desk.jobs()] == [
        ("preprocess", "succeeded"), ("train", "succeeded"), ("evaluate", "succeeded")]


def test_a_notebook_runs_a_sweep_and_plots_its_losses(desk):
    place = desk.folder / "notebook"
    desk.run("papermill", "--no-progress-bar", "sweep.ipynb", "out.ipynb", "-p", "folder", place, cwd=place)
    assert [(job["name"], job["state"], job["task_count"]) for job in desk.jobs()] == [
        ("preprocess", "succeeded", 1), ("train", "succeeded", 8)]
    assert len(list(place.glob("model-0.*-[13]0.json"))) == 8
    assert (place / "losses.png").read_bytes().startswith(b"\x89PNG")
    outputs = [output for cell in json.loads((place / "out.ipynb").read_text())["cells"]
               for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
