package beegate.tour;

import static beegate.tour.Refusal.INVALID_ARGUMENT;
import static beegate.tour.Refusal.NOT_FOUND;

import java.util.stream.Collectors;

/** Topology; resources deployed and deleted. */
final class Deployments {
  private final Tour tour;

  private Deployments(Tour tour) {
    this.tour = tour;
  }

  static void tour(Tour tour) {
    var steps = new Deployments(tour);
    steps.topology();
    steps.several();
    steps.again();
    steps.refused();
    steps.deletion();
  }

  private void topology() {
    var topology = tour.client.newTopologyRequest().send().join();
    tour.equal(topology.getClusterSize(), topology.getBrokers().size(), "topology: all brokers");
    tour.check(topology.getGatewayVersion().matches("8\\..*"), "with the gateway's version");
    var led =
        topology.getBrokers().stream()
            .flatMap(broker -> broker.getPartitions().stream())
            .filter(partition -> partition.isLeader())
            .map(partition -> partition.getPartitionId() + " " + partition.getHealth())
            .sorted()
            .collect(Collectors.joining(", "));
    var expected =
        java.util.stream.IntStream.rangeClosed(1, topology.getPartitionsCount())
            .mapToObj(id -> id + " HEALTHY")
            .collect(Collectors.joining(", "));
    tour.equal(expected, led, "every partition has one leader, a healthy one");
    var broker = topology.getBrokers().get(0);
    tour.check(broker.getPort() > 0 && !broker.getHost().isEmpty(), "brokers have an address");
    tour.check(broker.getVersion().startsWith("8."), "and a version");
  }

  private void several() {
    var deploy =
        tour.client
            .newDeployResourceCommand()
            .addResourceStringUtf8(tour.resource("tasks.bpmn"), "tasks.bpmn");
    if (!tour.embedded) {
      deploy =
          deploy
              .addResourceStringUtf8(tour.resource("decision.dmn"), "decision.dmn")
              .addResourceStringUtf8(tour.resource("form.form"), "form.form")
              .addResourceStringUtf8(tour.resource("signal.bpmn"), "signal.bpmn")
              .addResourceStringUtf8(tour.resource("user_task.bpmn"), "user_task.bpmn");
    }
    var deployed = deploy.tenantId("<default>").send().join();
    tour.equal(tour.embedded ? 5 : 7, deployed.getProcesses().size(), "processes are deployed");
    var two =
        deployed.getProcesses().stream()
            .filter(process -> process.getBpmnProcessId().equals(tour.name("two")))
            .findAny()
            .orElseThrow();
    tour.equal(1, two.getVersion(), "as version 1");
    tour.equal("tasks.bpmn", two.getResourceName(), "with the name of their resource");
    tour.equal("<default>", two.getTenantId(), "and the tenant");
    tour.check(two.getProcessDefinitionKey() > 0 && deployed.getKey() > 0, "and keys");
    if (!tour.embedded) {
      var decision = deployed.getDecisions().get(0);
      tour.equal(tour.name("decision"), decision.getDmnDecisionId(), "a decision");
      tour.equal("size of an amount", decision.getDmnDecisionName(), "with its name");
      var requirements = deployed.getDecisionRequirements().get(0);
      tour.equal(
          requirements.getDecisionRequirementsKey(),
          decision.getDecisionRequirementsKey(),
          "a decision belongs to its requirements");
      tour.equal(tour.name("form"), deployed.getForm().get(0).getFormId(), "a form");
    }
    tour.known(tour.name("none"), 1);
  }

  private void again() {
    var bpmn = tour.resource("tasks.bpmn");
    var same =
        tour.client.newDeployResourceCommand().addResourceStringUtf8(bpmn, "tasks.bpmn").send();
    tour.equal(1, same.join().getProcesses().get(0).getVersion(), "unchanged: the same version");
    var changed = bpmn.replace("first of two", "erste von zweien: Grüße 🐝");
    var next =
        tour.client.newDeployResourceCommand().addResourceStringUtf8(changed, "tasks.bpmn").send();
    tour.equal(2, next.join().getProcesses().get(0).getVersion(), "changed: the next version");
    tour.known(tour.name("none"), 2);
  }

  private void refused() {
    var broken =
        tour.client.newDeployResourceCommand().addResourceStringUtf8("<nothing", "broken.bpmn");
    var words = "Expected to deploy new resources, but encountered the following errors";
    tour.refused(INVALID_ARGUMENT, words, broken, "a broken resource is refused");
    if (tour.embedded) {
      String[][] unknown = {
        {"decision.dmn", "the embedded broker runs BPMN only"},
        {"form.form", "the embedded broker runs BPMN only"},
        {"signal.bpmn", "currently not supported"},
        {"user_task.bpmn", "currently not supported"},
      };
      for (var pair : unknown) {
        var deploy =
            tour.client
                .newDeployResourceCommand()
                .addResourceStringUtf8(tour.resource(pair[0]), pair[0]);
        tour.refused(INVALID_ARGUMENT, pair[1], deploy, pair[0] + " is refused in clear words");
      }
    }
  }

  private void deletion() {
    var bpmn = tour.resource("tasks.bpmn").replace(tour.name(""), tour.name("deleted-"));
    var deploy = tour.client.newDeployResourceCommand().addResourceStringUtf8(bpmn, "gone.bpmn");
    var deployed = deploy.send().join().getProcesses();
    for (var process : deployed) {
      var key = process.getProcessDefinitionKey();
      tour.client.newDeleteResourceCommand(key).send().join();
    }
    var gone = deployed.get(0).getProcessDefinitionKey();
    var create = tour.client.newCreateInstanceCommand().processDefinitionKey(gone);
    tour.refused(NOT_FOUND, "Expected to find process definition", create, "a resource is deleted");
    var delete = tour.client.newDeleteResourceCommand(gone);
    tour.refused(NOT_FOUND, "Expected to delete resource", delete, "once");
  }
}
