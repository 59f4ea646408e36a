package beegate.tour;

import static beegate.tour.Refusal.ALREADY_EXISTS;
import static beegate.tour.Refusal.INVALID_ARGUMENT;
import static beegate.tour.Refusal.NOT_FOUND;

import java.time.Duration;
import java.util.Map;

/** Messages published and correlated; signals. */
final class Messages {
  private final Tour tour;

  private Messages(Tour tour) {
    this.tour = tour;
  }

  static void tour(Tour tour) {
    var steps = new Messages(tour);
    steps.buffered();
    steps.lost();
    steps.unique();
    steps.correlated();
    steps.signals();
  }

  private void buffered() {
    var published =
        tour.client
            .newPublishMessageCommand()
            .messageName(tour.name("paid"))
            .correlationKey("Schlüssel-1")
            .timeToLive(Duration.ofMinutes(5))
            .variables(Map.of("by", "Ada"))
            .tenantId("<default>")
            .send()
            .join();
    tour.check(published.getMessageKey() > 0, "a message is published");
    tour.equal("<default>", published.getTenantId(), "for the tenant");
    var create = tour.client.newCreateInstanceCommand().bpmnProcessId(tour.name("message"));
    var result =
        create
            .latestVersion()
            .variables(Map.of("order", "Schlüssel-1"))
            .withResult()
            .requestTimeout(Tour.PATIENCE)
            .send()
            .join();
    tour.equal("Ada", result.getVariable("by"), "it waits for its instance");
  }

  private void lost() {
    var publish = tour.client.newPublishMessageCommand().messageName(tour.name("paid"));
    publish.correlationKey("k-2").timeToLive(Duration.ZERO).send().join();
    long instance = tour.start("message", Map.of("order", "k-2"));
    Tour.pause(200);
    tour.client.newCancelInstanceCommand(instance).send().join();
    tour.check(true, "a message without time to live does not wait");
    publish = tour.client.newPublishMessageCommand().messageName(tour.name("paid"));
    var other = publish.correlationKey("k-2").tenantId("other");
    tour.refused(INVALID_ARGUMENT, "multi-tenancy is disabled", other, "no other tenant");
    publish = tour.client.newPublishMessageCommand().messageName(tour.name("start"));
    var without = publish.withoutCorrelationKey().send().join();
    tour.check(without.getMessageKey() > 0, "a message without correlation key");
  }

  private void unique() {
    for (boolean again : new boolean[] {false, true}) {
      var publish =
          tour.client
              .newPublishMessageCommand()
              .messageName(tour.name("paid"))
              .correlationKey("k-3")
              .messageId("only-once")
              .timeToLive(Duration.ofMinutes(5));
      if (again) {
        var words = "Expected to publish a new message with id 'only-once'";
        tour.refused(ALREADY_EXISTS, words, publish, "a message id is taken once");
      } else {
        publish.send().join();
      }
    }
  }

  private void correlated() {
    var client = tour.client;
    long instance = tour.start("message", Map.of("order", "k-4"));
    // The subscription is opened after the creation was answered.
    var correlate =
        client
            .newCorrelateMessageCommand()
            .messageName(tour.name("paid"))
            .correlationKey("k-4")
            .variables(Map.of("by", "Grace"));
    var response = patiently(correlate);
    tour.equal(instance, response.getProcessInstanceKey(), "a message is correlated");
    tour.check(response.getMessageKey() > 0, "it has a key");
    tour.equal("<default>", response.getTenantId(), "and a tenant");
    var nobody =
        client.newCorrelateMessageCommand().messageName(tour.name("paid")).correlationKey("k-5");
    var words = "Expected to find subscription for message with name";
    tour.refusedOnRest(NOT_FOUND, words, nobody, "nobody waits: refused");
  }

  private static ${library}.api.response.CorrelateMessageResponse patiently(
      ${library}.api.command.FinalCommandStep<${library}.api.response.CorrelateMessageResponse>
          correlate) {
    for (int attempt = 0; ; attempt++) {
      try {
        return correlate.send().join();
      } catch (${library}.api.command.ProblemException error) {
        if (attempt == 50 || error.code() != NOT_FOUND.rest) {
          throw error;
        }
        Tour.pause(50);
      }
    }
  }

  private void signals() {
    var broadcast =
        tour.client
            .newBroadcastSignalCommand()
            .signalName(tour.name("alarm"))
            .variables(Map.of("level", "hoch"));
    var response = broadcast.tenantId("<default>").send().join();
    tour.check(response.getKey() > 0, "a signal is broadcast");
    tour.equal("<default>", response.getTenantId(), "for the tenant");
    if (!tour.embedded) {
      var job = tour.take("react");
      tour.equal("hoch", job.getVariable("level"), "it starts an instance");
      tour.client.newCompleteCommand(job).send().join();
    }
  }
}
