//! Broadcasting signals. No supported element waits for one, so nobody is reached.

use super::{Processed, event};
use crate::broker::engine::api::CommandInput;
use crate::broker::engine::event::Event;
use crate::broker::engine::turn::Turn;
use crate::model::ValueType;
use crate::model::intent::signal;
use crate::wire::record::{Record, SignalRecord};

/// SIGNAL BROADCAST.
pub fn broadcast(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let record = SignalRecord::from_bytes(&command.value)?;
    let key = turn.new_key();
    turn.emit(Event::KeyUsed { key });
    event(key, ValueType::Signal, signal::BROADCASTED, &record)
}
