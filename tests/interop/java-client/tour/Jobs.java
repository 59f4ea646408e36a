package beegate.tour;

import static beegate.tour.Refusal.INVALID_ARGUMENT;
import static beegate.tour.Refusal.INVALID_STATE;
import static beegate.tour.Refusal.NOT_FOUND;

import ${library}.api.response.ActivatedJob;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;

/** Jobs, one command at a time: activated, completed, failed, updated; incidents and errors. */
final class Jobs {
  private final Tour tour;

  private Jobs(Tour tour) {
    this.tour = tour;
  }

  static void tour(Tour tour) {
    var steps = new Jobs(tour);
    steps.activation();
    steps.longPoll();
    steps.failure();
    steps.updates();
    steps.incident();
    steps.error();
    steps.refused();
    if (!tour.rest) {
      steps.stream();
    }
  }

  private void activation() {
    var client = tour.client;
    long began = System.currentTimeMillis();
    long instance = tour.start("two", Map.of("amount", 5, "order", "o-1", "other", List.of()));
    var jobs =
        client
            .newActivateJobsCommand()
            .jobType(tour.name("first"))
            .maxJobsToActivate(10)
            .timeout(Tour.JOB_TIMEOUT)
            .workerName("Fräulein Smilla")
            .fetchVariables("amount", "order", "unknown")
            .requestTimeout(Tour.PATIENCE)
            .send()
            .join()
            .getJobs();
    tour.equal(1, jobs.size(), "a job is activated");
    var job = jobs.get(0);
    tour.equal(Map.of("amount", 5, "order", "o-1"), job.getVariablesAsMap(), "with what was asked");
    tour.equal(tour.name("first"), job.getType(), "its type");
    tour.equal(Map.of("currency", "EUR"), job.getCustomHeaders(), "its headers");
    tour.equal("Fräulein Smilla", job.getWorker(), "its worker");
    tour.equal(3, job.getRetries(), "its retries");
    tour.equal("first", job.getElementId(), "its element");
    tour.equal(instance, job.getProcessInstanceKey(), "its instance");
    tour.equal(tour.name("two"), job.getBpmnProcessId(), "its process");
    tour.equal(2, job.getProcessDefinitionVersion(), "the version of it");
    tour.equal("<default>", job.getTenantId(), "its tenant");
    long deadline = job.getDeadline() - began - Tour.JOB_TIMEOUT.toMillis();
    tour.check(Math.abs(deadline) < 20_000, "and the end of its timeout");
    client.newCompleteCommand(job).variables(Map.of("paid", "ja, für 🐝")).send().join();
    var second = tour.take("second");
    tour.equal("ja, für 🐝", second.getVariable("paid"), "a completed job leaves its variables");
    client.newCompleteCommand(second.getKey()).send().join();
    var again = client.newCompleteCommand(second.getKey());
    tour.refused(NOT_FOUND, "no such job was found", again, "a job is completed once");
  }

  private void longPoll() {
    var nothing =
        tour.client
            .newActivateJobsCommand()
            .jobType(tour.name("first"))
            .maxJobsToActivate(10)
            .requestTimeout(Duration.ofMillis(300));
    long began = System.nanoTime();
    tour.equal(0, nothing.send().join().getJobs().size(), "a poll without jobs ends empty");
    long took = (System.nanoTime() - began) / 1_000_000;
    tour.check(took >= 250 && took < 5_000, "after its timeout");
    var waiting =
        tour.client
            .newActivateJobsCommand()
            .jobType(tour.name("work"))
            .maxJobsToActivate(10)
            .timeout(Tour.JOB_TIMEOUT)
            .requestTimeout(Tour.PATIENCE)
            .send();
    Tour.pause(300);
    began = System.nanoTime();
    tour.start("work", Map.of());
    var jobs = waiting.join().getJobs();
    took = (System.nanoTime() - began) / 1_000_000;
    tour.equal(1, jobs.size(), "a job wakes the poll that waits for it");
    tour.check(took < 5_000, "at once");
    tour.client.newCompleteCommand(jobs.get(0)).send().join();
  }

  private void failure() {
    tour.start("two", Map.of());
    var job = tour.take("first");
    var fail =
        tour.client
            .newFailCommand(job)
            .retries(job.getRetries() - 1)
            .retryBackoff(Duration.ofMillis(700))
            .errorMessage("later, bitte")
            .variables(Map.of("failed", true));
    long began = System.nanoTime();
    fail.send().join();
    var again = tour.take("first");
    long took = (System.nanoTime() - began) / 1_000_000;
    tour.equal(job.getKey(), again.getKey(), "a failed job comes again");
    tour.check(took >= 650 && took < 10_000, "after its backoff");
    tour.equal(2, again.getRetries(), "with one retry less");
    tour.equal(true, again.getVariable("failed"), "and the variables of the failure");
    finish(again);
  }

  private void updates() {
    var client = tour.client;
    tour.start("two", Map.of());
    var job = tour.take("first");
    client.newUpdateTimeoutCommand(job).timeout(Duration.ofMinutes(40)).send().join();
    client.newUpdateRetriesCommand(job.getKey()).retries(6).operationReference(11).send().join();
    client.newUpdateJobCommand(job).update(7, 2_400_000L).send().join();
    client.newUpdateJobCommand(job).updateRetries(8).send().join();
    // A timeout of no time gives the job back.
    client.newUpdateJobCommand(job.getKey()).updateTimeout(Duration.ofMillis(1)).send().join();
    var again = tour.take("first");
    tour.equal(job.getKey(), again.getKey(), "a job whose timeout was cut short comes again");
    tour.equal(8, again.getRetries(), "with the retries that it was given");
    var none = client.newUpdateRetriesCommand(job.getKey()).retries(0);
    tour.refused(INVALID_ARGUMENT, "positive amount of retries", none, "no retries: refused");
    finish(again);
  }

  private void incident() {
    var client = tour.client;
    long instance = tour.start("two", Map.of());
    var job = tour.take("first");
    client.newFailCommand(job).retries(0).errorMessage("for good").send().join();
    var stuck = client.newFailCommand(job).retries(1);
    tour.refused(INVALID_STATE, "it is in state 'FAILED'", stuck, "no retries: an incident");
    client.newUpdateRetriesCommand(job).retries(1).send().join();
    long incident = tour.guess(instance, key -> client.newResolveIncidentCommand(key));
    var again = tour.take("first");
    tour.equal(job.getKey(), again.getKey(), "resolving the incident brings the job back");
    var resolved = client.newResolveIncidentCommand(incident);
    tour.refused(NOT_FOUND, "no such incident was found", resolved, "it is resolved once");
    finish(again);
  }

  private void error() {
    var client = tour.client;
    var create = client.newCreateInstanceCommand().bpmnProcessId(tour.name("error"));
    var result =
        create.latestVersion().withResult().requestTimeout(Tour.PATIENCE).send();
    var job = tour.take("charge");
    client
        .newThrowErrorCommand(job)
        .errorCode(tour.name("declined"))
        .errorMessage("kein Geld")
        .variables(Map.of("reason", "stolen"))
        .send()
        .join();
    tour.equal("stolen", result.join().getVariable("reason"), "a thrown error is caught");
  }

  private void refused() {
    var client = tour.client;
    long unknown = (1L << 51) + 1;
    var words = "no such job was found";
    tour.refused(NOT_FOUND, words, client.newFailCommand(unknown).retries(1), "unknown: fail");
    var thrown = client.newThrowErrorCommand(unknown).errorCode("e");
    tour.refused(NOT_FOUND, words, thrown, "unknown: throw an error");
    var retries = client.newUpdateRetriesCommand(unknown).retries(1);
    tour.refused(NOT_FOUND, words, retries, "unknown: update retries");
    var timeout = client.newUpdateTimeoutCommand(unknown).timeout(1000);
    tour.refused(NOT_FOUND, words, timeout, "unknown: update the timeout");
    var update = client.newUpdateJobCommand(unknown).update(1, 1L);
    tour.refusedOnRest(NOT_FOUND, words, update, "unknown: update");
    var incident = client.newResolveIncidentCommand(unknown);
    tour.refused(NOT_FOUND, "no such incident was found", incident, "unknown: resolve");
  }

  private void stream() {
    var received = new CopyOnWriteArrayList<ActivatedJob>();
    var stream =
        tour.client
            .newStreamJobsCommand()
            .jobType(tour.name("work"))
            .consumer(received::add)
            .timeout(Tour.JOB_TIMEOUT)
            .workerName("stream")
            .fetchVariables("n")
            .send();
    // A stream takes a moment to reach every broker: until then jobs wait for a poll.
    int started = 0;
    long deadline = System.nanoTime() + Tour.PATIENCE.toNanos();
    while (received.isEmpty() && System.nanoTime() < deadline) {
      tour.start("work", Map.of("n", started, "m", 1));
      started += 1;
      Tour.pause(100);
    }
    tour.check(!received.isEmpty(), "a stream brings a job");
    var job = received.get(0);
    tour.equal(java.util.Set.of("n"), job.getVariablesAsMap().keySet(), "with what was asked for");
    tour.equal("stream", job.getWorker(), "for its worker");
    stream.cancel(true);
    Tour.pause(200);
    for (var delivered : received) {
      tour.client.newCompleteCommand(delivered).send().join();
    }
    for (int rest = received.size(); rest < started; rest++) {
      tour.client.newCompleteCommand(tour.take("work")).send().join();
    }
    tour.check(true, "what the stream did not bring is there for polls");
  }

  private void finish(ActivatedJob job) {
    tour.client.newCompleteCommand(job).send().join();
    tour.client.newCompleteCommand(tour.take("second")).send().join();
  }
}
