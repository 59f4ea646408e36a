//! Why JSON text could not be converted. The messages begin as the JVM gateway's do, because
//! clients show and parse them.

/// A typed conversion failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is not JSON.
    #[error("Invalid JSON value: {excerpt}\n at line: {line}, column: {column}: {reason}")]
    Syntax {
        /// The text, cut after a while.
        excerpt: String,
        /// Line of the offending character, from 1.
        line: usize,
        /// Column of the offending character, from 1, in characters.
        column: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// An integer outside -2⁶³..2⁶⁴-1.
    #[error("MessagePack cannot serialize BigInteger larger than 2^64-1")]
    IntegerOutOfRange,
    /// The text is not an object.
    #[error(
        "Property 'variables' is invalid: Expected document to be a root level object, but was \
         '{found}'"
    )]
    NotAnObject {
        /// What it is: `ARRAY`, `INTEGER`, `FLOAT`, `STRING` or `BOOLEAN`.
        found: &'static str,
    },
    /// Nesting is deeper than this gateway follows.
    #[error("Invalid JSON value: nesting deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The text is longer than this gateway converts.
    #[error("Invalid JSON value: text longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
}

/// Longest part of the text that an error message repeats, in bytes: messages travel in headers.
const EXCERPT: usize = 1024;

impl JsonError {
    /// A syntax error at byte `at` of `text`.
    pub(super) fn syntax(text: &str, at: usize, reason: &'static str) -> Self {
        let at = floor_char_boundary(text, at);
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = floor_char_boundary(text, EXCERPT);
        let mut excerpt = text[..end].to_owned();
        if end < text.len() {
            excerpt.push('…');
        }
        Self::Syntax {
            excerpt,
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            reason,
        }
    }
}

/// The last character boundary at or before `at`. The standard library has it from Rust 1.91 on.
fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut boundary = at.min(text.len());
    while !text.is_char_boundary(boundary) {
        boundary -= 1;
    }
    boundary
}
