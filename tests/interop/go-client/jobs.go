package main

import (
	"context"
	"strings"
	"time"

	"github.com/camunda/zeebe/clients/go/v8/pkg/entities"
	"github.com/camunda/zeebe/clients/go/v8/pkg/worker"
	"google.golang.org/grpc/codes"
)

const workerJobs = 60

// take waits for the one job of a type.
func (t *tour) take(kind string) entities.Job {
	ctx, cancel := within()
	defer cancel()
	jobs, err := t.client.NewActivateJobsCommand().JobType(t.name(kind)).MaxJobsToActivate(1).
		Timeout(jobTimeout).WorkerName("go").Send(ctx)
	t.must(err, "activate "+kind)
	if len(jobs) != 1 {
		panic(failure("no job " + kind))
	}
	return jobs[0]
}

func (t *tour) complete(key int64) {
	ctx, cancel := within()
	defer cancel()
	_, err := t.client.NewCompleteJobCommand().JobKey(key).Send(ctx)
	t.must(err, "complete")
}

func (t *tour) jobs() {
	ctx, cancel := within()
	defer cancel()
	began := time.Now()
	brief, stop := context.WithTimeout(context.Background(), 500*time.Millisecond)
	none, err := t.client.NewActivateJobsCommand().JobType(t.name("first")).MaxJobsToActivate(5).
		FetchVariables("a").Send(brief)
	stop()
	took := time.Since(began)
	t.check(len(none) == 0 && took < 5*time.Second, "a poll without jobs ends", took, err)
	t.start("two", map[string]any{"amount": 5})
	job := t.take("first")
	headers, err := job.GetCustomHeadersAsMap()
	t.must(err, "headers")
	t.check(headers["currency"] == "EUR" && job.Worker == "go" && job.Retries == 3, "a job")
	fail, err := t.client.NewFailJobCommand().JobKey(job.Key).Retries(2).ErrorMessage("später").
		RetryBackoff(600 * time.Millisecond).VariablesFromMap(map[string]any{"failed": true})
	t.must(err, "variables")
	began = time.Now()
	_, err = fail.Send(ctx)
	t.must(err, "fail")
	again := t.take("first")
	t.check(again.Key == job.Key && again.Retries == 2, "a failed job comes again")
	t.check(time.Since(began) > 550*time.Millisecond, "after its backoff")
	_, err = t.client.NewUpdateJobRetriesCommand().JobKey(job.Key).Retries(7).Send(ctx)
	t.must(err, "retries")
	_, err = t.client.NewUpdateJobTimeoutCommand().JobKey(job.Key).Timeout(1).Send(ctx)
	t.must(err, "timeout")
	again = t.take("first")
	t.check(again.Retries == 7, "retries and timeout are updated")
	t.complete(again.Key)
	t.complete(t.take("second").Key)
	_, err = t.client.NewCompleteJobCommand().JobKey(unknown).Send(ctx)
	t.refused(err, codes.NotFound, "no such job was found", "an unknown job is refused")
	t.start("error", nil)
	thrown, err := t.client.NewThrowErrorCommand().JobKey(t.take("charge").Key).
		ErrorCode(t.name("declined")).ErrorMessage("no").VariablesFromMap(map[string]any{"reason": 1})
	t.must(err, "variables")
	_, err = thrown.Send(ctx)
	t.must(err, "throw")
	t.check(true, "an error is thrown")
	t.incident(ctx)
}

// incident fails a job for good. No client can read the key of the incident, but keys are counted
// up on a partition: it is one of the last before a fresh one.
func (t *tour) incident(ctx context.Context) {
	instance := t.start("two", nil)
	job := t.take("first")
	_, err := t.client.NewFailJobCommand().JobKey(job.Key).Retries(0).Send(ctx)
	t.must(err, "fail")
	_, err = t.client.NewUpdateJobRetriesCommand().JobKey(job.Key).Retries(1).Send(ctx)
	t.must(err, "retries")
	set, err := t.client.NewSetVariablesCommand().ElementInstanceKey(instance).
		VariablesFromMap(map[string]any{"asked": true})
	t.must(err, "variables")
	fresh, err := set.Send(ctx)
	t.must(err, "set variables")
	for key := fresh.Key - 1; key > fresh.Key-400; key-- {
		_, err = t.client.NewResolveIncidentCommand().IncidentKey(key).Send(ctx)
		if err == nil {
			break
		}
	}
	t.must(err, "resolve")
	t.check(t.take("first").Key == job.Key, "a resolved incident brings its job back")
	_, err = t.client.NewCancelInstanceCommand().ProcessInstanceKey(instance).Send(ctx)
	t.must(err, "cancel")
}

// stream receives jobs as they are created; until brokers know it, jobs wait for polls.
func (t *tour) stream() {
	ctx, cancel := context.WithCancel(context.Background())
	received := make(chan entities.Job, 1000)
	ended := make(chan error, 1)
	go func() {
		ended <- t.client.NewStreamJobsCommand().JobType(t.name("work")).Consumer(received).
			WorkerName("stream").Timeout(jobTimeout).RequestTimeout(patience).Send(ctx)
	}()
	started, delivered := 0, 0
	for deadline := time.Now().Add(patience); delivered == 0; started++ {
		t.check(time.Now().Before(deadline), "a stream is open")
		t.start("work", nil)
		select {
		case job := <-received:
			t.check(job.Worker == "stream", "a stream brings a job")
			t.complete(job.Key)
			delivered++
		case <-time.After(200 * time.Millisecond):
		}
	}
	cancel()
	<-ended
	for ; delivered < started; delivered++ {
		select {
		case job := <-received:
			t.complete(job.Key)
		default:
			t.complete(t.take("work").Key)
		}
	}
}

// worker handles jobs, is closed, and another takes over.
func (t *tour) worker(streaming bool) {
	seen := make(chan int64, 10*workerJobs)
	handler := func(client worker.JobClient, job entities.Job) {
		_, err := client.NewCompleteJobCommand().JobKey(job.Key).Send(context.Background())
		if err == nil {
			seen <- job.Key
		}
	}
	kind := map[bool]string{false: "polling", true: "streaming"}[streaming]
	// A poll may outlive its worker and take jobs for it: each kind has a type of its own.
	text := strings.ReplaceAll(string(t.resource("tasks.bpmn")), t.prefix, t.name(kind))
	_, err := t.client.NewDeployResourceCommand().AddResource([]byte(text), "work.bpmn").
		Send(context.Background())
	t.must(err, "deploy")
	keys := map[int64]bool{}
	for round := 1; round <= 2; round++ {
		open := t.client.NewJobWorker().JobType(t.name(kind + "work")).Handler(handler).Timeout(jobTimeout).
			Name("go").MaxJobsActive(16).Concurrency(4).PollInterval(50 * time.Millisecond).
			RequestTimeout(2 * time.Second).StreamEnabled(streaming).Open()
		for n := 0; n < workerJobs/2; n++ {
			t.start(kind+"work", nil)
		}
		deadline := time.After(patience)
		for len(keys) < round*workerJobs/2 {
			select {
			case key := <-seen:
				if keys[key] {
					panic(failure("a job was handled twice"))
				}
				keys[key] = true
			case <-deadline:
				t.check(false, "a "+kind+" worker handles all jobs", len(keys))
			}
		}
		open.Close()
		open.AwaitClose()
		t.check(true, "a "+kind+" worker handles all jobs and closes")
	}
	t.check(len(seen) == 0, "none twice")
}
