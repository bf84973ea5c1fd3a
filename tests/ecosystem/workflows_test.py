"""A notebook drives jobs through the API."""

import json


def test_a_notebook_runs_a_sweep_and_plots_its_losses(desk):
    place = desk.folder / "notebook"
    desk.run("papermill", "--no-progress-bar", "sweep.ipynb", "out.ipynb", "-p", "folder", place, cwd=place)
    assert sorted(job["name"] for job in desk.jobs(state="succeeded")) == [
        "preprocess", "train-0.05", "train-0.1", "train-0.3", "train-0.6"]
    assert (place / "losses.png").read_bytes().startswith(b"\x89PNG")
    outputs = [output for cell in json.loads((place / "out.ipynb").read_text())["cells"]
               for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
