//! The job streams that gateways registered, grouped as the engine sees them. Pure bookkeeping.
//!
//! Registrations with equal type and metadata form one *logical* stream; each registration is a
//! *consumer* of it, named by the gateway's id and the gateway (cluster-protocol §8).

use std::collections::BTreeMap;

use uuid::Uuid;

use super::engine::{JobStream, StreamId};
use crate::model::{MemberId, StreamErrorCode};
use crate::wire::record::{JobStreamMetadata, Record};
use crate::wire::sbe::stream::{AddStreamRequest, StreamError};

/// The id that means "none": both halves are the smallest number (cluster-protocol §8.1).
const NIL: Uuid = Uuid::from_u64_pair(i64::MIN as u64, i64::MIN as u64);

/// Who receives jobs of a logical stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Consumer {
    /// The gateway.
    pub member: MemberId,
    /// Its name for the stream.
    pub id: Uuid,
}

/// All registrations.
#[derive(Debug)]
pub struct Streams {
    logical: BTreeMap<StreamId, Logical>,
    next_id: u64,
    registrations: usize,
    limit: usize,
}

#[derive(Debug)]
struct Logical {
    stream: JobStream,
    consumers: Vec<Consumer>,
}

/// Whether the set of logical streams is another one now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Change {
    /// The engines have to know.
    Set,
    /// At most the consumers changed.
    None,
}

impl Streams {
    /// No registrations, and room for `limit`.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { logical: BTreeMap::new(), next_id: 1, registrations: 0, limit }
    }

    /// Registers a stream of `member`. Registering the same id again changes nothing.
    ///
    /// # Errors
    /// What the gateway gets: the request is not acceptable, or there are too many registrations.
    pub fn add(
        &mut self,
        member: &MemberId,
        request: &AddStreamRequest,
    ) -> Result<Change, StreamError> {
        let stream = read_stream(request)?;
        let consumer = Consumer { member: member.clone(), id: request.id };
        if self.logical.values().any(|logical| logical.consumers.contains(&consumer)) {
            return Ok(Change::None);
        }
        if self.registrations >= self.limit {
            let message = format!("this broker takes at most {} job streams", self.limit);
            return Err(error(StreamErrorCode::Exhausted, message));
        }
        self.registrations += 1;
        let same = |logical: &&mut Logical| same_jobs(&logical.stream, &stream);
        if let Some(logical) = self.logical.values_mut().find(same) {
            logical.consumers.push(consumer);
            return Ok(Change::None);
        }
        let id = StreamId(self.next_id);
        self.next_id += 1;
        let stream = JobStream { id, ..stream };
        self.logical.insert(id, Logical { stream, consumers: vec![consumer] });
        Ok(Change::Set)
    }

    /// Takes one registration back. An unknown one is fine.
    ///
    /// # Errors
    /// The id is nil.
    pub fn remove(&mut self, member: &MemberId, id: Uuid) -> Result<Change, StreamError> {
        check_id(id)?;
        Ok(self.retain(|consumer| !(consumer.id == id && consumer.member == *member)))
    }

    /// Takes all registrations of a member back.
    pub fn remove_all(&mut self, member: &MemberId) -> Change {
        self.retain(|consumer| consumer.member != *member)
    }

    fn retain(&mut self, keep: impl Fn(&Consumer) -> bool) -> Change {
        let before = self.logical.len();
        let mut registrations = 0;
        self.logical.retain(|_, logical| {
            logical.consumers.retain(&keep);
            registrations += logical.consumers.len();
            !logical.consumers.is_empty()
        });
        self.registrations = registrations;
        if self.logical.len() == before { Change::None } else { Change::Set }
    }

    /// The logical streams.
    #[must_use]
    pub fn list(&self) -> Vec<JobStream> {
        self.logical.values().map(|logical| logical.stream.clone()).collect()
    }

    /// Who may receive a job of this logical stream, in order of registration.
    #[must_use]
    pub fn consumers(&self, id: StreamId) -> Vec<Consumer> {
        self.logical.get(&id).map(|logical| logical.consumers.clone()).unwrap_or_default()
    }

    /// Number of registrations.
    #[must_use]
    pub const fn registrations(&self) -> usize {
        self.registrations
    }
}

fn same_jobs(one: &JobStream, other: &JobStream) -> bool {
    one == &JobStream { id: one.id, ..other.clone() }
}

fn read_stream(request: &AddStreamRequest) -> Result<JobStream, StreamError> {
    check_id(request.id)?;
    let job_type = std::str::from_utf8(&request.stream_type)
        .map_err(|_| error(StreamErrorCode::Malformed, "the stream type is not UTF-8"))?;
    if job_type.is_empty() {
        return Err(error(StreamErrorCode::Invalid, "the stream type is empty"));
    }
    let metadata = JobStreamMetadata::from_bytes(&request.metadata).map_err(|cause| {
        error(StreamErrorCode::Malformed, format!("cannot read the metadata: {cause}"))
    })?;
    Ok(JobStream {
        id: StreamId(0),
        job_type: job_type.to_owned(),
        worker: metadata.worker,
        timeout_ms: metadata.timeout,
        fetch_variables: metadata.variables,
        tenants: metadata.tenant_ids,
    })
}

fn check_id(id: Uuid) -> Result<(), StreamError> {
    if id == NIL {
        return Err(error(StreamErrorCode::Invalid, "the stream id is nil"));
    }
    Ok(())
}

fn error(code: StreamErrorCode, message: impl Into<String>) -> StreamError {
    StreamError { code, message: message.into(), details: Vec::new() }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn metadata_of(stream: &JobStream) -> Bytes {
        JobStreamMetadata {
            worker: stream.worker.clone(),
            timeout: stream.timeout_ms,
            variables: stream.fetch_variables.clone(),
            tenant_ids: stream.tenants.clone(),
        }
        .to_bytes()
    }

    fn request(id: u128, job_type: &str, worker: &str) -> AddStreamRequest {
        let stream = JobStream {
            id: StreamId(0),
            job_type: job_type.to_owned(),
            worker: worker.to_owned(),
            timeout_ms: 1000,
            fetch_variables: Vec::new(),
            tenants: vec!["<default>".to_owned()],
        };
        AddStreamRequest {
            id: Uuid::from_u128(id),
            stream_type: Bytes::from(job_type.to_owned()),
            metadata: metadata_of(&stream),
        }
    }

    fn code_of(result: Result<Change, StreamError>) -> StreamErrorCode {
        result.unwrap_err().code
    }

    #[test]
    fn equal_streams_are_one_for_the_engine() {
        let (one, two) = (MemberId::new("gateway-1"), MemberId::new("gateway-2"));
        let mut streams = Streams::new(10);
        assert_eq!(streams.add(&one, &request(1, "pay", "w")).unwrap(), Change::Set);
        assert_eq!(streams.add(&one, &request(1, "pay", "w")).unwrap(), Change::None);
        assert_eq!(streams.add(&two, &request(1, "pay", "w")).unwrap(), Change::None);
        assert_eq!(streams.add(&two, &request(2, "pay", "other")).unwrap(), Change::Set);
        let list = streams.list();
        assert_eq!(list.len(), 2);
        assert_eq!((list[0].job_type.as_str(), list[0].worker.as_str()), ("pay", "w"));
        let consumers = streams.consumers(list[0].id);
        let expected =
            [one.clone(), two.clone()].map(|member| Consumer { member, id: Uuid::from_u128(1) });
        assert_eq!(consumers, expected);
        assert_eq!(streams.remove(&one, Uuid::from_u128(1)).unwrap(), Change::None);
        assert_eq!(streams.remove(&one, Uuid::from_u128(9)).unwrap(), Change::None);
        assert_eq!(streams.remove_all(&two), Change::Set);
        assert_eq!((streams.list().len(), streams.registrations()), (0, 0));
        assert_eq!(streams.consumers(list[0].id), []);
    }

    #[test]
    fn refusals_have_the_codes_of_a_jvm_broker() {
        let member = MemberId::new("gateway");
        let mut streams = Streams::new(1);
        let mut bad = request(1, "pay", "w");
        bad.metadata = Bytes::new();
        assert_eq!(code_of(streams.add(&member, &bad)), StreamErrorCode::Malformed);
        bad.metadata = Bytes::from_static(&[0x05]);
        assert_eq!(code_of(streams.add(&member, &bad)), StreamErrorCode::Malformed);
        assert_eq!(code_of(streams.add(&member, &request(1, "", "w"))), StreamErrorCode::Invalid);
        bad = request(1, "pay", "w");
        bad.id = NIL;
        assert_eq!(code_of(streams.add(&member, &bad)), StreamErrorCode::Invalid);
        assert_eq!(code_of(streams.remove(&member, NIL)), StreamErrorCode::Invalid);
        assert_eq!(streams.registrations(), 0);
        // The all-zero id and empty metadata are fine.
        bad = AddStreamRequest { metadata: Bytes::from_static(&[0x80]), ..request(0, "a", "") };
        assert_eq!(streams.add(&member, &bad).unwrap(), Change::Set);
        assert_eq!(
            code_of(streams.add(&member, &request(2, "b", "w"))),
            StreamErrorCode::Exhausted
        );
    }
}
