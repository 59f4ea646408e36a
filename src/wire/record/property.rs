//! How a property's value is written and read.

use std::borrow::Cow;

use bytes::Bytes;

use crate::wire::DecodeError;
use crate::wire::msgpack::{Reader, Writer, int_len, list_header_len, str_len};

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

/// A type a property can have.
pub trait Property: Sized {
    /// Appends the value.
    fn write(&self, out: &mut Writer);

    /// How many bytes [`Property::write`] appends.
    fn encoded_len(&self) -> usize;

    /// Reads a value.
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// A map with a fixed set of properties.
pub trait Record: Property {
    /// The record as MsgPack.
    fn to_bytes(&self) -> Bytes {
        let mut out = Writer::with_capacity(self.encoded_len());
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

    fn encoded_len(&self) -> usize {
        int_len(*self)
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.int()
    }
}

impl Property for i32 {
    fn write(&self, out: &mut Writer) {
        out.int(i64::from(*self));
    }

    fn encoded_len(&self) -> usize {
        int_len(i64::from(*self))
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

    fn encoded_len(&self) -> usize {
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

    fn encoded_len(&self) -> usize {
        str_len(self.len())
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.str().map(str::to_owned)
    }
}

impl Property for Symbol {
    fn write(&self, out: &mut Writer) {
        out.str(self);
    }

    fn encoded_len(&self) -> usize {
        str_len(self.len())
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

    fn encoded_len(&self) -> usize {
        list_header_len(self.len()) + self.iter().map(Property::encoded_len).sum::<usize>()
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
    use crate::wire::record::{DecisionEvaluationRecord, Document, JobBatchRecord, JobRecord};

    use super::*;

    fn check(record: &impl Record) {
        assert_eq!(record.to_bytes().len(), record.encoded_len());
    }

    #[test]
    fn encoded_len_is_exact() {
        check(&DecisionEvaluationRecord::default());
        for len in [0, 1, 15, 16, 31, 32, 255, 256, 0xffff, 0x1_0000] {
            let document = vec![0x80; len.max(1)];
            let job = JobRecord {
                variables: Document::from_msgpack(document.into()).unwrap(),
                error_message: "x".repeat(len),
                changed_attributes: vec![String::new(); len],
                ..Default::default()
            };
            check(&job);
            check(&JobBatchRecord { jobs: vec![job; 2], ..Default::default() });
        }
        for shift in 0..64 {
            let power = 1i64 << shift;
            let around = [power.wrapping_sub(1), power, power.wrapping_add(1)];
            let negative = around.map(i64::wrapping_neg);
            check(&JobBatchRecord { job_keys: [around, negative].concat(), ..Default::default() });
        }
    }

    #[test]
    fn names_are_found_in_any_order() {
        let orders: [&[u8]; 3] = [
            b"\x83\xa7retries\x07\xa4type\xa1t\xa6worker\xa1w",
            b"\x83\xa6worker\xa1w\xa4type\xa1t\xa7retries\x07",
            b"\x85\xa1?\xc0\xa6worker\xa1x\xa7retries\x07\xa4type\xa1t\xd9\x06worker\xa1w",
        ];
        for bytes in orders {
            let job = JobRecord::from_bytes(&Bytes::from_static(bytes)).unwrap();
            assert_eq!((job.job_type.as_str(), job.worker.as_str(), job.retries), ("t", "w", 7));
        }
        let short = Bytes::from_static(b"\x81\xa6work");
        assert!(JobRecord::from_bytes(&short).is_err());
    }
}
