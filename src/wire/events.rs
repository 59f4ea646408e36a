//! The event service: who wants which topics, and the one event there is (cluster-protocol §7).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::DecodeError;
use super::broker_info::PropertyError;
use super::kryo::{Basic, Collection, Reader, Writer, class};

/// Name of the member property that lists the topics the member wants.
pub const TOPICS_PROPERTY: &str = "event-service-topics-subscribed";
/// Topic, and subject, of the event that jobs of a type became available.
pub const JOBS_AVAILABLE: &str = "jobsAvailable";

const TOPICS_MAX: u32 = 1024;

/// The property value that lists these topics.
#[must_use]
pub fn topics_to_property(topics: &BTreeSet<String>) -> String {
    STANDARD.encode(encode_topics(topics))
}

/// Reads the property value.
pub fn topics_from_property(value: &str) -> Result<BTreeSet<String>, PropertyError> {
    Ok(decode_topics(&STANDARD.decode(value)?)?)
}

/// A set of topics as bytes.
#[must_use]
pub fn encode_topics(topics: &BTreeSet<String>) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.class(class::HASH_SET);
    writer.collection(topics.len(), class::STRING);
    topics.iter().for_each(|topic| writer.string(topic));
    writer.into_bytes()
}

/// Reads a set of topics; any kind of set or list is accepted.
pub fn decode_topics(bytes: &[u8]) -> Result<BTreeSet<String>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let header = match reader.class()? {
        Some(class::HASH_SET | class::LINKED_HASH_SET | class::ARRAY_LIST | class::LINKED_LIST) => {
            reader.collection()?
        }
        _ => return Err(reader.invalid("an object that is not a set")),
    };
    let Some(Collection { len, class, nullable }) = header else { return Ok(BTreeSet::new()) };
    if len > TOPICS_MAX {
        return Err(reader.invalid("a set with too many topics"));
    }
    let mut topics = BTreeSet::new();
    for _ in 0..len {
        if nullable && !reader.bool()? {
            continue;
        }
        let element = if class.is_some() { class } else { reader.class()? };
        if element != Some(class::STRING) {
            return Err(reader.invalid("a topic that is not a string"));
        }
        topics.extend(reader.string()?);
    }
    reader.finish()?;
    Ok(topics)
}

/// Payload of [`JOBS_AVAILABLE`]: jobs of this type became available.
#[must_use]
pub fn encode_jobs_available(job_type: &str) -> Vec<u8> {
    Basic::String(Some(job_type.to_owned())).encode()
}

/// Reads the payload of [`JOBS_AVAILABLE`]: the job type.
pub fn decode_jobs_available(payload: &[u8]) -> Result<String, DecodeError> {
    match Basic::decode(payload)? {
        Basic::String(Some(job_type)) => Ok(job_type),
        _ => Err(DecodeError::Invalid { offset: 0, what: "a job type that is not a string" }),
    }
}
