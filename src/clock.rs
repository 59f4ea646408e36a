//! The clock of everything that is not pure: wall-clock milliseconds that never run backwards.
//!
//! Cores take [`Millis`] as input; actors and IO shells get them here. Anchored once at the wall
//! clock and from there on monotonic, so a stepped system clock cannot expire waiting commands.
//! Time is tokio's: where a test or a simulation runs a runtime on a time of its own, this is it.

use std::time::{Duration, Instant};

use crate::model::Millis;

/// A clock. Copies tell the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    origin_ms: i64,
}

impl Clock {
    /// A clock anchored at the system's wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self { origin: instant(), origin_ms: whole_millis(since_epoch()) }
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> Millis {
        Millis(
            self.origin_ms
                .saturating_add(whole_millis(instant().saturating_duration_since(self.origin))),
        )
    }

    /// How long it is until `at`; zero when it has passed.
    #[must_use]
    pub fn until(&self, at: Millis) -> Duration {
        // One more, because `now` was cut to whole milliseconds: a timer must not fire early.
        let millis = (at - self.now()).0;
        if millis < 0 { Duration::ZERO } else { Duration::from_millis(millis as u64 + 1) }
    }
}

/// Now, as timers see it.
#[must_use]
pub fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The wall clock as it is, which may be stepped: for times that others wrote down.
#[must_use]
pub fn wall() -> Millis {
    Millis(whole_millis(since_epoch()))
}

/// The wall clock.
fn since_epoch() -> Duration {
    #[cfg(feature = "simulation")]
    if let Some(simulated) = turmoil::since_epoch() {
        return simulated;
    }
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// Whole milliseconds of a duration, at most `i64::MAX`.
#[must_use]
pub fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A duration as Java prints it (`PT15S`, `PT0.3S`, `PT1M30S`): part of the error texts that clients
/// read (gateway-behaviour §2.1).
#[must_use]
pub fn iso_duration(duration: Duration) -> String {
    use std::fmt::Write as _;

    let (total, nanos) = (duration.as_secs(), duration.subsec_nanos());
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    let mut text = String::from("PT");
    let mut part = |value: u64, unit: char| {
        if value > 0 {
            write!(text, "{value}{unit}").expect("writing to a string does not fail");
        }
    };
    part(hours, 'H');
    part(minutes, 'M');
    if nanos > 0 {
        let fraction = format!("{nanos:09}");
        let fraction = fraction.trim_end_matches('0');
        write!(text, "{seconds}.{fraction}S").expect("writing to a string does not fail");
    } else if seconds > 0 || total == 0 {
        write!(text, "{seconds}S").expect("writing to a string does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_java() {
        for (millis, text) in [
            (0, "PT0S"),
            (300, "PT0.3S"),
            (1_200, "PT1.2S"),
            (15_000, "PT15S"),
            (60_000, "PT1M"),
            (90_001, "PT1M30.001S"),
            (3_600_000, "PT1H"),
            (3_661_500, "PT1H1M1.5S"),
        ] {
            assert_eq!(iso_duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn time_until_the_past_is_zero() {
        let clock = Clock::system();
        assert_eq!(clock.until(clock.now() - Millis(5)), Duration::ZERO);
        assert!(clock.until(clock.now() + Millis(60_000)) > Duration::from_secs(59));
    }
}
