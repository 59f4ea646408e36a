//! Values from and to variables.
//!
//! Variables are JSON in MsgPack. Whole numbers are written as integers, others as doubles;
//! temporal values become text in their ISO form.

use crate::wire::msgpack::{Kind, Reader, Writer};

use super::error::FeelError;
use super::number::Number;
use super::value::{Context, Value};

/// How deeply lists and contexts in a variable may be nested.
const MAX_DEPTH: usize = 200;

impl Value {
    /// Reads one value.
    ///
    /// # Errors
    /// When the bytes are no MsgPack, or nested more than 200 levels deep.
    pub fn from_msgpack(reader: &mut Reader<'_>) -> Result<Value, FeelError> {
        read(reader, 0)
    }

    /// Writes the value.
    pub fn to_msgpack(&self, writer: &mut Writer) {
        match self {
            Value::Null | Value::Range(_) => writer.nil(),
            Value::Bool(value) => writer.bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(int), _) => writer.int(int),
                (None, Some(int)) => writer.uint(int),
                (None, None) => writer.f64(number.as_f64()),
            },
            Value::String(text) => writer.str(text),
            Value::List(items) => {
                writer.array(items.len());
                items.iter().for_each(|item| item.to_msgpack(writer));
            }
            Value::Context(entries) => {
                writer.map(entries.len());
                for (key, value) in entries.iter() {
                    writer.str(key);
                    value.to_msgpack(writer);
                }
            }
            temporal => writer.str(&temporal.to_string()),
        }
    }
}

fn read(reader: &mut Reader<'_>, depth: usize) -> Result<Value, FeelError> {
    if depth > MAX_DEPTH {
        return Err(FeelError::Variable(format!("nested more than {MAX_DEPTH} levels deep")));
    }
    let bad = |error: crate::wire::DecodeError| FeelError::Variable(error.to_string());
    Ok(match reader.kind().map_err(bad)? {
        Kind::Nil => {
            reader.nil().map_err(bad)?;
            Value::Null
        }
        Kind::Bool => Value::Bool(reader.bool().map_err(bad)?),
        Kind::Int => {
            let int = reader.int128().map_err(bad)?;
            let number =
                i64::try_from(int).map(Number::from).or(u64::try_from(int).map(Number::from));
            Value::from(number.ok())
        }
        Kind::Float => Value::from(Number::from_f64(reader.f64().map_err(bad)?)),
        Kind::Str => Value::string(reader.str().map_err(bad)?),
        Kind::Array => {
            let len = reader.array().map_err(bad)?;
            let mut items = Vec::new();
            for _ in 0..len {
                items.push(read(reader, depth + 1)?);
            }
            Value::list(items)
        }
        Kind::Map => {
            let len = reader.map().map_err(bad)?;
            let mut entries = Context::new();
            for _ in 0..len {
                let key = reader.str().map_err(bad)?.to_owned();
                entries.insert(key, read(reader, depth + 1)?);
            }
            Value::context(entries)
        }
        // JSON has neither; a client that sends them cannot use them in an expression.
        Kind::Bin | Kind::Ext => {
            reader.skip().map_err(bad)?;
            Value::Null
        }
    })
}
