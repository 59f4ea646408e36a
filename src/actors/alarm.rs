//! The one timer of an actor, set to the earliest of its deadlines.

use actix::{Actor, AsyncContext as _, Context, SpawnHandle};

use crate::clock::Clock;
use crate::model::Millis;

/// See the module. Whoever it wakes says so with [`Alarm::rang`] and sets it anew.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<(Millis, SpawnHandle)>);

impl Alarm {
    /// Wakes at `due`, or not at all without one.
    pub(super) fn set<A: Actor<Context = Context<A>>>(
        &mut self,
        due: Option<Millis>,
        clock: Clock,
        context: &mut Context<A>,
        wake: fn(&mut A, &mut Context<A>),
    ) {
        if due == self.0.map(|(at, _)| at) {
            return;
        }
        if let Some((_, timer)) = self.0.take() {
            context.cancel_future(timer);
        }
        self.0 = due.map(|due| (due, context.run_later(clock.until(due), wake)));
    }

    /// Wakes at `due` or before: what it is set to stays if that is earlier.
    pub(super) fn set_by<A: Actor<Context = Context<A>>>(
        &mut self,
        due: Millis,
        clock: Clock,
        context: &mut Context<A>,
        wake: fn(&mut A, &mut Context<A>),
    ) {
        if self.0.is_none_or(|(at, _)| at > due) {
            self.set(Some(due), clock, context, wake);
        }
    }

    /// It woke the actor.
    pub(super) fn rang(&mut self) {
        self.0 = None;
    }
}
