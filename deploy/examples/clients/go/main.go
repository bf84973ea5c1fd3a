// The first ten minutes, with a client made by openapi-generator (-g go) in the folder client.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	jobgate "jobgate.example/ten-minutes/client"
)

func setting(name, preset string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return preset
}

// What a call answered; an error ends the program.
func must[T any](value T, _ any, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func expect(what string, good bool) {
	if !good {
		log.Fatalf("not so: %s", what)
	}
}

func text(value string) *string { return &value }

func number(value float32) jobgate.MatrixValue { return jobgate.MatrixValue{Float32: &value} }

func main() {
	token, err := os.ReadFile(setting("JOBGATE_TOKEN_FILE", "/var/lib/jobgate/token"))
	if err != nil {
		log.Fatal(err)
	}
	configuration := jobgate.NewConfiguration()
	configuration.Servers = jobgate.ServerConfigurations{{URL: setting("JOBGATE_URL", "http://127.0.0.1:8000")}}
	client := jobgate.NewAPIClient(configuration)
	jobs, tasks := client.JobsAPI, client.TasksAPI
	ctx := context.WithValue(context.Background(), jobgate.ContextAccessToken, strings.TrimSpace(string(token)))
	submit := func(spec jobgate.JobSpec) jobgate.ApiCreateJobRequest { return jobs.CreateJob(ctx).JobSpec(spec) }

	// Submit a command: the answer is a job, and it is on disk.
	hello := must(submit(jobgate.JobSpec{Name: text("hello"), Command: []string{"echo", "hello"}}).Execute())
	id := hello.GetId()
	expect("a new job is queued", hello.GetState() == jobgate.QUEUED)

	// Wait for it, and read what it printed.
	ended := must(jobs.GetJob(ctx, id).Wait(60).Until("terminal").Execute())
	expect("it succeeded", ended.GetSucceeded() && ended.GetReason() == jobgate.COMPLETED)
	code, known := ended.GetExitCodeOk()
	expect("its exit code is 0", known && *code == 0)
	expect("it said hello", must(tasks.GetJobLogs(ctx, id).Execute()) == "hello\n")

	// A script with resources, limits and a budget of retries; the answer comes when it has ended.
	again := int32(75)
	train := must(submit(jobgate.JobSpec{
		Name:      text("train"),
		Labels:    map[string]string{"team": "vision"},
		Script:    text("#!/bin/bash\nfor step in 1 2 3; do echo step=$step; done\n"),
		Resources: &jobgate.Resources{Memory: &jobgate.Quantity{String: text("64Mi")}},
		TimeLimit: &jobgate.Duration{String: text("2h30m")},
		Retry: &jobgate.Retry{Limit: jobgate.PtrInt32(3),
			On: []jobgate.RetryCause{{String: text("node_failure")}, {Int32: &again}}},
	}).Wait(60).Execute())
	expect("the script succeeded", train.GetSucceeded())
	expect("its last line", must(tasks.GetJobLogs(ctx, train.GetId()).Tail(1).Execute()) == "step=3\n")

	// A sweep: a task for each combination, whose values are in its environment.
	sweep := must(submit(jobgate.JobSpec{
		Name:    text("sweep"),
		Command: []string{"sh", "-c", "echo lr=$lr seed=$seed; test $seed != 3"},
		Array: &jobgate.JobArray{MaxParallel: jobgate.PtrInt32(2), Matrix: map[string][]jobgate.MatrixValue{
			"lr": {number(0.1), number(0.01)}, "seed": {number(1), number(2), number(3)}}},
	}).Wait(60).Execute())
	expect("all but two tasks succeeded", sweep.Counts.GetSucceeded() == 4 && sweep.Counts.GetFailed() == 2)
	said := must(tasks.GetJobLogs(ctx, sweep.GetId()).Task(3).Execute())
	expect("the fourth task has its values", said == "lr=0.01 seed=1\n")
	bad := must(tasks.ListTasks(ctx, sweep.GetId()).State([]jobgate.State{jobgate.FAILED}).Execute()).Items
	expect("which they are", len(bad) == 2 && bad[0].GetIndex() == 2 && bad[1].GetIndex() == 5)

	// Those that failed once more, as a new array, but for one of them.
	rest := must(jobs.RetryJob(ctx, sweep.GetId()).Execute())
	expect("both are there", rest.GetRetryOf() == sweep.GetId() && rest.GetTaskCount() == 2)
	must(tasks.CancelTasks(ctx, rest.GetId()).TaskSelection(jobgate.TaskSelection{Indices: "5"}).Execute())
	left := must(jobs.GetJobResult(ctx, rest.GetId()).Wait(60).Execute())
	expect("they have ended again", left.GetTerminal() && !left.GetSucceeded())

	// Find jobs.
	found := must(jobs.ListJobs(ctx).State([]jobgate.State{jobgate.SUCCEEDED}).Label([]string{"team=vision"}).
		Fields([]string{"state", "reason"}).Execute())
	expect("it is found", len(found.Items) == 1 && found.Items[0].GetId() == train.GetId())

	// Cancel one that would take long.
	slow := must(submit(jobgate.JobSpec{Command: []string{"sleep", "600"}}).Execute())
	must(jobs.CancelJob(ctx, slow.GetId()).Execute())
	result := must(jobs.GetJobResult(ctx, slow.GetId()).Wait(60).Execute())
	expect("it is cancelled", result.GetState() == jobgate.CANCELLED)

	// The same key gives the same job.
	nightly := submit(jobgate.JobSpec{Command: []string{"true"}}).IdempotencyKey("nightly/go")
	expect("one job", must(nightly.Execute()).GetId() == must(nightly.Execute()).GetId())

	// What has failed is an error, if that is wanted.
	failed := must(submit(jobgate.JobSpec{Command: []string{"false"}}).Wait(60).Execute())
	_, answer, err := jobs.GetJob(ctx, failed.GetId()).FailOnFailure(true).Execute()
	expect("it is refused", err != nil && answer.StatusCode == 424)

	fmt.Println("ten minutes are over")
}
