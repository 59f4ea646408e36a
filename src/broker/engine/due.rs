//! What happens because time passes.

use super::element;
use super::event::Event;
use super::remote;
use super::state::Due;
use super::turn::Turn;
use super::work;

/// Fires what is due, oldest first, at most as much as one turn may.
pub fn fire(turn: &mut Turn<'_>) {
    for due in turn.state.schedule.due(turn.now, turn.config.max_due) {
        match due {
            Due::JobTimeout(key) | Due::JobBackoff(key) => work::reactivate(turn, key),
            Due::Timer(key) => element::timer_fired(turn, key),
            Due::MessageExpiry(key) => turn.emit(Event::MessageExpired { key }),
            Due::Resend(to) => remote::resend(turn, to),
        }
    }
}
