//! BPMN 2.0 with the Zeebe extensions: XML in, executable [`Process`]es out. Pure; no IO.
//!
//! What the engine does not run is refused here, at deployment, with the id of the element and
//! what is missing; [`support`] is the table that decides. All findings are reported, not only the
//! first.

mod check;
mod error;
mod extensions;
mod kinds;
mod model;
mod read;
pub mod support;
mod xml;

pub use error::{BpmnError, Findings};
pub use model::{
    Boundary, BoundaryTrigger, Branching, Catch, Element, ElementIndex, ElementKind, End,
    FlowIndex, IoMapping, JobTask, JobTaskKind, Mapping, Message, PassTask, Process, SequenceFlow,
    Start, Timer,
};

/// Reads the executable processes of a resource, as far as the engine runs them.
///
/// # Errors
/// When the bytes are no XML, the model is invalid, or it uses what the engine does not run. The
/// text of the error is what the rejection of the deployment says after `'<resource>': `.
pub fn parse(xml: &[u8]) -> Result<Vec<Process>, BpmnError> {
    read::parse(xml, support::ENGINE)
}

/// Reads the executable processes of a resource against another table of features.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(xml: &[u8], support: &[support::Feature]) -> Result<Vec<Process>, BpmnError> {
    read::parse(xml, support)
}

#[cfg(test)]
mod tests;
