package beegate.tour;

import java.net.URI;

/**
 * The tour that Camunda's Java library takes through a running gateway, over gRPC and then over
 * REST. Addresses come from the environment: BEEGATE_TOUR_GRPC (host:port), BEEGATE_TOUR_REST
 * (URL), BEEGATE_TOUR_EMBEDDED (set where the embedded broker is behind), BEEGATE_TOUR_MONITORING
 * (set where the gateway is beegate).
 */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) {
    try {
      for (boolean rest : new boolean[] {false, true}) {
        tour(rest);
      }
      Tap.end();
      System.exit(0);
    } catch (Throwable error) {
      Tap.failed(error);
      System.exit(1);
    }
  }

  private static void tour(boolean rest) {
    long began = System.nanoTime();
    String how = Library.NAME + ", " + (rest ? "REST" : "gRPC");
    boolean beegate = isSet("BEEGATE_TOUR_MONITORING");
    if (rest && !beegate && !Library.REST_OF_8_6) {
      System.out.printf("# skipped: %s needs what a gateway of 8.6 does not send%n", how);
      return;
    }
    System.out.printf("# %s%n", how);
    var grpcAddress = URI.create("http://" + System.getenv("BEEGATE_TOUR_GRPC"));
    var restAddress = URI.create(System.getenv("BEEGATE_TOUR_REST"));
    try (var client = Library.connect(grpcAddress, restAddress, rest)) {
      var tour = new Tour(client, rest, isSet("BEEGATE_TOUR_EMBEDDED"), beegate);
      Deployments.tour(tour);
      Instances.tour(tour);
      Jobs.tour(tour);
      Messages.tour(tour);
      Decisions.tour(tour);
      UserTasks.tour(tour);
      Workers.tour(tour);
      Limits.tour(tour);
      Library.more(tour);
      Clock.tour(tour);
    }
    System.out.printf("# %s took %d ms%n", how, (System.nanoTime() - began) / 1_000_000);
  }

  private static boolean isSet(String variable) {
    String value = System.getenv(variable);
    return value != null && !value.isEmpty();
  }
}
