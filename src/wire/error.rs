//! Why bytes could not be read.

/// A typed decoding failure. Offsets count from the start of the decoded unit, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ended inside a value.
    #[error("input ends at byte {offset}, {missing} more needed for {what}")]
    UnexpectedEnd {
        /// Where reading began.
        offset: usize,
        /// How many bytes are missing at least.
        missing: usize,
        /// What was being read.
        what: &'static str,
    },
    /// A value has another type than the protocol says.
    #[error("expected {expected} at byte {offset}, found {found:#04x}")]
    UnexpectedType {
        /// Where.
        offset: usize,
        /// What should be there.
        expected: &'static str,
        /// The byte that is.
        found: u8,
    },
    /// A number does not fit its field.
    #[error("number at byte {offset} is out of range for {what}")]
    OutOfRange {
        /// Where.
        offset: usize,
        /// The field's type.
        what: &'static str,
    },
    /// Text is not UTF-8.
    #[error("text at byte {offset} is not UTF-8")]
    InvalidUtf8 {
        /// Where.
        offset: usize,
    },
    /// Nesting is deeper than the reader follows.
    #[error("nesting deeper than {limit} levels at byte {offset}")]
    TooDeep {
        /// Where.
        offset: usize,
        /// The limit.
        limit: usize,
    },
    /// A property that has no default is absent.
    #[error("property `{property}` is missing")]
    MissingProperty {
        /// Its name.
        property: &'static str,
    },
    /// A property's value could not be read.
    #[error("property `{property}`: {cause}")]
    InProperty {
        /// Its name.
        property: &'static str,
        /// Why.
        cause: Box<DecodeError>,
    },
    /// The message is another one than expected.
    #[error("expected {expected}, received template {template} of schema {schema}")]
    UnexpectedTemplate {
        /// Its schema.
        schema: u16,
        /// Its template.
        template: u16,
        /// Name of the expected message.
        expected: &'static str,
    },
    /// Anything else the protocol forbids.
    #[error("{what} at byte {offset}")]
    Invalid {
        /// Where.
        offset: usize,
        /// What is wrong.
        what: &'static str,
    },
}

impl DecodeError {
    /// The same error, said of a property.
    #[must_use]
    pub fn in_property(self, property: &'static str) -> Self {
        Self::InProperty { property, cause: Box::new(self) }
    }
}
