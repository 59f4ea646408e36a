//! Why a resource was refused, in the form the rejection of a deployment has.
//!
//! The deployer puts `'<resource>': ` before the text of the error (vectors `grpc/02-deploy`).

use std::fmt;

/// Most findings reported; a generated file can have one for every element.
const MAX_FINDINGS: usize = 100;

/// Why a BPMN resource was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BpmnError {
    /// The text is no XML, or more of it than allowed.
    #[error("Fatal Error: URI=null Line={line}: {message}")]
    Xml {
        /// The line, from 1.
        line: u32,
        /// What is wrong.
        message: String,
    },
    /// The model is invalid, or uses what the engine does not run.
    #[error("{0}")]
    Invalid(Findings),
}

/// All findings in a resource, by element, in the order they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    elements: Vec<(String, Vec<String>)>,
    count: usize,
}

impl Findings {
    /// Adds a finding about an element.
    pub(super) fn add(&mut self, element: &str, message: impl Into<String>) {
        self.count += 1;
        if self.count > MAX_FINDINGS {
            return;
        }
        let message = message.into();
        match self.elements.iter_mut().find(|(id, _)| id == element) {
            Some((_, messages)) => messages.push(message),
            None => self.elements.push((element.to_owned(), vec![message])),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The findings: element and messages.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.elements.iter().map(|(id, messages)| (id.as_str(), messages.as_slice()))
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (element, messages) in &self.elements {
            writeln!(f, "- Element: {element}")?;
            for message in messages {
                writeln!(f, "    - ERROR: {message}")?;
            }
        }
        if self.count > MAX_FINDINGS {
            writeln!(f, "- and {} more errors", self.count - MAX_FINDINGS)?;
        }
        Ok(())
    }
}
