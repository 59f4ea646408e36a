//! What is left to do for running processes. A turn works through these one by one.

use super::remote::RemoteCommand;
use crate::broker::bpmn::{ElementIndex, FlowIndex};
use crate::model::Key;

/// A pending piece of execution. What it refers to may be gone when its turn comes; then there is
/// nothing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Begin an element in a scope.
    Activate {
        /// The element.
        element: ElementIndex,
        /// The scope's key.
        scope: Key,
        /// The flows whose tokens arrive.
        consumed: Vec<FlowIndex>,
    },
    /// Prepare an activating element, again after an incident.
    Prepare {
        /// Its key.
        key: Key,
    },
    /// An active element's work is done.
    Complete {
        /// Its key.
        key: Key,
    },
    /// Hand over a completing element's output, again after an incident.
    HandOver {
        /// Its key.
        key: Key,
    },
    /// End an element from outside.
    Terminate {
        /// Its key.
        key: Key,
    },
    /// What another partition would be told, were it not this one.
    Execute(Box<RemoteCommand>),
}
