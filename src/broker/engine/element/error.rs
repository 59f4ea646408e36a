//! Errors: thrown by workers and end events, caught by boundary events.

use super::{Context, Failure, expression, lifecycle};
use crate::broker::bpmn::{BoundaryTrigger, ElementIndex, ElementKind};
use crate::broker::engine::state::{Entries, IncidentKind, Interruption, Phase};
use crate::broker::engine::turn::Turn;
use crate::broker::feel::Expression;
use crate::model::Key;

/// A boundary event that catches an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Catcher {
    /// The activity that is interrupted.
    activity: Key,
    /// The event.
    boundary: ElementIndex,
}

/// The boundary event nearest to `thrower` that catches this error.
pub fn find_catcher(turn: &Turn<'_>, thrower: Key, code: &str) -> Option<Catcher> {
    let elements = &turn.state.elements;
    let mut current = elements.get(thrower);
    while let Some(instance) = current {
        let process = &instance.definition.process;
        let boundaries = &process.element(instance.element).boundary_events;
        let catches = |index: &ElementIndex, exact: bool| match &process.element(*index).kind {
            ElementKind::BoundaryEvent(boundary) => match &boundary.trigger {
                BoundaryTrigger::Error(Some(caught)) => exact && caught == code,
                BoundaryTrigger::Error(None) => !exact,
                BoundaryTrigger::Message(_) | BoundaryTrigger::Timer(_) => false,
            },
            _ => false,
        };
        // An event for just this code goes before one for all.
        let found = boundaries
            .iter()
            .find(|index| catches(index, true))
            .or_else(|| boundaries.iter().find(|index| catches(index, false)));
        if let Some(boundary) = found.filter(|_| instance.phase == Phase::Active) {
            return Some(Catcher { activity: instance.key, boundary: *boundary });
        }
        current = elements.get(instance.scope?);
    }
    None
}

/// Interrupts the activity whose boundary event catches an error.
pub fn catch(turn: &mut Turn<'_>, catcher: Catcher, variables: Entries) {
    let interruption = Interruption { event: catcher.boundary, variables };
    lifecycle::terminate(turn, catcher.activity, Some(interruption));
}

/// Finds who will catch the error of an end event.
pub fn prepare(turn: &Turn<'_>, context: &Context, code: &Expression) -> Result<Catcher, Failure> {
    let code = expression::text(turn, context.key, code)?;
    find_catcher(turn, context.key, &code).ok_or_else(|| {
        let message = format!("no boundary event catches error '{code}'");
        Failure::new(IncidentKind::UnhandledErrorEvent, message)
    })
}
