package beegate.tour;

import ${library}.api.command.ClientStatusException;
import ${library}.api.command.ProblemException;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** Variables as large as they may be, and larger. */
final class Limits {
  private static final int LARGE = 1_800_000;
  private static final int MAXIMUM = 4 * 1024 * 1024;

  private final Tour tour;

  private Limits(Tour tour) {
    this.tour = tour;
  }

  static void tour(Tour tour) {
    var steps = new Limits(tour);
    steps.large();
    steps.tooLarge();
  }

  private void large() {
    var text = "ü".repeat(LARGE / 2);
    tour.start("work", Map.of("text", text));
    var job = tour.take("work");
    tour.equal(text, job.getVariable("text"), "a variable of 1.8 MB reaches the worker");
    tour.client.newCompleteCommand(job).send().join();
    // It reaches the broker, which cannot write it twice, as command and as event.
    var most = Map.<String, Object>of("text", "x".repeat(MAXIMUM - 4096));
    var publish = tour.client.newPublishMessageCommand().messageName(tour.name("paid"));
    var message = publish.correlationKey("large").variables(most).timeToLive(Duration.ZERO);
    var words = "rejected with code 'EXCEEDED_BATCH_RECORD_SIZE'";
    tour.refused(Refusal.EXCEEDED, words, message, "one of nearly 4 MB reaches the broker");
  }

  private void tooLarge() {
    var create = tour.client.newCreateInstanceCommand().bpmnProcessId(tour.name("none"));
    var large = create.latestVersion().variables(Map.of("text", "x".repeat(MAXIMUM)));
    String found;
    try {
      large.send().join();
      throw new AssertionError("4 MB of variables were accepted");
    } catch (ClientStatusException error) {
      found = error.getStatusCode() + " " + error.getStatus().getDescription();
    } catch (ProblemException error) {
      found = error.code() + " " + error.details().getTitle();
    }
    // beegate reads no body over its limit, the JVM gateway reads it and refuses it later.
    var expected =
        List.of(
            "RESOURCE_EXHAUSTED gRPC message exceeds maximum size",
            "500 MALFORMED_REQUEST",
            "413 ");
    var known = expected.stream().anyMatch(found::startsWith);
    tour.check(known, "what is over 4 MB is refused: " + found);
  }
}
