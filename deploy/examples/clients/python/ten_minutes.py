"""The first ten minutes, with a client made by openapi-generator (-g python)."""

import os
import pathlib

import jobgate_client as jobgate

configuration = jobgate.Configuration(
    host=os.environ.get("JOBGATE_URL", "http://127.0.0.1:8000"),
    access_token=pathlib.Path(os.environ.get("JOBGATE_TOKEN_FILE", "/var/lib/jobgate/token")).read_text().strip())

with jobgate.ApiClient(configuration) as client:
    jobs, tasks = jobgate.JobsApi(client), jobgate.TasksApi(client)

    # Submit a command: the answer is a job, and it is on disk.
    hello = jobs.create_job(jobgate.JobSpec(name="hello", command=["echo", "hello"]))
    assert hello.state == jobgate.State.QUEUED

    # Wait for it, and read what it printed.
    hello = jobs.get_job(str(hello.id), wait=60, until="terminal")
    assert hello.succeeded and hello.reason == jobgate.Reason.COMPLETED and hello.exit_code == 0
    assert tasks.get_job_logs(str(hello.id)) == "hello\n"

    # A script with resources, limits and a budget of retries; the answer comes when it has ended.
    train = jobs.create_job(jobgate.JobSpec(
        name="train", labels={"team": "vision"},
        script="#!/bin/bash\nfor step in 1 2 3; do echo step=$step; done\n",
        resources=jobgate.Resources(cpus=jobgate.Cpus(1), memory=jobgate.Quantity("64Mi")),
        time_limit=jobgate.Duration("2h30m"),
        retry=jobgate.Retry(limit=3, on=[jobgate.RetryCause("node_failure"), jobgate.RetryCause(75)])), wait=60)
    assert train.succeeded and train.spec.time_limit.actual_instance is not None
    assert tasks.get_job_logs(str(train.id), tail=1) == "step=3\n"

    # A sweep: a task for each combination, whose values are in its environment.
    matrix = {"lr": [jobgate.MatrixValue(lr) for lr in (0.1, 0.01)],
              "seed": [jobgate.MatrixValue(seed) for seed in (1, 2, 3)]}
    sweep = jobs.create_job(jobgate.JobSpec(
        name="sweep", command=["sh", "-c", "echo lr=$lr seed=$seed; test $seed != 3"],
        array=jobgate.JobArray(matrix=matrix, max_parallel=2)), wait=60)
    assert (sweep.counts.succeeded, sweep.counts.failed) == (4, 2)
    assert tasks.get_job_logs(str(sweep.id), task=3) == "lr=0.01 seed=1\n"
    bad = tasks.list_tasks(str(sweep.id), state=[jobgate.State.FAILED])
    assert [task.index for task in bad.items] == [2, 5]

    # Those that failed once more, as a new array, but for one of them.
    rest = jobs.retry_job(str(sweep.id))
    assert rest.retry_of == sweep.id and rest.task_count == 2
    tasks.cancel_tasks(str(rest.id), jobgate.TaskSelection(indices="5"))
    rest = jobs.get_job_result(str(rest.id), wait=60)
    assert rest.terminal and not rest.succeeded

    # Find jobs.
    found = jobs.list_jobs(state=[jobgate.State.SUCCEEDED], label=["team=vision"], fields=["state", "reason"])
    assert [job.id for job in found.items] == [train.id] and found.next is None

    # Cancel one that would take long.
    slow = jobs.create_job(jobgate.JobSpec(command=["sleep", "600"]))
    assert jobs.cancel_job(str(slow.id)).cancel_requested_at is not None
    assert jobs.get_job_result(str(slow.id), wait=60).state == jobgate.State.CANCELLED

    # The same key gives the same job.
    again = [jobs.create_job(jobgate.JobSpec(command=["true"]), idempotency_key="nightly/python") for _ in range(2)]
    assert again[0].id == again[1].id

    # What has failed is an exception, if that is wanted.
    failed = jobs.create_job(jobgate.JobSpec(command=["false"]), wait=60)
    try:
        jobs.get_job(str(failed.id), fail_on_failure=True)
        raise AssertionError("it did not fail")
    except jobgate.ApiException as refused:
        assert refused.status == 424

print("ten minutes are over")
