//! The Prometheus text format 0.0.4.

use std::fmt::{Display, Write};

/// The format's media type, as the JVM gateway writes it.
pub const MEDIA_TYPE: &str = "text/plain;version=0.0.4;charset=utf-8";

/// What a family's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows. The name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of observations up to each bound.
    Histogram,
}

/// A scrape's answer being written.
#[derive(Debug, Default)]
pub struct Exposition {
    out: String,
}

impl Exposition {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    /// One sample: the family's name, or that with a suffix for histograms.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.out.push_str(name);
        if !labels.is_empty() {
            self.out.push('{');
            for (index, (label, text)) in labels.iter().enumerate() {
                if index > 0 {
                    self.out.push(',');
                }
                self.out.push_str(label);
                self.out.push_str("=\"");
                self.escaped(text);
                self.out.push('"');
            }
            self.out.push('}');
        }
        self.line(format_args!(" {value}"));
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\\' => self.out.push_str("\\\\"),
                '"' => self.out.push_str("\\\""),
                '\n' => self.out.push_str("\\n"),
                other => self.out.push(other),
            }
        }
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(text);
        self.out.push('\n');
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_samples_and_escapes() {
        let mut out = Exposition::default();
        out.family("a_total", Kind::Counter, "Things.");
        out.sample("a_total", &[("x", "1"), ("y", "a\"b\\c\nd")], 5);
        out.family("b", Kind::Gauge, "Level.");
        out.sample("b", &[], 0.5);
        let expected = "# HELP a_total Things.\n# TYPE a_total counter\n\
                        a_total{x=\"1\",y=\"a\\\"b\\\\c\\nd\"} 5\n\
                        # HELP b Level.\n# TYPE b gauge\nb 0.5\n";
        assert_eq!(out.finish(), expected);
    }
}
