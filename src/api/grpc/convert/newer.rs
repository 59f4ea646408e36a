//! What only newer brokers can do, asked of these.
//!
//! A broker of 8.6 is not told of fields that it does not know, as the JVM gateway of 8.6 does not
//! tell it. Where that would change what happens or lose what the client said, the request is
//! refused here; fields whose absence changes nothing pass (gateway-behaviour §16).

use super::super::proto as pb;
use crate::error::GatewayError;

/// A request that may ask for what only newer brokers can do.
pub trait Newer {
    /// The field that asks for it, and the first version that can do it.
    fn asks_for(&self) -> Option<(&'static str, &'static str)> {
        None
    }
}

/// Refuses a request that asks for what these brokers cannot do.
///
/// # Errors
/// [`GatewayError::InvalidArgument`].
pub fn refuse(rpc: &str, request: &impl Newer) -> Result<(), GatewayError> {
    match request.asks_for() {
        None => Ok(()),
        Some((field, since)) => Err(GatewayError::InvalidArgument(format!(
            "Expected to handle gRPC request {rpc} with field '{field}', but it needs brokers of \
             version {since} or newer"
        ))),
    }
}

/// Jobs of all tenants of the caller, instead of those named.
fn assigned_tenants(filter: pb::TenantFilter) -> Option<(&'static str, &'static str)> {
    (filter == pb::TenantFilter::Assigned).then_some(("tenantFilter", "8.9"))
}

impl Newer for pb::ActivateJobsRequest {
    fn asks_for(&self) -> Option<(&'static str, &'static str)> {
        assigned_tenants(self.tenant_filter())
    }
}

impl Newer for pb::StreamActivatedJobsRequest {
    fn asks_for(&self) -> Option<(&'static str, &'static str)> {
        assigned_tenants(self.tenant_filter())
    }
}

impl Newer for pb::CompleteJobRequest {
    /// A result that grants everything and corrects nothing is what completion means anyway; clients
    /// of 8.8 send its type along.
    fn asks_for(&self) -> Option<(&'static str, &'static str)> {
        let result = self.result.as_ref()?;
        let corrected = result.corrections.as_ref();
        [
            (result.denied == Some(true), "result.denied"),
            (
                corrected.is_some_and(|one| *one != pb::JobResultCorrections::default()),
                "result.corrections",
            ),
            (!result.activate_elements.is_empty(), "result.activateElements"),
            (
                result.is_completion_condition_fulfilled == Some(true),
                "result.isCompletionConditionFulfilled",
            ),
            (
                result.is_cancel_remaining_instances == Some(true),
                "result.isCancelRemainingInstances",
            ),
        ]
        .into_iter()
        .find_map(|(asked, field)| asked.then_some((field, "8.8")))
    }
}

impl Newer for pb::CreateProcessInstanceRequest {
    /// Tags and business id change no execution, but who sends them looks for the instance by them.
    fn asks_for(&self) -> Option<(&'static str, &'static str)> {
        if !self.runtime_instructions.is_empty() {
            return Some(("runtimeInstructions", "8.8"));
        }
        if !self.tags.is_empty() {
            return Some(("tags", "8.8"));
        }
        let named = self.business_id.as_ref().is_some_and(|id| !id.is_empty());
        named.then_some(("businessId", "8.9"))
    }
}

impl Newer for pb::CreateProcessInstanceWithResultRequest {
    fn asks_for(&self) -> Option<(&'static str, &'static str)> {
        self.request.as_ref()?.asks_for()
    }
}

impl Newer for pb::ModifyProcessInstanceRequest {
    fn asks_for(&self) -> Option<(&'static str, &'static str)> {
        if !self.move_instructions.is_empty() {
            return Some(("moveInstructions", "8.9"));
        }
        let by_element = self.terminate_instructions.iter().any(|one| !one.element_id.is_empty());
        by_element.then_some(("terminateInstructions.elementId", "8.9"))
    }
}

impl Newer for pb::DeleteResourceRequest {
    fn asks_for(&self) -> Option<(&'static str, &'static str)> {
        (self.delete_history == Some(true)).then_some(("deleteHistory", "8.9"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(request: &impl Newer) -> Option<&'static str> {
        request.asks_for().map(|(field, _)| field)
    }

    #[test]
    fn results_that_change_nothing_pass() {
        let completion =
            |result| pb::CompleteJobRequest { result: Some(result), ..Default::default() };
        for harmless in [
            pb::JobResult::default(),
            pb::JobResult { r#type: Some("userTask".into()), ..Default::default() },
            pb::JobResult { denied: Some(false), ..Default::default() },
            pb::JobResult { corrections: Some(Default::default()), ..Default::default() },
            pb::JobResult {
                is_completion_condition_fulfilled: Some(false),
                is_cancel_remaining_instances: Some(false),
                ..Default::default()
            },
        ] {
            assert_eq!(field(&completion(harmless)), None);
        }
        let denied = pb::JobResult { denied: Some(true), ..Default::default() };
        assert_eq!(field(&completion(denied)), Some("result.denied"));
        let corrections =
            pb::JobResultCorrections { assignee: Some(String::new()), ..Default::default() };
        let corrected = pb::JobResult { corrections: Some(corrections), ..Default::default() };
        assert_eq!(field(&completion(corrected)), Some("result.corrections"));
    }

    #[test]
    fn the_refusal_names_field_and_version() {
        let tagged =
            pb::CreateProcessInstanceRequest { tags: vec!["t".into()], ..Default::default() };
        let inside = pb::CreateProcessInstanceWithResultRequest {
            request: Some(tagged.clone()),
            ..Default::default()
        };
        assert_eq!((field(&tagged), field(&inside)), (Some("tags"), Some("tags")));
        assert_eq!(
            refuse("CreateProcessInstance", &tagged).unwrap_err().to_string(),
            "Expected to handle gRPC request CreateProcessInstance with field 'tags', but it needs \
             brokers of version 8.8 or newer"
        );
        let empty = pb::CreateProcessInstanceRequest {
            business_id: Some(String::new()),
            ..Default::default()
        };
        assert_eq!(refuse("CreateProcessInstance", &empty), Ok(()));
    }
}
