//! How a property's value is written and read.

use std::borrow::Cow;

use bytes::Bytes;

use crate::wire::DecodeError;
use crate::wire::msgpack::{Reader, Writer};

/// Name of an enum constant: protocol enums inside records travel as text.
pub type Symbol = Cow<'static, str>;

/// The constants that nearly every record carries, so that reading them allocates nothing.
fn known_symbol(text: &str) -> Option<&'static str> {
    const KNOWN: [&str; 7] = [
        "BPMN_ELEMENT",
        "UNSPECIFIED",
        "EXECUTION_LISTENER",
        "UNKNOWN",
        "JWT",
        "PROPAGATE",
        "LOCAL",
    ];
    KNOWN.into_iter().find(|known| *known == text)
}

/// Longest header of text, binary data, a list or a map, in bytes.
pub(super) const HEADER: usize = 5;

/// A type a property can have.
pub trait Property: Sized {
    /// Appends the value.
    fn write(&self, out: &mut Writer);

    /// At least as many bytes as [`Property::write`] appends, so that one allocation is enough.
    fn max_len(&self) -> usize;

    /// Reads a value.
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// A map with a fixed set of properties.
pub trait Record: Property {
    /// The record as MsgPack.
    fn to_bytes(&self) -> Bytes {
        let mut out = Writer::with_capacity(self.max_len());
        self.write(&mut out);
        out.finish()
    }

    /// Reads a record. Bytes after it are ignored, as the brokers do.
    fn from_bytes(bytes: &Bytes) -> Result<Self, DecodeError> {
        Self::read(&mut Reader::new(bytes))
    }
}

impl Property for i64 {
    fn write(&self, out: &mut Writer) {
        out.int(*self);
    }

    fn max_len(&self) -> usize {
        9
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.int()
    }
}

impl Property for i32 {
    fn write(&self, out: &mut Writer) {
        out.int(i64::from(*self));
    }

    fn max_len(&self) -> usize {
        5
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = input.position();
        i32::try_from(input.int()?)
            .map_err(|_| DecodeError::OutOfRange { offset, what: "32 signed bits" })
    }
}

impl Property for bool {
    fn write(&self, out: &mut Writer) {
        out.bool(*self);
    }

    fn max_len(&self) -> usize {
        1
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.bool()
    }
}

impl Property for String {
    fn write(&self, out: &mut Writer) {
        out.str(self);
    }

    fn max_len(&self) -> usize {
        HEADER + self.len()
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.str().map(str::to_owned)
    }
}

impl Property for Symbol {
    fn write(&self, out: &mut Writer) {
        out.str(self);
    }

    fn max_len(&self) -> usize {
        HEADER + self.len()
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let text = input.str()?;
        Ok(known_symbol(text).map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed))
    }
}

impl<T: Property> Property for Vec<T> {
    fn write(&self, out: &mut Writer) {
        out.array(self.len());
        for element in self {
            element.write(out);
        }
    }

    fn max_len(&self) -> usize {
        HEADER + self.iter().map(Property::max_len).sum::<usize>()
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = input.list::<T>()?;
        let mut elements = Vec::with_capacity(len);
        for _ in 0..len {
            elements.push(T::read(input)?);
        }
        Ok(elements)
    }
}

#[cfg(test)]
mod tests {
    use crate::wire::record::{DecisionEvaluationRecord, JobBatchRecord, JobRecord, Record};

    use super::*;

    #[test]
    fn max_len_is_enough() {
        let batch = JobBatchRecord {
            job_keys: vec![i64::MAX, i64::MIN],
            jobs: vec![JobRecord::default(); 20],
            variables: vec!["x".repeat(0x1_0000), "ü".repeat(200)],
            ..Default::default()
        };
        assert!(batch.to_bytes().len() <= batch.max_len());
        let evaluation = DecisionEvaluationRecord::default();
        assert!(evaluation.to_bytes().len() <= evaluation.max_len());
        assert!(i32::MIN.max_len() >= 5 && i64::MIN.max_len() >= 9);
    }
}
