//! Jobs on their way to gateways: registrations of job streams, pushes, and the event that jobs are
//! available (cluster-protocol §7, §8).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use rand::seq::SliceRandom;
use tokio::sync::Semaphore;

use super::configuration::unknown_sender;
use super::engine::{JobStream, StreamId};
use super::limits::Limits;
use super::partition::Partition;
use super::reply;
use super::streams::{Change, Consumer, Streams};
use crate::model::{Key, MemberId, MemberState};
use crate::net::{Membership, Message, Messenger, Responder};
use crate::wire::DecodeError;
use crate::wire::address::Address;
use crate::wire::events::{
    JOBS_AVAILABLE, TOPICS_PROPERTY, encode_jobs_available, topics_from_property,
};
use crate::wire::record::{JobPush, JobRecord, Record};
use crate::wire::sbe::stream::{
    AddStreamRequest, AddStreamResponse, PushStreamRequest, PushStreamResponse,
    RemoveStreamRequest, RemoveStreamResponse, StreamError,
};
use crate::wire::sbe::{Header, Message as _};

/// Subject of pushed jobs.
const PUSH_SUBJECT: &str = "stream-push";
/// How long a gateway may take to accept a job.
const PUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything between the engines' jobs and the gateways.
#[derive(Debug)]
pub struct Jobs {
    streams: Mutex<Streams>,
    membership: Membership,
    messenger: Messenger,
    pushes: Arc<Semaphore>,
    subscribers: ArcSwap<Vec<Address>>,
}

/// Why a consumer did not take a job.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error("{0} is not a member")]
    NotAMember(MemberId),
    #[error(transparent)]
    Request(#[from] crate::net::RequestError),
    #[error("refused: {0}")]
    Refused(String),
    #[error("unreadable answer: {0}")]
    Unreadable(#[from] DecodeError),
}

impl Jobs {
    /// No registrations yet.
    #[must_use]
    pub fn new(membership: Membership, messenger: Messenger, limits: &Limits) -> Self {
        Self {
            streams: Mutex::new(Streams::new(limits.job_streams)),
            membership,
            messenger,
            pushes: Arc::new(Semaphore::new(limits.pushes)),
            subscribers: ArcSwap::default(),
        }
    }

    /// Number of registrations.
    #[must_use]
    pub fn registrations(&self) -> usize {
        self.streams().registrations()
    }

    /// `stream-add`. The new set of streams, if it changed.
    pub fn add(&self, message: &Message, responder: Responder) -> Option<Vec<JobStream>> {
        let Some(member) = self.sender(message) else {
            responder.error(unknown_sender(message));
            return None;
        };
        let request = match AddStreamRequest::decode(&message.payload) {
            Ok(request) => request,
            Err(error) => {
                responder.error(error.to_string());
                return None;
            }
        };
        let result = self.streams().add(&member, &request);
        self.answer(result, responder, reply::encode(&AddStreamResponse))
    }

    /// `stream-remove`. The new set of streams, if it changed.
    pub fn remove(&self, message: &Message, responder: Responder) -> Option<Vec<JobStream>> {
        let Some(member) = self.sender(message) else {
            responder.error(unknown_sender(message));
            return None;
        };
        let request = match RemoveStreamRequest::decode(&message.payload) {
            Ok(request) => request,
            Err(error) => {
                responder.error(error.to_string());
                return None;
            }
        };
        let result = self.streams().remove(&member, request.id);
        self.answer(result, responder, reply::encode(&RemoveStreamResponse))
    }

    /// `stream-remove-all`. The new set of streams, if it changed.
    pub fn remove_all(&self, message: &Message, responder: Responder) -> Option<Vec<JobStream>> {
        let Some(member) = self.sender(message) else {
            responder.error(unknown_sender(message));
            return None;
        };
        let changed = self.forget(&member);
        responder.reply(Bytes::new());
        changed
    }

    /// The member is gone. The new set of streams, if it changed.
    pub fn forget(&self, member: &MemberId) -> Option<Vec<JobStream>> {
        let mut streams = self.streams();
        match streams.remove_all(member) {
            Change::Set => Some(streams.list()),
            Change::None => None,
        }
    }

    fn answer(
        &self,
        result: Result<Change, StreamError>,
        responder: Responder,
        accepted: Bytes,
    ) -> Option<Vec<JobStream>> {
        match result {
            Ok(change) => {
                responder.reply(accepted);
                (change == Change::Set).then(|| self.streams().list())
            }
            Err(error) => {
                responder.reply(reply::encode(&error));
                None
            }
        }
    }

    fn sender(&self, message: &Message) -> Option<MemberId> {
        let members = self.membership.members();
        members.by_address(&message.sender).map(|known| known.member.id.clone())
    }

    /// Finds out anew who wants to hear of available jobs.
    pub fn refresh_subscribers(&self) {
        let members = self.membership.members();
        let subscribed = members
            .others
            .iter()
            .map(|known| &known.member)
            .filter(|member| member.state == Some(MemberState::Alive))
            .filter(|member| {
                member
                    .properties
                    .get(TOPICS_PROPERTY)
                    .and_then(|topics| topics_from_property(topics).ok())
                    .is_some_and(|topics| topics.contains(JOBS_AVAILABLE))
            });
        let addresses = subscribed.map(|member| member.address.clone()).collect();
        self.subscribers.store(Arc::new(addresses));
    }

    /// Tells the subscribers that there are jobs of this type.
    pub fn available(&self, job_type: &str) {
        let subscribers = self.subscribers.load();
        if subscribers.is_empty() {
            return;
        }
        let payload = Bytes::from(encode_jobs_available(job_type));
        for address in subscribers.iter() {
            if let Err(error) = self.messenger.send(address, JOBS_AVAILABLE, payload.clone()) {
                log::debug!("event=jobs_available_not_sent to={address} error=\"{error}\"");
            }
        }
    }

    /// Pushes a job to one of the stream's consumers, in random order until one takes it. When none
    /// does, the partition hears of it.
    pub fn push(
        self: &Arc<Self>,
        partition: Partition,
        stream: StreamId,
        key: Key,
        job: Box<JobRecord>,
    ) {
        let Ok(permit) = Arc::clone(&self.pushes).try_acquire_owned() else {
            log::debug!("event=job_push_refused key={key} reason=\"too many pushes under way\"");
            return partition.push_failed(key);
        };
        let mut consumers = self.streams().consumers(stream);
        consumers.shuffle(&mut crate::chance::rng());
        let jobs = Arc::clone(self);
        tokio::spawn(async move {
            let payload = JobPush { key: key.0, record: *job }.to_bytes();
            for consumer in consumers {
                match jobs.push_to(&consumer, &payload).await {
                    Ok(()) => return,
                    Err(error) => log::debug!(
                        "event=job_push_failed key={key} member={} stream={} error=\"{error}\"",
                        consumer.member,
                        consumer.id
                    ),
                }
            }
            drop(permit);
            partition.push_failed(key);
        });
    }

    async fn push_to(&self, consumer: &Consumer, payload: &Bytes) -> Result<(), PushError> {
        let members = self.membership.members();
        let known = members
            .by_id(&consumer.member)
            .ok_or_else(|| PushError::NotAMember(consumer.member.clone()))?;
        let address = known.member.address.clone();
        drop(members);
        let request =
            reply::encode(&PushStreamRequest { id: consumer.id, payload: payload.clone() });
        let answer = self.messenger.request(&address, PUSH_SUBJECT, request, PUSH_TIMEOUT).await?;
        // No bytes at all are a success, too (cluster-protocol §8.1).
        if answer.is_empty() {
            return Ok(());
        }
        if Header::decode(&answer)?.is::<StreamError>() {
            let StreamError { code, message, .. } = StreamError::decode(&answer)?;
            return Err(PushError::Refused(format!("{code}: {message}")));
        }
        PushStreamResponse::decode(&answer)?;
        Ok(())
    }

    fn streams(&self) -> std::sync::MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
