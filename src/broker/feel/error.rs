//! What can be wrong with an expression.

/// Why an expression was refused or gave up. Type errors inside an expression are no errors: they
/// make the value null, as in Camunda's FEEL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeelError {
    /// The text is not an expression.
    #[error("{message} at column {column}")]
    Syntax {
        /// What was expected, and what was found.
        message: String,
        /// Where, counted in characters from 1.
        column: usize,
    },
    /// The expression is correct FEEL that this implementation does not cover.
    #[error("{what} is not supported")]
    Unsupported {
        /// The construct.
        what: String,
    },
    /// The expression is longer or more deeply nested than allowed.
    #[error("the expression exceeds the limit of {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// Of what.
        unit: &'static str,
    },
    /// Evaluation took more steps or more memory than allowed.
    #[error("the evaluation was stopped after {limit} {unit}")]
    Exhausted {
        /// The limit.
        limit: usize,
        /// Of what.
        unit: &'static str,
    },
    /// The variables are no valid MsgPack, or nested too deeply.
    #[error("cannot read a variable: {0}")]
    Variable(String),
    /// `assert` failed.
    #[error("{0}")]
    Assertion(String),
}
