//! How long a poll waits for jobs.

use crate::clock::whole_millis;
use crate::config::LongPolling;
use crate::model::Millis;
use crate::routing::long_poll::Wait;

/// What a request's timeout means: 0 is the configured time, a negative one no waiting at all
/// (command-api §4.4).
pub(super) fn wait(config: &LongPolling, request_timeout_ms: i64) -> Wait {
    match request_timeout_ms {
        _ if !config.enabled => Wait::Never,
        0 => Wait::For(Millis(whole_millis(config.timeout))),
        millis if millis < 0 => Wait::Never,
        millis => Wait::For(Millis(millis)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn timeouts_mean_what_they_mean_to_the_jvm_gateway() {
        let mut config = Config::defaults().long_polling;
        assert_eq!(wait(&config, 0), Wait::For(Millis(10_000)));
        assert_eq!(wait(&config, 700), Wait::For(Millis(700)));
        assert_eq!(wait(&config, i64::MAX), Wait::For(Millis(i64::MAX)));
        assert_eq!((wait(&config, -1), wait(&config, i64::MIN)), (Wait::Never, Wait::Never));
        config.enabled = false;
        assert_eq!((wait(&config, 0), wait(&config, 700)), (Wait::Never, Wait::Never));
    }
}
