//! Membership messages: members, requests, replies, datagrams (cluster-protocol §3).
//!
//! The gossip core speaks the values of this module; the topology and the embedded broker turn them
//! into payloads and datagrams here. Encoding is byte-identical to the JVM's, decoding accepts any
//! field order, unknown fields and any chunk cuts.

mod datagram;
mod decode;
mod encode;
mod version;

use std::collections::BTreeMap;

pub use datagram::{Datagram, DatagramError};
pub use version::Version;

pub use super::Address;

use super::DecodeError;
use crate::model::{MemberId, MemberState, Millis};

/// Subject of probes.
pub const PROBE_SUBJECT: &str = "atomix-membership-probe";
/// Subject of synchronisations.
pub const SYNC_SUBJECT: &str = "atomix-membership-sync";
/// Subject of requests to probe somebody on the sender's behalf.
pub const PROBE_REQUEST_SUBJECT: &str = "atomix-membership-probe-request";
/// Subject of gossip datagrams.
pub const GOSSIP_SUBJECT: &str = "atomix-membership-gossip";

/// Most members a received list may have.
pub const MEMBERS_MAX: u32 = 4096;
/// Most properties a received member may have; Zeebe uses two.
pub const PROPERTIES_MAX: u32 = 64;

/// What a member tells about itself, by name. Sorted, so that equal maps have equal bytes.
pub type Properties = BTreeMap<String, String>;

/// A member of the cluster as somebody knows it (cluster-protocol §3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// Its advertised address.
    pub address: Address,
    /// Version of its program; unknown for placeholders.
    pub version: Option<Version>,
    /// When its process started, by its own clock.
    pub timestamp: Millis,
    /// Grows with each change it makes to itself; decides which of two opinions is newer.
    pub incarnation: i64,
    /// The sender's opinion of it; none for placeholders.
    pub state: Option<MemberState>,
    /// What it tells about itself.
    pub properties: Properties,
}

impl Member {
    /// Stands for a contact point whose member is not known yet (cluster-protocol §3.5).
    #[must_use]
    pub fn placeholder(id: MemberId, address: Address) -> Self {
        Self {
            id,
            address,
            version: None,
            timestamp: Millis(0),
            incarnation: 0,
            state: None,
            properties: Properties::new(),
        }
    }
}

/// A membership request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Asks whether the receiver lives; answered with [`Response::Member`].
    Probe {
        /// The asking member itself.
        prober: Box<Member>,
        /// The receiver as the asking member knows it.
        target: Box<Member>,
    },
    /// Asks for all members; carries the asking member, answered with [`Response::Members`].
    Sync(Box<Member>),
    /// Asks to probe this member on the sender's behalf; answered with [`Response::Reachable`].
    ProbeFor(Box<Member>),
}

/// Kinds of membership requests; says how to read the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// [`Request::Probe`].
    Probe,
    /// [`Request::Sync`].
    Sync,
    /// [`Request::ProbeFor`].
    ProbeFor,
}

/// A membership response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The answering member itself.
    Member(Box<Member>),
    /// All members the answering one knows, itself included.
    Members(Vec<Member>),
    /// Whether the member asked about answered.
    Reachable(bool),
}

impl RequestKind {
    /// The kind a subject stands for; `None` when it is not a membership subject.
    #[must_use]
    pub fn from_subject(subject: &str) -> Option<Self> {
        match subject {
            PROBE_SUBJECT => Some(Self::Probe),
            SYNC_SUBJECT => Some(Self::Sync),
            PROBE_REQUEST_SUBJECT => Some(Self::ProbeFor),
            _ => None,
        }
    }

    /// The subject requests of this kind are sent to.
    #[must_use]
    pub const fn subject(self) -> &'static str {
        match self {
            Self::Probe => PROBE_SUBJECT,
            Self::Sync => SYNC_SUBJECT,
            Self::ProbeFor => PROBE_REQUEST_SUBJECT,
        }
    }

    /// Reads a request payload of this kind.
    pub fn decode_request(self, payload: &[u8]) -> Result<Request, DecodeError> {
        Ok(match self {
            Self::Probe => {
                let (prober, target) = decode::pair(payload)?;
                Request::Probe { prober: Box::new(prober), target: Box::new(target) }
            }
            Self::Sync => Request::Sync(Box::new(decode::member(payload)?)),
            Self::ProbeFor => Request::ProbeFor(Box::new(decode::member(payload)?)),
        })
    }

    /// Reads the payload that answers a request of this kind.
    pub fn decode_response(self, payload: &[u8]) -> Result<Response, DecodeError> {
        Ok(match self {
            Self::Probe => Response::Member(Box::new(decode::member(payload)?)),
            Self::Sync => Response::Members(decode::members(payload)?),
            Self::ProbeFor => Response::Reachable(decode::boolean(payload)?),
        })
    }
}

impl Request {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> RequestKind {
        match self {
            Self::Probe { .. } => RequestKind::Probe,
            Self::Sync(_) => RequestKind::Sync,
            Self::ProbeFor(_) => RequestKind::ProbeFor,
        }
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Probe { prober, target } => encode::pair(prober, target),
            Self::Sync(member) | Self::ProbeFor(member) => encode::member(member),
        }
    }
}

impl Response {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Member(member) => encode::member(member),
            Self::Members(members) => encode::members(members),
            Self::Reachable(reachable) => encode::boolean(*reachable),
        }
    }
}

/// The payload of a gossip datagram.
#[must_use]
pub fn encode_gossip(updates: &[Member]) -> Vec<u8> {
    encode::members(updates)
}

/// Reads the payload of a gossip datagram.
pub fn decode_gossip(payload: &[u8]) -> Result<Vec<Member>, DecodeError> {
    decode::members(payload)
}
