//! What goes into an engine and what comes out: the contract with the shell that does the IO.

use bytes::Bytes;

use super::remote::PartitionMessage;
use crate::model::{ErrorCode, Key, PartitionId, RejectionType, ValueType};
use crate::wire::record::JobRecord;

/// Limits and identity of one partition's engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The partition this engine leads.
    pub partition: PartitionId,
    /// How many partitions the cluster has; they are numbered from 1.
    pub partitions: u16,
    /// Largest command value and largest reply value, in bytes (`maxMessageSize`, 4 MiB).
    pub max_record_bytes: usize,
    /// Largest document of variables one command may carry, in bytes. A JVM broker refuses what
    /// does not fit twice into one batch of its log (command-api §5.2).
    pub max_document_bytes: usize,
    /// Elements processed by one call of `handle`; the rest waits for the next tick.
    pub max_steps: usize,
    /// Elements that may wait for processing; what would exceed it ends in an incident.
    pub max_queued_steps: usize,
    /// Timers, deadlines and back-offs fired by one tick; the rest waits for the next one.
    pub max_due: usize,
    /// Milliseconds after which a message to another partition that was not acknowledged is sent
    /// again.
    pub resend_after_ms: i64,
    /// Whether events are kept for [`super::Engine::take_events`]: what a journal sets.
    pub keep_events: bool,
}

impl EngineConfig {
    /// The defaults for partition `partition` of `partitions`.
    #[must_use]
    pub fn new(partition: PartitionId, partitions: u16) -> Self {
        Self {
            partition,
            partitions,
            max_record_bytes: 4 << 20,
            max_document_bytes: 2 << 20,
            max_steps: 4096,
            max_queued_steps: 1 << 16,
            max_due: 1024,
            resend_after_ms: 5_000,
            keep_events: false,
        }
    }
}

/// Names a client request while its answer is outstanding. Opaque to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names a registered job stream. Opaque to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// The tenants a request may touch, from its AuthInfo (command-api §2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenants {
    /// The default tenant only.
    Default,
    /// These.
    Listed(Vec<String>),
    /// All: what the broker itself does, and brokers without multi-tenancy.
    All,
}

impl Tenants {
    /// Whether `tenant` may be touched.
    #[must_use]
    pub fn contains(&self, tenant: &str) -> bool {
        match self {
            Self::All => true,
            Self::Default => tenant == crate::model::DEFAULT_TENANT,
            Self::Listed(tenants) => tenants.iter().any(|listed| listed == tenant),
        }
    }
}

/// A client's command for this partition.
#[derive(Clone, Debug)]
pub struct CommandInput {
    /// Whom to answer.
    pub request: RequestId,
    /// What the command is about.
    pub value_type: ValueType,
    /// What it asks for.
    pub intent: u8,
    /// The addressed entity, or [`Key::NONE`].
    pub key: Key,
    /// The client's own reference; kept for the journal.
    pub operation_reference: Option<i64>,
    /// What the caller may touch.
    pub tenants: Tenants,
    /// The MsgPack record.
    pub value: Bytes,
}

/// A job stream that a gateway registered (command-api §4.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobStream {
    /// Where jobs are pushed to.
    pub id: StreamId,
    /// Which type of jobs.
    pub job_type: String,
    /// Name of the worker, written into the jobs.
    pub worker: String,
    /// How long a pushed job stays locked, milliseconds.
    pub timeout_ms: i64,
    /// Names of the variables to fetch; empty means all.
    pub fetch_variables: Vec<String>,
    /// Tenants to take jobs from; empty means the default tenant.
    pub tenants: Vec<String>,
}

/// One thing that happened outside the engine.
#[derive(Clone, Debug)]
pub enum Input {
    /// A client wants something. It gets exactly one [`Output::Reply`], maybe much later.
    Command(CommandInput),
    /// Another partition's engine sent something. Duplicates and any order are harmless.
    FromPartition {
        /// The sender.
        from: PartitionId,
        /// What it said.
        message: PartitionMessage,
    },
    /// A pushed job was not accepted: it becomes activatable again.
    PushFailed {
        /// The job.
        key: Key,
    },
    /// The job streams that exist now, all of them.
    StreamsChanged {
        /// The full set; replaces the previous one.
        streams: Vec<JobStream>,
    },
    /// Time passed; see [`super::Engine::next_due`].
    Tick,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// It was done.
    Event {
        /// Key of the event.
        key: Key,
        /// Value type of the event.
        value_type: ValueType,
        /// Intent of the event.
        intent: u8,
        /// The MsgPack record.
        value: Bytes,
    },
    /// It was understood and refused.
    Rejection {
        /// Why.
        rejection: RejectionType,
        /// Why, in words.
        reason: String,
        /// The command's record.
        value: Bytes,
        /// The command's key.
        key: Key,
        /// The command's value type.
        value_type: ValueType,
        /// The command's intent.
        intent: u8,
    },
    /// It could not be read or is none of this broker's commands.
    Error {
        /// The kind of failure.
        code: ErrorCode,
        /// The failure in words.
        message: String,
    },
}

/// One thing the shell has to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Answer a client.
    Reply {
        /// Which request.
        request: RequestId,
        /// The answer.
        response: Response,
    },
    /// Deliver to another partition's engine. Losing it is harmless: it is sent again until the
    /// peer has acknowledged it.
    ToPartition {
        /// The receiver.
        to: PartitionId,
        /// What to say.
        message: PartitionMessage,
    },
    /// Jobs of this type became activatable; at most once per type and `handle`.
    JobsAvailable {
        /// The type.
        job_type: String,
    },
    /// Push this job, activated already, to a stream.
    PushJob {
        /// Where.
        stream: StreamId,
        /// The job's key.
        key: Key,
        /// The job.
        job: Box<JobRecord>,
    },
}

/// Counts for the admin endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct EngineStats {
    /// Deployed process definitions, all versions.
    pub process_definitions: usize,
    /// Running process instances.
    pub process_instances: usize,
    /// Running element instances, the processes' own included.
    pub element_instances: usize,
    /// Jobs that a worker could take.
    pub jobs_activatable: usize,
    /// Jobs that a worker holds.
    pub jobs_activated: usize,
    /// Jobs that wait for a back-off, new retries or an incident's resolution.
    pub jobs_failed: usize,
    /// Buffered messages.
    pub messages: usize,
    /// Open message subscriptions of this partition's correlation keys.
    pub message_subscriptions: usize,
    /// Pending timers.
    pub timers: usize,
    /// Open incidents.
    pub incidents: usize,
    /// The oldest of them, at most [`IncidentView::SHOWN`].
    pub open_incidents: Vec<IncidentView>,
    /// Variables.
    pub variables: usize,
    /// Requests held until their instance ends or their message is correlated.
    pub held_requests: usize,
    /// Messages to other partitions not acknowledged yet.
    pub unacknowledged: usize,
    /// Elements waiting to be processed.
    pub queued_steps: usize,
}

/// An open incident as the admin endpoint shows it: what a developer needs to repair and resolve it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct IncidentView {
    /// Its key, for ResolveIncident.
    pub key: Key,
    /// Its kind's name.
    pub error_type: &'static str,
    /// Why, in words.
    pub error_message: String,
    /// The process instance.
    pub process_instance_key: Key,
    /// The element that stopped.
    pub element_id: String,
    /// The job that stopped it, if one did.
    pub job_key: Option<Key>,
    /// The scope whose variables matter for the repair.
    pub variable_scope_key: Key,
}

impl IncidentView {
    /// How many are shown per partition.
    pub const SHOWN: usize = 100;
}
