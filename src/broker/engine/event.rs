//! What happened: the only things that change state, and what a journal will keep.

use std::sync::Arc;

use super::api::RequestId;
use super::remote::RemoteCommand;
use super::state::{
    Definition, ElementInstance, Entries, Incident, Interruption, Job, Message, MessageWait,
    StartLock, StartSubscription, Subscription, SubscriptionId, Timer,
};
use super::step::Step;
use crate::broker::bpmn::FlowIndex;
use crate::model::{Key, Millis, PartitionId};

/// A fact. Carries everything its application needs, times included.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A key was handed out that no entity keeps.
    KeyUsed {
        /// The key.
        key: Key,
    },
    /// The clock was stopped at a time, or let run again.
    ClockSet {
        /// Key of the record.
        key: Key,
        /// Where it was stopped; `None` when it runs.
        pinned: Option<Millis>,
    },

    /// A process definition can be used from now on.
    DefinitionAdded {
        /// The definition.
        definition: Arc<Definition>,
    },
    /// A process definition cannot be used any more.
    DefinitionDeleted {
        /// Its key.
        key: Key,
    },

    /// A request waits for the end of a process instance.
    ResultAwaited {
        /// The process instance.
        process_instance: Key,
        /// The request.
        request: RequestId,
        /// Names of the variables to return; empty means all.
        fetch_variables: Vec<String>,
    },
    /// A waiting request was answered.
    ResultSent {
        /// The process instance.
        process_instance: Key,
    },

    /// An element instance came into being, in phase activating.
    ElementActivating {
        /// The instance.
        instance: Box<ElementInstance>,
        /// The flows whose tokens it consumes in its scope.
        consumed: Vec<FlowIndex>,
    },
    /// Its input is ready.
    ElementActivated {
        /// Its key.
        key: Key,
    },
    /// Its work is done.
    ElementCompleting {
        /// Its key.
        key: Key,
    },
    /// It ended.
    ElementCompleted {
        /// Its key.
        key: Key,
    },
    /// It is being ended from outside.
    ElementTerminating {
        /// Its key.
        key: Key,
        /// What goes on in its place.
        interruption: Option<Interruption>,
    },
    /// It was ended from outside.
    ElementTerminated {
        /// Its key.
        key: Key,
    },
    /// A sequence flow was taken.
    FlowTaken {
        /// The scope.
        scope: Key,
        /// The flow.
        flow: FlowIndex,
    },

    /// All tokens on the flows of a scope are gone.
    TokensDropped {
        /// The scope.
        scope: Key,
    },

    /// Variables of one scope were set.
    VariablesSet {
        /// The scope.
        scope: Key,
        /// Names and values.
        entries: Entries,
    },

    /// There is work for a worker.
    JobCreated {
        /// The job.
        job: Box<Job>,
    },
    /// A worker took jobs.
    JobsActivated {
        /// The jobs.
        keys: Vec<Key>,
        /// The worker.
        worker: Arc<str>,
        /// Until when it holds them.
        deadline: Millis,
    },
    /// A job can be taken again: its time, its back-off or its incident is over, or its push
    /// failed.
    JobActivatable {
        /// Its key.
        key: Key,
    },
    /// A worker failed a job.
    JobFailed {
        /// Its key.
        key: Key,
        /// Attempts left.
        retries: i32,
        /// The wait asked for, milliseconds.
        backoff_ms: i64,
        /// When it is over.
        recurs_at: Option<Millis>,
        /// Why it failed.
        message: String,
    },
    /// A job cannot be activated until its incident is resolved.
    JobBlocked {
        /// Its key.
        key: Key,
    },
    /// An error was thrown that nothing catches.
    JobErrorUncaught {
        /// Its key.
        key: Key,
        /// The error's code.
        code: String,
        /// The error's message.
        message: String,
    },
    /// A job's retries or deadline were set.
    JobUpdated {
        /// Its key.
        key: Key,
        /// The retries, if set.
        retries: Option<i32>,
        /// The deadline, if set.
        deadline: Option<Millis>,
    },
    /// A job is gone: completed, ended by an error, or with its element.
    JobRemoved {
        /// Its key.
        key: Key,
        /// The element instance it belonged to.
        element_instance: Key,
    },

    /// An element instance waits for time to pass.
    TimerCreated {
        /// The timer.
        timer: Timer,
    },
    /// A timer fired or is not needed any more.
    TimerRemoved {
        /// Its key.
        key: Key,
    },

    /// An element instance waits for a message.
    MessageAwaited {
        /// What for.
        wait: MessageWait,
    },
    /// It does not any more.
    MessageWaitEnded {
        /// Which wait.
        id: SubscriptionId,
    },
    /// A message was published.
    MessagePublished {
        /// The message.
        message: Box<Message>,
    },
    /// A message is gone.
    MessageExpired {
        /// Its key.
        key: Key,
    },
    /// A process took a message at a start event.
    MessageTaken {
        /// The message.
        message: Key,
        /// The process.
        process_id: Arc<str>,
    },
    /// A start event listens to messages.
    StartSubscriptionOpened {
        /// Which.
        subscription: StartSubscription,
    },
    /// The start events of a definition do not listen any more.
    StartSubscriptionsClosed {
        /// The definition.
        definition: Key,
    },
    /// A process instance keeps further messages from starting another one.
    StartLocked {
        /// The instance.
        process_instance: Key,
        /// Which messages.
        lock: StartLock,
    },
    /// It does not any more.
    StartUnlocked {
        /// The instance.
        process_instance: Key,
    },
    /// A subscription to the messages of an address was opened.
    SubscriptionOpened {
        /// The subscription.
        subscription: Box<Subscription>,
    },
    /// It was closed.
    SubscriptionClosed {
        /// Which.
        id: SubscriptionId,
    },
    /// A message was sent to a subscription.
    CorrelationBegun {
        /// The subscription.
        id: SubscriptionId,
        /// The message.
        message: Key,
        /// The process that gets it.
        process_id: Arc<str>,
    },
    /// What was sent to a subscription was taken or declined.
    CorrelationEnded {
        /// The subscription.
        id: SubscriptionId,
        /// The message.
        message: Key,
    },
    /// A process did not take a message after all.
    CorrelationUndone {
        /// The message.
        message: Key,
        /// The process.
        process_id: Arc<str>,
    },
    /// The request that waited for a message's correlation was answered.
    CorrelationAnswered {
        /// The message.
        message: Key,
    },

    /// Processing stopped until somebody acts.
    IncidentCreated {
        /// The incident.
        incident: Box<Incident>,
    },
    /// The incident is over.
    IncidentRemoved {
        /// Its key.
        key: Key,
    },

    /// A command was sent to another partition.
    CommandSent {
        /// The receiver.
        to: PartitionId,
        /// The command.
        command: Box<RemoteCommand>,
        /// When to send it again.
        resend_at: Millis,
    },
    /// Another partition did what it was told.
    CommandsAcknowledged {
        /// The partition.
        by: PartitionId,
        /// Number of the last command it did.
        through: u64,
    },
    /// Unacknowledged commands were sent again.
    CommandsResent {
        /// The receiver.
        to: PartitionId,
        /// When to send them once more.
        next: Millis,
    },
    /// A command of another partition was executed.
    CommandExecuted {
        /// The sender.
        from: PartitionId,
        /// Its number.
        sequence: u64,
    },

    /// There was more to do than one turn does.
    StepsPostponed {
        /// What is left, in order.
        steps: Vec<Step>,
    },
    /// The oldest of the postponed steps were taken up.
    StepsResumed {
        /// How many.
        count: usize,
    },
}
