//! What an evaluation yields: a value, and the reasons for what is null in it.

use std::fmt;

use super::value::Value;

/// Most warnings kept; the first ones explain the rest.
pub(super) const MAX_WARNINGS: usize = 16;

/// The outcome of an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The value.
    pub value: Value,
    /// Why it, or a part of it, is null. At most 16.
    pub warnings: Vec<Warning>,
}

/// Why a part of an expression is null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What kind of reason.
    pub kind: WarningKind,
    /// The reason in words.
    pub message: String,
}

/// Kinds of warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// A variable does not exist.
    NoVariableFound,
    /// A context has no such entry.
    NoContextEntryFound,
    /// A value has no such property.
    NoPropertyFound,
    /// An operand has the wrong type.
    InvalidType,
    /// Two values do not compare.
    NotComparable,
    /// A function does not accept its arguments.
    FunctionInvocationFailure,
}

impl fmt::Display for Warning {
    /// `[NO_VARIABLE_FOUND] No variable found with name 'x'`, as incidents show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            WarningKind::NoVariableFound => "NO_VARIABLE_FOUND",
            WarningKind::NoContextEntryFound => "NO_CONTEXT_ENTRY_FOUND",
            WarningKind::NoPropertyFound => "NO_PROPERTY_FOUND",
            WarningKind::InvalidType => "INVALID_TYPE",
            WarningKind::NotComparable => "NOT_COMPARABLE",
            WarningKind::FunctionInvocationFailure => "FUNCTION_INVOCATION_FAILURE",
        };
        write!(f, "[{kind}] {}", self.message)
    }
}
