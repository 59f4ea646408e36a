package beegate.tour;

import io.camunda.zeebe.client.ZeebeClient;
import io.camunda.zeebe.client.api.command.AssignUserTaskCommandStep1;
import io.camunda.zeebe.client.api.command.CompleteUserTaskCommandStep1;
import io.camunda.zeebe.client.api.command.FinalCommandStep;
import io.camunda.zeebe.client.api.command.UnassignUserTaskCommandStep1;
import io.camunda.zeebe.client.api.command.UpdateUserTaskCommandStep1;
import java.net.URI;
import java.time.Instant;

/** What zeebe-client-java names otherwise than camunda-client-java. */
final class Library {
  static final String NAME = "zeebe-client-java 8.6.0";
  /** Whether the gateway of 8.6 serves it over REST. */
  static final boolean REST_OF_8_6 = true;

  private Library() {}

  static ZeebeClient connect(URI grpc, URI rest, boolean preferRest) {
    return ZeebeClient.newClientBuilder()
        .grpcAddress(grpc)
        .restAddress(rest)
        .usePlaintext()
        .preferRestOverGrpc(preferRest)
        .build();
  }

  static AssignUserTaskCommandStep1 assign(ZeebeClient client, long key) {
    return client.newUserTaskAssignCommand(key);
  }

  static UnassignUserTaskCommandStep1 unassign(ZeebeClient client, long key) {
    return client.newUserTaskUnassignCommand(key);
  }

  static UpdateUserTaskCommandStep1 update(ZeebeClient client, long key) {
    return client.newUserTaskUpdateCommand(key);
  }

  static CompleteUserTaskCommandStep1 complete(ZeebeClient client, long key) {
    return client.newUserTaskCompleteCommand(key);
  }

  static FinalCommandStep<?> pinClock(ZeebeClient client, Instant time) {
    return client.newClockPinCommand().time(time);
  }

  static FinalCommandStep<?> resetClock(ZeebeClient client) {
    return client.newClockResetCommand();
  }

  /** What only this library can call. */
  static void more(Tour tour) {
    if (!tour.rest) {
      var deployed =
          tour.client
              .newDeployCommand()
              .addResourceStringUtf8(tour.resource("tasks.bpmn"), "tasks.bpmn")
              .send()
              .join();
      tour.check(deployed.getProcesses().size() == 5, "the rpc DeployProcess of older clients");
    }
  }
}
