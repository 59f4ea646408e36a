//! Job deliveries as response streams.

use std::pin::Pin;

use futures::stream;
use prost::Message as _;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use super::body::Ledger;
use super::convert::job::activated;
use super::proto as pb;
use super::status::status;
use crate::actors::gateway::{JobDeliveries, JobDelivery, Returned};
use crate::config::Compatibility;
use crate::model::Millis;

/// The answers of a poll. Resolves with the first answer or the end; a failure before any answer is
/// the call's status.
///
/// # Errors
/// The failure of the poll.
pub async fn poll(
    deliveries: JobDeliveries,
    ledger: Ledger,
    limit: usize,
    compatibility: Compatibility,
) -> Result<Pin<Box<dyn Stream<Item = Result<pb::ActivateJobsResponse, Status>> + Send>>, Status> {
    let answers =
        stream::unfold((deliveries, ledger), move |(mut deliveries, ledger)| async move {
            loop {
                let answer = match deliveries.next().await? {
                    Ok(delivery) => batch(delivery, &ledger, limit, compatibility),
                    Err(e) => Some(Err(status(&e, compatibility))),
                };
                if let Some(answer) = answer {
                    return Some((answer, (deliveries, ledger)));
                }
            }
        });
    let mut answers = Box::pin(answers);
    Ok(match answers.next().await {
        None => Box::pin(tokio_stream::empty()),
        Some(Err(status)) => return Err(status),
        Some(first) => Box::pin(tokio_stream::once(first).chain(answers)),
    })
}

/// How long a job that no message can hold is kept from being activated. Given back at once, as the
/// JVM gateway does, it would be activated again at once by the poll that waits for jobs.
const OVERSIZED_PAUSE: Millis = Millis(10_000);

/// The message with the jobs of a delivery that fit into `limit` bytes, in order; `None` when none
/// does. The others are given back (command-api §4.1); those too large for any message with a pause,
/// again and again until their variables get smaller or a client fetches fewer of them.
fn batch(
    delivery: JobDelivery,
    ledger: &Ledger,
    limit: usize,
    compatibility: Compatibility,
) -> Option<Result<pb::ActivateJobsResponse, Status>> {
    let mut jobs = Vec::with_capacity(delivery.jobs.len());
    let mut returned = Vec::new();
    let mut size = 0;
    for (index, job) in delivery.jobs.iter().enumerate() {
        let job = match activated(job.key, &job.record, compatibility) {
            Ok(job) => job,
            // Dropping the delivery gives all its jobs back.
            Err(e) => return Some(Err(status(&e, compatibility))),
        };
        let framed = framed_len(&job);
        if size + framed <= limit {
            size += framed;
            jobs.push(job);
            continue;
        }
        let pause = if framed > limit { OVERSIZED_PAUSE } else { Millis(0) };
        if framed > limit {
            log::warn!(
                "event=job_too_large_for_a_message key={} type={} process={} element={} \
                 bytes={framed} max={limit}",
                job.key,
                job.r#type,
                job.bpmn_process_id,
                job.element_id,
            );
        }
        returned.push(Returned { index, pause });
    }
    let reason = format!("the response is bigger than the maximum allowed message size {limit}");
    if jobs.is_empty() {
        delivery.delivered_except(returned, reason);
        return None;
    }
    ledger.enter(delivery, returned, reason);
    Some(Ok(pb::ActivateJobsResponse { jobs }))
}

/// Bytes a job takes as an element of the response: tag, length, content.
fn framed_len(job: &pb::ActivatedJob) -> usize {
    let len = job.encoded_len();
    1 + prost::length_delimiter_len(len) + len
}

/// The jobs of a stream of pushed jobs.
pub fn stream(
    deliveries: JobDeliveries,
    ledger: Ledger,
    compatibility: Compatibility,
) -> Pin<Box<dyn Stream<Item = Result<pb::ActivatedJob, Status>> + Send>> {
    let state = (deliveries, ledger, Vec::new().into_iter());
    Box::pin(stream::unfold(state, move |(mut deliveries, ledger, mut ready)| async move {
        loop {
            if let Some(item) = ready.next() {
                return Some((item, (deliveries, ledger, ready)));
            }
            let items = match deliveries.next().await? {
                Ok(delivery) => pushed(delivery, &ledger, compatibility),
                Err(e) => vec![Err(status(&e, compatibility))],
            };
            ready = items.into_iter();
        }
    }))
}

/// The messages of a push. A job that cannot be written as JSON is given back by dropping it; the
/// stream goes on with the others.
fn pushed(
    delivery: JobDelivery,
    ledger: &Ledger,
    compatibility: Compatibility,
) -> Vec<Result<pb::ActivatedJob, Status>> {
    let mut items = Vec::with_capacity(delivery.jobs.len());
    let mut returned = Vec::new();
    let mut reason = String::new();
    for (index, job) in delivery.jobs.iter().enumerate() {
        match activated(job.key, &job.record, compatibility) {
            Ok(job) => items.push(Ok(job)),
            Err(e) => {
                log::warn!("event=pushed_job_not_written key={} cause=\"{e}\"", job.key);
                returned.push(Returned { index, pause: Millis(0) });
                reason = format!("Failed to send activated jobs to client, failed with: {e}");
            }
        }
    }
    ledger.enter(delivery, returned, reason);
    items
}
