//! A command on its way to a partition leader, and the reply.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::intent;
use super::{Key, PartitionId, ValueType};

macro_rules! command_kinds {
    ($($(#[$meta:meta])* $kind:ident = $value_type:ident, $module:ident::$intent:ident;)*) => {
        /// Every command a gateway sends to a partition (command-api §1.4).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        pub enum CommandKind {
            $($(#[$meta])* $kind,)*
        }

        impl CommandKind {
            /// All kinds, in the order of the table.
            pub const ALL: &'static [CommandKind] = &[$(CommandKind::$kind,)*];

            /// The value type the command carries.
            #[must_use]
            pub const fn value_type(self) -> ValueType {
                match self { $(Self::$kind => ValueType::$value_type,)* }
            }

            /// The intent's number.
            #[must_use]
            pub const fn intent(self) -> u8 {
                match self { $(Self::$kind => intent::$module::$intent,)* }
            }

            /// The intent's name, as clients see it in rejection messages.
            #[must_use]
            pub const fn intent_name(self) -> &'static str {
                match self { $(Self::$kind => stringify!($intent),)* }
            }
        }
    };
}

command_kinds! {
    /// Deploy resources.
    Deploy = Deployment, deployment::CREATE;
    /// Start a process instance.
    CreateProcessInstance = ProcessInstanceCreation, process_instance_creation::CREATE;
    /// Start a process instance and answer when it ended.
    CreateProcessInstanceWithResult =
        ProcessInstanceCreation, process_instance_creation::CREATE_WITH_AWAITING_RESULT;
    /// Cancel a process instance.
    CancelProcessInstance = ProcessInstance, process_instance::CANCEL;
    /// Modify a process instance.
    ModifyProcessInstance = ProcessInstanceModification, process_instance_modification::MODIFY;
    /// Migrate a process instance.
    MigrateProcessInstance = ProcessInstanceMigration, process_instance_migration::MIGRATE;
    /// Publish a message.
    PublishMessage = Message, message::PUBLISH;
    /// Correlate a message and answer with the instance it reached.
    CorrelateMessage = MessageCorrelation, message_correlation::CORRELATE;
    /// Broadcast a signal.
    BroadcastSignal = Signal, signal::BROADCAST;
    /// Activate a batch of jobs.
    ActivateJobs = JobBatch, job_batch::ACTIVATE;
    /// Complete a job.
    CompleteJob = Job, job::COMPLETE;
    /// Fail a job.
    FailJob = Job, job::FAIL;
    /// Throw a BPMN error from a job.
    ThrowError = Job, job::THROW_ERROR;
    /// Set a job's retries.
    UpdateJobRetries = Job, job::UPDATE_RETRIES;
    /// Set a job's timeout.
    UpdateJobTimeout = Job, job::UPDATE_TIMEOUT;
    /// Set a job's retries and timeout (REST, brokers from 8.6).
    UpdateJob = Job, job::UPDATE;
    /// Resolve an incident.
    ResolveIncident = Incident, incident::RESOLVE;
    /// Set variables of a scope.
    SetVariables = VariableDocument, variable_document::UPDATE;
    /// Evaluate a decision.
    EvaluateDecision = DecisionEvaluation, decision_evaluation::EVALUATE;
    /// Delete a deployed resource.
    DeleteResource = ResourceDeletion, resource_deletion::DELETE;
    /// Assign a user task.
    AssignUserTask = UserTask, user_task::ASSIGN;
    /// Claim a user task.
    ClaimUserTask = UserTask, user_task::CLAIM;
    /// Update a user task.
    UpdateUserTask = UserTask, user_task::UPDATE;
    /// Complete a user task.
    CompleteUserTask = UserTask, user_task::COMPLETE;
    /// Pin the brokers' clock.
    PinClock = Clock, clock::PIN;
    /// Let the brokers' clock run again.
    ResetClock = Clock, clock::RESET;
}

impl CommandKind {
    /// The value type a success reply must have (command-api §1.5).
    #[must_use]
    pub const fn reply_value_type(self) -> ValueType {
        match self {
            Self::CreateProcessInstanceWithResult => ValueType::ProcessInstanceResult,
            other => other.value_type(),
        }
    }
}

/// How the dispatcher finds the partition of a command (command-api §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// This partition.
    Partition(PartitionId),
    /// The partition in the upper bits of this key.
    Key(Key),
    /// The partition that the hash of this correlation key gives.
    CorrelationKey(Bytes),
    /// Next partition with a leader, by the counter all such commands share.
    RoundRobin,
    /// Next partition with a leader, by the counter of instance creation; on a failure that proves
    /// the command was not executed it moves on to the partition after it (command-api §3.4).
    Creation,
}

/// A command, ready to be sent once a partition is chosen.
#[derive(Clone, Debug)]
pub struct Command {
    /// What is asked for.
    pub kind: CommandKind,
    /// Key of the addressed entity, or [`Key::NONE`].
    pub key: Key,
    /// Where it goes.
    pub route: Route,
    /// The client's reference, echoed by the broker in its log.
    pub operation_reference: Option<i64>,
    /// The MsgPack record.
    pub value: Bytes,
    /// The MsgPack AuthInfo.
    pub authorization: Bytes,
    /// Whether to wait for a leader and resend when the command provably did not reach one: gRPC
    /// does, REST does not (command-api §3.6).
    pub transport_retry: bool,
    /// Limit for the answer; `None` takes the configured request timeout.
    pub timeout: Option<Duration>,
}

/// A broker's success reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Partition that processed the command.
    pub partition: PartitionId,
    /// Key of the event.
    pub key: Key,
    /// Value type of the event.
    pub value_type: ValueType,
    /// Intent of the event.
    pub intent: u8,
    /// The MsgPack record.
    pub value: Bytes,
}
