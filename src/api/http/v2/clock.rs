//! `/v2/clock`. Every partition gets the command, where the JVM gateway sends it to one and leaves
//! the clocks of a cluster apart (rest-v2 §5.6).

use super::super::endpoint::Input;
use super::super::json::request;
use super::super::problem::{Problem, Violations};
use crate::model::{Command, CommandKind, Route};
use crate::wire::record::ClockRecord;

request! {
    struct PinRequest<'a> {
        timestamp: i64 = "timestamp";
    }
}

pub(super) fn pin(input: &Input<'_>) -> Result<Command, Problem> {
    let request: PinRequest<'_> = input.required()?;
    let mut violations = Violations::default();
    match request.timestamp {
        None => violations.missing("timestamp"),
        Some(time) if time < 0 => violations.value("timestamp", time, "not negative"),
        Some(_) => {}
    }
    violations.check()?;
    let record = ClockRecord { time: request.timestamp.unwrap_or_default() };
    Ok(input.unkeyed(CommandKind::PinClock, Route::RoundRobin, &record))
}

pub(super) fn reset(input: &Input<'_>) -> Result<Command, Problem> {
    Ok(input.unkeyed(CommandKind::ResetClock, Route::RoundRobin, &ClockRecord { time: 0 }))
}
