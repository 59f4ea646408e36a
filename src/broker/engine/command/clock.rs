//! Stopping the partition's clock at a time, and letting it run again.

use super::{Processed, event, reject};
use crate::broker::engine::api::CommandInput;
use crate::broker::engine::event::Event;
use crate::broker::engine::turn::Turn;
use crate::model::intent::clock;
use crate::model::{Millis, RejectionType, ValueType};
use crate::wire::record::{ClockRecord, Record};

/// CLOCK PIN.
pub fn pin(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let record = ClockRecord::from_bytes(&command.value)?;
    if record.time < 0 {
        let reason = format!("Expected pin time to be not negative but it was {}", record.time);
        return reject(RejectionType::InvalidArgument, reason);
    }
    let key = turn.new_key();
    turn.emit(Event::ClockSet { key, pinned: Some(Millis(record.time)) });
    event(key, ValueType::Clock, clock::PINNED, &record)
}

/// CLOCK RESET.
pub fn reset(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let record = ClockRecord::from_bytes(&command.value)?;
    let key = turn.new_key();
    turn.emit(Event::ClockSet { key, pinned: None });
    event(key, ValueType::Clock, clock::RESETTED, &record)
}
