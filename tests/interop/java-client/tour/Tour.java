package beegate.tour;

import ${library}.${client};
import ${library}.api.command.ClientStatusException;
import ${library}.api.command.FinalCommandStep;
import ${library}.api.command.ProblemException;
import ${library}.api.response.ActivatedJob;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.function.LongFunction;
import java.util.function.Supplier;

/** One tour: its client, its names, and what all steps need. */
final class Tour {
  /** Long enough for a busy machine. */
  static final Duration PATIENCE = Duration.ofSeconds(20);
  /** So many instances in a row, started round robin, and every partition had one. */
  private static final int ENOUGH = 12;
  /** No job comes back by itself while the tour lasts. */
  static final Duration JOB_TIMEOUT = Duration.ofMinutes(30);

  private static final Path RESOURCES = Path.of("tests", "interop", "resources", "clients");

  final ${client} client;
  /** Whether commands go over REST where the library can. */
  final boolean rest;
  /** Whether the embedded broker is behind the gateway, which refuses what it cannot run. */
  final boolean embedded;
  /** Whether the gateway is beegate itself. */
  final boolean beegate;

  private final String prefix = "tour-" + UUID.randomUUID().toString().substring(0, 8) + "-";

  Tour(${client} client, boolean rest, boolean embedded, boolean beegate) {
    this.client = client;
    this.rest = rest;
    this.embedded = embedded;
    this.beegate = beegate;
  }

  void check(boolean condition, String what) {
    Tap.check(condition, what);
  }

  void equal(Object expected, Object found, String what) {
    Tap.equal(expected, found, what);
  }

  /** A name of this tour, which no other uses. */
  String name(String word) {
    return prefix + word;
  }

  /** A resource with names of this tour. */
  String resource(String file) {
    try {
      return Files.readString(RESOURCES.resolve(file)).replace("\"tour-", "\"" + prefix);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Waits until all partitions know a process: deployments reach the others a little later. */
  void known(String process, int version) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    int inARow = 0;
    while (inARow < ENOUGH) {
      try {
        client.newCreateInstanceCommand().bpmnProcessId(process).version(version).send().join();
        inARow++;
      } catch (RuntimeException error) {
        boolean unknown = String.valueOf(error).contains("Expected to find process definition");
        if (!unknown || System.nanoTime() > deadline) {
          throw error;
        }
        inARow = 0;
        pause(50);
      }
    }
  }

  /** Starts an instance of a process of this tour. */
  long start(String process, Map<String, Object> variables) {
    return client
        .newCreateInstanceCommand()
        .bpmnProcessId(name(process))
        .latestVersion()
        .variables(variables)
        .send()
        .join()
        .getProcessInstanceKey();
  }

  /** Takes the one job of a type, waiting for it. */
  ActivatedJob take(String type) {
    List<ActivatedJob> jobs =
        client
            .newActivateJobsCommand()
            .jobType(name(type))
            .maxJobsToActivate(1)
            .timeout(JOB_TIMEOUT)
            .workerName("tour")
            .requestTimeout(PATIENCE)
            .send()
            .join()
            .getJobs();
    if (jobs.size() != 1) {
      throw new AssertionError("one job " + type + " was expected, not " + jobs);
    }
    return jobs.get(0);
  }

  /** The command is refused, with the library's exception for it, and in these words. */
  void refused(Refusal refusal, String words, FinalCommandStep<?> command, String what) {
    refused(refusal, words, command, rest, what);
  }

  /** The same for a command that the library sends over REST only. */
  void refusedOnRest(Refusal refusal, String words, FinalCommandStep<?> command, String what) {
    refused(refusal, words, command, true, what);
  }

  private void refused(
      Refusal refusal, String words, FinalCommandStep<?> command, boolean onRest, String what) {
    String found;
    try {
      command.send().join();
      throw new AssertionError(what + ": it was not refused");
    } catch (ClientStatusException error) {
      found = error.getStatusCode() + " " + error.getStatus().getDescription();
    } catch (ProblemException error) {
      found = error.code() + " " + error.details().getDetail();
    }
    String code = (onRest ? Integer.toString(refusal.rest) : refusal.grpc.toString()) + " ";
    if (!found.startsWith(code) || !found.contains(words)) {
      throw new AssertionError(what + ": expected " + code + words + ", found " + found);
    }
    check(true, what);
  }

  /** The embedded broker says that it does not know this command. */
  void notEmbedded(FinalCommandStep<?> command, boolean onRest, String what) {
    String words = "the embedded broker does not support it";
    refused(Refusal.INVALID_STATE, words, command, onRest, what + " is refused in clear words");
  }

  /**
   * Carries out a command for something whose key no client can read: an incident, a user task.
   * Keys of a partition are counted up, so it is one of the last before one that is read now.
   */
  long guess(long scope, LongFunction<FinalCommandStep<?>> command) {
    var latest = client.newSetVariablesCommand(scope).useGrpc().variables(Map.of("asked", true));
    long newest = latest.local(true).send().join().getKey();
    for (long key = newest - 1; key > newest - 400; key--) {
      try {
        command.apply(key).send().join();
        return key;
      } catch (ClientStatusException error) {
        if (error.getStatusCode() != Refusal.NOT_FOUND.grpc) {
          throw error;
        }
      } catch (ProblemException error) {
        if (error.code() != Refusal.NOT_FOUND.rest) {
          throw error;
        }
      }
    }
    throw new AssertionError("not among the 400 keys before " + newest);
  }

  /** Waits for a condition. */
  static void eventually(String what, BooleanSupplier condition, Supplier<?> found) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("not within " + PATIENCE + ": " + what + ", but " + found.get());
      }
      pause(20);
    }
    Tap.check(true, what);
  }

  static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException error) {
      throw new AssertionError(error);
    }
  }
}
