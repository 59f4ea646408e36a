//! Values of FEEL expressions.

use std::cmp::Ordering;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::SignedDuration;
use jiff::civil;
use jiff::tz::Offset;

use super::number::Number;

/// Entries of a context, in the order they were written.
pub type Context = IndexMap<String, Value>;

/// A value. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`: absent, unknown, or the result of an operation its operands do not allow.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    String(Arc<str>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A context.
    Context(Arc<Context>),
    /// A range.
    Range(Arc<RangeValue>),
    /// A date.
    Date(civil::Date),
    /// A time of day, local or with an offset from UTC.
    Time(civil::Time, Option<Offset>),
    /// A date and time, local or with an offset from UTC.
    DateTime(civil::DateTime, Option<Offset>),
    /// A days and time duration.
    Duration(SignedDuration),
    /// A years and months duration, in months.
    Months(i64),
}

/// A range between two comparable values; null means unbounded.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeValue {
    /// Lower end.
    pub low: Value,
    /// Whether the lower end belongs to the range.
    pub low_closed: bool,
    /// Upper end.
    pub high: Value,
    /// Whether the upper end belongs to the range.
    pub high_closed: bool,
}

impl Value {
    /// What kind of value it is, as FEEL names the type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::List(_) => "list",
            Value::Context(_) => "context",
            Value::Range(_) => "range",
            Value::Date(_) => "date",
            Value::Time(..) => "time",
            Value::DateTime(..) => "date and time",
            Value::Duration(_) => "days and time duration",
            Value::Months(_) => "years and months duration",
        }
    }

    /// Text.
    #[must_use]
    pub fn string(text: &str) -> Value {
        Value::String(text.into())
    }

    /// A list.
    #[must_use]
    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Arc::new(items))
    }

    /// A context.
    #[must_use]
    pub fn context(entries: Context) -> Value {
        Value::Context(Arc::new(entries))
    }

    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub fn as_number(&self) -> Option<Number> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// How two values of one ordered type compare; none where no order is defined between them.
    #[must_use]
    pub fn order(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Number(a), Value::Number(b)) => Some(a.cmp(b)),
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
            (Value::Time(a, at), Value::Time(b, bt)) => {
                order_local(on_epoch(*a), *at, on_epoch(*b), *bt)
            }
            (Value::DateTime(a, at), Value::DateTime(b, bt)) => order_local(*a, *at, *b, *bt),
            (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
            (Value::Months(a), Value::Months(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// FEEL equality: null equals only null; none between different types.
    #[must_use]
    pub fn equals(&self, other: &Value) -> Option<bool> {
        match (self, other) {
            (Value::Null, Value::Null) => Some(true),
            (Value::Null, _) | (_, Value::Null) => Some(false),
            (Value::Bool(a), Value::Bool(b)) => Some(a == b),
            (Value::List(a), Value::List(b)) => {
                Some(a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.same(b)))
            }
            (Value::Context(a), Value::Context(b)) => Some(
                a.len() == b.len()
                    && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| a.same(b))),
            ),
            (Value::Range(a), Value::Range(b)) => Some(a == b),
            _ => self.order(other).map(|order| order == Ordering::Equal),
        }
    }

    /// Whether it holds other values.
    pub(super) fn is_container(&self) -> bool {
        matches!(self, Value::List(_) | Value::Context(_) | Value::Range(_))
    }

    /// Takes from `left` what the value would take when written out, parts that are shared each
    /// time, and answers how deep it is nested. None as soon as nothing is left.
    pub(super) fn measure(&self, left: &mut usize) -> Option<usize> {
        let size = if let Value::String(text) = self { 1 + text.len() } else { 1 };
        *left = left.checked_sub(size)?;
        let mut inner = 0;
        match self {
            Value::List(items) => {
                for item in items.iter() {
                    inner = inner.max(item.measure(left)? + 1);
                }
            }
            Value::Context(entries) => {
                for (key, value) in entries.iter() {
                    *left = left.checked_sub(key.len())?;
                    inner = inner.max(value.measure(left)? + 1);
                }
            }
            Value::Range(range) => {
                inner = range.low.measure(left)?.max(range.high.measure(left)?) + 1;
            }
            _ => {}
        }
        Some(inner)
    }

    /// Whether both are equal, different types being different.
    pub(super) fn same(&self, other: &Value) -> bool {
        self.equals(other) == Some(true)
    }
}

fn on_epoch(time: civil::Time) -> civil::DateTime {
    civil::date(1970, 1, 1).to_datetime(time)
}

/// With an offset on both sides the instants compare, without on both sides the local times.
fn order_local(
    a: civil::DateTime,
    a_offset: Option<Offset>,
    b: civil::DateTime,
    b_offset: Option<Offset>,
) -> Option<Ordering> {
    match (a_offset, b_offset) {
        (None, None) => Some(a.cmp(&b)),
        (Some(a_offset), Some(b_offset)) => {
            Some(a_offset.to_timestamp(a).ok()?.cmp(&b_offset.to_timestamp(b).ok()?))
        }
        _ => None,
    }
}

impl RangeValue {
    /// Whether `value` is in the range; none where they do not compare.
    #[must_use]
    pub fn contains(&self, value: &Value) -> Option<bool> {
        let above = match value.order(&self.low) {
            _ if self.low.is_null() => true,
            Some(order) => order == Ordering::Greater || self.low_closed && order.is_eq(),
            None => return None,
        };
        let below = match value.order(&self.high) {
            _ if self.high.is_null() => true,
            Some(order) => order == Ordering::Less || self.high_closed && order.is_eq(),
            None => return None,
        };
        Some(above && below)
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Value {
        Value::Number(number)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Number(value.into())
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Value {
        Value::Number(value.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::string(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text.into())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    /// Absent is null.
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}
