//! Failure detection: which requests are out, and what their outcome says about whom.

use std::collections::{BTreeMap, BTreeSet};

use super::{ReplyToken, RequestToken};
use crate::model::{MemberId, Millis};

/// What a request of ours is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To see whether the target of the round lives.
    Probe,
    /// To let somebody else probe the target of the round.
    Indirect,
    /// To learn all members.
    Sync,
    /// To probe on somebody's behalf.
    Relay {
        /// Whose request waits for the outcome.
        reply: ReplyToken,
        /// Who must answer.
        target: MemberId,
    },
}

/// A request that is out.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) purpose: Purpose,
    deadline: Millis,
}

/// Requests that are out, by token; one that is answered, failed or overdue is out no more.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    requests: BTreeMap<RequestToken, Pending>,
    last: u64,
}

impl Outstanding {
    pub(super) fn open(&mut self, purpose: Purpose, deadline: Millis) -> RequestToken {
        self.last += 1;
        let token = RequestToken(self.last);
        self.requests.insert(token, Pending { purpose, deadline });
        token
    }

    pub(super) fn close(&mut self, token: RequestToken) -> Option<Purpose> {
        self.requests.remove(&token).map(|pending| pending.purpose)
    }

    pub(super) fn overdue(&self, now: Millis) -> Vec<RequestToken> {
        let overdue = self.requests.iter().filter(|(_, pending)| pending.deadline <= now);
        overdue.map(|(token, _)| *token).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.requests.values().map(|pending| pending.deadline).min()
    }

    pub(super) fn relays(&self) -> usize {
        let purposes = self.requests.values().map(|pending| &pending.purpose);
        purposes.filter(|purpose| matches!(purpose, Purpose::Relay { .. })).count()
    }
}

/// A probe round under way: first the direct probe, then others asked to probe.
#[derive(Debug)]
pub(super) struct Round {
    /// Whom it is about; a placeholder's id when it is a contact point.
    pub(super) target: MemberId,
    /// The target's incarnation when it was probed; a newer one clears it.
    pub(super) incarnation: i64,
    /// Whether the target is a contact point of unknown id.
    pub(super) contact: bool,
    /// Others that were asked and have not answered.
    pub(super) asked: BTreeSet<RequestToken>,
}
