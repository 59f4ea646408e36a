//! Requests waiting for their replies on one connection: id → who waits.
//!
//! Sans-IO: time is an input. Used by [`leader`](super::leader), which owns one table per
//! connection. Every request leaves the table exactly once: with its reply, at its deadline, when
//! nobody waits any more, or when the connection ends.
//!
//! Invariants: one deadline queue for all; a request that leaves without its reply stays behind as an
//! *orphan* so that a late reply is recognised; orphans are bounded in number and time.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Millis;

/// How long a late reply is recognised after its request was given up.
pub const ORPHAN_TIME: Millis = Millis(60_000);
/// Orphans kept; above it the one that would end first is forgotten.
pub const ORPHANS_MAX: usize = 4096;

/// Whose reply arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion<T, O> {
    /// A waiting request's.
    Waiting(T),
    /// The late one of a request that was given up; this was noted then.
    Orphan(O),
    /// Nobody's: never asked for, answered before, or forgotten.
    Unknown,
}

/// The table. `T` waits; `O` is what is noted of a given-up request.
#[derive(Debug)]
pub struct RequestTable<T, O> {
    waiting: BTreeMap<i64, (Millis, T)>,
    orphans: BTreeMap<i64, (Millis, O)>,
    deadlines: BTreeSet<(Millis, i64)>,
    orphan_ends: BTreeSet<(Millis, i64)>,
}

impl<T, O> Default for RequestTable<T, O> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            orphans: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            orphan_ends: BTreeSet::new(),
        }
    }
}

impl<T, O> RequestTable<T, O> {
    /// Number of waiting requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Number of orphans.
    #[must_use]
    pub fn orphans(&self) -> usize {
        self.orphans.len()
    }

    /// Enters a request. Ids come from the connection's counter and must be fresh: an entry under a
    /// used id would replace the older one, which is handed back then.
    pub fn allocate(&mut self, id: i64, deadline: Millis, item: T) -> Option<T> {
        self.deadlines.insert((deadline, id));
        let (older, item) = self.waiting.insert(id, (deadline, item))?;
        if older != deadline {
            self.deadlines.remove(&(older, id));
        }
        Some(item)
    }

    /// The waiting request with this id.
    pub fn get_mut(&mut self, id: i64) -> Option<&mut T> {
        self.waiting.get_mut(&id).map(|(_, item)| item)
    }

    /// Takes whoever waits for the reply with this id.
    pub fn complete(&mut self, id: i64) -> Completion<T, O> {
        if let Some(item) = self.cancel(id) {
            return Completion::Waiting(item);
        }
        match self.orphans.remove(&id) {
            Some((end, note)) => {
                self.orphan_ends.remove(&(end, id));
                Completion::Orphan(note)
            }
            None => Completion::Unknown,
        }
    }

    /// Takes a request out without leaving an orphan: nothing was sent for it.
    pub fn cancel(&mut self, id: i64) -> Option<T> {
        let (deadline, item) = self.waiting.remove(&id)?;
        self.deadlines.remove(&(deadline, id));
        Some(item)
    }

    /// Gives a request up: takes it out and leaves an orphan with `note` of it, if there is one.
    pub fn orphan(
        &mut self,
        id: i64,
        now: Millis,
        note: impl FnOnce(&T) -> Option<O>,
    ) -> Option<T> {
        let item = self.cancel(id)?;
        if let Some(note) = note(&item) {
            let end = now + ORPHAN_TIME;
            self.orphans.insert(id, (end, note));
            self.orphan_ends.insert((end, id));
            if self.orphans.len() > ORPHANS_MAX {
                self.forget_first();
            }
        }
        Some(item)
    }

    /// Gives up the request whose deadline passed first, if one did, and forgets old orphans.
    pub fn expire(&mut self, now: Millis, note: impl FnOnce(&T) -> Option<O>) -> Option<T> {
        while self.orphan_ends.first().is_some_and(|(end, _)| *end <= now) {
            self.forget_first();
        }
        let &(deadline, id) = self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.orphan(id, now, note)
    }

    /// When [`RequestTable::expire`] next has something.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Ids of the waiting requests for which `wanted` holds, in order of id.
    pub fn ids_where(&self, wanted: impl Fn(&T) -> bool) -> Vec<i64> {
        self.waiting.iter().filter(|(_, (_, item))| wanted(item)).map(|(id, _)| *id).collect()
    }

    /// Takes all waiting requests, in order of id, and forgets all orphans: the connection ended.
    pub fn drain(&mut self) -> Vec<T> {
        self.deadlines.clear();
        self.orphans.clear();
        self.orphan_ends.clear();
        std::mem::take(&mut self.waiting).into_values().map(|(_, item)| item).collect()
    }

    fn forget_first(&mut self) {
        if let Some((_, id)) = self.orphan_ends.pop_first() {
            self.orphans.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_late_reply_is_recognised_once_and_only_for_a_while() {
        let mut table = RequestTable::default();
        for id in 1..=2 {
            table.allocate(id, Millis(100), "waiting");
        }
        assert_eq!(table.expire(Millis(99), |_| Some("note")), None);
        assert_eq!(table.expire(Millis(100), |_| Some("note")), Some("waiting"));
        assert_eq!(table.complete(1), Completion::Orphan("note"));
        assert_eq!(table.complete(1), Completion::Unknown);
        assert_eq!(table.expire(Millis(100), |_| Some("note")), Some("waiting"));
        assert_eq!(table.expire(Millis(100) + ORPHAN_TIME, |_| Some("note")), None);
        assert_eq!(table.complete(2), Completion::Unknown);
    }

    #[test]
    fn what_was_not_sent_leaves_no_orphan() {
        let mut table = RequestTable::<_, ()>::default();
        table.allocate(7, Millis(100), "unsent");
        assert_eq!(table.orphan(7, Millis(1), |_| None), Some("unsent"));
        assert_eq!((table.orphans(), table.next_deadline()), (0, None));
        assert_eq!(table.complete(7), Completion::Unknown);
    }

    #[test]
    fn orphans_are_bounded() {
        let mut table = RequestTable::default();
        for id in 0..ORPHANS_MAX as i64 + 10 {
            table.allocate(id, Millis(id), id);
            table.orphan(id, Millis(id), |item| Some(*item));
        }
        assert_eq!(table.orphans(), ORPHANS_MAX);
        assert_eq!(table.complete(9), Completion::Unknown);
        assert_eq!(table.complete(10), Completion::Orphan(10));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Allocate { life: i64 },
        Complete(i64),
        Cancel(i64),
        Orphan(i64),
        Pass(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0i64..100).prop_map(|life| Step::Allocate { life }),
            1 => (0i64..80).prop_map(Step::Complete),
            1 => (0i64..80).prop_map(Step::Cancel),
            1 => (0i64..80).prop_map(Step::Orphan),
            1 => (0i64..40_000).prop_map(Step::Pass),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn every_request_leaves_exactly_once(steps in steps()) {
            let mut table = RequestTable::default();
            let (mut now, mut next, mut left) = (0, 0, Vec::new());
            for step in steps {
                match step {
                    Step::Allocate { life } => {
                        prop_assert!(table.allocate(next, Millis(now + life), next).is_none());
                        next += 1;
                    }
                    Step::Complete(id) => {
                        if let Completion::Waiting(item) = table.complete(id) {
                            prop_assert_eq!(item, id);
                            left.push(item);
                        }
                    }
                    Step::Cancel(id) => left.extend(table.cancel(id)),
                    Step::Orphan(id) => left.extend(table.orphan(id, Millis(now), |_| Some(()))),
                    Step::Pass(time) => {
                        now += time;
                        while let Some(item) = table.expire(Millis(now), |_| Some(())) {
                            left.push(item);
                        }
                        prop_assert!(table.next_deadline().is_none_or(|at| at.0 > now));
                    }
                }
                prop_assert_eq!(table.waiting.len(), table.deadlines.len());
                prop_assert_eq!(table.orphans.len(), table.orphan_ends.len());
            }
            left.extend(table.drain());
            prop_assert_eq!(left.len(), next as usize);
            prop_assert_eq!(left.into_iter().collect::<BTreeSet<_>>().len(), next as usize);
            prop_assert!(table.deadlines.is_empty() && table.orphan_ends.is_empty());
        }
    }
}
