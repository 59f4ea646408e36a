//! What the kernel says of a process.

use std::time::Duration;

use anyhow::{Context, Result};

/// `USER_HZ`: 100 on every Linux this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// Memory at some moment.
#[derive(Clone, Copy, Debug)]
pub struct Sampled {
    /// Since the load began.
    pub at: Duration,
    /// Resident memory, in KB.
    pub rss_kb: u64,
}

/// Resident memory of a process, in KB.
pub fn rss_kb(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
}

/// User and system time of a process so far.
pub fn cpu(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may contain blanks: fields are counted after it.
    let fields: Vec<&str> =
        stat.rsplit_once(')').context("odd stat")?.1.split_whitespace().collect();
    let field =
        |index: usize| -> Result<u64> { Ok(fields.get(index).context("short stat")?.parse()?) };
    Ok(Duration::from_millis((field(11)? + field(12)?) * 1000 / TICKS_PER_SECOND))
}

/// Least-squares slope, in KB per minute.
pub fn slope(samples: &[Sampled]) -> f64 {
    let count = samples.len() as f64;
    let minutes = |sample: &Sampled| sample.at.as_secs_f64() / 60.0;
    let mean_at = samples.iter().map(minutes).sum::<f64>() / count;
    let mean_kb = samples.iter().map(|sample| sample.rss_kb as f64).sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for sample in samples {
        let off = minutes(sample) - mean_at;
        above += off * (sample.rss_kb as f64 - mean_kb);
        below += off * off;
    }
    if below == 0.0 { 0.0 } else { above / below }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line() {
        let line: Vec<Sampled> = (0..10)
            .map(|i| Sampled { at: Duration::from_secs(30 * i), rss_kb: 1000 + 25 * i })
            .collect();
        assert!((slope(&line) - 50.0).abs() < 1e-9);
        assert_eq!(slope(&line[..1]), 0.0);
    }
}
