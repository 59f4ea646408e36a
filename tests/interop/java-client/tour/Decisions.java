package beegate.tour;

import static beegate.tour.Refusal.INVALID_ARGUMENT;

import java.util.Map;

/** Decisions, evaluated by id and by key. */
final class Decisions {
  private Decisions() {}

  static void tour(Tour tour) {
    var unknown = tour.client.newEvaluateDecisionCommand().decisionId(tour.name("nothing"));
    if (tour.embedded) {
      tour.notEmbedded(unknown, tour.rest, "evaluating a decision");
      return;
    }
    tour.refused(INVALID_ARGUMENT, "no decision found", unknown, "an unknown decision is refused");
    var byId =
        tour.client
            .newEvaluateDecisionCommand()
            .decisionId(tour.name("decision"))
            .variables(Map.of("amount", 12))
            .send()
            .join();
    tour.equal("\"large\"", byId.getDecisionOutput(), "a decision is evaluated by id");
    tour.equal(tour.name("decision"), byId.getDecisionId(), "the answer names it");
    tour.equal("", byId.getFailureMessage(), "without failure");
    var evaluated = byId.getEvaluatedDecisions().get(0);
    tour.equal("12", evaluated.getEvaluatedInputs().get(0).getInputValue(), "with its input");
    var rule = evaluated.getMatchedRules().get(0);
    tour.equal("large", rule.getRuleId(), "the rule that matched");
    tour.equal("\"large\"", rule.getEvaluatedOutputs().get(0).getOutputValue(), "and its output");
    var byKey =
        tour.client
            .newEvaluateDecisionCommand()
            .decisionKey(byId.getDecisionKey())
            .variable("amount", 2)
            .send()
            .join();
    tour.equal("\"small\"", byKey.getDecisionOutput(), "and by key");
    var nothing = tour.client.newEvaluateDecisionCommand().decisionKey(byId.getDecisionKey());
    var none = nothing.variable("amount", "text").send().join();
    tour.equal("null", none.getDecisionOutput(), "no rule matches");
  }
}
