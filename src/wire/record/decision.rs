//! Decisions.

use super::define::record;
use super::{Binary, Document};
use crate::model::DEFAULT_TENANT;

record! {
    /// An input of an evaluated decision.
    pub struct EvaluatedInput {
        input_id: String = "inputId";
        input_name: String = "inputName" or String::new();
        input_value: Binary = "inputValue";
    }

    /// An output of a matched rule.
    pub struct EvaluatedOutput {
        output_id: String = "outputId";
        output_name: String = "outputName" or String::new();
        output_value: Binary = "outputValue";
    }

    /// A rule that matched.
    pub struct MatchedRule {
        rule_id: String = "ruleId";
        rule_index: i32 = "ruleIndex";
        evaluated_outputs: Vec<EvaluatedOutput> = "evaluatedOutputs" or Vec::new();
    }

    /// One decision that was evaluated on the way.
    pub struct EvaluatedDecision {
        decision_id: String = "decisionId";
        decision_name: String = "decisionName";
        decision_key: i64 = "decisionKey";
        decision_version: i32 = "decisionVersion";
        decision_type: String = "decisionType";
        decision_output: Binary = "decisionOutput";
        evaluated_inputs: Vec<EvaluatedInput> = "evaluatedInputs" or Vec::new();
        matched_rules: Vec<MatchedRule> = "matchedRules" or Vec::new();
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
    }

    /// Evaluation of a decision.
    pub struct DecisionEvaluationRecord {
        decision_key: i64 = "decisionKey" or -1;
        decision_id: String = "decisionId" or String::new();
        decision_name: String = "decisionName" or String::new();
        decision_version: i32 = "decisionVersion" or -1;
        decision_requirements_id: String = "decisionRequirementsId" or String::new();
        decision_requirements_key: i64 = "decisionRequirementsKey" or -1;
        decision_output: Binary = "decisionOutput" or Binary::nil();
        variables: Document = "variables" or Document::empty();
        bpmn_process_id: String = "bpmnProcessId" or String::new();
        process_definition_key: i64 = "processDefinitionKey" or -1;
        process_instance_key: i64 = "processInstanceKey" or -1;
        element_id: String = "elementId" or String::new();
        element_instance_key: i64 = "elementInstanceKey" or -1;
        evaluated_decisions: Vec<EvaluatedDecision> = "evaluatedDecisions" or Vec::new();
        evaluation_failure_message: String = "evaluationFailureMessage" or String::new();
        failed_decision_id: String = "failedDecisionId" or String::new();
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
    }
}
