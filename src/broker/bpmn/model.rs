//! The executable model: what the engine walks.
//!
//! A process is immutable once parsed. Elements and flows live in two vectors and name each other
//! by index, so that state keeps four bytes per reference. Element 0 is the process itself: it is
//! the flow scope of the top-level elements, as its own instance is in the records.
//!
//! Invariants (kept by the parser, relied on by the engine): every index is in range; a flow
//! connects two elements of the same scope; `incoming`, `outgoing` and `boundary_events` are in
//! document order; every expression was parsed.

use crate::broker::feel::Expression;

/// Position of an element in [`Process::elements`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementIndex(pub u32);

impl ElementIndex {
    /// The process itself.
    pub const PROCESS: ElementIndex = ElementIndex(0);
}

/// Position of a sequence flow in [`Process::flows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowIndex(pub u32);

/// An executable process.
#[derive(Clone, Debug)]
pub struct Process {
    /// The BPMN process id.
    pub id: String,
    /// Name for people.
    pub name: Option<String>,
    /// `zeebe:versionTag`.
    pub version_tag: Option<String>,
    /// All elements; the first is the process itself.
    pub elements: Vec<Element>,
    /// All sequence flows.
    pub flows: Vec<SequenceFlow>,
}

impl Process {
    /// The element at `index`.
    ///
    /// # Panics
    /// When `index` is of another process.
    #[must_use]
    pub fn element(&self, index: ElementIndex) -> &Element {
        &self.elements[index.0 as usize]
    }

    /// The flow at `index`.
    ///
    /// # Panics
    /// When `index` is of another process.
    #[must_use]
    pub fn flow(&self, index: FlowIndex) -> &SequenceFlow {
        &self.flows[index.0 as usize]
    }

    /// The element with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<ElementIndex> {
        self.indices().find(|index| self.element(*index).id == id)
    }

    /// The indices of all elements, the process itself first.
    pub fn indices(&self) -> impl Iterator<Item = ElementIndex> + use<> {
        (0..self.elements.len() as u32).map(ElementIndex)
    }

    /// The elements directly inside `scope`, in document order.
    pub fn children(&self, scope: ElementIndex) -> impl Iterator<Item = ElementIndex> + '_ {
        self.indices().filter(move |index| self.element(*index).flow_scope == Some(scope))
    }

    /// The none start event of the process (`PROCESS`) or of an embedded sub-process.
    #[must_use]
    pub fn none_start(&self, scope: ElementIndex) -> Option<ElementIndex> {
        self.children(scope)
            .find(|index| matches!(self.element(*index).kind, ElementKind::StartEvent(Start::None)))
    }

    /// The top-level start events that a message or a timer triggers.
    pub fn triggered_starts(&self) -> impl Iterator<Item = (ElementIndex, &Start)> + '_ {
        self.children(ElementIndex::PROCESS).filter_map(|index| match &self.element(index).kind {
            ElementKind::StartEvent(Start::None) => None,
            ElementKind::StartEvent(start) => Some((index, start)),
            _ => None,
        })
    }
}

/// A sequence flow.
#[derive(Clone, Debug)]
pub struct SequenceFlow {
    /// The BPMN id.
    pub id: String,
    /// Where it starts.
    pub source: ElementIndex,
    /// Where it ends.
    pub target: ElementIndex,
    /// The condition under which a gateway takes it.
    pub condition: Option<Expression>,
}

/// One flow node, or the process itself.
#[derive(Clone, Debug)]
pub struct Element {
    /// The BPMN id.
    pub id: String,
    /// Name for people.
    pub name: Option<String>,
    /// What it does.
    pub kind: ElementKind,
    /// The process or sub-process it is directly inside of; none for the process itself.
    pub flow_scope: Option<ElementIndex>,
    /// Flows that end here.
    pub incoming: Vec<FlowIndex>,
    /// Flows that start here.
    pub outgoing: Vec<FlowIndex>,
    /// Boundary events attached to this activity.
    pub boundary_events: Vec<ElementIndex>,
    /// `zeebe:ioMapping`.
    pub io_mapping: IoMapping,
}

/// What an element does.
#[derive(Clone, Debug)]
pub enum ElementKind {
    /// The process itself.
    Process,
    /// An embedded sub-process.
    SubProcess,
    /// Where the process or an embedded sub-process begins.
    StartEvent(Start),
    /// Where a path ends.
    EndEvent(End),
    /// An intermediate throw event without a definition: passes through.
    IntermediateThrowNone,
    /// Waits for a message or a timer.
    IntermediateCatchEvent(Catch),
    /// Watches the activity it is attached to.
    BoundaryEvent(Boundary),
    /// A task that job workers do.
    JobTask(JobTask),
    /// A manual or undefined task: passes through.
    PassTask(PassTask),
    /// Waits for a message.
    ReceiveTask(Message),
    /// Takes the first outgoing flow whose condition holds.
    ExclusiveGateway(Branching),
    /// Takes every outgoing flow whose condition holds; its split only (one incoming flow).
    InclusiveGateway(Branching),
    /// Takes all outgoing flows; waits for one token on each incoming flow.
    ParallelGateway,
    /// Waits for the first of the catch events that follow it.
    EventBasedGateway,
}

/// How a process or a sub-process is started.
#[derive(Clone, Debug)]
pub enum Start {
    /// By a command, or by entering the sub-process.
    None,
    /// By a message (top level only; the correlation key may be absent).
    Message(Message),
    /// By a timer (top level only).
    Timer(Timer),
}

/// What happens at an end event.
#[derive(Clone, Debug)]
pub enum End {
    /// Nothing more.
    None,
    /// Throws an error to the enclosing scopes; the code may be an expression.
    Error(Expression),
    /// Terminates everything in its flow scope.
    Terminate,
}

/// What a catch event waits for.
#[derive(Clone, Debug)]
pub enum Catch {
    /// A message.
    Message(Message),
    /// A timer.
    Timer(Timer),
}

/// An event attached to an activity.
#[derive(Clone, Debug)]
pub struct Boundary {
    /// The activity.
    pub attached_to: ElementIndex,
    /// Whether the activity is terminated when the event happens.
    pub interrupting: bool,
    /// What is watched for.
    pub trigger: BoundaryTrigger,
}

/// What a boundary event watches for.
#[derive(Clone, Debug)]
pub enum BoundaryTrigger {
    /// An error thrown by a job or an end event inside the activity; no code catches every error.
    /// Always interrupting.
    Error(Option<String>),
    /// A message.
    Message(Message),
    /// A timer.
    Timer(Timer),
}

/// A message to wait for.
#[derive(Clone, Debug)]
pub struct Message {
    /// The BPMN id of the message.
    pub id: String,
    /// Its name.
    pub name: Expression,
    /// What instances are told apart by: a string or a number. Absent only where it is not needed,
    /// at the start events of a process.
    pub correlation_key: Option<Expression>,
}

/// When a timer is due. Each expression yields ISO 8601 text or a FEEL temporal value.
#[derive(Clone, Debug)]
pub enum Timer {
    /// After a duration.
    Duration(Expression),
    /// At a date and time.
    Date(Expression),
    /// Repeatedly (`R3/PT10S`).
    Cycle(Expression),
}

/// A task done by job workers: service, script, send and business rule tasks with a
/// `zeebe:taskDefinition`.
#[derive(Clone, Debug)]
pub struct JobTask {
    /// Which BPMN element it is.
    pub task: JobTaskKind,
    /// The job type: yields a string.
    pub job_type: Expression,
    /// The number of retries: yields a number, or text that is one.
    pub retries: Expression,
    /// `zeebe:taskHeaders`, in document order.
    pub headers: Vec<(String, String)>,
}

/// Which BPMN element a job task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobTaskKind {
    /// `serviceTask`.
    Service,
    /// `scriptTask`.
    Script,
    /// `sendTask`.
    Send,
    /// `businessRuleTask`.
    BusinessRule,
}

/// A task that passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassTask {
    /// `task`.
    Undefined,
    /// `manualTask`.
    Manual,
}

/// The flows out of a gateway that chooses.
#[derive(Clone, Copy, Debug)]
pub struct Branching {
    /// The flow taken when no condition holds.
    pub default: Option<FlowIndex>,
}

/// `zeebe:ioMapping`: variables copied in before and out after an element runs.
#[derive(Clone, Debug, Default)]
pub struct IoMapping {
    /// Evaluated in the scope outside; targets are created in the element's own scope.
    pub inputs: Vec<Mapping>,
    /// Evaluated in the element's own scope; targets are set in the flow scope. Without any
    /// output the variables of the element are merged into the flow scope as they are.
    pub outputs: Vec<Mapping>,
}

/// One mapping.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The value.
    pub source: Expression,
    /// The variable it becomes, as a path: `["order", "id"]` for `order.id`.
    pub target: Vec<String>,
}

impl Element {
    /// The element type as the records name it (`bpmnElementType`).
    #[must_use]
    pub fn bpmn_element_type(&self) -> &'static str {
        match &self.kind {
            ElementKind::Process => "PROCESS",
            ElementKind::SubProcess => "SUB_PROCESS",
            ElementKind::StartEvent(_) => "START_EVENT",
            ElementKind::EndEvent(_) => "END_EVENT",
            ElementKind::IntermediateThrowNone => "INTERMEDIATE_THROW_EVENT",
            ElementKind::IntermediateCatchEvent(_) => "INTERMEDIATE_CATCH_EVENT",
            ElementKind::BoundaryEvent(_) => "BOUNDARY_EVENT",
            ElementKind::JobTask(job) => match job.task {
                JobTaskKind::Service => "SERVICE_TASK",
                JobTaskKind::Script => "SCRIPT_TASK",
                JobTaskKind::Send => "SEND_TASK",
                JobTaskKind::BusinessRule => "BUSINESS_RULE_TASK",
            },
            ElementKind::PassTask(PassTask::Undefined) => "TASK",
            ElementKind::PassTask(PassTask::Manual) => "MANUAL_TASK",
            ElementKind::ReceiveTask(_) => "RECEIVE_TASK",
            ElementKind::ExclusiveGateway(_) => "EXCLUSIVE_GATEWAY",
            ElementKind::InclusiveGateway(_) => "INCLUSIVE_GATEWAY",
            ElementKind::ParallelGateway => "PARALLEL_GATEWAY",
            ElementKind::EventBasedGateway => "EVENT_BASED_GATEWAY",
        }
    }

    /// The event type as the records name it (`bpmnEventType`); `UNSPECIFIED` where there is none.
    #[must_use]
    pub fn bpmn_event_type(&self) -> &'static str {
        const MESSAGE: &str = "MESSAGE";
        const TIMER: &str = "TIMER";
        match &self.kind {
            ElementKind::StartEvent(Start::None)
            | ElementKind::EndEvent(End::None)
            | ElementKind::IntermediateThrowNone => "NONE",
            ElementKind::StartEvent(Start::Message(_))
            | ElementKind::IntermediateCatchEvent(Catch::Message(_))
            | ElementKind::ReceiveTask(_) => MESSAGE,
            ElementKind::StartEvent(Start::Timer(_))
            | ElementKind::IntermediateCatchEvent(Catch::Timer(_)) => TIMER,
            ElementKind::EndEvent(End::Error(_)) => "ERROR",
            ElementKind::EndEvent(End::Terminate) => "TERMINATE",
            ElementKind::BoundaryEvent(boundary) => match &boundary.trigger {
                BoundaryTrigger::Error(_) => "ERROR",
                BoundaryTrigger::Message(_) => MESSAGE,
                BoundaryTrigger::Timer(_) => TIMER,
            },
            _ => "UNSPECIFIED",
        }
    }
}
