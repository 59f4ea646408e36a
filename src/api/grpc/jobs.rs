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
/// does. The others are given back (command-api §4.1). Those too large for any message have failed:
/// they lose a retry, and have a pause for a client that fetches fewer variables; the last retry
/// leaves an incident that says why (users-and-peers R23).
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
        } else if framed <= limit {
            returned.push(Returned::at_once(index));
        } else {
            let fault = Some(too_large(&job, framed, limit));
            returned.push(Returned { index, pause: OVERSIZED_PAUSE, fault });
        }
    }
    let reason = format!("the response is bigger than the maximum allowed message size {limit}");
    if jobs.is_empty() {
        delivery.delivered_except(returned, reason);
        return None;
    }
    ledger.enter(delivery, returned, reason);
    Some(Ok(pb::ActivateJobsResponse { jobs }))
}

/// Logs a job that no message can hold, and says what is wrong with it.
fn too_large(job: &pb::ActivatedJob, bytes: usize, limit: usize) -> String {
    let pb::ActivatedJob { key, r#type, bpmn_process_id, element_id, .. } = job;
    let (instance, variables) = (job.process_instance_key, job.variables.len());
    log::warn!(
        "event=job_too_large_for_a_message key={key} type={type} process={bpmn_process_id} \
         element={element_id} instance={instance} bytes={bytes} variables={variables} max={limit}"
    );
    format!(
        "Job {key} of type '{type}' at element '{element_id}' of process '{bpmn_process_id}' \
         (instance {instance}) has {bytes} bytes, of which {variables} are variables, but the \
         maximum allowed message size is {limit}: no client can get it. Fetch fewer variables or \
         make them smaller."
    )
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
    limit: usize,
    compatibility: Compatibility,
) -> Pin<Box<dyn Stream<Item = Result<pb::ActivatedJob, Status>> + Send>> {
    let state = (deliveries, ledger, Vec::new().into_iter());
    Box::pin(stream::unfold(state, move |(mut deliveries, ledger, mut ready)| async move {
        loop {
            if let Some(item) = ready.next() {
                return Some((item, (deliveries, ledger, ready)));
            }
            let items = match deliveries.next().await? {
                Ok(delivery) => pushed(delivery, &ledger, limit, compatibility),
                Err(e) => vec![Err(status(&e, compatibility))],
            };
            ready = items.into_iter();
        }
    }))
}

/// The messages of a push. A job that cannot be written as JSON, or that would break the client's
/// stream by its size, is refused; the broker then leaves it to polls.
fn pushed(
    delivery: JobDelivery,
    ledger: &Ledger,
    limit: usize,
    compatibility: Compatibility,
) -> Vec<Result<pb::ActivatedJob, Status>> {
    let mut items = Vec::with_capacity(delivery.jobs.len());
    let mut returned = Vec::new();
    let mut reason = String::new();
    for (index, job) in delivery.jobs.iter().enumerate() {
        match activated(job.key, &job.record, compatibility) {
            Ok(job) if job.encoded_len() <= limit => items.push(Ok(job)),
            Ok(job) => {
                reason = too_large(&job, job.encoded_len(), limit);
                returned.push(Returned::at_once(index));
            }
            Err(e) => {
                log::warn!("event=pushed_job_not_written key={} cause=\"{e}\"", job.key);
                returned.push(Returned::at_once(index));
                reason = format!("Failed to send activated jobs to client, failed with: {e}");
            }
        }
    }
    if items.is_empty() {
        delivery.delivered_except(returned, reason);
    } else {
        ledger.enter(delivery, returned, reason);
    }
    items
}
