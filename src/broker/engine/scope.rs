//! Variables as processes see them: inherited from the enclosing scopes, set where they exist.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::event::Event;
use super::state::{Entries, Name, State, document};
use super::turn::Turn;
use crate::model::Key;
use crate::wire::record::Document;

/// A scope and those that enclose it, innermost first.
fn enclosing(state: &State, scope: Key) -> impl Iterator<Item = Key> {
    std::iter::successors(Some(scope), |key| state.elements.get(*key)?.scope)
}

/// The value a variable has in a scope.
pub fn lookup<'a>(state: &'a State, scope: Key, name: &Name) -> Option<&'a Bytes> {
    enclosing(state, scope).find_map(|key| state.variables.get(key, name))
}

/// The variables visible in a scope, or those of them that are named in `fetch`; the innermost
/// scope's come first.
pub fn collect(state: &State, scope: Key, fetch: &[String]) -> Document {
    let mut seen = BTreeSet::new();
    let mut entries: Vec<(&Name, &Bytes)> = Vec::new();
    for key in enclosing(state, scope) {
        for (name, value) in state.variables.local(key) {
            let wanted = fetch.is_empty() || fetch.iter().any(|fetched| **fetched == *name.0);
            if wanted && seen.insert(name) {
                entries.push((name, value));
            }
        }
    }
    document(entries)
}

/// Sets variables of this scope alone.
pub fn set_local(turn: &mut Turn<'_>, scope: Key, entries: Entries) {
    if !entries.is_empty() {
        turn.emit(Event::VariablesSet { scope, entries });
    }
}

/// Sets each variable in the innermost scope that has it, seen from `scope`, else in the process.
pub fn propagate(turn: &mut Turn<'_>, scope: Key, mut entries: Entries) {
    let mut current = scope;
    while let Some(parent) = turn.state.elements.get(current).and_then(|element| element.scope) {
        let (here, above) = entries
            .into_iter()
            .partition(|(name, _)| turn.state.variables.get(current, name).is_some());
        set_local(turn, current, here);
        entries = above;
        current = parent;
    }
    set_local(turn, current, entries);
}
