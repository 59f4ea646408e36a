//! What job streams ask of brokers.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

use super::{Ended, JobStreamActor};
use crate::model::MemberId;
use crate::net::RequestError;
use crate::wire::record::{JobStreamMetadata, Record as _};
use crate::wire::sbe::Message;
use crate::wire::sbe::stream::{AddStreamRequest, AddStreamResponse, RemoveStreamRequest};

const ADD: &str = "stream-add";
pub(super) const REMOVE: &str = "stream-remove";
pub(super) const REMOVE_ALL: &str = "stream-remove-all";
/// How long a broker has to answer a request (cluster-protocol §8.1).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a broker has to forget what an earlier gateway of our name left there. Brokers need not
/// answer this message.
const CLEAN_TIMEOUT: Duration = Duration::from_millis(500);

impl JobStreamActor {
    pub(super) fn clean(&self, broker: MemberId) {
        // Only a configured member id can be that of an earlier gateway; others are random.
        if self.parts.shared.config().cluster.member_id.is_empty() {
            return self.parts.mailbox.send(Ended::Cleaned(broker));
        }
        self.request(&broker.clone(), REMOVE_ALL, Bytes::new(), CLEAN_TIMEOUT, move |_| {
            Ended::Cleaned(broker)
        });
    }

    pub(super) fn add(&self, stream: Uuid, broker: MemberId) {
        let Some(shape) = self.streams.shape(stream) else { return };
        let metadata = JobStreamMetadata {
            worker: shape.worker.clone(),
            timeout: shape.timeout_ms,
            variables: shape.fetch_variables.clone(),
            tenant_ids: shape.tenant_ids.clone(),
        };
        let request = AddStreamRequest {
            id: stream,
            stream_type: Bytes::copy_from_slice(shape.job_type.as_bytes()),
            metadata: metadata.to_bytes(),
        };
        self.request(&broker.clone(), ADD, encoded(&request), REQUEST_TIMEOUT, move |result| {
            let success = match &result {
                Ok(reply) => reply.is_empty() || AddStreamResponse::decode(reply).is_ok(),
                Err(_) => false,
            };
            if !success {
                log::debug!("event=stream_not_added stream={stream} broker={broker}");
            }
            Ended::Added(stream, broker, success)
        });
    }

    pub(super) fn remove(&self, stream: Uuid, broker: MemberId) {
        let request = encoded(&RemoveStreamRequest { id: stream });
        self.request(&broker.clone(), REMOVE, request, REQUEST_TIMEOUT, move |result| {
            // An answer of any kind is final; silence is not (cluster-protocol §8.3).
            let done = match result {
                Ok(_) => true,
                Err(error) => matches!(
                    error,
                    RequestError::Remote(_)
                        | RequestError::Protocol
                        | RequestError::NoHandler { .. }
                        | RequestError::TooLarge(_)
                ),
            };
            Ended::Removed(stream, broker, done)
        });
    }

    /// Sends a request and mails its outcome. Runs on this actor's thread.
    fn request(
        &self,
        broker: &MemberId,
        subject: &'static str,
        payload: Bytes,
        timeout: Duration,
        ended: impl FnOnce(Result<Bytes, RequestError>) -> Ended + 'static,
    ) {
        let Some(address) = self.addresses.get(broker).cloned() else { return };
        let (messenger, mailbox) = (self.parts.messenger.clone(), self.parts.mailbox.clone());
        self.parts.mailbox.cell().sent();
        actix_rt::spawn(async move {
            let result = messenger.request(&address, subject, payload, timeout).await;
            mailbox.send(ended(result));
        });
    }

    pub(super) fn tell_all(&self, subject: &str, payload: &Bytes) {
        for (broker, address) in &self.addresses {
            if let Err(error) = self.parts.messenger.send(address, subject, payload.clone()) {
                log::debug!(
                    "event=broker_not_told subject={subject} broker={broker} cause=\"{error}\""
                );
            }
        }
    }
}

/// The bytes of a message.
pub(super) fn encoded(message: &impl Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}
