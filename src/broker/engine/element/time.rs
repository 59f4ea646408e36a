//! When timers are due.

use super::{Failure, expression};
use crate::broker::bpmn::Timer;
use crate::broker::engine::state::Repetition;
use crate::broker::engine::turn::Turn;
use crate::broker::feel::{Cycle, Interval, parse_due_date};
use crate::model::{Key, Millis};

/// When a timer fires first, and whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Firing {
    /// The first time.
    pub due: Millis,
    /// The times after it.
    pub repetition: Option<Repetition>,
}

/// Evaluates when a timer fires.
pub fn firing(turn: &Turn<'_>, scope: Key, timer: &Timer) -> Result<Firing, Failure> {
    let once = |due| Firing { due, repetition: None };
    match timer {
        Timer::Duration(source) => {
            expression::read(turn, scope, source, "a duration such as PT10S", |value| {
                Interval::from_value(value).ok()?.after(turn.now).map(once)
            })
        }
        Timer::Date(source) => {
            let expected = "a date and time such as 2030-01-01T00:00:00Z";
            expression::read(turn, scope, source, expected, |value| {
                parse_due_date(value).ok().map(once)
            })
        }
        Timer::Cycle(source) => {
            expression::read(turn, scope, source, "a cycle such as R3/PT10S", |value| {
                cycle(turn.now, value.as_str()?)
            })
        }
    }
}

/// Each repetition has to take time, so that none can occupy the engine.
fn cycle(now: Millis, text: &str) -> Option<Firing> {
    let Cycle { repetitions, start, interval } = Cycle::parse(text.trim()).ok()?;
    if interval.after(now)? <= now || repetitions == Some(0) {
        return None;
    }
    let due = match start {
        Some(start) => start,
        None => interval.after(now)?,
    };
    let repetition = match repetitions {
        Some(1) => None,
        times => Some(Repetition { every: interval, left: times.map(|times| times - 1) }),
    };
    Some(Firing { due, repetition })
}
