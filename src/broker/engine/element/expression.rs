//! Evaluating expressions against the variables of a scope.

use bytes::Bytes;

use super::Failure;
use crate::broker::engine::scope;
use crate::broker::engine::state::{IncidentKind, Name, State};
use crate::broker::engine::turn::Turn;
use crate::broker::feel::{Evaluation, Expression, Scope, Value};
use crate::model::Key;
use crate::wire::msgpack::{Reader, Writer};

/// The variables visible in a scope, as FEEL sees them.
struct Visible<'a> {
    state: &'a State,
    scope: Key,
    /// Values that are not in the state yet and go before it.
    pending: &'a [(String, Value)],
}

impl Scope for Visible<'_> {
    fn variable(&self, name: &str) -> Option<Value> {
        if let Some((_, value)) = self.pending.iter().find(|(pending, _)| pending == name) {
            return Some(value.clone());
        }
        let bytes = scope::lookup(self.state, self.scope, &Name(name.into()))?;
        // A value nested too deep for an expression does not exist for it.
        Value::from_msgpack(&mut Reader::new(bytes)).ok()
    }
}

fn explained(
    turn: &Turn<'_>,
    scope: Key,
    pending: &[(String, Value)],
    expression: &Expression,
) -> Result<Evaluation, Failure> {
    let visible = Visible { state: turn.state, scope, pending };
    expression.evaluate_explained(&visible, turn.now).map_err(|error| {
        let message = format!("cannot evaluate expression '{}': {error}", expression.text());
        Failure::new(IncidentKind::ExtractValue, message)
    })
}

/// The value of an expression in a scope where these variables are about to be set.
pub fn value_after(
    turn: &Turn<'_>,
    scope: Key,
    pending: &[(String, Value)],
    expression: &Expression,
) -> Result<Value, Failure> {
    explained(turn, scope, pending, expression).map(|evaluation| evaluation.value)
}

/// The value of an expression in a scope, as `read` understands it.
pub fn read<T>(
    turn: &Turn<'_>,
    scope: Key,
    expression: &Expression,
    expected: &str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<T, Failure> {
    let Evaluation { value, warnings } = explained(turn, scope, &[], expression)?;
    read(&value).ok_or_else(|| {
        let mut message = format!(
            "expression '{}' should give {expected}, but it gave {value} ({})",
            expression.text(),
            value.type_name()
        );
        for warning in warnings {
            message.push_str("; ");
            message.push_str(&warning.to_string());
        }
        Failure::new(IncidentKind::ExtractValue, message)
    })
}

/// Text.
pub fn text(turn: &Turn<'_>, scope: Key, expression: &Expression) -> Result<String, Failure> {
    if let Some(text) = expression.static_text() {
        return Ok(text.to_owned());
    }
    read(turn, scope, expression, "text", |value| value.as_str().map(str::to_owned))
}

/// Text or a number, as text: what instances are told apart by.
pub fn correlation_key(
    turn: &Turn<'_>,
    scope: Key,
    expression: &Expression,
) -> Result<String, Failure> {
    read(turn, scope, expression, "text or a number as correlation key", |value| {
        let number = value.as_number().map(|number| number.to_string());
        number.or_else(|| value.as_str().map(str::to_owned))
    })
}

/// A condition's truth.
pub fn boolean(turn: &Turn<'_>, scope: Key, expression: &Expression) -> Result<bool, Failure> {
    read(turn, scope, expression, "a boolean", Value::as_bool)
}

/// A number of retries.
pub fn retries(turn: &Turn<'_>, scope: Key, expression: &Expression) -> Result<i32, Failure> {
    read(turn, scope, expression, "a number of retries", |value| {
        let number = match value {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_number().and_then(|number| number.as_i64()),
        };
        number.and_then(|number| i32::try_from(number).ok())
    })
}

/// A value as a variable's content.
pub fn bytes(value: &Value) -> Bytes {
    let mut out = Writer::default();
    value.to_msgpack(&mut out);
    out.finish()
}
