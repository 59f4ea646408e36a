//! A histogram of durations over fixed bounds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Exposition;

/// The JVM client library's default bounds, as text and in microseconds (monitoring §4).
const BOUNDS: [(&str, u64); 14] = [
    ("0.005", 5_000),
    ("0.01", 10_000),
    ("0.025", 25_000),
    ("0.05", 50_000),
    ("0.075", 75_000),
    ("0.1", 100_000),
    ("0.25", 250_000),
    ("0.5", 500_000),
    ("0.75", 750_000),
    ("1.0", 1_000_000),
    ("2.5", 2_500_000),
    ("5.0", 5_000_000),
    ("7.5", 7_500_000),
    ("10.0", 10_000_000),
];

/// Counts durations by size. Observing is two relaxed additions.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One per bound, and one for what is above all.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_ns: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let index = BOUNDS.partition_point(|(_, bound)| *bound < micros);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Number of observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// Appends the samples of a series of the family `name`.
    pub fn expose(&self, out: &mut Exposition, name: &str, labels: &[(&str, &str)]) {
        let bucket_name = format!("{name}_bucket");
        let mut labelled: Vec<(&str, &str)> = labels.to_vec();
        labelled.push(("le", ""));
        let last = labelled.len() - 1;
        let bounds = BOUNDS.iter().map(|(text, _)| *text).chain(["+Inf"]);
        let mut count = 0;
        for (bound, bucket) in bounds.zip(&self.buckets) {
            count += bucket.load(Ordering::Relaxed);
            if let Some(label) = labelled.get_mut(last) {
                label.1 = bound;
            }
            out.sample(&bucket_name, &labelled, count);
        }
        out.sample(&format!("{name}_count"), labels, count);
        let seconds = Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)).as_secs_f64();
        out.sample(&format!("{name}_sum"), labels, seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_counts_cumulative() {
        let histogram = Histogram::default();
        for millis in [5, 6, 10_000, 60_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut out = Exposition::default();
        histogram.expose(&mut out, "h", &[("a", "b")]);
        let text = out.finish();
        let lines = [
            r#"h_bucket{a="b",le="0.005"} 1"#,
            r#"h_bucket{a="b",le="0.01"} 2"#,
            r#"h_bucket{a="b",le="10.0"} 3"#,
            r#"h_bucket{a="b",le="+Inf"} 4"#,
            r#"h_count{a="b"} 4"#,
            r#"h_sum{a="b"} 70.011"#,
        ];
        for line in lines {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }
}
