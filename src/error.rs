//! The one error of the data path, and the one table from it to gRPC status and HTTP problem.
//!
//! Texts and codes follow the JVM gateway, because clients parse them (command-api §5,
//! gateway-behaviour §2.1, rest-v2 §3.1).

use tonic::Code;

use crate::model::{ErrorCode, PartitionId, RejectionType};

/// Why a command has no success reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The broker processed the command and refused it.
    #[error("Command '{intent}' rejected with code '{rejection}': {reason}")]
    Rejected {
        /// Name of the command's intent.
        intent: &'static str,
        /// The kind of refusal.
        rejection: RejectionType,
        /// The broker's reason.
        reason: String,
    },
    /// The broker could not process the command.
    #[error("{message}")]
    Broker {
        /// The broker's error code.
        code: ErrorCode,
        /// The broker's text.
        message: String,
    },
    /// No reply in time; the command may have been executed.
    #[error("Time out between gateway and broker: {cause}")]
    Timeout {
        /// Which timer ran out.
        cause: String,
    },
    /// The client's input cannot be translated.
    #[error("{0}")]
    InvalidArgument(String),
    /// The caller may not act for this tenant.
    #[error("{0}")]
    TenantNotAuthorized(String),
    /// The key or the partition number names a partition nobody has seen.
    #[error(
        "Expected to execute command on partition {0}, but either it does not exist, or the \
         gateway is not yet aware of it"
    )]
    PartitionNotFound(i64),
    /// No broker was seen yet.
    #[error(
        "Expected to send the request to a partition in the topology, but gateway does not know \
         broker topology. Please try again later. If the error persists contact your zeebe operator."
    )]
    NoTopology,
    /// No partition was seen yet, so a correlation key cannot be hashed.
    #[error(
        "Expected to pick partition for message with correlation key '{correlation_key}', but \
         topology contains no partitions"
    )]
    NoPartitionForMessage {
        /// The key.
        correlation_key: String,
    },
    /// The leader's version is too old for the command; nothing was sent.
    #[error(
        "Expected to send command '{intent}' of {value_type} to partition {partition}, but its \
         leader has version {version}, and only brokers from 8.6 know it"
    )]
    Unsupported {
        /// Name of the command's intent.
        intent: &'static str,
        /// Name of the command's value type.
        value_type: &'static str,
        /// The partition.
        partition: u16,
        /// The leader's version.
        version: String,
    },
    /// The partition has inactive replicas and no leader.
    #[error("The partition {0} is currently INACTIVE with no leader.")]
    PartitionInactive(i64),
    /// Every partition that could take the command failed; none executed it.
    #[error(
        "Expected to execute the command on one of the partitions, but all failed; there are no \
         more partitions available to retry. Please try again. If the error persists contact your \
         zeebe operator"
    )]
    AllPartitionsFailed {
        /// The failures, in the order of the attempts.
        attempts: Vec<GatewayError>,
    },
    /// A poll found no job and a partition was overloaded.
    #[error(
        "Expected to activate jobs of type '{job_type}', but no jobs available and at least one \
         broker returned 'RESOURCE_EXHAUSTED'. Please try again later."
    )]
    JobsExhausted {
        /// The polled type.
        job_type: String,
    },
    /// Activated jobs could not be handed to the client; they were given back.
    #[error("{reason}")]
    JobsNotSent {
        /// Why.
        reason: String,
    },
    /// No connection to the leader: refused, or no leader known. Not executed.
    #[error("{detail}")]
    Connect {
        /// Which address and why, naming the partition.
        detail: String,
    },
    /// Connecting took too long. Not executed.
    #[error("{detail}")]
    ConnectTimeout {
        /// Which address, naming the partition.
        detail: String,
    },
    /// The broker has no handler for the partition: it does not lead it. Not executed.
    #[error("no remote handler for {subject} at {address} (partition {partition})")]
    NoRemoteHandler {
        /// The partition.
        partition: PartitionId,
        /// The messaging subject.
        subject: String,
        /// The broker's address.
        address: String,
    },
    /// The connection went away before the reply; the command may have been executed.
    #[error("{detail}")]
    ConnectionClosed {
        /// Which connection, naming the partition.
        detail: String,
    },
    /// The broker that the command was sent to stopped leading its partition before the reply; the
    /// command may have been executed.
    #[error("{detail}")]
    LeaderChanged {
        /// Which broker, why, naming the partition.
        detail: String,
    },
    /// One of the gateway's own limits is reached; nothing was sent.
    #[error("gateway limit `{limit}` reached: {detail}")]
    Overloaded {
        /// The configuration key of the limit.
        limit: &'static str,
        /// What would have been over it.
        detail: String,
    },
    /// A part of the gateway was restarted while it held the command.
    #[error(
        "{actor} {}was restarted while it handled the command; please try again",
        of_partition(*.partition)
    )]
    ActorRestarted {
        /// The actor's kind.
        actor: &'static str,
        /// The partition, if it serves only one.
        partition: Option<PartitionId>,
    },
    /// The gateway is stopping.
    #[error("gateway is shutting down")]
    ShuttingDown,
    /// Anything else; the text names the cause.
    #[error("Unexpected error occurred during the request processing: {0}")]
    Internal(String),
}

/// The recorded text, and the cause if it tells which partition is concerned.
fn with_partition(recorded: &str, cause: &str) -> String {
    if cause.contains("partition") { format!("{recorded}: {cause}") } else { recorded.to_owned() }
}

fn of_partition(partition: Option<PartitionId>) -> String {
    partition.map_or_else(String::new, |partition| format!("of partition {partition} "))
}

/// What a failure means to a client. Closed on purpose: a new error finds its class here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The request itself is wrong.
    InvalidArgument,
    /// The entity does not exist.
    NotFound,
    /// The entity exists already.
    AlreadyExists,
    /// The entity is in the wrong state.
    FailedPrecondition,
    /// The tenant is not granted.
    PermissionDenied,
    /// A broker or all partitions are overloaded.
    ResourceExhausted,
    /// A limit of this gateway is reached.
    Overloaded,
    /// No leader or no connection.
    Unavailable,
    /// The connection broke while waiting.
    Aborted,
    /// No reply in time.
    DeadlineExceeded,
    /// Jobs could not be handed over.
    Cancelled,
    /// The brokers are too old.
    Unimplemented,
    /// A rejection without a class of its own.
    Unknown,
    /// Everything else.
    Internal,
}

impl ErrorClass {
    /// All classes with their gRPC code and default HTTP status: the table.
    pub const TABLE: &'static [(ErrorClass, Code, u16)] = &[
        (ErrorClass::InvalidArgument, Code::InvalidArgument, 400),
        (ErrorClass::NotFound, Code::NotFound, 404),
        (ErrorClass::AlreadyExists, Code::AlreadyExists, 409),
        (ErrorClass::FailedPrecondition, Code::FailedPrecondition, 409),
        (ErrorClass::PermissionDenied, Code::PermissionDenied, 401),
        (ErrorClass::ResourceExhausted, Code::ResourceExhausted, 429),
        (ErrorClass::Overloaded, Code::ResourceExhausted, 503),
        (ErrorClass::Unavailable, Code::Unavailable, 503),
        (ErrorClass::Aborted, Code::Aborted, 502),
        (ErrorClass::DeadlineExceeded, Code::DeadlineExceeded, 504),
        (ErrorClass::Cancelled, Code::Cancelled, 500),
        (ErrorClass::Unimplemented, Code::Unimplemented, 501),
        (ErrorClass::Unknown, Code::Unknown, 500),
        (ErrorClass::Internal, Code::Internal, 500),
    ];

    fn row(self) -> (Code, u16) {
        Self::TABLE
            .iter()
            .find(|(class, ..)| *class == self)
            .map_or((Code::Internal, 500), |(_, code, status)| (*code, *status))
    }

    /// The gRPC code.
    #[must_use]
    pub fn grpc_code(self) -> Code {
        self.row().0
    }
}

impl GatewayError {
    /// What the failure means to a client.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Rejected { rejection, .. } => match rejection {
                RejectionType::InvalidArgument => ErrorClass::InvalidArgument,
                RejectionType::NotFound => ErrorClass::NotFound,
                RejectionType::AlreadyExists => ErrorClass::AlreadyExists,
                RejectionType::InvalidState => ErrorClass::FailedPrecondition,
                RejectionType::ProcessingError => ErrorClass::Internal,
                _ => ErrorClass::Unknown,
            },
            Self::Broker { code, .. } => match code {
                ErrorCode::ProcessNotFound => ErrorClass::NotFound,
                ErrorCode::ResourceExhausted => ErrorClass::ResourceExhausted,
                ErrorCode::PartitionLeaderMismatch => ErrorClass::Unavailable,
                ErrorCode::MalformedRequest => ErrorClass::InvalidArgument,
                _ => ErrorClass::Internal,
            },
            Self::Timeout { .. } => ErrorClass::DeadlineExceeded,
            Self::InvalidArgument(_) => ErrorClass::InvalidArgument,
            Self::TenantNotAuthorized(_) => ErrorClass::PermissionDenied,
            Self::AllPartitionsFailed { .. } | Self::JobsExhausted { .. } => {
                ErrorClass::ResourceExhausted
            }
            Self::JobsNotSent { .. } => ErrorClass::Cancelled,
            Self::PartitionNotFound(_)
            | Self::NoTopology
            | Self::NoPartitionForMessage { .. }
            | Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::LeaderChanged { .. }
            | Self::ActorRestarted { .. }
            | Self::ShuttingDown => ErrorClass::Unavailable,
            Self::Unsupported { .. } => ErrorClass::Unimplemented,
            Self::ConnectionClosed { .. } => ErrorClass::Aborted,
            Self::Overloaded { .. } => ErrorClass::Overloaded,
            Self::PartitionInactive(_) | Self::NoRemoteHandler { .. } | Self::Internal(_) => {
                ErrorClass::Internal
            }
        }
    }

    /// The gRPC code.
    #[must_use]
    pub fn grpc_code(&self) -> Code {
        self.class().grpc_code()
    }

    /// The text of the gRPC status.
    #[must_use]
    pub fn grpc_message(&self) -> String {
        match self {
            Self::Broker { code, message } if self.class() == ErrorClass::Internal => format!(
                "Unexpected error occurred between gateway and broker (code: {code}) (message: \
                 {message})"
            ),
            Self::PartitionInactive(_) | Self::NoRemoteHandler { .. } => {
                format!("Unexpected error occurred during the request processing: {self}")
            }
            _ => self.to_string(),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self {
            // The JVM gateway knows neither broker overload of all partitions nor missing
            // topology as classes of their own on REST (command-api §5.3).
            Self::NoTopology | Self::NoPartitionForMessage { .. } | Self::JobsExhausted { .. } => {
                500
            }
            Self::Broker { code, .. } => match code {
                ErrorCode::ProcessNotFound => 404,
                ErrorCode::ResourceExhausted => 429,
                ErrorCode::PartitionLeaderMismatch => 503,
                _ => 500,
            },
            other => other.class().row().1,
        }
    }

    /// The title of the HTTP problem document (rest-v2 §3.1). Some are Java class names, because
    /// clients compare them.
    #[must_use]
    pub fn http_title(&self) -> &'static str {
        match self {
            Self::Rejected { rejection, .. } => rejection.name(),
            Self::Broker { code, .. } => code.name(),
            Self::Timeout { .. } => "java.util.concurrent.TimeoutException",
            Self::InvalidArgument(_) => "INVALID_ARGUMENT",
            Self::TenantNotAuthorized(_) => "UNAUTHORIZED",
            Self::PartitionNotFound(_) => {
                "io.camunda.zeebe.broker.client.api.PartitionNotFoundException"
            }
            Self::NoTopology | Self::NoPartitionForMessage { .. } => {
                "io.camunda.zeebe.broker.client.api.NoTopologyAvailableException"
            }
            // What such a broker would answer if it were asked.
            Self::Unsupported { .. } => ErrorCode::UnsupportedMessage.name(),
            Self::PartitionInactive(_) => {
                "io.camunda.zeebe.broker.client.api.PartitionInactiveException"
            }
            Self::AllPartitionsFailed { .. } => {
                "io.camunda.zeebe.gateway.cmd.RequestRetriesExhaustedException"
            }
            Self::JobsExhausted { .. } | Self::JobsNotSent { .. } => "java.lang.RuntimeException",
            Self::Connect { .. } => "java.net.ConnectException",
            Self::ConnectTimeout { .. } => "io.netty.channel.ConnectTimeoutException",
            Self::ConnectionClosed { .. } => {
                "io.atomix.cluster.messaging.MessagingException$ConnectionClosed"
            }
            Self::NoRemoteHandler { .. } => {
                "io.atomix.cluster.messaging.MessagingException$NoRemoteHandler"
            }
            Self::Overloaded { .. } => "RESOURCE_EXHAUSTED",
            Self::LeaderChanged { .. } | Self::ActorRestarted { .. } | Self::ShuttingDown => {
                "UNAVAILABLE"
            }
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// The detail of the HTTP problem document. It begins as with the JVM gateway, whose texts name
    /// neither the partition nor the cause.
    #[must_use]
    pub fn http_detail(&self) -> String {
        match self {
            Self::Broker { code, message } if self.http_status() == 500 => format!(
                "Received an unexpected error from the broker, code: {code}, message: {message}"
            ),
            Self::Timeout { cause } => with_partition(
                "Expected to handle REST API request, but request timed out between gateway and \
                 broker",
                cause,
            ),
            Self::Connect { detail } => with_partition(
                "Expected to handle REST API request, but there was a connection error with one of \
                 the brokers",
                detail,
            ),
            Self::ConnectTimeout { detail } => with_partition(
                "Expected to handle REST API request, but a connection timeout exception occurred",
                detail,
            ),
            Self::ConnectionClosed { detail } => with_partition(
                "Expected to handle REST API request, but the connection was cut prematurely with \
                 the broker; the request may or may not have been accepted, and may not be safe to \
                 retry",
                detail,
            ),
            Self::PartitionNotFound(_) => "Expected to handle REST API request, but request could \
                                           not be delivered"
                .to_owned(),
            Self::NoTopology
            | Self::NoPartitionForMessage { .. }
            | Self::PartitionInactive(_)
            | Self::NoRemoteHandler { .. }
            | Self::JobsExhausted { .. }
            | Self::JobsNotSent { .. } => {
                format!("Unexpected error occurred during the request processing: {self}")
            }
            other => other.to_string(),
        }
    }

    /// Why the answer is RESOURCE_EXHAUSTED, for programs: `BACKPRESSURE`, `DISK_FULL`,
    /// `GATEWAY_LIMIT` or `NO_PARTITION`; `None` for every other answer.
    #[must_use]
    pub fn exhausted_reason(&self) -> Option<&'static str> {
        match self {
            Self::Broker { code: ErrorCode::ResourceExhausted, message } => {
                Some(if message.contains("disk space") { "DISK_FULL" } else { "BACKPRESSURE" })
            }
            Self::JobsExhausted { .. } => Some("BACKPRESSURE"),
            Self::AllPartitionsFailed { attempts } => {
                let reasons = || attempts.iter().filter_map(Self::exhausted_reason);
                // A full disk stays full; back-pressure is what waiting helps against.
                reasons()
                    .find(|one| *one == "BACKPRESSURE")
                    .or_else(|| reasons().next())
                    .or(Some("NO_PARTITION"))
            }
            Self::Overloaded { .. } => Some("GATEWAY_LIMIT"),
            _ => None,
        }
    }

    /// Whether the command provably was not executed, so that it may be sent again elsewhere.
    #[must_use]
    pub fn provably_not_executed(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::ConnectTimeout { .. } | Self::NoRemoteHandler { .. } => {
                true
            }
            Self::Broker { code, .. } => {
                matches!(code, ErrorCode::PartitionLeaderMismatch | ErrorCode::ResourceExhausted)
            }
            _ => false,
        }
    }
}
