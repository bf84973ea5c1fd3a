// The first ten minutes, with types made by openapi-typescript and the client openapi-fetch.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import createClient from "openapi-fetch";

import type { paths } from "./jobgate";

const token = readFileSync(process.env.JOBGATE_TOKEN_FILE ?? "/var/lib/jobgate/token", "utf8").trim();
const api = createClient<paths>({
  baseUrl: process.env.JOBGATE_URL ?? "http://127.0.0.1:8000",
  headers: { Authorization: `Bearer ${token}` },
  querySerializer: { array: { style: "form", explode: false } },
});

function must<T>(answer: { data?: T; error?: unknown }): T {
  assert.ok(answer.data !== undefined, JSON.stringify(answer.error));
  return answer.data;
}

// What one submission is answered with; only many in one request are answered with text.
function made<T>(answer: { data?: T; error?: unknown }): Exclude<T, string> {
  const data = must(answer);
  assert.ok(typeof data !== "string");
  return data as Exclude<T, string>;
}

// Submit a command: the answer is a job, and it is on disk.
const hello = made(await api.POST("/v1/jobs", { body: { name: "hello", command: ["echo", "hello"] } }));
const id = hello.id!;
assert.equal(hello.state, "queued");

// Wait for it, and read what it printed.
const ended = must(await api.GET("/v1/jobs/{id}", { params: { path: { id }, query: { wait: 60, until: "terminal" } } }));
assert.deepEqual([ended.succeeded, ended.reason, ended.exit_code], [true, "completed", 0]);
const log = await api.GET("/v1/jobs/{id}/logs", { params: { path: { id } }, parseAs: "text" });
assert.equal(must(log), "hello\n");

// A script with resources, limits and a budget of retries; the answer comes when it has ended.
const train = made(await api.POST("/v1/jobs", {
  params: { query: { wait: 60 } },
  body: {
    name: "train",
    labels: { team: "vision" },
    script: "#!/bin/bash\nfor step in 1 2 3; do echo step=$step; done\n",
    resources: { cpus: 1, memory: "64Mi" },
    time_limit: "2h30m",
    retry: { limit: 3, on: ["node_failure", 75] },
  },
}));
assert.equal(train.succeeded, true);
assert.equal(train.spec?.time_limit, "2h30m");

// A sweep: a task for each combination, whose values are in its environment.
const sweep = made(await api.POST("/v1/jobs", {
  params: { query: { wait: 60 } },
  body: {
    name: "sweep",
    command: ["sh", "-c", "echo lr=$lr seed=$seed; test $seed != 3"],
    array: { matrix: { lr: [0.1, 0.01], seed: [1, 2, 3] }, max_parallel: 2 },
  },
}));
assert.deepEqual([sweep.counts?.succeeded, sweep.counts?.failed], [4, 2]);
const tasks = { id: sweep.id! };
const said = await api.GET("/v1/jobs/{id}/logs", { params: { path: tasks, query: { task: 3 } }, parseAs: "text" });
assert.equal(must(said), "lr=0.01 seed=1\n");
const bad = must(await api.GET("/v1/jobs/{id}/tasks", { params: { path: tasks, query: { state: ["failed"] } } }));
assert.deepEqual(bad.items.map((task) => task.index), [2, 5]);

// Those that failed once more, as a new array, but for one of them.
const rest = must(await api.POST("/v1/jobs/{id}/retry", { params: { path: tasks } }));
assert.deepEqual([rest.retry_of, rest.task_count], [sweep.id, 2]);
const again = { id: rest.id! };
must(await api.POST("/v1/jobs/{id}/tasks/cancel", { params: { path: again }, body: { indices: "5" } }));
const left = must(await api.GET("/v1/jobs/{id}/result", { params: { path: again, query: { wait: 60 } } }));
assert.ok(left.terminal && !left.succeeded);

// Find jobs.
const found = must(await api.GET("/v1/jobs", {
  params: { query: { state: ["succeeded"], label: ["team=vision"], fields: ["state", "reason"] } },
}));
assert.deepEqual(found.items.map((job) => job.id), [train.id]);

// Cancel one that would take long.
const slow = made(await api.POST("/v1/jobs", { body: { command: ["sleep", "600"] } }));
const path = { id: slow.id! };
assert.ok(must(await api.POST("/v1/jobs/{id}/cancel", { params: { path } })).cancel_requested_at);
const result = must(await api.GET("/v1/jobs/{id}/result", { params: { path, query: { wait: 60 } } }));
assert.equal(result.state, "cancelled");

// The same key gives the same job.
const submit = async () => made(await api.POST("/v1/jobs", {
  params: { header: { "Idempotency-Key": "nightly/openapi-typescript" } },
  body: { command: ["true"] },
}));
assert.equal((await submit()).id, (await submit()).id);

// What has failed is an error, if that is wanted.
const failed = await api.POST("/v1/jobs", {
  params: { query: { wait: 60, fail_on_failure: true } },
  body: { command: ["false"] },
});
assert.equal(failed.response.status, 424);

console.log("ten minutes are over");
