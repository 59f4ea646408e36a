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

/// A type a property can have.
pub trait Property: Sized {
    /// Appends the value.
    fn write(&self, out: &mut Writer);

    /// Reads a value.
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// A map with a fixed set of properties.
pub trait Record: Property {
    /// The record as MsgPack.
    fn to_bytes(&self) -> Bytes {
        let mut out = Writer::with_capacity(256);
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

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.int()
    }
}

impl Property for i32 {
    fn write(&self, out: &mut Writer) {
        out.int(i64::from(*self));
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

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.bool()
    }
}

impl Property for String {
    fn write(&self, out: &mut Writer) {
        out.str(self);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.str().map(str::to_owned)
    }
}

impl Property for Symbol {
    fn write(&self, out: &mut Writer) {
        out.str(self);
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

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = input.list::<T>()?;
        let mut elements = Vec::with_capacity(len);
        for _ in 0..len {
            elements.push(T::read(input)?);
        }
        Ok(elements)
    }
}
