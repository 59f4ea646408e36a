package beegate.tour;

import static beegate.tour.Refusal.INVALID_ARGUMENT;
import static beegate.tour.Refusal.INVALID_STATE;
import static beegate.tour.Refusal.NOT_FOUND;

import java.util.Map;

/** User tasks, which are commands over REST in every mode. */
final class UserTasks {
  private UserTasks() {}

  static void tour(Tour tour) {
    var client = tour.client;
    long unknown = (1L << 51) + 1;
    if (tour.embedded) {
      tour.notEmbedded(Library.complete(client, unknown), true, "completing a user task");
      tour.notEmbedded(
          Library.assign(client, unknown).assignee("a"), true, "assigning a user task");
      tour.notEmbedded(Library.unassign(client, unknown), true, "unassigning a user task");
      tour.notEmbedded(
          Library.update(client, unknown).priority(1), true, "updating a user task");
      return;
    }
    long instance = tour.start("user", Map.of());
    long task = tour.guess(instance, key -> Library.assign(client, key).assignee("Jürgen"));
    tour.check(task > instance, "a user task is assigned");
    var taken = Library.assign(client, task).assignee("Ada").allowOverride(false);
    tour.refusedOnRest(INVALID_STATE, "it has already been assigned", taken, "not over another");
    Library.unassign(client, task).send().join();
    Library.assign(client, task).assignee("Ada").allowOverride(false).action("claim").send().join();
    tour.check(true, "an unassigned one is claimed");
    Library.update(client, task)
        .dueDate("2030-01-01T00:00:00Z")
        .followUpDate("2029-01-01T00:00:00Z")
        .candidateGroups("one", "two")
        .candidateUsers("Ada")
        .priority(80)
        .action("plan")
        .send()
        .join();
    Library.update(client, task).clearDueDate().clearCandidateGroups().send().join();
    tour.check(true, "it is updated");
    var priority = Library.update(client, task).priority(101);
    tour.refusedOnRest(INVALID_ARGUMENT, "[0,100]", priority, "a priority over 100 is refused");
    Library.complete(client, task).action("approve").variables(Map.of("ok", "ja")).send().join();
    var job = tour.take("approved");
    tour.equal("ja", job.getVariable("ok"), "a completed user task leaves its variables");
    client.newCompleteCommand(job).send().join();
    tour.refusedOnRest(
        NOT_FOUND, "no such user task was found", Library.complete(client, task), "once");
  }
}
