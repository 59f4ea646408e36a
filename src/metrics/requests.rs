//! Commands to partitions: how many, how long, how they failed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::{Exposition, Histogram, Kind, Source};
use crate::error::GatewayError;
use crate::model::{CommandKind, ErrorCode, PartitionId};

const LATENCY: &str = "zeebe_gateway_request_latency";
const REQUESTS: &str = "zeebe_gateway_total_requests_total";
const FAILURES: &str = "zeebe_gateway_failed_requests_total";
const EJECTED: &str = "beegate_partition_ejected";
const EJECTIONS: &str = "beegate_partition_ejections_total";

/// Requests of all partitions, in the families of the JVM gateway (monitoring §4).
#[derive(Debug, Default)]
pub struct RequestMetrics {
    partitions: Mutex<BTreeMap<PartitionId, Arc<PartitionRequests>>>,
}

/// Requests of one partition, held by its connection.
#[derive(Debug)]
pub struct PartitionRequests {
    rows: [OnceLock<Box<Row>>; CommandKind::ALL.len()],
    ejected: AtomicBool,
    ejections: AtomicU64,
}

#[derive(Debug, Default)]
struct Row {
    latency: Histogram,
    requests: AtomicU64,
    failures: Mutex<BTreeMap<&'static str, u64>>,
}

impl RequestMetrics {
    /// The numbers of a partition, kept for good.
    #[must_use]
    pub fn partition(&self, id: PartitionId) -> Arc<PartitionRequests> {
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(partitions.entry(id).or_default())
    }
}

impl Default for PartitionRequests {
    fn default() -> Self {
        Self {
            rows: [const { OnceLock::new() }; CommandKind::ALL.len()],
            ejected: AtomicBool::new(false),
            ejections: AtomicU64::new(0),
        }
    }
}

impl PartitionRequests {
    /// Counts the end of an attempt to have a command executed. A rejection is an answer; what was
    /// refused as overloaded does not count at all, as with the JVM gateway.
    pub fn ended(&self, kind: CommandKind, took: Duration, error: Option<&GatewayError>) {
        // Kinds with one value type share its series, at the place of the first of them.
        let same = |other: &CommandKind| other.value_type() == kind.value_type();
        let place = CommandKind::ALL.iter().position(same).unwrap_or(0);
        let Some(row) = self.rows.get(place) else { return };
        let row = row.get_or_init(Box::default);
        match error {
            None | Some(GatewayError::Rejected { .. }) => row.latency.observe(took),
            Some(error) => {
                let Some(label) = failure_label(error) else { return };
                let mut failures = row.failures.lock().unwrap_or_else(PoisonError::into_inner);
                *failures.entry(label).or_default() += 1;
            }
        }
        row.requests.fetch_add(1, Relaxed);
    }

    /// Notes whether round robin passes the partition over, because its leader does not answer.
    pub fn set_ejected(&self, ejected: bool) {
        if ejected && !self.ejected.swap(ejected, Relaxed) {
            self.ejections.fetch_add(1, Relaxed);
        }
        self.ejected.store(ejected, Relaxed);
    }

    fn rows(&self) -> impl Iterator<Item = (&'static str, &Row)> {
        CommandKind::ALL
            .iter()
            .zip(&self.rows)
            .filter_map(|(kind, row)| Some((kind.value_type().name(), &**row.get()?)))
    }
}

/// Sees each series with its labels.
type Visit<'a> = dyn FnMut(&[(&str, &str)], &Row) + 'a;

impl Source for RequestMetrics {
    fn expose(&self, out: &mut Exposition) {
        let partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let each = |visit: &mut Visit<'_>| {
            for (id, requests) in &partitions {
                let id = id.to_string();
                for (request_type, row) in requests.rows() {
                    visit(&[("partition", &id), ("requestType", request_type)], row);
                }
            }
        };
        out.family(LATENCY, Kind::Histogram, "Latency of round-trip from gateway to broker");
        each(&mut |labels, row| row.latency.expose(out, LATENCY, labels));
        out.family(REQUESTS, Kind::Counter, "Number of requests");
        each(&mut |labels, row| out.sample(REQUESTS, labels, row.requests.load(Relaxed)));
        out.family(FAILURES, Kind::Counter, "Number of failed requests");
        each(&mut |labels, row| {
            let failures = row.failures.lock().unwrap_or_else(PoisonError::into_inner);
            for (error, count) in failures.iter() {
                out.sample(FAILURES, &[labels, &[("error", *error)]].concat(), count);
            }
        });
        out.family(EJECTED, Kind::Gauge, "Whether round robin passes over a partition.");
        for (id, requests) in &partitions {
            let ejected = u8::from(requests.ejected.load(Relaxed));
            out.sample(EJECTED, &[("partition", &id.to_string())], ejected);
        }
        out.family(EJECTIONS, Kind::Counter, "How often a partition's leader ceased to answer.");
        for (id, requests) in &partitions {
            let ejections = requests.ejections.load(Relaxed);
            out.sample(EJECTIONS, &[("partition", &id.to_string())], ejections);
        }
    }
}

/// Value of the label `error`; nothing for what the JVM gateway does not count.
fn failure_label(error: &GatewayError) -> Option<&'static str> {
    match error {
        GatewayError::Broker { code: ErrorCode::ResourceExhausted, .. }
        | GatewayError::Overloaded { .. } => None,
        GatewayError::Broker { code, .. } => Some(code.name()),
        GatewayError::Timeout { .. } => Some("TIMEOUT"),
        GatewayError::PartitionNotFound(_) => Some("PARTITION_NOT_FOUND"),
        GatewayError::PartitionInactive(_) => Some("PARTITION_INACTIVE"),
        GatewayError::NoTopology | GatewayError::NoPartitionForMessage { .. } => {
            Some("NO_TOPOLOGY")
        }
        _ => Some("UNKNOWN"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_those_of_the_jvm_gateway() {
        let metrics = RequestMetrics::default();
        let partition = metrics.partition(PartitionId(2));
        let took = Duration::from_millis(7);
        partition.ended(CommandKind::CompleteJob, took, None);
        let timeout = GatewayError::Timeout { cause: String::new() };
        partition.ended(CommandKind::FailJob, took, Some(&timeout));
        let code = ErrorCode::ResourceExhausted;
        let exhausted = GatewayError::Broker { code, message: String::new() };
        partition.ended(CommandKind::FailJob, took, Some(&exhausted));
        [true, true, false, true].into_iter().for_each(|ejected| partition.set_ejected(ejected));
        let mut out = Exposition::default();
        metrics.expose(&mut out);
        let text = out.finish();
        for line in [
            "beegate_partition_ejected{partition=\"2\"} 1",
            "beegate_partition_ejections_total{partition=\"2\"} 2",
            "zeebe_gateway_total_requests_total{partition=\"2\",requestType=\"JOB\"} 2",
            "zeebe_gateway_failed_requests_total\
             {partition=\"2\",requestType=\"JOB\",error=\"TIMEOUT\"} 1",
            "zeebe_gateway_request_latency_count{partition=\"2\",requestType=\"JOB\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nnot in\n{text}");
        }
    }
}
