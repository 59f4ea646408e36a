//! What the elements of a process do. `LIFECYCLE.md` tells the life they all share; one file per
//! kind of behaviour tells the rest.

mod error;
mod events;
mod expression;
mod gateway;
mod job_task;
mod lifecycle;
mod mapping;
mod process;
mod time;

use std::sync::Arc;

pub use error::{catch as catch_error, find_catcher as find_error_catcher};
pub use events::{message_arrived, message_name, timer_fired, timer_firing};
pub use lifecycle::{complete, run, terminate};
pub use process::{can_start_at, start as start_process, start_by_event as start_process_by_event};

use super::state::{Definition, ElementInstance, IncidentKind};
use crate::broker::bpmn::{Element, ElementIndex};
use crate::model::Key;

/// Why an element cannot go on; becomes an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The incident's kind.
    pub kind: IncidentKind,
    /// The incident's message.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: IncidentKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// What a behaviour needs to know of the instance it works for. A copy, so that the state can be
/// changed meanwhile.
#[derive(Clone, Debug)]
pub struct Context {
    /// The instance's key.
    pub key: Key,
    /// Which element.
    pub index: ElementIndex,
    /// The process.
    pub definition: Arc<Definition>,
    /// The process instance.
    pub process_instance: Key,
    /// The containing scope.
    pub scope: Option<Key>,
    /// Whether the event it stands for has happened.
    pub triggered: bool,
}

impl Context {
    /// The context of an instance.
    pub fn of(instance: &ElementInstance) -> Self {
        Self {
            key: instance.key,
            index: instance.element,
            definition: instance.definition.clone(),
            process_instance: instance.process_instance,
            scope: instance.scope,
            triggered: instance.triggered,
        }
    }

    /// The element.
    pub fn element(&self) -> &Element {
        self.definition.process.element(self.index)
    }
}
