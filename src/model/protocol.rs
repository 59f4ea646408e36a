//! Enumerations of the broker protocol with their numbers (command-api §1.3).

use serde::Serialize;

macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal => $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub enum $name {
            $($(#[$vmeta])* #[doc = concat!("`", $text, "`, number ", $number, " on the wire.")] $variant,)*
            /// A number this version does not know; newer brokers may send it.
            Unknown(u8),
        }

        impl $name {
            /// The value with this number on the wire.
            #[must_use]
            pub const fn from_wire(number: u8) -> Self {
                match number { $($number => Self::$variant,)* other => Self::Unknown(other) }
            }

            /// The number on the wire.
            #[must_use]
            pub const fn to_wire(self) -> u8 {
                match self { $(Self::$variant => $number,)* Self::Unknown(other) => other }
            }

            /// The protocol's name for the value.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* Self::Unknown(_) => "SBE_UNKNOWN" }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

wire_enum! {
    /// What kind of thing a record is about.
    ValueType {
        Job = 0 => "JOB",
        Deployment = 4 => "DEPLOYMENT",
        ProcessInstance = 5 => "PROCESS_INSTANCE",
        Incident = 6 => "INCIDENT",
        Message = 10 => "MESSAGE",
        MessageSubscription = 11 => "MESSAGE_SUBSCRIPTION",
        ProcessMessageSubscription = 12 => "PROCESS_MESSAGE_SUBSCRIPTION",
        JobBatch = 14 => "JOB_BATCH",
        Timer = 15 => "TIMER",
        MessageStartEventSubscription = 16 => "MESSAGE_START_EVENT_SUBSCRIPTION",
        Variable = 17 => "VARIABLE",
        VariableDocument = 18 => "VARIABLE_DOCUMENT",
        ProcessInstanceCreation = 19 => "PROCESS_INSTANCE_CREATION",
        Error = 20 => "ERROR",
        ProcessInstanceResult = 21 => "PROCESS_INSTANCE_RESULT",
        Process = 22 => "PROCESS",
        DeploymentDistribution = 23 => "DEPLOYMENT_DISTRIBUTION",
        ProcessEvent = 24 => "PROCESS_EVENT",
        Decision = 25 => "DECISION",
        DecisionRequirements = 26 => "DECISION_REQUIREMENTS",
        DecisionEvaluation = 27 => "DECISION_EVALUATION",
        ProcessInstanceModification = 28 => "PROCESS_INSTANCE_MODIFICATION",
        Escalation = 29 => "ESCALATION",
        SignalSubscription = 30 => "SIGNAL_SUBSCRIPTION",
        Signal = 31 => "SIGNAL",
        ResourceDeletion = 32 => "RESOURCE_DELETION",
        CommandDistribution = 33 => "COMMAND_DISTRIBUTION",
        ProcessInstanceBatch = 34 => "PROCESS_INSTANCE_BATCH",
        MessageBatch = 35 => "MESSAGE_BATCH",
        Form = 36 => "FORM",
        UserTask = 37 => "USER_TASK",
        ProcessInstanceMigration = 38 => "PROCESS_INSTANCE_MIGRATION",
        CompensationSubscription = 39 => "COMPENSATION_SUBSCRIPTION",
        MessageCorrelation = 40 => "MESSAGE_CORRELATION",
        User = 41 => "USER",
        Clock = 42 => "CLOCK",
        Authorization = 43 => "AUTHORIZATION",
        Checkpoint = 254 => "CHECKPOINT",
    }
}

wire_enum! {
    /// Whether a record states what happened, asks for something, or refuses it.
    RecordType {
        Event = 0 => "EVENT",
        Command = 1 => "COMMAND",
        CommandRejection = 2 => "COMMAND_REJECTION",
    }
}

wire_enum! {
    /// Why a broker refused a command.
    RejectionType {
        InvalidArgument = 0 => "INVALID_ARGUMENT",
        NotFound = 1 => "NOT_FOUND",
        AlreadyExists = 2 => "ALREADY_EXISTS",
        InvalidState = 3 => "INVALID_STATE",
        ProcessingError = 4 => "PROCESSING_ERROR",
        ExceededBatchRecordSize = 5 => "EXCEEDED_BATCH_RECORD_SIZE",
        Unauthorized = 6 => "UNAUTHORIZED",
        Forbidden = 7 => "FORBIDDEN",
        NullVal = 255 => "NULL_VAL",
    }
}

wire_enum! {
    /// Why a broker could not process a request at all.
    ErrorCode {
        InternalError = 0 => "INTERNAL_ERROR",
        PartitionLeaderMismatch = 1 => "PARTITION_LEADER_MISMATCH",
        UnsupportedMessage = 2 => "UNSUPPORTED_MESSAGE",
        InvalidClientVersion = 3 => "INVALID_CLIENT_VERSION",
        MalformedRequest = 4 => "MALFORMED_REQUEST",
        InvalidMessageTemplate = 5 => "INVALID_MESSAGE_TEMPLATE",
        InvalidDeploymentPartition = 6 => "INVALID_DEPLOYMENT_PARTITION",
        ProcessNotFound = 7 => "PROCESS_NOT_FOUND",
        ResourceExhausted = 8 => "RESOURCE_EXHAUSTED",
        PartitionUnavailable = 9 => "PARTITION_UNAVAILABLE",
    }
}

wire_enum! {
    /// What a broker does for a partition.
    PartitionRole {
        Leader = 0 => "LEADER",
        Follower = 1 => "FOLLOWER",
        Inactive = 2 => "INACTIVE",
    }
}

wire_enum! {
    /// Health of a partition on one broker.
    PartitionHealth {
        Unhealthy = 0 => "UNHEALTHY",
        Healthy = 1 => "HEALTHY",
        Dead = 2 => "DEAD",
    }
}

wire_enum! {
    /// What a management request asks of a partition (command-api §1.3, schema 1).
    AdminRequestType {
        StepDownIfNotPrimary = 0 => "STEP_DOWN_IF_NOT_PRIMARY",
        PauseExporting = 1 => "PAUSE_EXPORTING",
        ResumeExporting = 2 => "RESUME_EXPORTING",
        BanInstance = 3 => "BAN_INSTANCE",
        SoftPauseExporting = 4 => "SOFT_PAUSE_EXPORTING",
        SetFlowControl = 5 => "SET_FLOW_CONTROL",
        GetFlowControl = 6 => "GET_FLOW_CONTROL",
    }
}

wire_enum! {
    /// What a backup request asks of a partition (command-api §1.3, schema 1).
    BackupRequestType {
        TakeBackup = 0 => "TAKE_BACKUP",
        QueryStatus = 1 => "QUERY_STATUS",
        List = 2 => "LIST",
        Delete = 3 => "DELETE",
    }
}

wire_enum! {
    /// State of a backup in a partition (command-api §1.3, schema 1).
    BackupStatusCode {
        DoesNotExist = 0 => "DOES_NOT_EXIST",
        InProgress = 1 => "IN_PROGRESS",
        Completed = 2 => "COMPLETED",
        Failed = 3 => "FAILED",
    }
}

wire_enum! {
    /// Why a request about a job stream failed (command-api §1.2, schema 2).
    StreamErrorCode {
        Internal = 0 => "INTERNAL",
        NotFound = 1 => "NOT_FOUND",
        Invalid = 2 => "INVALID",
        Malformed = 3 => "MALFORMED",
        Exhausted = 4 => "EXHAUSTED",
        Blocked = 5 => "BLOCKED",
    }
}
