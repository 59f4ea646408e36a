//! What a client asks for when it wants jobs.

use bytes::Bytes;

/// Which frontend a request came through; some rules differ (command-api §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Frontend {
    /// gRPC.
    Grpc,
    /// REST.
    Rest,
}

/// A poll for jobs.
#[derive(Clone, Debug)]
pub struct ActivateJobs {
    /// Where it came from.
    pub frontend: Frontend,
    /// Job type.
    pub job_type: String,
    /// Worker name.
    pub worker: String,
    /// How long the jobs stay locked, milliseconds.
    pub timeout_ms: i64,
    /// At most this many jobs.
    pub max_jobs: i32,
    /// Names of the variables wanted; empty means all.
    pub fetch_variables: Vec<String>,
    /// Tenants to take jobs from.
    pub tenant_ids: Vec<String>,
    /// Long-polling time in milliseconds: 0 takes the configured one, negative disables long polling.
    pub request_timeout_ms: i64,
    /// The MsgPack AuthInfo.
    pub authorization: Bytes,
    /// Largest answer the frontend can send, in bytes; `None` where there is no limit.
    pub max_response_bytes: Option<usize>,
}

/// A stream of pushed jobs. Clients with equal values share one registration at the brokers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamJobs {
    /// Job type.
    pub job_type: String,
    /// Worker name.
    pub worker: String,
    /// How long the jobs stay locked, milliseconds.
    pub timeout_ms: i64,
    /// Names of the variables wanted, in order; empty means all.
    pub fetch_variables: Vec<String>,
    /// Tenants to take jobs from.
    pub tenant_ids: Vec<String>,
}
