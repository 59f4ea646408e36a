//! Functions of dates, times and durations.

use jiff::civil;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::{Builtin, Outcome, builtin, text};
use crate::broker::feel::eval::Evaluator;
use crate::broker::feel::temporal::{parse_date, parse_date_time, parse_duration, parse_time};
use crate::broker::feel::value::Value;

/// The functions.
pub(super) const TABLE: &[Builtin] = &[
    builtin(
        "now",
        &[&[]],
        |this, _| Ok(now(this).map(|at| Value::DateTime(at, Some(Offset::UTC)))),
    ),
    builtin("today", &[&[]], |this, _| Ok(now(this).map(|at| Value::Date(at.date())))),
    builtin("date", &[&["from"], &["year", "month", "day"]], date),
    builtin(
        "time",
        &[&["from"], &["hour", "minute", "second"], &["hour", "minute", "second", "offset"]],
        time,
    ),
    builtin("date and time", &[&["from"], &["date", "time"]], date_and_time),
    builtin("duration", &[&["from"]], |_, args| {
        Ok(match args {
            [value @ (Value::Duration(_) | Value::Months(_))] => Some(value.clone()),
            args => text(args).and_then(parse_duration),
        })
    }),
    builtin("years and months duration", &[&["from", "to"]], |_, args| {
        let (Some(from), Some(to)) = (args.first().and_then(day), args.get(1).and_then(day)) else {
            return Ok(None);
        };
        Ok(Some(Value::Months(months_between(from, to))))
    }),
    builtin("day of week", &[&["date"]], |_, args| {
        use civil::Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
        Ok(args.first().and_then(day).map(|date| {
            Value::string(match date.weekday() {
                Monday => "Monday",
                Tuesday => "Tuesday",
                Wednesday => "Wednesday",
                Thursday => "Thursday",
                Friday => "Friday",
                Saturday => "Saturday",
                Sunday => "Sunday",
            })
        }))
    }),
    builtin("day of year", &[&["date"]], |_, args| {
        Ok(args.first().and_then(day).map(|date| i64::from(date.day_of_year()).into()))
    }),
    builtin("week of year", &[&["date"]], |_, args| {
        Ok(args.first().and_then(day).map(|date| i64::from(date.iso_week_date().week()).into()))
    }),
    builtin("month of year", &[&["date"]], |_, args| {
        const NAMES: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let month = args.first().and_then(day).map(|date| date.month().unsigned_abs());
        Ok(month
            .and_then(|month| NAMES.get(usize::from(month) - 1))
            .map(|name| Value::string(name)))
    }),
    builtin("last day of month", &[&["date"]], |_, args| {
        Ok(args.first().and_then(day).map(|date| Value::Date(date.last_of_month())))
    }),
];

fn now(this: &Evaluator<'_>) -> Option<civil::DateTime> {
    let timestamp = Timestamp::from_millisecond(this.now.0).ok()?;
    Some(Offset::UTC.to_datetime(timestamp))
}

fn day(value: &Value) -> Option<civil::Date> {
    match value {
        Value::Date(date) => Some(*date),
        Value::DateTime(at, _) => Some(at.date()),
        _ => None,
    }
}

fn months_between(from: civil::Date, to: civil::Date) -> i64 {
    let count = |date: civil::Date| i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
    let months = count(to) - count(from);
    match months {
        1.. if to.day() < from.day() => months - 1,
        ..=-1 if to.day() > from.day() => months + 1,
        months => months,
    }
}

fn small<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    T::try_from(value.as_number()?.as_i64()?).ok()
}

fn date(_: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    Ok(match args {
        [Value::String(text)] => parse_date(text).map(Value::Date),
        [value] => day(value).map(Value::Date),
        [year, month, day] => match (small(year), small(month), small(day)) {
            (Some(year), Some(month), Some(day)) => {
                civil::Date::new(year, month, day).ok().map(Value::Date)
            }
            _ => None,
        },
        _ => None,
    })
}

fn time(_: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    Ok(match args {
        [Value::String(text)] => parse_time(text).map(|(time, offset)| Value::Time(time, offset)),
        [Value::Time(time, offset)] => Some(Value::Time(*time, *offset)),
        [Value::DateTime(at, offset)] => Some(Value::Time(at.time(), *offset)),
        [hour, minute, second, rest @ ..] => {
            let offset = match rest {
                [] | [Value::Null] => None,
                [Value::Duration(offset)] => match seconds_offset(*offset) {
                    Some(offset) => Some(offset),
                    None => return Ok(None),
                },
                _ => return Ok(None),
            };
            match (small(hour), small(minute), small(second)) {
                (Some(hour), Some(minute), Some(second)) => {
                    civil::Time::new(hour, minute, second, 0)
                        .ok()
                        .map(|time| Value::Time(time, offset))
                }
                _ => None,
            }
        }
        _ => None,
    })
}

fn seconds_offset(duration: SignedDuration) -> Option<Offset> {
    Offset::from_seconds(i32::try_from(duration.as_secs()).ok()?).ok()
}

fn date_and_time(_: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    Ok(match args {
        [Value::String(text)] => {
            parse_date_time(text).map(|(at, offset)| Value::DateTime(at, offset))
        }
        [Value::DateTime(at, offset)] => Some(Value::DateTime(*at, *offset)),
        [date, Value::Time(time, offset)] => {
            day(date).map(|date| Value::DateTime(date.to_datetime(*time), *offset))
        }
        _ => None,
    })
}
