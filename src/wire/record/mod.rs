//! The records that commands and replies carry (command-api §2).
//!
//! A record is one MsgPack map with all declared properties in declaration order. Reading takes
//! any order, ignores unknown properties and fills absent ones with their default.

mod define;
mod document;
mod property;

mod admin;
mod auth;
mod decision;
mod deployment;
mod identity;
mod incident;
mod job;
mod message;
mod process_instance;
mod signal;
mod user_task;
mod variable;

pub use admin::{CheckpointRecord, ClockRecord};
pub use auth::AuthInfo;
pub use decision::{
    DecisionEvaluationRecord, EvaluatedDecision, EvaluatedInput, EvaluatedOutput, MatchedRule,
};
pub use deployment::{
    DecisionMetadata, DecisionRequirementsMetadata, DeploymentRecord, DeploymentResource,
    FormMetadata, ProcessMetadata, ResourceDeletionRecord,
};
pub use document::{Binary, Document, RawValue};
pub use identity::{AuthorizationRecord, Permission, UserRecord};
pub use incident::IncidentRecord;
pub use job::{JobBatchRecord, JobPush, JobRecord, JobStreamMetadata};
pub use message::{MessageCorrelationRecord, MessageRecord};
pub use process_instance::{
    ActivateInstruction, MappingInstruction, ProcessInstanceCreationRecord,
    ProcessInstanceMigrationRecord, ProcessInstanceModificationRecord, ProcessInstanceRecord,
    ProcessInstanceResultRecord, StartInstruction, TerminateInstruction, VariableInstruction,
};
pub use property::{Property, Record, Symbol};
pub use signal::SignalRecord;
pub use user_task::UserTaskRecord;
pub use variable::VariableDocumentRecord;
