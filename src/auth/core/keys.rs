//! Which keys are known, and when the identity provider is asked for them.
//!
//! Keys are refreshed in the background and stay in use while the provider does not answer, for
//! `OUTAGE` at most. A token with an unknown key id may mean that keys were rotated, so the
//! provider is asked, but whatever tokens arrive, not more often than once per `cooldown`; after
//! failures once per a pause that grows. Ids that the provider did not know are remembered and do not
//! count as a reason to ask again for `ABSENCE`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::jwks::Key;
use crate::model::Millis;

/// How long keys outlive the last answer of the provider; the JVM gateway keeps them as long
/// (gateway-behaviour §6).
const OUTAGE: Millis = Millis(7 * 24 * 3600 * 1000);
/// How long an id that the provider did not know is taken for unknown without asking.
const ABSENCE: Millis = Millis(60_000);
/// Most such ids.
const ABSENT_MAX: usize = 256;
/// Longest of them, in bytes.
const ABSENT_LENGTH_MAX: usize = 256;
/// First and longest pause after failures, in milliseconds.
const PAUSES: (i64, i64) = (1_000, 10_000);

/// What is known of a key.
#[derive(Debug)]
pub enum Lookup {
    /// It is this.
    Found(Arc<Key>),
    /// The caller has to have the keys fetched, and then to look again.
    Fetch,
    /// Keys are being fetched; look again when they are there.
    Wait,
    /// The provider has no such key.
    Unknown,
    /// No keys are known at all.
    Unavailable,
}

/// The known keys.
#[derive(Debug)]
pub struct KeyCache {
    refresh: Millis,
    cooldown: Millis,
    keys: Vec<Arc<Key>>,
    /// When the provider last named these keys.
    confirmed: Option<Millis>,
    /// When it was last asked.
    asked: Option<Millis>,
    asking: bool,
    /// Failures since the last answer.
    failures: u32,
    /// Ids it did not know, and until when that is believed.
    absent: BTreeMap<String, Millis>,
}

impl KeyCache {
    /// No keys yet; they are to be refreshed every `refresh`.
    #[must_use]
    pub fn new(refresh: Millis, cooldown: Millis) -> Self {
        Self {
            refresh,
            cooldown,
            keys: Vec::new(),
            confirmed: None,
            asked: None,
            asking: false,
            failures: 0,
            absent: BTreeMap::new(),
        }
    }

    /// The key of this id. A token may leave the id out where there is but one key. `again` says
    /// that the caller has waited for keys because of this id: if it is not among them, it is absent.
    pub fn lookup(&mut self, id: Option<&str>, again: bool, now: Millis) -> Lookup {
        if self.confirmed.is_some_and(|at| now - at > OUTAGE) {
            self.keys.clear();
        }
        let found = match (id, self.keys.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(id), keys) => keys.iter().find(|key| key.id() == Some(id)),
        };
        if let Some(key) = found {
            return Lookup::Found(Arc::clone(key));
        }
        let known_absent = id.is_some_and(|id| self.absent.get(id).is_some_and(|at| *at > now));
        if !known_absent && self.asking {
            return Lookup::Wait;
        }
        // A token without an id names nothing that could appear: only an empty cache is a reason.
        let reason = if id.is_some() { !known_absent } else { self.keys.is_empty() };
        if reason && self.begin(now) {
            return Lookup::Fetch;
        }
        if self.keys.is_empty() {
            return Lookup::Unavailable;
        }
        if let Some(id) = id
            && again
        {
            self.remember_absent(id, now);
        }
        Lookup::Unknown
    }

    /// When the background refresh is due; `None` while one is under way.
    #[must_use]
    pub fn refresh_at(&self) -> Option<Millis> {
        if self.asking {
            return None;
        }
        Some(match (self.asked, self.confirmed) {
            (None, _) => Millis(0),
            (Some(asked), Some(confirmed)) if self.failures == 0 => {
                (confirmed + self.refresh).max(asked + self.cooldown)
            }
            (Some(asked), _) => asked + self.pause(),
        })
    }

    /// Begins a fetch, unless one is under way or the last was too short a time ago. After `true`
    /// comes exactly one [`KeyCache::fetched`].
    pub fn begin(&mut self, now: Millis) -> bool {
        let rested = self.asked.is_none_or(|asked| now - asked >= self.pause());
        if self.asking || !rested {
            return false;
        }
        self.asking = true;
        self.asked = Some(now);
        true
    }

    /// A fetch ended, with keys or, with `None`, without. Says whether a key was withdrawn: then
    /// what was verified with it must not count any more.
    pub fn fetched(&mut self, keys: Option<Vec<Key>>, now: Millis) -> bool {
        self.asking = false;
        let Some(keys) = keys else {
            self.failures = self.failures.saturating_add(1);
            return false;
        };
        self.failures = 0;
        self.confirmed = Some(now);
        let withdrawn = self.keys.iter().any(|old| !keys.contains(old.as_ref()));
        self.keys = keys.into_iter().map(Arc::new).collect();
        self.absent.retain(|_, until| *until > now);
        withdrawn
    }

    fn pause(&self) -> Millis {
        if self.failures == 0 {
            return self.cooldown;
        }
        let (first, longest) = PAUSES;
        let doubled = first.saturating_mul(1 << (self.failures - 1).min(10));
        Millis(doubled.min(longest))
    }

    /// What does not fit is not remembered: the cooldown holds in any case.
    fn remember_absent(&mut self, id: &str, now: Millis) {
        if self.failures > 0 || id.len() > ABSENT_LENGTH_MAX {
            return;
        }
        if self.absent.len() >= ABSENT_MAX {
            self.absent.retain(|_, until| *until > now);
        }
        if self.absent.len() < ABSENT_MAX {
            self.absent.insert(id.to_owned(), now + ABSENCE);
        }
    }
}
