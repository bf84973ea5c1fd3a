// The first ten minutes, with a client made by openapi-generator (-g typescript-fetch).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { Configuration, JobsApi, Reason, ResponseError, State, TasksApi } from "./client/index.js";

const configuration = new Configuration({
  basePath: process.env.JOBGATE_URL ?? "http://127.0.0.1:8000",
  accessToken: readFileSync(process.env.JOBGATE_TOKEN_FILE ?? "/var/lib/jobgate/token", "utf8").trim(),
});
const jobs = new JobsApi(configuration);
const tasks = new TasksApi(configuration);

// Submit a command: the answer is a job, and it is on disk.
const hello = await jobs.createJob({ jobSpec: { name: "hello", command: ["echo", "hello"] } });
const id = hello.id!;
assert.equal(hello.state, State.Queued);

// Wait for it, and read what it printed.
const ended = await jobs.getJob({ id, wait: 60, until: "terminal" });
assert.equal(ended.succeeded, true);
assert.equal(ended.reason, Reason.Completed);
assert.equal(ended.exitCode, 0);
assert.equal(await tasks.getJobLogs({ id }), "hello\n");

// A script with resources, limits and a budget of retries; the answer comes when it has ended.
const train = await jobs.createJob({
  wait: 60,
  jobSpec: {
    name: "train",
    labels: { team: "vision" },
    script: "#!/bin/bash\nfor step in 1 2 3; do echo step=$step; done\n",
    resources: { cpus: 1, memory: "64Mi" },
    timeLimit: "2h30m",
    retry: { limit: 3, on: ["node_failure", 75] },
  },
});
assert.equal(train.succeeded, true);
assert.equal(train.spec?.timeLimit, "2h30m");
assert.equal(await tasks.getJobLogs({ id: train.id!, tail: 1 }), "step=3\n");

// A sweep: a task for each combination, whose values are in its environment.
const sweep = await jobs.createJob({
  wait: 60,
  jobSpec: {
    name: "sweep",
    command: ["sh", "-c", "echo lr=$lr seed=$seed; test $seed != 3"],
    array: { matrix: { lr: [0.1, 0.01], seed: [1, 2, 3] }, maxParallel: 2 },
  },
});
assert.deepEqual([sweep.counts?.succeeded, sweep.counts?.failed], [4, 2]);
assert.equal(await tasks.getJobLogs({ id: sweep.id!, task: 3 }), "lr=0.01 seed=1\n");
const bad = await tasks.listTasks({ id: sweep.id!, state: [State.Failed] });
assert.deepEqual(bad.items.map((task) => task.index), [2, 5]);

// Those that failed once more, as a new array, but for one of them.
const rest = await jobs.retryJob({ id: sweep.id! });
assert.deepEqual([rest.retryOf, rest.taskCount], [sweep.id, 2]);
await tasks.cancelTasks({ id: rest.id!, taskSelection: { indices: "5" } });
const left = await jobs.getJobResult({ id: rest.id!, wait: 60 });
assert.ok(left.terminal && !left.succeeded);

// Find jobs.
const found = await jobs.listJobs({ state: [State.Succeeded], label: ["team=vision"], fields: ["state", "reason"] });
assert.deepEqual(found.items.map((job) => job.id), [train.id]);

// Cancel one that would take long.
const slow = await jobs.createJob({ jobSpec: { command: ["sleep", "600"] } });
assert.ok((await jobs.cancelJob({ id: slow.id! })).cancelRequestedAt);
assert.equal((await jobs.getJobResult({ id: slow.id!, wait: 60 })).state, State.Cancelled);

// The same key gives the same job.
const submit = () => jobs.createJob({ idempotencyKey: "nightly/typescript", jobSpec: { command: ["true"] } });
assert.equal((await submit()).id, (await submit()).id);

// What has failed is an error, if that is wanted.
const failed = await jobs.createJob({ wait: 60, jobSpec: { command: ["false"] } });
await assert.rejects(jobs.getJob({ id: failed.id!, failOnFailure: true }),
  (error) => error instanceof ResponseError && error.response.status === 424);

console.log("ten minutes are over");
