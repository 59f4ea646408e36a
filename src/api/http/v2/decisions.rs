//! `/v2/decision-definitions`.

use super::super::endpoint::Input;
use super::super::json::{Object, Variables, document, request};
use super::super::problem::{Problem, Violations};
use crate::model::{Command, CommandKind, Reply, Route};
use crate::wire::DecodeError;
use crate::wire::record::{DecisionEvaluationRecord, EvaluatedDecision, MatchedRule, Record};

request! {
    struct EvaluateRequest<'a> {
        decision_definition_id: String = "decisionDefinitionId";
        decision_definition_key: i64 = "decisionDefinitionKey";
        variables: Variables<'a> = "variables";
        tenant_id: String = "tenantId";
    }
}

pub(super) fn evaluate(input: &Input<'_>) -> Result<Command, Problem> {
    let request: EvaluateRequest<'_> = input.required()?;
    let tenant_id = input.tenancy.tenant("Evaluate Decision", request.tenant_id.as_deref())?;
    let mut violations = Violations::default();
    violations.exactly_one(
        ["decisionDefinitionId", "decisionDefinitionKey"],
        [request.decision_definition_id.is_some(), request.decision_definition_key.is_some()],
    );
    violations.check()?;
    let record = DecisionEvaluationRecord {
        decision_key: request.decision_definition_key.unwrap_or(-1),
        decision_id: request.decision_definition_id.unwrap_or_default(),
        variables: document(request.variables)?,
        tenant_id,
        ..DecisionEvaluationRecord::default()
    };
    Ok(input.unkeyed(CommandKind::EvaluateDecision, Route::RoundRobin, &record))
}

/// `decisionEvaluationKey` is what 8.8 calls `decisionInstanceKey`.
pub(super) fn evaluated(reply: &Reply, answer: &mut Object<'_>) -> Result<(), DecodeError> {
    let record = DecisionEvaluationRecord::from_bytes(&reply.value)?;
    answer.key("decisionDefinitionKey", record.decision_key);
    answer.text("decisionDefinitionId", &record.decision_id);
    answer.text("decisionDefinitionName", &record.decision_name);
    answer.int("decisionDefinitionVersion", record.decision_version);
    answer.text("decisionRequirementsId", &record.decision_requirements_id);
    answer.key("decisionRequirementsKey", record.decision_requirements_key);
    answer.msgpack_text("output", &record.decision_output.0)?;
    answer.text("failedDecisionDefinitionId", &record.failed_decision_id);
    answer.text("failureMessage", &record.evaluation_failure_message);
    answer.text("tenantId", &record.tenant_id);
    answer.key("decisionInstanceKey", reply.key.0);
    answer.newer_key("decisionEvaluationKey", reply.key.0);
    answer.array("evaluatedDecisions", |decisions| {
        record.evaluated_decisions.iter().try_for_each(|d| decisions.object(|o| decision(o, d)))
    })
}

fn decision(o: &mut Object<'_>, decision: &EvaluatedDecision) -> Result<(), DecodeError> {
    o.key("decisionDefinitionKey", decision.decision_key);
    o.text("decisionDefinitionId", &decision.decision_id);
    o.text("decisionDefinitionName", &decision.decision_name);
    o.int("decisionDefinitionVersion", decision.decision_version);
    o.msgpack_text("output", &decision.decision_output.0)?;
    o.text("tenantId", &decision.tenant_id);
    o.array("matchedRules", |rules| {
        decision.matched_rules.iter().try_for_each(|r| rules.object(|o| matched_rule(o, r)))
    })?;
    o.array("evaluatedInputs", |inputs| {
        decision.evaluated_inputs.iter().try_for_each(|evaluated| {
            inputs.object(|o| {
                o.text("inputId", &evaluated.input_id);
                o.text("inputName", &evaluated.input_name);
                o.msgpack_text("inputValue", &evaluated.input_value.0)
            })
        })
    })
}

fn matched_rule(o: &mut Object<'_>, rule: &MatchedRule) -> Result<(), DecodeError> {
    o.text("ruleId", &rule.rule_id);
    o.int("ruleIndex", rule.rule_index);
    o.array("evaluatedOutputs", |outputs| {
        rule.evaluated_outputs.iter().try_for_each(|evaluated| {
            outputs.object(|o| {
                o.text("outputId", &evaluated.output_id);
                o.text("outputName", &evaluated.output_name);
                o.msgpack_text("outputValue", &evaluated.output_value.0)
            })
        })
    })
}
