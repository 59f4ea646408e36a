package beegate.tour;

import ${library}.api.worker.JobWorker;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Workers that poll, and workers with a stream: every job is handled, and handled once. */
final class Workers {
  private static final int JOBS = 100;

  private final Tour tour;
  private final boolean streaming;
  private final String kind;
  private final ConcurrentLinkedQueue<Long> keys = new ConcurrentLinkedQueue<>();
  private final ConcurrentLinkedQueue<Integer> numbers = new ConcurrentLinkedQueue<>();

  private Workers(Tour tour, boolean streaming) {
    this.tour = tour;
    this.streaming = streaming;
    this.kind = streaming ? "streaming" : "polling";
  }

  static void tour(Tour tour) {
    new Workers(tour, false).run();
    if (!tour.rest) {
      new Workers(tour, true).run(); // a stream is gRPC, whatever is preferred
    }
  }

  private void run() {
    // A poll outlives its worker and takes jobs for it: each kind has a type of its own.
    var bpmn = tour.resource("tasks.bpmn").replace(tour.name(""), tour.name(kind));
    tour.client.newDeployResourceCommand().addResourceStringUtf8(bpmn, "work.bpmn").send().join();
    tour.known(tour.name(kind + "none"), 1);
    try (var worker = open()) {
      start(0, JOBS / 2);
      String what = "a " + kind + " worker handles all jobs";
      Tour.eventually(what, () -> numbers.size() >= JOBS / 2, () -> numbers);
      tour.check(worker.isOpen(), "and stays open");
    }
    start(JOBS / 2, JOBS);
    try (var worker = open()) {
      String what = "another takes over what came in between";
      Tour.eventually(what, () -> numbers.size() >= JOBS, () -> numbers);
    }
    Tour.pause(300); // for jobs that come twice
    tour.equal(JOBS, keys.size(), "a hundred jobs were handled");
    tour.equal(JOBS, new HashSet<>(keys).size(), "none twice");
    Set<Integer> expected = IntStream.range(0, JOBS).boxed().collect(Collectors.toSet());
    tour.equal(expected, new HashSet<>(numbers), "each with its variables");
  }

  private JobWorker open() {
    return tour.client
        .newWorker()
        .jobType(tour.name(kind + "work"))
        .handler(
            (client, job) -> {
              keys.add(job.getKey());
              client.newCompleteCommand(job).variables(Map.of("done", true)).send().join();
              numbers.add((Integer) job.getVariable("n"));
            })
        .timeout(Tour.JOB_TIMEOUT)
        .name("worker")
        .maxJobsActive(16)
        .pollInterval(Duration.ofMillis(50))
        .requestTimeout(Duration.ofSeconds(5))
        .fetchVariables("n")
        .streamEnabled(streaming)
        .open();
  }

  private void start(int from, int to) {
    var started =
        IntStream.range(from, to)
            .mapToObj(
                n ->
                    tour.client
                        .newCreateInstanceCommand()
                        .bpmnProcessId(tour.name(kind + "work"))
                        .latestVersion()
                        .variables(Map.of("n", n, "more", "not asked for"))
                        .send())
            .toList();
    started.forEach(each -> each.join());
  }
}
