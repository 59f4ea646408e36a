//! Dates, times and durations: from text, to text.
//!
//! Offsets from UTC are understood; names of time zones are not, because resolving them needs a
//! database that a pure core does not have.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil;
use jiff::tz::Offset;

use super::value::Value;

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// Any temporal value, as after `@`.
pub(super) fn parse_any(text: &str) -> Option<Value> {
    parse_duration(text)
        .or_else(|| parse_date(text).map(Value::Date))
        .or_else(|| parse_date_time(text).map(|(at, offset)| Value::DateTime(at, offset)))
        .or_else(|| parse_time(text).map(|(at, offset)| Value::Time(at, offset)))
}

/// Digits at the start of `text` and what follows them.
fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn two(text: &str) -> Option<(i8, &str)> {
    let (head, rest) = text.split_at_checked(2)?;
    if !head.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((head.parse().ok()?, rest))
}

/// `2024-02-29`.
pub(super) fn parse_date(text: &str) -> Option<civil::Date> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (year, rest) = digits(text);
    if year.len() != 4 {
        return None;
    }
    let (month, rest) = two(rest.strip_prefix('-')?)?;
    let (day, rest) = two(rest.strip_prefix('-')?)?;
    if !rest.is_empty() {
        return None;
    }
    civil::Date::new(sign * year.parse::<i16>().ok()?, month, day).ok()
}

/// `10:30:00.5+02:00`; seconds may be left out.
pub(super) fn parse_time(text: &str) -> Option<(civil::Time, Option<Offset>)> {
    let (hour, rest) = two(text.strip_prefix('T').unwrap_or(text))?;
    let (minute, rest) = two(rest.strip_prefix(':')?)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => two(rest)?,
        None => (0, rest),
    };
    let (nanos, rest) = fraction(rest)?;
    let time = civil::Time::new(hour, minute, second, nanos as i32).ok()?;
    Some((time, parse_offset(rest)?))
}

/// `.5` at the start of `text`, in nanoseconds; digits beyond the ninth are cut.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let (digits, rest) = digits(rest);
    if digits.is_empty() {
        return None;
    }
    let nanos = digits.chars().chain(std::iter::repeat('0')).take(9);
    Some((nanos.filter_map(|c| c.to_digit(10)).fold(0, |sum, digit| sum * 10 + digit), rest))
}

/// Nothing, `Z`, `+02:00`, or one of the names of UTC after `@`. None when it is something else.
fn parse_offset(text: &str) -> Option<Option<Offset>> {
    match text {
        "" => return Some(None),
        "Z" | "z" | "@UTC" | "@GMT" | "@Etc/UTC" | "@Z" | "Z[GMT]" | "Z[UTC]" => {
            return Some(Some(Offset::UTC));
        }
        _ => {}
    }
    let (sign, rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let (hours, rest) = two(rest)?;
    let (minutes, rest) = two(rest.strip_prefix(':').unwrap_or(rest))?;
    if !rest.is_empty() || minutes > 59 || hours > 18 {
        return None;
    }
    let seconds = (i32::from(hours) * 60 + i32::from(minutes)) * 60;
    Some(Some(Offset::from_seconds(sign * seconds).ok()?))
}

/// A date, `T`, and a time; a date alone is its midnight.
pub(super) fn parse_date_time(text: &str) -> Option<(civil::DateTime, Option<Offset>)> {
    match text.split_once('T') {
        Some((date, time)) => {
            let date = parse_date(date)?;
            let (time, offset) = parse_time(time)?;
            Some((date.to_datetime(time), offset))
        }
        None => Some((parse_date(text)?.to_datetime(civil::Time::midnight()), None)),
    }
}

/// The parts of an ISO 8601 duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DurationParts {
    /// Years and months.
    pub months: i64,
    /// Weeks, days and the time.
    pub exact: SignedDuration,
    /// Whether years or months were written.
    pub has_months: bool,
    /// Whether weeks, days or a time were written.
    pub has_exact: bool,
}

/// `P1Y2M3W4DT5H6M7.8S`, with an optional sign.
pub(super) fn parse_parts(text: &str) -> Option<DurationParts> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut rest = text.strip_prefix('P')?;
    let (mut months, mut seconds, mut nanos) = (0i64, 0i64, 0u32);
    let (mut in_time, mut has_months, mut has_exact) = (false, false, false);
    // Designators come in this order, each at most once.
    let mut order = "YMWDTHMS";
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            if in_time || time.is_empty() {
                return None;
            }
            (in_time, rest, order) = (true, time, "HMS");
            continue;
        }
        let (amount, tail) = digits(rest);
        let amount: i64 = amount.parse().ok()?;
        let (part, tail) = fraction(tail)?;
        let unit = tail.chars().next()?;
        let allowed = if in_time { order } else { order.split('T').next()? };
        let place = allowed.find(unit)?;
        order = order.get(place + 1..)?;
        if part != 0 && unit != 'S' {
            return None;
        }
        let scale = match unit {
            'Y' => 12,
            'W' => 604_800,
            'D' => 86_400,
            'H' => 3_600,
            'M' if in_time => 60,
            _ => 1,
        };
        let amount = amount.checked_mul(scale)?;
        if unit == 'Y' || unit == 'M' && !in_time {
            months = months.checked_add(amount)?;
            has_months = true;
        } else {
            seconds = seconds.checked_add(amount)?;
            nanos += part;
            has_exact = true;
        }
        rest = tail.get(unit.len_utf8()..)?;
    }
    if !has_months && !has_exact {
        return None;
    }
    let exact = SignedDuration::new(seconds, nanos as i32);
    let (months, exact) = if negative { (-months, exact.checked_neg()?) } else { (months, exact) };
    Some(DurationParts { months, exact, has_months, has_exact })
}

/// A duration of one of the two FEEL kinds; a mix of both is neither.
pub(super) fn parse_duration(text: &str) -> Option<Value> {
    let parts = parse_parts(text)?;
    match (parts.has_months, parts.has_exact) {
        (true, false) => Some(Value::Months(parts.months)),
        (false, true) => Some(Value::Duration(parts.exact)),
        _ => None,
    }
}

fn write_fraction(f: &mut fmt::Formatter<'_>, nanos: u32) -> fmt::Result {
    if nanos == 0 {
        return Ok(());
    }
    let digits = format!("{nanos:09}");
    write!(f, ".{}", digits.trim_end_matches('0'))
}

fn write_time(f: &mut fmt::Formatter<'_>, time: civil::Time) -> fmt::Result {
    write!(f, "{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())?;
    write_fraction(f, time.subsec_nanosecond().unsigned_abs())
}

fn write_offset(f: &mut fmt::Formatter<'_>, offset: Option<Offset>) -> fmt::Result {
    match offset.map(|offset| offset.seconds()) {
        None => Ok(()),
        Some(0) => f.write_str("Z"),
        Some(seconds) => {
            let sign = if seconds < 0 { '-' } else { '+' };
            let minutes = seconds.abs() / 60;
            write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        }
    }
}

fn write_date(f: &mut fmt::Formatter<'_>, date: civil::Date) -> fmt::Result {
    let sign = if date.year() < 0 { "-" } else { "" };
    write!(f, "{sign}{:04}-{:02}-{:02}", date.year().abs(), date.month(), date.day())
}

fn write_duration(f: &mut fmt::Formatter<'_>, duration: SignedDuration) -> fmt::Result {
    if duration.is_zero() {
        return f.write_str("P0D");
    }
    let seconds = duration.as_secs().unsigned_abs();
    let nanos = duration.subsec_nanos().unsigned_abs() % NANOS_PER_SECOND;
    f.write_str(if duration.is_negative() { "-P" } else { "P" })?;
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    if days > 0 {
        write!(f, "{days}D")?;
    }
    if hours + minutes + seconds == 0 && nanos == 0 {
        return Ok(());
    }
    f.write_str("T")?;
    if hours > 0 {
        write!(f, "{hours}H")?;
    }
    if minutes > 0 {
        write!(f, "{minutes}M")?;
    }
    if seconds > 0 || nanos > 0 {
        write!(f, "{seconds}")?;
        write_fraction(f, nanos)?;
        f.write_str("S")?;
    }
    Ok(())
}

fn write_months(f: &mut fmt::Formatter<'_>, months: i64) -> fmt::Result {
    let (years, rest) = (months.unsigned_abs() / 12, months.unsigned_abs() % 12);
    f.write_str(if months < 0 { "-P" } else { "P" })?;
    if years > 0 {
        write!(f, "{years}Y")?;
    }
    if rest > 0 || years == 0 {
        write!(f, "{rest}M")?;
    }
    Ok(())
}

impl fmt::Display for Value {
    /// As the `string` function shows it: strings plainly, but quoted inside lists and contexts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => value.fmt(f),
            Value::Number(number) => number.fmt(f),
            Value::String(text) => f.write_str(text),
            Value::List(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    write_nested(f, item)?;
                }
                f.write_str("]")
            }
            Value::Context(entries) => {
                f.write_str("{")?;
                for (at, (key, value)) in entries.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    write!(f, "{key}:")?;
                    write_nested(f, value)?;
                }
                f.write_str("}")
            }
            Value::Range(range) => {
                f.write_str(if range.low_closed { "[" } else { "(" })?;
                write_nested(f, &range.low)?;
                f.write_str("..")?;
                write_nested(f, &range.high)?;
                f.write_str(if range.high_closed { "]" } else { ")" })
            }
            Value::Date(date) => write_date(f, *date),
            Value::Time(time, offset) => {
                write_time(f, *time)?;
                write_offset(f, *offset)
            }
            Value::DateTime(at, offset) => {
                write_date(f, at.date())?;
                f.write_str("T")?;
                write_time(f, at.time())?;
                write_offset(f, *offset)
            }
            Value::Duration(duration) => write_duration(f, *duration),
            Value::Months(months) => write_months(f, *months),
        }
    }
}

fn write_nested(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::String(text) => write!(f, "\"{}\"", text.replace('"', "\\\"")),
        other => fmt::Display::fmt(other, f),
    }
}
