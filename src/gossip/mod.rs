//! Who is in the cluster: the SWIM protocol as Zeebe speaks it, without IO and without a clock.
//!
//! [`Swim`] takes requests, replies, datagrams and the time, and gives requests, replies, datagrams
//! and events. The topology drives one for the gateway, the embedded broker one for itself.
//! [`BrokerDirectory`] turns the events into the cluster view that commands are routed by.
//! Source: cluster-protocol §3; states and deviations: `src/gossip/LIFECYCLE.md`.
//!
//! Invariants: same seed and inputs give the same outputs; every collection fed from outside has a
//! limit; every request is answered within the call that brings it, except probes on behalf.

mod broker_directory;
mod config;
mod detector;
mod members;
mod swim;
mod targets;
#[cfg(test)]
mod tests;

use crate::model::{MemberId, Millis};
use crate::wire::swim::{Address, Member, Properties, Request, Response, Version};

pub use broker_directory::{BrokerDirectory, Change, ConfigurationAnswer};
pub use config::{Limits, SwimConfig};
pub use members::{Counters, KnownMember};
pub use swim::Swim;

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwimIdentity {
    /// Our member id; must be unique in the cluster.
    pub id: MemberId,
    /// Our advertised address.
    pub address: Address,
    /// Version of our program.
    pub version: Option<Version>,
    /// What we tell about ourselves from the start.
    pub properties: Properties,
}

/// Names a request of ours until it is answered, failed or timed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestToken(pub u64);

/// Names a request of somebody else that waits for our reply; chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyToken(pub u64);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Time passed.
    Tick,
    /// A member asks something.
    Request {
        /// Repeated by [`Output::Reply`].
        token: ReplyToken,
        /// What it asks.
        request: Request,
    },
    /// A request of ours was answered.
    Response {
        /// Which.
        token: RequestToken,
        /// The answer.
        response: Response,
    },
    /// A request of ours failed: refused, closed, or answered with a bad status.
    RequestFailed {
        /// Which.
        token: RequestToken,
    },
    /// A gossip datagram arrived.
    Gossip(Vec<Member>),
    /// Tell something about ourselves from now on; `None` takes it back from what we send, but
    /// others keep what they once heard.
    SetProperty {
        /// Name of the property.
        name: String,
        /// Its value.
        value: Option<String>,
    },
    /// These are the contact points from now on.
    SetContactPoints(Vec<Address>),
    /// We are about to end: everybody is told, so that nobody has to find out by suspecting us.
    Leave,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask a member over a fresh connection. No answer within `timeout` counts as failed, whether
    /// it is reported or not.
    Send {
        /// Whom.
        to: Address,
        /// Repeated by the response.
        token: RequestToken,
        /// What.
        request: Request,
        /// How long the answer may take, connecting included.
        timeout: Millis,
    },
    /// Answer a member.
    Reply {
        /// Which request.
        token: ReplyToken,
        /// The answer.
        response: Response,
    },
    /// Send a gossip datagram.
    Datagram {
        /// Whom.
        to: Address,
        /// Its content.
        updates: Vec<Member>,
    },
    /// The membership changed.
    Event(Event),
}

/// A change of the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member joined, or came back as a new process.
    MemberAdded(Member),
    /// A member is gone, or its process was replaced.
    MemberRemoved(Member),
    /// A member became suspect or is no longer.
    ReachabilityChanged(Member),
    /// A member, or we, tell something else about it or us.
    MetadataChanged(Member),
    /// Somebody else uses our member id; brokers will take the two for one.
    IdentityConflict(Member),
}
