//! What the engine runs: the one table that decides what is accepted at deployment.
//!
//! The reader may understand more than the engine runs; then [`ENGINE`] lists what the engine
//! runs. Today it runs everything that the reader understands.

/// Something a process can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Service, script, send and business rule tasks done by job workers.
    JobTask,
    /// Manual and undefined tasks.
    PassTask,
    /// Receive tasks.
    ReceiveTask,
    /// Exclusive gateways.
    ExclusiveGateway,
    /// Parallel gateways.
    ParallelGateway,
    /// Inclusive gateways that split.
    InclusiveGateway,
    /// Event-based gateways.
    EventBasedGateway,
    /// Embedded sub-processes.
    SubProcess,
    /// Message start events.
    MessageStart,
    /// Timer start events.
    TimerStart,
    /// Error end events.
    ErrorEnd,
    /// Terminate end events.
    TerminateEnd,
    /// Intermediate throw events without a definition.
    NoneThrow,
    /// Message intermediate catch events.
    MessageCatch,
    /// Timer intermediate catch events.
    TimerCatch,
    /// Error boundary events.
    ErrorBoundary,
    /// Message boundary events.
    MessageBoundary,
    /// Timer boundary events.
    TimerBoundary,
    /// Timers that are due at a date.
    TimerDate,
    /// Timers that repeat.
    TimerCycle,
}

/// What the engine runs today, besides none start and none end events.
pub const ENGINE: &[Feature] = ALL;

/// Everything the reader understands.
pub const ALL: &[Feature] = &[
    Feature::JobTask,
    Feature::PassTask,
    Feature::ReceiveTask,
    Feature::ExclusiveGateway,
    Feature::ParallelGateway,
    Feature::InclusiveGateway,
    Feature::EventBasedGateway,
    Feature::SubProcess,
    Feature::MessageStart,
    Feature::TimerStart,
    Feature::ErrorEnd,
    Feature::TerminateEnd,
    Feature::NoneThrow,
    Feature::MessageCatch,
    Feature::TimerCatch,
    Feature::ErrorBoundary,
    Feature::MessageBoundary,
    Feature::TimerBoundary,
    Feature::TimerDate,
    Feature::TimerCycle,
];

impl Feature {
    /// What is missing, as the rejection says it.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Feature::JobTask => "tasks done by job workers",
            Feature::PassTask => "manual and undefined tasks",
            Feature::ReceiveTask => "receive tasks",
            Feature::ExclusiveGateway => "exclusive gateways",
            Feature::ParallelGateway => "parallel gateways",
            Feature::InclusiveGateway => "inclusive gateways",
            Feature::EventBasedGateway => "event-based gateways",
            Feature::SubProcess => "embedded sub-processes",
            Feature::MessageStart => "message start events",
            Feature::TimerStart => "timer start events",
            Feature::ErrorEnd => "error end events",
            Feature::TerminateEnd => "terminate end events",
            Feature::NoneThrow => "intermediate throw events",
            Feature::MessageCatch => "message intermediate catch events",
            Feature::TimerCatch => "timer intermediate catch events",
            Feature::ErrorBoundary => "error boundary events",
            Feature::MessageBoundary => "message boundary events",
            Feature::TimerBoundary => "timer boundary events",
            Feature::TimerDate => "timers with a date",
            Feature::TimerCycle => "timers that repeat",
        }
    }
}
