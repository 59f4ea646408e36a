//! Decisions.

use super::document::{text, variables};
use super::{read, unkeyed};
use crate::api::grpc::caller::Caller;
use crate::api::grpc::proto as pb;
use crate::error::GatewayError;
use crate::model::{Command, CommandKind, Reply, Route};
use crate::wire::record::{
    DecisionEvaluationRecord, EvaluatedDecision, EvaluatedInput, EvaluatedOutput, MatchedRule,
};

/// EvaluateDecision. Id and key are passed as given; the broker decides.
///
/// # Errors
/// Tenant and JSON errors.
pub fn evaluate(
    request: pb::EvaluateDecisionRequest,
    caller: &Caller,
) -> Result<Command, GatewayError> {
    let record = DecisionEvaluationRecord {
        tenant_id: caller.tenant("EvaluateDecision", request.tenant_id)?,
        decision_key: request.decision_key,
        decision_id: request.decision_id,
        variables: variables(&request.variables)?,
        ..Default::default()
    };
    Ok(unkeyed(CommandKind::EvaluateDecision, Route::RoundRobin, &record, caller))
}

/// EvaluateDecision's answer. A failed evaluation is a success reply that names the failed decision
/// and has no output. Exactly as of 8.6 it has no field that is newer.
///
/// # Errors
/// [`GatewayError::Internal`] when the reply cannot be read.
pub fn evaluated(reply: &Reply, exact: bool) -> Result<pb::EvaluateDecisionResponse, GatewayError> {
    let record: DecisionEvaluationRecord = read(reply)?;
    let failed = !record.failed_decision_id.is_empty();
    let decision_output = if failed { String::new() } else { text(&record.decision_output.0)? };
    let failure_message = if failed { record.evaluation_failure_message } else { String::new() };
    Ok(pb::EvaluateDecisionResponse {
        decision_key: record.decision_key,
        decision_id: record.decision_id,
        decision_name: record.decision_name,
        decision_version: record.decision_version,
        decision_requirements_id: record.decision_requirements_id,
        decision_requirements_key: record.decision_requirements_key,
        decision_output,
        evaluated_decisions: record
            .evaluated_decisions
            .into_iter()
            .map(decision)
            .collect::<Result<_, _>>()?,
        failed_decision_id: record.failed_decision_id,
        failure_message,
        tenant_id: record.tenant_id,
        decision_instance_key: reply.key.0,
        // The name newer clients read the same key by (gateway-behaviour §16).
        decision_evaluation_key: if exact { 0 } else { reply.key.0 },
    })
}

fn decision(one: EvaluatedDecision) -> Result<pb::EvaluatedDecision, GatewayError> {
    Ok(pb::EvaluatedDecision {
        decision_key: one.decision_key,
        decision_id: one.decision_id,
        decision_name: one.decision_name,
        decision_version: one.decision_version,
        decision_type: one.decision_type,
        decision_output: text(&one.decision_output.0)?,
        matched_rules: one.matched_rules.into_iter().map(rule).collect::<Result<_, _>>()?,
        evaluated_inputs: one.evaluated_inputs.into_iter().map(input).collect::<Result<_, _>>()?,
        tenant_id: one.tenant_id,
        ..Default::default()
    })
}

fn rule(one: MatchedRule) -> Result<pb::MatchedDecisionRule, GatewayError> {
    Ok(pb::MatchedDecisionRule {
        rule_id: one.rule_id,
        rule_index: one.rule_index,
        evaluated_outputs: one
            .evaluated_outputs
            .into_iter()
            .map(output)
            .collect::<Result<_, _>>()?,
    })
}

fn input(one: EvaluatedInput) -> Result<pb::EvaluatedDecisionInput, GatewayError> {
    Ok(pb::EvaluatedDecisionInput {
        input_id: one.input_id,
        input_name: one.input_name,
        input_value: text(&one.input_value.0)?,
    })
}

fn output(one: EvaluatedOutput) -> Result<pb::EvaluatedDecisionOutput, GatewayError> {
    Ok(pb::EvaluatedDecisionOutput {
        output_id: one.output_id,
        output_name: one.output_name,
        output_value: text(&one.output_value.0)?,
    })
}
