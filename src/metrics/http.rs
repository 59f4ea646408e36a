//! REST requests: how many, how long, how they ended.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use super::{Exposition, Histogram, Kind, Source};

/// Statuses that get a series of their own; all others share the last place.
const STATUSES: [u16; 19] =
    [200, 201, 204, 207, 400, 401, 404, 408, 409, 413, 415, 429, 500, 501, 502, 503, 504, 507, 0];

/// Numbers of the REST frontend: one row per endpoint, one series per status that occurred.
#[derive(Debug)]
pub struct HttpMetrics {
    rows: Vec<Row>,
    unrouted: [AtomicU64; UNROUTED.len()],
    panics: AtomicU64,
}

/// Statuses of requests that reach no endpoint.
const UNROUTED: [u16; 5] = [404, 405, 406, 415, 0];

#[derive(Debug)]
struct Row {
    method: &'static str,
    uri: &'static str,
    active: AtomicI64,
    /// Made when the status first occurs, so that a scrape shows only what happened.
    by_status: [OnceLock<Box<Histogram>>; STATUSES.len()],
}

/// A request on its way. Dropped without an end, its client went away.
#[derive(Debug)]
pub struct Running<'a> {
    row: &'a Row,
    started: Instant,
}

impl Running<'_> {
    /// The request was answered with this status.
    pub fn end(self, status: u16) {
        let place = place(&STATUSES, status);
        if let Some(cell) = self.row.by_status.get(place) {
            cell.get_or_init(Box::default).observe(self.started.elapsed());
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.row.active.fetch_sub(1, Ordering::Relaxed);
    }
}

fn place(statuses: &[u16], status: u16) -> usize {
    let last = statuses.len().saturating_sub(1);
    statuses.iter().position(|known| *known == status).unwrap_or(last)
}

fn status_text(status: u16) -> String {
    if status == 0 { "other".to_owned() } else { status.to_string() }
}

fn outcome(status: u16) -> &'static str {
    match status {
        200..=299 => "SUCCESS",
        400..=499 => "CLIENT_ERROR",
        500..=599 => "SERVER_ERROR",
        _ => "UNKNOWN",
    }
}

impl HttpMetrics {
    /// Metrics of these endpoints, each a method and a path.
    #[must_use]
    pub fn new(endpoints: &[(&'static str, &'static str)]) -> Self {
        let row = |(method, uri): &(&'static str, &'static str)| Row {
            method,
            uri,
            active: AtomicI64::new(0),
            by_status: Default::default(),
        };
        Self {
            rows: endpoints.iter().map(row).collect(),
            unrouted: Default::default(),
            panics: AtomicU64::new(0),
        }
    }

    /// A request for the endpoint at this place begins; `None` for a place that does not exist.
    #[must_use]
    pub fn begin(&self, place: usize) -> Option<Running<'_>> {
        let row = self.rows.get(place)?;
        row.active.fetch_add(1, Ordering::Relaxed);
        Some(Running { row, started: Instant::now() })
    }

    /// A request reached no endpoint.
    pub fn unrouted(&self, status: u16) {
        if let Some(count) = self.unrouted.get(place(&UNROUTED, status)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A handler panicked.
    pub fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }
}

impl Source for HttpMetrics {
    fn expose(&self, out: &mut Exposition) {
        const REQUESTS: &str = "http_server_requests_seconds";
        out.family(REQUESTS, Kind::Histogram, "Duration of REST requests.");
        for row in &self.rows {
            for (status, cell) in STATUSES.iter().zip(&row.by_status) {
                let Some(histogram) = cell.get() else { continue };
                let labels = [
                    ("method", row.method),
                    ("outcome", outcome(*status)),
                    ("status", &status_text(*status)),
                    ("uri", row.uri),
                ];
                histogram.expose(out, REQUESTS, &labels);
            }
        }
        const ACTIVE: &str = "http_server_requests_active";
        out.family(ACTIVE, Kind::Gauge, "REST requests that are not answered yet.");
        for row in &self.rows {
            let labels = [("method", row.method), ("uri", row.uri)];
            out.sample(ACTIVE, &labels, row.active.load(Ordering::Relaxed));
        }
        const UNROUTED_TOTAL: &str = "beegate_rest_unrouted_requests_total";
        out.family(UNROUTED_TOTAL, Kind::Counter, "REST requests that matched no endpoint.");
        for (status, count) in UNROUTED.iter().zip(&self.unrouted) {
            let labels = [("status", status_text(*status))];
            let labels = labels.each_ref().map(|(name, text)| (*name, text.as_str()));
            out.sample(UNROUTED_TOTAL, &labels, count.load(Ordering::Relaxed));
        }
        const PANICS: &str = "beegate_rest_handler_panics_total";
        out.family(PANICS, Kind::Counter, "REST requests whose handler panicked.");
        out.sample(PANICS, &[], self.panics.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_active_until_it_ends_or_is_given_up() {
        let metrics = HttpMetrics::new(&[("POST", "/a"), ("GET", "/b")]);
        let first = metrics.begin(0).expect("a row");
        let second = metrics.begin(0).expect("a row");
        let text = |metrics: &HttpMetrics| {
            let mut out = Exposition::default();
            metrics.expose(&mut out);
            out.finish()
        };
        assert!(text(&metrics).contains(r#"_active{method="POST",uri="/a"} 2"#));
        first.end(204);
        drop(second);
        let after = text(&metrics);
        assert!(after.contains(r#"_active{method="POST",uri="/a"} 0"#));
        let count = r#"_count{method="POST",outcome="SUCCESS",status="204",uri="/a"} 1"#;
        assert!(after.contains(count), "{after}");
        assert!(metrics.begin(2).is_none());
    }
}
