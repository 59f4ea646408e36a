//! The caller's tenants as Identity names them, and how long they may be used (gateway-behaviour §6).

use std::sync::Arc;

use serde::Deserialize;

use crate::model::Millis;

/// Most tenants one caller can have; more than any list of tenants a command could carry.
const TENANTS_MAX: usize = 10_000;

/// How long after a failure Identity is left alone, if the tenants are known from before.
const RETRY: Millis = Millis(5_000);

/// What is known of the tenants of one token.
#[derive(Clone, Debug, Default)]
pub struct Tenants {
    /// Their ids, and when Identity was asked for them.
    granted: Option<(Arc<[String]>, Millis)>,
    /// When Identity failed to answer, since it last did.
    failed: Option<Millis>,
}

/// How long tenants may be used.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    /// Without asking again; zero asks for each call.
    pub cached: Millis,
    /// While Identity does not answer.
    pub outage: Millis,
}

impl Tenants {
    /// The tenants, if they may be used without asking. `asking` says that somebody asks already:
    /// then those of a moment ago will do.
    #[must_use]
    pub fn usable(&self, rule: Freshness, asking: bool, now: Millis) -> Option<Arc<[String]>> {
        let (tenants, at) = self.granted.as_ref()?;
        let age = now - *at;
        let fresh = age < rule.cached;
        let recent = asking && age < rule.cached + rule.cached;
        let failing = self.failed.is_some_and(|failed| asking || now - failed < RETRY);
        (fresh || recent || (failing && age < rule.outage)).then(|| Arc::clone(tenants))
    }

    /// Identity named them when asked at `at`.
    pub fn named(&mut self, tenants: Arc<[String]>, at: Millis) {
        self.granted = Some((tenants, at));
        self.failed = None;
    }

    /// Identity did not answer: those known from before, if they may bridge that.
    pub fn failed(&mut self, rule: Freshness, now: Millis) -> Option<Arc<[String]>> {
        self.failed = Some(now);
        self.usable(rule, false, now)
    }

    /// Whether Identity failed at or after this time.
    #[must_use]
    pub fn failed_since(&self, time: Millis) -> bool {
        self.failed.is_some_and(|failed| failed >= time)
    }

    /// Identity refused to name any.
    pub fn refused(&mut self) {
        *self = Self::default();
    }
}

#[derive(Deserialize)]
struct Tenant {
    #[serde(rename = "tenantId")]
    id: String,
}

/// Reads Identity's answer: `[{"tenantId":…,"name":…}]`; `None` if it is something else.
#[must_use]
pub fn named(answer: &[u8]) -> Option<Arc<[String]>> {
    let tenants: Vec<Tenant> = serde_json::from_slice(answer).ok()?;
    (tenants.len() <= TENANTS_MAX).then(|| tenants.into_iter().map(|tenant| tenant.id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_are_read_and_nothing_else() {
        let answer = br#"[{"tenantId":"t1","name":"One"},{"tenantId":"<default>"}]"#;
        assert_eq!(named(answer).expect("tenants").as_ref(), ["t1", "<default>"]);
        assert!(named(b"[]").expect("none").is_empty());
        for other in [&b"{}"[..], b"", br#"["t1"]"#, br#"[{"name":"One"}]"#] {
            assert_eq!(named(other), None);
        }
    }

    const RULE: Freshness = Freshness { cached: Millis(30_000), outage: Millis(3_600_000) };

    #[test]
    fn they_are_asked_for_again_when_old() {
        let mut tenants = Tenants::default();
        assert!(tenants.usable(RULE, true, Millis(0)).is_none());
        tenants.named([].into(), Millis(1_000));
        assert!(tenants.usable(RULE, false, Millis(30_999)).is_some());
        assert!(tenants.usable(RULE, false, Millis(31_000)).is_none());
        // While one asks, others need not wait.
        assert!(tenants.usable(RULE, true, Millis(60_999)).is_some());
        assert!(tenants.usable(RULE, true, Millis(61_000)).is_none());
        let never = Freshness { cached: Millis(0), outage: Millis(0) };
        assert!(tenants.usable(never, true, Millis(1_000)).is_none());
    }

    #[test]
    fn they_bridge_an_outage_and_not_a_refusal() {
        let mut tenants = Tenants::default();
        assert!(tenants.failed(RULE, Millis(0)).is_none());
        tenants.named([].into(), Millis(0));
        let hour = 3_600_000;
        assert!(tenants.failed(RULE, Millis(40_000)).is_some());
        assert!(tenants.usable(RULE, false, Millis(44_999)).is_some(), "left alone");
        assert!(tenants.usable(RULE, false, Millis(45_000)).is_none(), "asked again");
        assert!(tenants.usable(RULE, true, Millis(hour - 1)).is_some());
        assert!(tenants.usable(RULE, true, Millis(hour)).is_none());
        assert!(tenants.failed(RULE, Millis(hour)).is_none());
        assert!(tenants.failed_since(Millis(hour)) && !tenants.failed_since(Millis(hour + 1)));
        tenants.named([].into(), Millis(hour));
        tenants.refused();
        assert!(tenants.usable(RULE, true, Millis(hour)).is_none());
    }
}
