package beegate.tour;

import static beegate.tour.Refusal.INVALID_ARGUMENT;
import static beegate.tour.Refusal.NOT_FOUND;

import java.util.List;
import java.util.Map;

/** Process instances: created in all ways, cancelled, modified, migrated; their variables. */
final class Instances {
  private final Tour tour;

  private Instances(Tour tour) {
    this.tour = tour;
  }

  static void tour(Tour tour) {
    var steps = new Instances(tour);
    steps.creation();
    steps.results();
    steps.refused();
    steps.startInstructions();
    steps.variables();
    steps.modification();
    steps.migration();
  }

  private void creation() {
    var create = tour.client.newCreateInstanceCommand();
    var first = create.bpmnProcessId(tour.name("none")).version(1).send().join();
    tour.equal(1, first.getVersion(), "an instance of a version");
    tour.equal(tour.name("none"), first.getBpmnProcessId(), "the answer names the process");
    tour.equal("<default>", first.getTenantId(), "and the tenant");
    create = tour.client.newCreateInstanceCommand();
    var latest =
        create
            .bpmnProcessId(tour.name("none"))
            .latestVersion()
            .tenantId("<default>")
            .variables("{\"text\": \"as JSON\"}")
            .send()
            .join();
    tour.equal(2, latest.getVersion(), "an instance of the latest version");
    create = tour.client.newCreateInstanceCommand();
    var byKey = create.processDefinitionKey(first.getProcessDefinitionKey()).send().join();
    tour.equal(1, byKey.getVersion(), "an instance by the key of its definition");
    tour.check(
        byKey.getProcessInstanceKey() != first.getProcessInstanceKey(), "instances have own keys");
  }

  private void results() {
    Map<String, Object> variables =
        Map.of(
            "text", "Grüße, 世界 🐝 \u0000 \"quoted\" \\ \n",
            "number", 9_007_199_254_740_991L,
            "fraction", 0.1,
            "list", List.of(1, "two", List.of(), Map.of("three", 3)),
            "yes", true,
            "empty", "");
    var create = tour.client.newCreateInstanceCommand();
    var result =
        create
            .bpmnProcessId(tour.name("none"))
            .latestVersion()
            .variables(variables)
            .withResult()
            .requestTimeout(Tour.PATIENCE)
            .send()
            .join();
    tour.equal(variables.size(), result.getVariablesAsMap().size(), "a result has all variables");
    for (var entry : variables.entrySet()) {
      if (!entry.getKey().equals("number")) {
        tour.equal(entry.getValue(), result.getVariable(entry.getKey()), entry.getKey() + " survives");
      }
    }
    var number = ((Number) result.getVariable("number")).longValue();
    tour.equal(variables.get("number"), number, "number survives");
    create = tour.client.newCreateInstanceCommand();
    var some =
        create
            .bpmnProcessId(tour.name("none"))
            .latestVersion()
            .variables(variables)
            .withResult()
            .fetchVariables("yes", "unknown")
            .requestTimeout(Tour.PATIENCE)
            .send()
            .join();
    tour.equal(Map.of("yes", true), some.getVariablesAsMap(), "or those that were asked for");
  }

  private void refused() {
    var client = tour.client;
    var unknown = client.newCreateInstanceCommand().bpmnProcessId("nobody-knows").latestVersion();
    var words = "Expected to find process definition with process ID 'nobody-knows'";
    tour.refused(NOT_FOUND, words, unknown, "an unknown process is refused");
    var tenant = client.newCreateInstanceCommand().bpmnProcessId(tour.name("none")).latestVersion();
    words = "multi-tenancy is disabled";
    tour.refused(INVALID_ARGUMENT, words, tenant.tenantId("other"), "another tenant is refused");
    var element =
        client.newCreateInstanceCommand().bpmnProcessId(tour.name("none")).latestVersion();
    words = "no element found with id 'nowhere'";
    var start = element.startBeforeElement("nowhere");
    tour.refused(INVALID_ARGUMENT, words, start, "an unknown start element is refused");
    var cancelled = tour.start("message", Map.of("order", tour.name("cancelled")));
    client.newCancelInstanceCommand(cancelled).operationReference(8).send().join();
    words = "Expected to cancel a process instance with key '" + cancelled + "'";
    var again = client.newCancelInstanceCommand(cancelled);
    tour.refused(NOT_FOUND, words, again, "a cancelled instance is gone");
  }

  private void startInstructions() {
    var create = tour.client.newCreateInstanceCommand();
    create
        .bpmnProcessId(tour.name("two"))
        .latestVersion()
        .variable("from", "the middle")
        .startBeforeElement("second")
        .send()
        .join();
    var job = tour.take("second");
    tour.equal("second", job.getElementId(), "an instance starts before the named element");
    tour.equal(Map.of("from", "the middle"), job.getVariablesAsMap(), "with its variables");
    tour.client.newCompleteCommand(job).send().join();
  }

  private void variables() {
    var client = tour.client;
    long instance = tour.start("two", Map.of("kept", 1));
    long scope = tour.take("first").getElementInstanceKey();
    client.newSetVariablesCommand(instance).variables(Map.of("global", 2)).send().join();
    var set = client.newSetVariablesCommand(scope).variables("{\"near\": 3}").local(true);
    var done = set.operationReference(9).send().join();
    tour.check(tour.rest || done.getKey() > 0, "variables are set"); // REST answers without a body
    // They are in the job once it is handed out anew.
    var first = retake(scope);
    tour.equal(
        Map.of("kept", 1, "global", 2, "near", 3), first, "a task sees local and outer variables");
    var second = tour.take("second").getVariablesAsMap();
    tour.equal(Map.of("kept", 1, "global", 2), second, "local ones end with their task");
    var unknown = client.newSetVariablesCommand(1L << 51).variables(Map.of("a", 1));
    tour.refused(NOT_FOUND, "no such element was found", unknown, "of an unknown element: refused");
    client.newCancelInstanceCommand(instance).send().join();
  }

  /** Fails the open job of the element back, takes it anew and completes it. */
  private Map<String, Object> retake(long scope) {
    long failed = tour.guess(scope, key -> tour.client.newFailCommand(key).retries(3));
    var job = tour.take("first");
    tour.equal(failed, job.getKey(), "a failed job is handed out anew");
    tour.client.newCompleteCommand(job).send().join();
    var variables = new java.util.HashMap<>(job.getVariablesAsMap());
    variables.remove("asked");
    return variables;
  }

  private void modification() {
    var client = tour.client;
    long instance = tour.start("two", Map.of());
    var first = tour.take("first");
    var modify =
        client
            .newModifyProcessInstanceCommand(instance)
            .activateElement("second")
            .withVariables(Map.of("modified", "yes"))
            .and()
            .terminateElement(first.getElementInstanceKey())
            .operationReference(10);
    if (tour.embedded) {
      tour.notEmbedded(modify, tour.rest, "modification");
      client.newCancelInstanceCommand(instance).send().join();
      return;
    }
    modify.send().join();
    var second = tour.take("second");
    tour.equal("yes", second.getVariable("modified"), "a modified instance goes on elsewhere");
    var gone = client.newCompleteCommand(first);
    tour.refused(NOT_FOUND, "no such job was found", gone, "and what was terminated is gone");
    client.newCompleteCommand(second).send().join();
    var ended = client.newModifyProcessInstanceCommand(instance).activateElement("second");
    tour.refused(
        NOT_FOUND, "no process instance found", ended, "an ended instance is not modified");
  }

  private void migration() {
    var client = tour.client;
    var create = client.newCreateInstanceCommand().bpmnProcessId(tour.name("two"));
    var old = create.version(1).send().join();
    create = client.newCreateInstanceCommand().bpmnProcessId(tour.name("two"));
    var current = create.latestVersion().send().join();
    long target = current.getProcessDefinitionKey();
    client.newCancelInstanceCommand(current.getProcessInstanceKey()).send().join();
    var migrate =
        client
            .newMigrateProcessInstanceCommand(old.getProcessInstanceKey())
            .migrationPlan(target)
            .addMappingInstruction("first", "first");
    if (tour.embedded) {
      tour.notEmbedded(migrate, tour.rest, "migration");
    } else {
      migrate.send().join();
      var job = tour.take("first");
      tour.equal(target, job.getProcessDefinitionKey(), "a migrated instance has its new version");
      var partly =
          client
              .newMigrateProcessInstanceCommand(old.getProcessInstanceKey())
              .migrationPlan(target)
              .addMappingInstruction("first", "nowhere");
      var words = "Expected to migrate process instance";
      tour.refused(INVALID_ARGUMENT, words, partly, "a plan to an unknown element is refused");
    }
    client.newCancelInstanceCommand(old.getProcessInstanceKey()).send().join();
  }
}
