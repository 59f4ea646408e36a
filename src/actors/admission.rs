//! How much work is let in at once. What is over a limit is refused at once, with nothing sent.
//!
//! Mailboxes bound nothing (ADR 0007), so a command holds [`Permits`] from the frontend until its
//! answer: one of the gateway, one of its session, one of its partition, and its bytes. They are
//! freed by dropping, wherever the command ends. Before there is a command, the bytes of the request
//! are held as [`RequestBytes`], from the moment their number is known.
//!
//! An eighth of each of these limits is for [`Purpose::Relief`] alone: a gateway that is full gets
//! room again only when work is ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::config::Limits;
use crate::error::GatewayError;
use crate::model::CommandKind;

/// What units are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Anything that may wait until there is room.
    Ordinary,
    /// What makes room, or shows that the gateway lives: the calls of workers, health.
    Relief,
}

impl Purpose {
    /// What a command is for.
    #[must_use]
    pub fn of(kind: CommandKind) -> Self {
        match kind {
            CommandKind::CompleteJob
            | CommandKind::FailJob
            | CommandKind::ThrowError
            | CommandKind::UpdateJobTimeout => Self::Relief,
            _ => Self::Ordinary,
        }
    }
}

/// One part in so many of a limit is for [`Purpose::Relief`] alone.
const RESERVE: usize = 8;

/// A number of units of which a limited count is in use. Cheap to clone; clones share the count.
#[derive(Clone, Debug)]
pub struct Budget {
    inner: Arc<BudgetInner>,
}

#[derive(Debug)]
struct BudgetInner {
    key: &'static str,
    unit: &'static str,
    limit: usize,
    /// How many of them are for [`Purpose::Relief`] alone.
    reserve: usize,
    used: AtomicUsize,
    refused: AtomicU64,
}

/// A limit, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitUse {
    /// Its name in the configuration.
    pub key: &'static str,
    /// Units there are.
    pub limit: usize,
    /// Units in use.
    pub used: usize,
    /// How often it refused something.
    pub refused: u64,
}

impl Budget {
    /// A budget of `limit` units; `key` is the limit's name in the configuration.
    #[must_use]
    pub fn new(key: &'static str, unit: &'static str, limit: usize) -> Self {
        Self::keeping(key, unit, limit, 0)
    }

    /// The same with a part that is kept for [`Purpose::Relief`].
    #[must_use]
    pub fn with_reserve(key: &'static str, unit: &'static str, limit: usize) -> Self {
        Self::keeping(key, unit, limit, limit / RESERVE)
    }

    fn keeping(key: &'static str, unit: &'static str, limit: usize, reserve: usize) -> Self {
        let (used, refused) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { inner: Arc::new(BudgetInner { key, unit, limit, reserve, used, refused }) }
    }

    /// Takes units, until the permit is dropped.
    ///
    /// # Errors
    /// [`GatewayError::Overloaded`] when fewer are left.
    pub fn take(&self, units: usize, purpose: Purpose) -> Result<Permit, GatewayError> {
        self.claim(units, purpose)?;
        Ok(self.permit(units))
    }

    fn claim(&self, units: usize, purpose: Purpose) -> Result<(), GatewayError> {
        let BudgetInner { key, unit, limit, reserve, ref used, ref refused } = *self.inner;
        let reserve = if purpose == Purpose::Relief { 0 } else { reserve };
        let fits = |used: usize| used.checked_add(units).filter(|&sum| sum <= limit - reserve);
        match used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits) {
            Ok(_) => Ok(()),
            Err(used) => {
                refused.fetch_add(1, Ordering::Relaxed);
                let mut detail = format!("{used} of {limit} {unit} in use, {units} more wanted");
                if reserve > 0 {
                    detail += &format!(", {reserve} kept for workers");
                }
                Err(GatewayError::Overloaded { limit: key, detail })
            }
        }
    }

    /// Takes units even over the limit: for what the gateway owes, such as giving jobs back.
    #[must_use]
    pub fn take_always(&self, units: usize) -> Permit {
        self.inner.used.fetch_add(units, Ordering::AcqRel);
        self.permit(units)
    }

    /// Units in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.inner.used.load(Ordering::Acquire)
    }

    /// The limit.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.inner.limit
    }

    fn shown(&self) -> LimitUse {
        let BudgetInner { key, limit, ref refused, .. } = *self.inner;
        LimitUse { key, limit, used: self.used(), refused: refused.load(Ordering::Relaxed) }
    }

    fn permit(&self, units: usize) -> Permit {
        Permit { budget: self.clone(), units }
    }
}

/// Units of a budget in use until this is dropped.
#[derive(Debug)]
pub struct Permit {
    budget: Budget,
    units: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.inner.used.fetch_sub(self.units, Ordering::AcqRel);
    }
}

/// What a request holds of the budget in bytes while it is read, translated and answered. It grows
/// with what is known of the request, and is freed by dropping it.
#[derive(Debug)]
pub struct RequestBytes {
    budget: Budget,
    purpose: Purpose,
    held: AtomicUsize,
}

impl RequestBytes {
    /// Of a budget of its own.
    #[cfg(test)]
    #[must_use]
    pub fn of(limit: usize, purpose: Purpose) -> Self {
        let budget = Budget::with_reserve("limits.request_bytes", "bytes", limit);
        Self { budget, purpose, held: AtomicUsize::new(0) }
    }

    /// Bytes held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// Holds at least `total` bytes from now on. Only one thread at a time may let it grow.
    ///
    /// # Errors
    /// [`GatewayError::Overloaded`] when they are not there; what was held before still is.
    pub fn hold(&self, total: usize) -> Result<(), GatewayError> {
        let more = total.saturating_sub(self.held());
        if more > 0 {
            self.budget.claim(more, self.purpose)?;
            self.held.fetch_add(more, Ordering::AcqRel);
        }
        Ok(())
    }
}

impl Drop for RequestBytes {
    fn drop(&mut self) {
        self.budget.inner.used.fetch_sub(*self.held.get_mut(), Ordering::AcqRel);
    }
}

/// What one command holds of the limits.
#[derive(Debug)]
pub struct Permits {
    pub(super) admission: Arc<Admission>,
    _in_flight: Permit,
    _bytes: Permit,
    _session: Option<Permit>,
    partition: Option<Permit>,
}

impl Permits {
    /// Holds a unit of the partition it is sent to, instead of that of an earlier one.
    pub fn hold_partition(&mut self, permit: Option<Permit>) {
        self.partition = permit;
    }
}

/// The gateway's limits and what is in use of them.
#[derive(Debug)]
pub struct Admission {
    in_flight: Budget,
    bytes: Budget,
    sessions: Budget,
    per_session: usize,
    per_partition: usize,
    stopping: AtomicBool,
}

impl Admission {
    /// Nothing in use.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            in_flight: Budget::with_reserve("limits.in_flight", "commands", limits.in_flight),
            bytes: Budget::with_reserve("limits.request_bytes", "bytes", limits.request_bytes),
            sessions: Budget::new("limits.sessions", "sessions", limits.sessions),
            per_session: limits.in_flight_per_session,
            per_partition: limits.in_flight_per_partition,
            stopping: AtomicBool::new(false),
        }
    }

    /// Nothing yet of what a request will hold of the bytes.
    #[must_use]
    pub fn request(&self, purpose: Purpose) -> RequestBytes {
        RequestBytes { budget: self.bytes.clone(), purpose, held: AtomicUsize::new(0) }
    }

    /// Lets a client's command of this size in.
    ///
    /// # Errors
    /// [`GatewayError::Overloaded`], [`GatewayError::ShuttingDown`].
    pub fn admit(
        self: &Arc<Self>,
        bytes: usize,
        session: &Budget,
        purpose: Purpose,
    ) -> Result<Permits, GatewayError> {
        if self.is_stopping() {
            return Err(GatewayError::ShuttingDown);
        }
        Ok(Permits {
            _session: Some(session.take(1, purpose)?),
            _in_flight: self.in_flight.take(1, purpose)?,
            _bytes: self.bytes.take(bytes, purpose)?,
            partition: None,
            admission: Arc::clone(self),
        })
    }

    /// Lets a command of the gateway itself in, whatever the limits say. Who sends such commands
    /// bounds their number: a poll or a delivery that was admitted before.
    #[must_use]
    pub fn admit_own(self: &Arc<Self>, bytes: usize) -> Permits {
        Permits {
            _session: None,
            _in_flight: self.in_flight.take_always(1),
            _bytes: self.bytes.take_always(bytes),
            partition: None,
            admission: Arc::clone(self),
        }
    }

    /// Lets a session in.
    ///
    /// # Errors
    /// [`GatewayError::Overloaded`], [`GatewayError::ShuttingDown`].
    pub fn admit_session(&self) -> Result<Permit, GatewayError> {
        if self.is_stopping() {
            return Err(GatewayError::ShuttingDown);
        }
        self.sessions.take(1, Purpose::Ordinary)
    }

    /// The budget of a new session.
    #[must_use]
    pub fn session_budget(&self) -> Budget {
        Budget::with_reserve("limits.in_flight_per_session", "commands", self.per_session)
    }

    /// The budget of a partition.
    #[must_use]
    pub fn partition_budget(&self) -> Budget {
        Budget::with_reserve("limits.in_flight_per_partition", "commands", self.per_partition)
    }

    /// The limits of the gateway as a whole.
    #[must_use]
    pub fn limits(&self) -> [LimitUse; 3] {
        [self.in_flight.shown(), self.bytes.shown(), self.sessions.shown()]
    }

    /// Commands in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.used()
    }

    /// Bytes of the commands in flight.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.used()
    }

    /// Open sessions.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.used()
    }

    /// Refuses everything from now on.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether everything is refused.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn admission(change: impl FnOnce(&mut Limits)) -> Arc<Admission> {
        let mut limits = Config::defaults().limits;
        change(&mut limits);
        Arc::new(Admission::new(&limits))
    }

    const ORDINARY: Purpose = Purpose::Ordinary;

    fn refused(result: Result<Permits, GatewayError>) -> &'static str {
        match result.expect_err("over the limit") {
            GatewayError::Overloaded { limit, .. } => limit,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn each_limit_refuses_what_is_over_it_and_frees_what_ends() {
        let session = |a: &Arc<Admission>| a.session_budget();
        let tight = admission(|l| l.in_flight = 1);
        let first = tight.admit(1, &session(&tight), ORDINARY).unwrap();
        assert_eq!(refused(tight.admit(1, &session(&tight), ORDINARY)), "limits.in_flight");
        drop(first);
        assert!(tight.admit(1, &session(&tight), ORDINARY).is_ok());

        let tight = admission(|l| l.in_flight_per_session = 1);
        let mine = session(&tight);
        let _first = tight.admit(1, &mine, ORDINARY).unwrap();
        assert_eq!(refused(tight.admit(1, &mine, ORDINARY)), "limits.in_flight_per_session");
        assert!(
            tight.admit(1, &session(&tight), ORDINARY).is_ok(),
            "another session is not affected"
        );

        let tight = admission(|l| l.request_bytes = 100);
        let _first = tight.admit(60, &session(&tight), ORDINARY).unwrap();
        assert_eq!(refused(tight.admit(60, &session(&tight), ORDINARY)), "limits.request_bytes");
        assert_eq!((tight.in_flight(), tight.bytes()), (1, 60), "a refused command holds nothing");
        let [in_flight, bytes, sessions] = tight.limits();
        assert_eq!((in_flight.used, in_flight.refused), (1, 0));
        let expected = LimitUse { key: "limits.request_bytes", limit: 100, used: 60, refused: 1 };
        assert_eq!(bytes, expected);
        assert_eq!((sessions.key, sessions.used), ("limits.sessions", 0));
    }

    #[test]
    fn an_eighth_is_for_who_makes_room() {
        let tight = admission(|l| l.request_bytes = 800);
        let session = tight.session_budget();
        let _most = tight.admit(700, &session, ORDINARY).unwrap();
        assert_eq!(refused(tight.admit(1, &session, ORDINARY)), "limits.request_bytes");
        let relief = tight.admit(100, &session, Purpose::of(CommandKind::CompleteJob)).unwrap();
        assert_eq!(refused(tight.admit(1, &session, Purpose::Relief)), "limits.request_bytes");
        drop(relief);
        assert_eq!(tight.bytes(), 700);
    }

    #[test]
    fn a_request_holds_what_is_known_of_it_until_it_ends() {
        let tight = admission(|l| l.request_bytes = 80);
        let request = tight.request(ORDINARY);
        assert_eq!(request.hold(30), Ok(()));
        assert_eq!(request.hold(20), Ok(()), "it does not shrink");
        assert_eq!(tight.bytes(), 30);
        assert_eq!(request.hold(70), Ok(()));
        let other = tight.request(ORDINARY);
        let refused = other.hold(1).expect_err("over the limit").to_string();
        assert!(refused.ends_with("70 of 80 bytes in use, 1 more wanted, 10 kept for workers"));
        assert!(tight.request(Purpose::Relief).hold(10).is_ok());
        drop((request, other));
        assert_eq!(tight.bytes(), 0);
    }

    #[test]
    fn own_commands_pass_but_count() {
        let tight = admission(|l| l.in_flight = 1);
        let own = [tight.admit_own(10), tight.admit_own(10)];
        assert_eq!(refused(tight.admit(1, &tight.session_budget(), ORDINARY)), "limits.in_flight");
        drop(own);
        assert_eq!((tight.in_flight(), tight.bytes()), (0, 0));
    }

    #[test]
    fn a_stopping_gateway_lets_nothing_in() {
        let admission = admission(|_| ());
        admission.stop();
        let refused = admission.admit(1, &admission.session_budget(), ORDINARY);
        assert_eq!(refused.err(), Some(GatewayError::ShuttingDown));
        assert_eq!(admission.admit_session().err(), Some(GatewayError::ShuttingDown));
    }
}
