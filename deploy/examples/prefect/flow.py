"""preprocess -> train -> evaluate as a Prefect flow; each task is a job of jobgate.

    python3 flow.py FOLDER        # on the disk that the jobs see
"""

import json
import os
import pathlib
import sys
import urllib.request

import prefect
import prefect.runtime.flow_run

URL = os.environ.get("JOBGATE_URL", "http://127.0.0.1:8000")
TOKEN = pathlib.Path(os.environ.get("JOBGATE_TOKEN_FILE", "/var/lib/jobgate/token")).read_text().strip()
STEPS = pathlib.Path(__file__).resolve().parents[1] / "steps"


def call(method, path, body=None, headers=None):
    request = urllib.request.Request(URL + path, method=method, data=body and json.dumps(body).encode(),
                                     headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json",
                                              **(headers or {})})
    with urllib.request.urlopen(request) as answer:
        text = answer.read().decode()
        return json.loads(text) if answer.headers.get_content_type() == "application/json" else text


@prefect.task(retries=2)
def run(step, folder, *files):
    """Submits one job and waits for its end. A repeat of the task finds the same job by its key."""
    key = f"{prefect.runtime.flow_run.id}/{step}"
    job = call("POST", "/v1/jobs", headers={"Idempotency-Key": key}, body={
        "name": step, "labels": {"tool": "prefect"}, "time_limit": "1h", "working_directory": folder,
        "command": ["python3", str(STEPS / f"{step}.py"), *files]})
    while not job["terminal"]:
        job = call("GET", f"/v1/jobs/{job['id']}?wait=60")
    if not job["succeeded"]:
        raise RuntimeError(f"{step} ended as {job['state']} ({job['reason']})")
    return call("GET", f"/v1/jobs/{job['id']}/logs")


@prefect.flow
def learn(folder: str):
    run("preprocess", folder, "data.csv")
    run("train", folder, "data.csv", "model.json")
    print(run("evaluate", folder, "data.csv", "model.json", "score.json"), end="")


if __name__ == "__main__":
    learn(sys.argv[1])
