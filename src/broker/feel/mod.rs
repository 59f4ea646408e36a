//! FEEL, the expression language of conditions, mappings and correlation keys.
//!
//! Own implementation (ADR 0003): the engine needs bounded evaluation, the functions Camunda adds
//! and no process-wide failure on hostile text. Pure: variables come through [`Scope`], time as a
//! number.
//!
//! Semantics are those of Camunda's FEEL: a variable that does not exist is null, and an operation
//! that its operands do not allow yields null and a warning instead of an error.

mod arith;
mod ast;
mod builtins;
mod error;
mod eval;
mod interval;
mod iteration;
mod lexer;
mod msgpack;
mod number;
mod operands;
mod outcome;
mod parser;
mod temporal;
mod value;

pub use error::FeelError;
pub use interval::{Cycle, Interval, IntervalError, parse_due_date};
pub use number::Number;
pub use outcome::{Evaluation, Warning, WarningKind};
pub use value::{Context, RangeValue, Value};

use std::sync::Arc;

use crate::model::Millis;

/// Where an expression finds its variables.
pub trait Scope {
    /// The value of a variable, or none when it does not exist.
    fn variable(&self, name: &str) -> Option<Value>;
}

impl Scope for Context {
    fn variable(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }
}

/// A parsed attribute of a process: an expression when its text starts with `=`, otherwise a text
/// that stands for itself.
#[derive(Clone, Debug)]
pub struct Expression(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: String,
    expr: Option<ast::Expr>,
}

impl Expression {
    /// Parses `text`.
    ///
    /// # Errors
    /// When it starts with `=` and what follows is no expression, uses a function that does not
    /// exist, or exceeds the limits on length and nesting.
    pub fn parse(text: &str) -> Result<Expression, FeelError> {
        let expr = match text.trim_start().strip_prefix('=') {
            Some(source) => Some(parser::parse(source)?),
            None => None,
        };
        Ok(Expression(Arc::new(Inner { text: text.to_owned(), expr })))
    }

    /// A text that stands for itself, whatever its first character.
    #[must_use]
    pub fn fixed(text: &str) -> Expression {
        Expression(Arc::new(Inner { text: text.to_owned(), expr: None }))
    }

    /// Whether it always yields its own text.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.0.expr.is_none()
    }

    /// The text of a static expression.
    #[must_use]
    pub fn static_text(&self) -> Option<&str> {
        self.is_static().then_some(self.0.text.as_str())
    }

    /// The text as it was written, without the leading `=`.
    #[must_use]
    pub fn text(&self) -> &str {
        let text = self.0.text.as_str();
        if self.is_static() {
            return text;
        }
        text.trim_start().strip_prefix('=').unwrap_or(text).trim()
    }

    /// The value of the expression among the variables of `scope`.
    ///
    /// # Errors
    /// When evaluation exceeds its budget of steps or memory, or `assert` fails.
    pub fn evaluate(&self, scope: &dyn Scope, now: Millis) -> Result<Value, FeelError> {
        Ok(self.evaluate_explained(scope, now)?.value)
    }

    /// The value, with the warnings that say why it, or a part of it, is null.
    ///
    /// # Errors
    /// As [`Expression::evaluate`].
    pub fn evaluate_explained(
        &self,
        scope: &dyn Scope,
        now: Millis,
    ) -> Result<Evaluation, FeelError> {
        match &self.0.expr {
            Some(expr) => eval::evaluate(expr, scope, now),
            None => Ok(Evaluation { value: Value::string(&self.0.text), warnings: Vec::new() }),
        }
    }
}

#[cfg(test)]
mod tests;
