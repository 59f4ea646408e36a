//! Input and output mappings.

use super::{Context, Failure, expression};
use crate::broker::bpmn::Mapping;
use crate::broker::engine::scope;
use crate::broker::engine::state::{Entries, IncidentKind, Name};
use crate::broker::engine::turn::Turn;
use crate::broker::feel::{Context as FeelContext, Value};
use crate::model::Key;
use crate::wire::msgpack::Reader;

/// Sets the inputs as variables of the element's own scope.
pub fn apply_inputs(turn: &mut Turn<'_>, context: &Context) -> Result<(), Failure> {
    let definition = context.definition.clone();
    let inputs = &definition.process.element(context.index).io_mapping.inputs;
    if inputs.is_empty() {
        return Ok(());
    }
    let entries = evaluate(turn, context.key, inputs, |_, _| None)?;
    scope::set_local(turn, context.key, entries);
    Ok(())
}

/// Sets the outputs as variables of the scope the element is in.
pub fn apply_outputs(turn: &mut Turn<'_>, context: &Context) -> Result<(), Failure> {
    let definition = context.definition.clone();
    let outputs = &definition.process.element(context.index).io_mapping.outputs;
    let Some(target) = context.scope.filter(|_| !outputs.is_empty()) else { return Ok(()) };
    // A nested target changes a part of the variable that is there.
    let existing = |turn: &Turn<'_>, name: &str| {
        let bytes = scope::lookup(turn.state, target, &Name(name.into()))?;
        Value::from_msgpack(&mut Reader::new(bytes)).ok()
    };
    let entries = evaluate(turn, context.key, outputs, existing)?;
    scope::propagate(turn, target, entries);
    Ok(())
}

/// Takes in what the element's work brought: as its own variables when output mappings say what
/// becomes of them, else where such variables are.
pub fn take_results(turn: &mut Turn<'_>, context: &Context, variables: Entries) {
    let element = context.element();
    if !element.io_mapping.outputs.is_empty() {
        return scope::set_local(turn, context.key, variables);
    }
    if context.triggered {
        // What the event carried was made local when the event began.
        let carried = turn.state.variables.local(context.key);
        let carried: Entries = carried.map(|(n, v)| (n.clone(), v.clone())).collect();
        if let Some(target) = context.scope {
            scope::propagate(turn, target, carried);
        }
    }
    scope::propagate(turn, context.key, variables);
}

/// Evaluates mappings one after another, each seeing the results of those before; targets with
/// one root become one variable.
fn evaluate(
    turn: &Turn<'_>,
    scope: Key,
    mappings: &[Mapping],
    existing: impl Fn(&Turn<'_>, &str) -> Option<Value>,
) -> Result<Entries, Failure> {
    let mut roots: Vec<(String, Value)> = Vec::new();
    for mapping in mappings {
        let value = expression::value_after(turn, scope, &roots, &mapping.source)
            .map_err(|failure| Failure { kind: IncidentKind::IoMapping, ..failure })?;
        let Some((root, path)) = mapping.target.split_first() else { continue };
        let index = match roots.iter().position(|(name, _)| name == root) {
            Some(index) => index,
            None => {
                let before = if path.is_empty() { None } else { existing(turn, root) };
                roots.push((root.clone(), before.unwrap_or(Value::Null)));
                roots.len() - 1
            }
        };
        let (_, current) = &mut roots[index];
        *current = put(std::mem::replace(current, Value::Null), path, value);
    }
    let entry =
        |(name, value): (String, Value)| (Name(name.into_boxed_str()), expression::bytes(&value));
    Ok(roots.into_iter().map(entry).collect())
}

/// `current` with the value at `path` replaced; what is no context on the way becomes one.
fn put(current: Value, path: &[String], value: Value) -> Value {
    let Some((first, rest)) = path.split_first() else { return value };
    let mut entries = match current {
        Value::Context(entries) => (*entries).clone(),
        _ => FeelContext::new(),
    };
    let inner = entries.get(first).cloned().unwrap_or(Value::Null);
    entries.insert(first.clone(), put(inner, rest, value));
    Value::context(entries)
}
