//! BPMN 2.0 with the Zeebe extensions: XML in, executable [`Process`]es out. Pure; no IO.

mod model;

pub use model::{
    Boundary, BoundaryTrigger, Branching, Catch, Element, ElementIndex, ElementKind, End,
    FlowIndex, IoMapping, JobTask, JobTaskKind, Mapping, Message, PassTask, Process, SequenceFlow,
    Start, Timer,
};
