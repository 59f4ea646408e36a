//! The resources of `/v2`, one file each, and the table of all endpoints.

use actix_web::http::Method;

use super::endpoint::{Action, Answer, Body, DocumentAction, Endpoint, Translate};

pub(super) mod authentication;
mod clock;
mod decisions;
mod deployments;
mod element_instances;
mod incidents;
pub(super) mod jobs;
mod messages;
mod process_instances;
mod resources;
mod signals;
pub(super) mod topology;
mod user_tasks;

const fn row(method: Method, path: &'static str, body: Body, action: Action) -> Endpoint {
    Endpoint { method, path, body, action, newer: false }
}

/// An endpoint that 8.6 does not have.
const fn newer(method: Method, path: &'static str, body: Body, action: Action) -> Endpoint {
    Endpoint { method, path, body, action, newer: true }
}

const fn everywhere(translate: Translate) -> Action {
    Action::EveryPartition { translate }
}

const fn documents(action: DocumentAction) -> Action {
    Action::Documents(action)
}

const fn no_content(translate: Translate) -> Action {
    Action::Command { translate, answer: None }
}

const fn content(translate: Translate, answer: Answer) -> Action {
    Action::Command { translate, answer: Some(answer) }
}

/// Every endpoint (rest-v2 §5, §7). An incident's resolution may have a body, as in 8.8, where 8.6
/// demands a Content-Type for the body it does not read.
#[rustfmt::skip]
pub(super) static ENDPOINTS: &[Endpoint] = &[
    row(Method::GET, "/v2/topology", Body::None, Action::Topology),
    row(Method::GET, "/v1/topology", Body::None, Action::Topology),
    row(Method::GET, "/v2/license", Body::None, Action::License),
    newer(Method::GET, "/v2/status", Body::None, Action::Status),
    newer(Method::GET, "/v2/authentication/me", Body::None, Action::Myself),
    newer(Method::GET, "/v2/openapi.json", Body::None, Action::OpenApi),
    row(Method::POST, "/v2/process-instances", Body::Required,
        content(process_instances::create, process_instances::created)),
    row(Method::POST, "/v2/process-instances/{processInstanceKey}/cancellation", Body::Optional,
        no_content(process_instances::cancel)),
    row(Method::POST, "/v2/process-instances/{processInstanceKey}/migration", Body::Required,
        no_content(process_instances::migrate)),
    row(Method::POST, "/v2/process-instances/{processInstanceKey}/modification", Body::Required,
        no_content(process_instances::modify)),
    row(Method::POST, "/v2/deployments", Body::Multipart,
        content(deployments::deploy, deployments::deployed)),
    row(Method::POST, "/v2/resources/{resourceKey}/deletion", Body::Optional,
        Action::CommandOf89 { translate: resources::delete, answer: resources::deleted }),
    row(Method::POST, "/v2/jobs/activation", Body::Required, Action::ActivateJobs),
    row(Method::POST, "/v2/jobs/{jobKey}/completion", Body::Optional, no_content(jobs::complete)),
    row(Method::POST, "/v2/jobs/{jobKey}/failure", Body::Optional, no_content(jobs::fail)),
    row(Method::POST, "/v2/jobs/{jobKey}/error", Body::Required, no_content(jobs::throw_error)),
    row(Method::PATCH, "/v2/jobs/{jobKey}", Body::Required, no_content(jobs::update)),
    row(Method::POST, "/v2/messages/publication", Body::Required,
        content(messages::publish, messages::published)),
    row(Method::POST, "/v2/messages/correlation", Body::Required,
        content(messages::correlate, messages::correlated)),
    row(Method::POST, "/v2/signals/broadcast", Body::Required,
        content(signals::broadcast, signals::broadcasted)),
    row(Method::POST, "/v2/decision-definitions/evaluation", Body::Required,
        content(decisions::evaluate, decisions::evaluated)),
    row(Method::POST, "/v2/incidents/{incidentKey}/resolution", Body::OptionalSince88,
        no_content(incidents::resolve)),
    row(Method::PUT, "/v2/element-instances/{elementInstanceKey}/variables", Body::Required,
        no_content(element_instances::set_variables)),
    row(Method::POST, "/v2/user-tasks/{userTaskKey}/completion", Body::Optional,
        no_content(user_tasks::complete)),
    row(Method::POST, "/v2/user-tasks/{userTaskKey}/assignment", Body::Required,
        no_content(user_tasks::assign)),
    row(Method::DELETE, "/v2/user-tasks/{userTaskKey}/assignee", Body::None,
        no_content(user_tasks::unassign)),
    row(Method::PATCH, "/v2/user-tasks/{userTaskKey}", Body::Optional,
        no_content(user_tasks::update)),
    row(Method::POST, "/v1/user-tasks/{userTaskKey}/completion", Body::Optional,
        no_content(user_tasks::complete)),
    row(Method::POST, "/v1/user-tasks/{userTaskKey}/assignment", Body::Required,
        no_content(user_tasks::assign)),
    row(Method::DELETE, "/v1/user-tasks/{userTaskKey}/assignee", Body::None,
        no_content(user_tasks::unassign)),
    row(Method::PATCH, "/v1/user-tasks/{userTaskKey}", Body::Optional,
        no_content(user_tasks::update)),
    row(Method::PUT, "/v2/clock", Body::Required, everywhere(clock::pin)),
    row(Method::POST, "/v2/clock/reset", Body::None, everywhere(clock::reset)),
    row(Method::POST, "/v2/documents", Body::Upload, documents(DocumentAction::Create)),
    newer(Method::POST, "/v2/documents/batch", Body::Upload,
        documents(DocumentAction::CreateBatch)),
    row(Method::GET, "/v2/documents/{documentId}", Body::None, documents(DocumentAction::Read)),
    row(Method::DELETE, "/v2/documents/{documentId}", Body::None,
        documents(DocumentAction::Delete)),
    row(Method::POST, "/v2/documents/{documentId}/links", Body::Required,
        documents(DocumentAction::Link)),
    row(Method::POST, "/v2/users", Body::Required,
        Action::Refuse("User creation is not yet implemented")),
    row(Method::POST, "/v2/authorizations/{ownerKey}", Body::Required,
        Action::Refuse("Authorization patching is not yet implemented")),
];

#[cfg(test)]
mod tests;
