//! Timers: ISO 8601 durations, repetitions and dates.

use jiff::civil;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp};

use crate::model::Millis;

use super::temporal;
use super::value::Value;

/// Why a timer's text or value was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntervalError {
    /// The text is no duration.
    #[error("'{0}' is no duration of the form 'PnYnMnDTnHnMnS'")]
    NotADuration(String),
    /// The text is no repetition.
    #[error("'{0}' is no repetition of the form 'Rn/PnYnMnDTnHnMnS'")]
    NotACycle(String),
    /// The text is no date and time.
    #[error("'{0}' is no date and time of the form 'YYYY-MM-DDThh:mm:ss+hh:mm'")]
    NotADate(String),
    /// The value has the wrong type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What a timer of this kind takes.
        expected: &'static str,
        /// The type of the value.
        found: &'static str,
    },
}

/// A span of time: calendar months, and an exact part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    months: i64,
    exact: SignedDuration,
}

impl Interval {
    /// Reads `PT10S`, `P1DT2H`, `P1M`, also mixed (`P1Y2DT1H`).
    ///
    /// # Errors
    /// When the text is no such duration.
    pub fn parse(text: &str) -> Result<Interval, IntervalError> {
        temporal::parse_parts(text)
            .map(|parts| Interval { months: parts.months, exact: parts.exact })
            .ok_or_else(|| IntervalError::NotADuration(text.to_owned()))
    }

    /// The interval of a timer: text or a duration.
    ///
    /// # Errors
    /// When the value is of another type, or text that is no duration.
    pub fn from_value(value: &Value) -> Result<Interval, IntervalError> {
        match value {
            Value::String(text) => Interval::parse(text),
            Value::Duration(exact) => Ok(Interval { months: 0, exact: *exact }),
            Value::Months(months) => Ok(Interval { months: *months, exact: SignedDuration::ZERO }),
            other => {
                let found = other.type_name();
                Err(IntervalError::WrongType { expected: "a duration", found })
            }
        }
    }

    /// The point in time this long after `start`; the calendar is that of UTC. None when it is
    /// out of the range of dates.
    #[must_use]
    pub fn after(&self, start: Millis) -> Option<Millis> {
        let start = Timestamp::from_millisecond(start.0).ok()?.to_zoned(TimeZone::UTC);
        let months = Span::new().try_months(self.months).ok()?;
        let end = start.checked_add(months).ok()?.checked_add(self.exact).ok()?;
        Some(Millis(end.timestamp().as_millisecond()))
    }
}

/// A repetition: how often, from when, and at what interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// How often; none means without end.
    pub repetitions: Option<u32>,
    /// When the first interval begins, where it is given.
    pub start: Option<Millis>,
    /// The time between two repetitions.
    pub interval: Interval,
}

impl Cycle {
    /// Reads `R3/PT10S`, `R/PT1M` or `R2/2024-01-01T00:00:00Z/P1D`.
    ///
    /// # Errors
    /// When the text is no such repetition. Cron expressions are not supported.
    pub fn parse(text: &str) -> Result<Cycle, IntervalError> {
        let error = || IntervalError::NotACycle(text.to_owned());
        let mut parts = text.split('/');
        let count = parts.next().and_then(|part| part.strip_prefix('R')).ok_or_else(error)?;
        let repetitions = match count {
            "" | "-1" => None,
            count => Some(count.parse().map_err(|_| error())?),
        };
        let (start, interval) = match (parts.next(), parts.next(), parts.next()) {
            (Some(interval), None, None) => (None, interval),
            (Some(""), Some(interval), None) => (None, interval),
            (Some(start), Some(interval), None) => (Some(parse_date(start)?), interval),
            _ => return Err(error()),
        };
        Ok(Cycle { repetitions, start, interval: Interval::parse(interval)? })
    }
}

fn parse_date(text: &str) -> Result<Millis, IntervalError> {
    let error = || IntervalError::NotADate(text.to_owned());
    let (at, offset) = temporal::parse_date_time(text).ok_or_else(error)?;
    instant(at, offset).ok_or_else(error)
}

/// A local time is taken as UTC: the broker runs there.
fn instant(at: civil::DateTime, offset: Option<Offset>) -> Option<Millis> {
    let timestamp = offset.unwrap_or(Offset::UTC).to_timestamp(at).ok()?;
    Some(Millis(timestamp.as_millisecond()))
}

/// The due date of a date timer: text, or a date and time.
///
/// # Errors
/// When the value is of another type, or text that is no date and time.
pub fn parse_due_date(value: &Value) -> Result<Millis, IntervalError> {
    match value {
        Value::String(text) => parse_date(text),
        Value::DateTime(at, offset) => {
            instant(*at, *offset).ok_or_else(|| IntervalError::NotADate(value.to_string()))
        }
        other => {
            let found = other.type_name();
            Err(IntervalError::WrongType { expected: "a date and time", found })
        }
    }
}
