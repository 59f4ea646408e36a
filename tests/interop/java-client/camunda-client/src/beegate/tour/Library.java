package beegate.tour;

import io.camunda.client.CamundaClient;
import io.camunda.client.api.command.AssignUserTaskCommandStep1;
import io.camunda.client.api.command.CompleteUserTaskCommandStep1;
import io.camunda.client.api.command.FinalCommandStep;
import io.camunda.client.api.command.UnassignUserTaskCommandStep1;
import io.camunda.client.api.command.UpdateUserTaskCommandStep1;
import io.camunda.client.api.response.StatusResponse;
import java.net.URI;
import java.time.Instant;

/** What camunda-client-java names otherwise than zeebe-client-java. */
final class Library {
  static final String NAME = "camunda-client-java 8.9.0";
  /** Whether the gateway of 8.6 serves it over REST. */
  static final boolean REST_OF_8_6 = false;

  private Library() {}

  static CamundaClient connect(URI grpc, URI rest, boolean preferRest) {
    return CamundaClient.newClientBuilder()
        .grpcAddress(grpc)
        .restAddress(rest)
        .preferRestOverGrpc(preferRest)
        .build();
  }

  static AssignUserTaskCommandStep1 assign(CamundaClient client, long key) {
    return client.newAssignUserTaskCommand(key);
  }

  static UnassignUserTaskCommandStep1 unassign(CamundaClient client, long key) {
    return client.newUnassignUserTaskCommand(key);
  }

  static UpdateUserTaskCommandStep1 update(CamundaClient client, long key) {
    return client.newUpdateUserTaskCommand(key);
  }

  static CompleteUserTaskCommandStep1 complete(CamundaClient client, long key) {
    return client.newCompleteUserTaskCommand(key);
  }

  static FinalCommandStep<?> pinClock(CamundaClient client, Instant time) {
    return client.newPinClockCommand().time(time);
  }

  static FinalCommandStep<?> resetClock(CamundaClient client) {
    return client.newResetClockCommand();
  }

  /** What only this library can call. */
  static void more(Tour tour) {
    if (tour.beegate) {
      var status = tour.client.newStatusRequest().send().join().getStatus();
      tour.equal(StatusResponse.Status.UP, status, "the status of 8.8 is served");
    }
  }
}
