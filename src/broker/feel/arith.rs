//! Operators on values. Each yields none where its operands do not allow it.

use jiff::civil;
use jiff::tz::Offset;
use jiff::{SignedDuration, Span};

use super::ast::BinaryOp;
use super::number::Number;
use super::value::{RangeValue, Value};

impl BinaryOp {
    /// Whether it compares.
    pub fn compares(self) -> bool {
        use BinaryOp::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        matches!(self, Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual)
    }

    /// The words of a warning.
    pub fn verb(self) -> (&'static str, &'static str) {
        match self {
            BinaryOp::Add => ("add", "to"),
            BinaryOp::Subtract => ("subtract", "from"),
            BinaryOp::Multiply => ("multiply", "by"),
            BinaryOp::Divide => ("divide", "into"),
            BinaryOp::Power => ("raise", "to the power of"),
            _ => ("compare", "with"),
        }
    }
}

/// Applies `op`.
pub(super) fn apply(op: BinaryOp, left: &Value, right: &Value) -> Option<Value> {
    match op {
        BinaryOp::Equal => left.equals(right).map(Value::Bool),
        BinaryOp::NotEqual => left.equals(right).map(|equal| Value::Bool(!equal)),
        BinaryOp::Less => left.order(right).map(|order| Value::Bool(order.is_lt())),
        BinaryOp::LessOrEqual => left.order(right).map(|order| Value::Bool(order.is_le())),
        BinaryOp::Greater => left.order(right).map(|order| Value::Bool(order.is_gt())),
        BinaryOp::GreaterOrEqual => left.order(right).map(|order| Value::Bool(order.is_ge())),
        BinaryOp::Add => add(left, right),
        BinaryOp::Subtract => subtract(left, right),
        BinaryOp::Multiply => multiply(left, right),
        BinaryOp::Divide => divide(left, right),
        BinaryOp::Power => match (left, right) {
            (Value::Number(a), Value::Number(b)) => a.power(*b).map(Value::from),
            _ => None,
        },
    }
}

/// `-value`.
pub(super) fn negate(value: &Value) -> Option<Value> {
    match value {
        Value::Number(number) => Some(number.negate().into()),
        Value::Duration(duration) => duration.checked_neg().map(Value::Duration),
        Value::Months(months) => months.checked_neg().map(Value::Months),
        _ => None,
    }
}

fn add(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.add(*b).map(Value::from),
        (Value::String(a), Value::String(b)) => Some(format!("{a}{b}").into()),
        (Value::Duration(a), Value::Duration(b)) => a.checked_add(*b).map(Value::Duration),
        (Value::Months(a), Value::Months(b)) => a.checked_add(*b).map(Value::Months),
        (point, Value::Duration(duration)) => shift(point, *duration),
        (Value::Duration(duration), point) => shift(point, *duration),
        (point, Value::Months(months)) => shift_months(point, *months),
        (Value::Months(months), point) => shift_months(point, *months),
        _ => None,
    }
}

fn subtract(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.subtract(*b).map(Value::from),
        (Value::Duration(a), Value::Duration(b)) => a.checked_sub(*b).map(Value::Duration),
        (Value::Months(a), Value::Months(b)) => a.checked_sub(*b).map(Value::Months),
        (point, Value::Duration(duration)) => shift(point, duration.checked_neg()?),
        (point, Value::Months(months)) => shift_months(point, months.checked_neg()?),
        (Value::Date(a), Value::Date(b)) => Some(Value::Duration(a.duration_since(*b))),
        (Value::Time(a, at), Value::Time(b, bt)) => {
            let day = |time: civil::Time| civil::date(1970, 1, 1).to_datetime(time);
            difference(day(*a), *at, day(*b), *bt)
        }
        (Value::DateTime(a, at), Value::DateTime(b, bt)) => difference(*a, *at, *b, *bt),
        _ => None,
    }
}

fn difference(
    a: civil::DateTime,
    a_offset: Option<Offset>,
    b: civil::DateTime,
    b_offset: Option<Offset>,
) -> Option<Value> {
    match (a_offset, b_offset) {
        (None, None) => Some(Value::Duration(a.duration_since(b))),
        (Some(a_offset), Some(b_offset)) => {
            let (a, b) = (a_offset.to_timestamp(a).ok()?, b_offset.to_timestamp(b).ok()?);
            Some(Value::Duration(a.duration_since(b)))
        }
        _ => None,
    }
}

fn shift(point: &Value, duration: SignedDuration) -> Option<Value> {
    match point {
        // A date is its midnight; the time of the sum is dropped.
        Value::Date(date) => {
            let sum = date.to_datetime(civil::Time::midnight()).checked_add(duration).ok()?;
            Some(Value::Date(sum.date()))
        }
        Value::DateTime(at, offset) => {
            Some(Value::DateTime(at.checked_add(duration).ok()?, *offset))
        }
        Value::Time(time, offset) => Some(Value::Time(time.wrapping_add(duration), *offset)),
        _ => None,
    }
}

fn shift_months(point: &Value, months: i64) -> Option<Value> {
    let span = Span::new().try_months(months).ok()?;
    match point {
        Value::Date(date) => Some(Value::Date(date.checked_add(span).ok()?)),
        Value::DateTime(at, offset) => Some(Value::DateTime(at.checked_add(span).ok()?, *offset)),
        _ => None,
    }
}

fn scale(duration: SignedDuration, factor: Number, divide: bool) -> Option<Value> {
    let seconds = Number::from(duration.as_secs());
    let nanos = Number::from(i64::from(duration.subsec_nanos()));
    let billion = Number::from(1_000_000_000_i64);
    let total = seconds.multiply(billion)?.add(nanos)?;
    let scaled = if divide { total.divide(factor)? } else { total.multiply(factor)? }.to_int()?;
    Some(Value::Duration(SignedDuration::from_nanos(scaled)))
}

fn scale_months(months: i64, factor: Number, divide: bool) -> Option<Value> {
    let months = Number::from(months);
    let scaled = if divide { months.divide(factor)? } else { months.multiply(factor)? };
    Some(Value::Months(scaled.to_int()?))
}

fn multiply(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.multiply(*b).map(Value::from),
        (Value::Duration(a), Value::Number(b)) | (Value::Number(b), Value::Duration(a)) => {
            scale(*a, *b, false)
        }
        (Value::Months(a), Value::Number(b)) | (Value::Number(b), Value::Months(a)) => {
            scale_months(*a, *b, false)
        }
        _ => None,
    }
}

fn divide(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) if !b.is_zero() => a.divide(*b).map(Value::from),
        (Value::Duration(a), Value::Number(b)) if !b.is_zero() => scale(*a, *b, true),
        (Value::Months(a), Value::Number(b)) if !b.is_zero() => scale_months(*a, *b, true),
        (Value::Duration(a), Value::Duration(b)) if !b.is_zero() => {
            Number::from_f64(a.as_secs_f64() / b.as_secs_f64()).map(Value::from)
        }
        (Value::Months(a), Value::Months(b)) if *b != 0 => {
            Number::from(*a).divide(Number::from(*b)).map(Value::from)
        }
        _ => None,
    }
}

/// The item at `index`, which counts from 1, or from -1 at the end.
pub(super) fn at(items: &[Value], index: i64) -> Option<&Value> {
    let place = usize::try_from(index.unsigned_abs()).ok()?.checked_sub(1)?;
    if index > 0 { items.get(place) } else { items.iter().rev().nth(place) }
}

/// What a `for` runs over: the items of a list, or the whole numbers or days of a range.
pub(super) fn items(value: &Value) -> Option<Box<dyn Iterator<Item = Value>>> {
    match value {
        Value::List(items) => {
            let items = items.clone();
            Some(Box::new((0..items.len()).filter_map(move |at| items.get(at).cloned())))
        }
        Value::Range(range) => range_items(range),
        _ => None,
    }
}

fn range_items(range: &RangeValue) -> Option<Box<dyn Iterator<Item = Value>>> {
    match (&range.low, &range.high) {
        (Value::Number(low), Value::Number(high)) => {
            let (low, high) = (low.to_int()?, high.to_int()?);
            if low <= high {
                Some(Box::new((low..=high).map(Value::from)))
            } else {
                Some(Box::new((high..=low).rev().map(Value::from)))
            }
        }
        (Value::Date(low), Value::Date(high)) => {
            let (high, step) = (*high, if low <= high { 1 } else { -1 });
            let days = low.series(Span::new().days(step));
            Some(Box::new(
                days.take_while(move |day| if step > 0 { *day <= high } else { *day >= high })
                    .map(Value::Date),
            ))
        }
        _ => None,
    }
}

/// A property of a temporal value or a range.
pub(super) fn property(value: &Value, name: &str) -> Option<Value> {
    match value {
        Value::Date(date) => date_property(*date, name),
        Value::Time(time, offset) => time_property(*time, *offset, name),
        Value::DateTime(at, offset) => {
            date_property(at.date(), name).or_else(|| time_property(at.time(), *offset, name))
        }
        Value::Duration(duration) => {
            let seconds = duration.as_secs();
            Some(Value::from(match name {
                "days" => seconds / 86_400,
                "hours" => seconds / 3_600 % 24,
                "minutes" => seconds / 60 % 60,
                "seconds" => seconds % 60,
                _ => return None,
            }))
        }
        Value::Months(months) => match name {
            "years" => Some(Value::from(months / 12)),
            "months" => Some(Value::from(months % 12)),
            _ => None,
        },
        Value::Range(range) => match name {
            "start" => Some(range.low.clone()),
            "end" => Some(range.high.clone()),
            "start included" => Some(Value::Bool(range.low_closed)),
            "end included" => Some(Value::Bool(range.high_closed)),
            _ => None,
        },
        _ => None,
    }
}

fn date_property(date: civil::Date, name: &str) -> Option<Value> {
    let number = match name {
        "year" => i64::from(date.year()),
        "month" => i64::from(date.month()),
        "day" => i64::from(date.day()),
        "weekday" => i64::from(date.weekday().to_monday_one_offset()),
        _ => return None,
    };
    Some(Value::from(number))
}

fn time_property(time: civil::Time, offset: Option<Offset>, name: &str) -> Option<Value> {
    let number = match name {
        "hour" => i64::from(time.hour()),
        "minute" => i64::from(time.minute()),
        "second" => i64::from(time.second()),
        "time offset" => {
            let seconds = i64::from(offset?.seconds());
            return Some(Value::Duration(SignedDuration::from_secs(seconds)));
        }
        "timezone" => {
            return Some(Value::string(if offset?.is_zero() { "Z" } else { return None }));
        }
        _ => return None,
    };
    Some(Value::from(number))
}
