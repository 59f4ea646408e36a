//! Intents: what a command asks for, or what an event says happened (command-api §1.4).
//!
//! An intent is a number whose meaning depends on the value type, so each value type has a module.

macro_rules! intents {
    ($($(#[$meta:meta])* $module:ident { $($name:ident = $number:literal,)* })*) => {
        $(
            $(#[$meta])*
            pub mod $module {
                $(#[doc = concat!("`", stringify!($name), "`.")] pub const $name: u8 = $number;)*
            }
        )*
    };
}

intents! {
    /// DEPLOYMENT.
    deployment { CREATE = 0, CREATED = 1, }
    /// PROCESS_INSTANCE_CREATION.
    process_instance_creation { CREATE = 0, CREATED = 1, CREATE_WITH_AWAITING_RESULT = 2, }
    /// PROCESS_INSTANCE_RESULT.
    process_instance_result { COMPLETED = 0, }
    /// PROCESS_INSTANCE.
    process_instance { CANCEL = 0, ELEMENT_TERMINATING = 6, }
    /// PROCESS_INSTANCE_MODIFICATION.
    process_instance_modification { MODIFY = 0, MODIFIED = 1, }
    /// PROCESS_INSTANCE_MIGRATION.
    process_instance_migration { MIGRATE = 0, MIGRATED = 1, }
    /// MESSAGE.
    message { PUBLISH = 0, PUBLISHED = 1, }
    /// MESSAGE_CORRELATION.
    message_correlation { CORRELATE = 1, CORRELATED = 3, }
    /// SIGNAL.
    signal { BROADCAST = 0, BROADCASTED = 1, }
    /// JOB_BATCH.
    job_batch { ACTIVATE = 0, ACTIVATED = 1, }
    /// JOB.
    job {
        COMPLETE = 1, COMPLETED = 2, FAIL = 5, FAILED = 6, UPDATE_RETRIES = 7, RETRIES_UPDATED = 8,
        THROW_ERROR = 11, ERROR_THROWN = 12, UPDATE_TIMEOUT = 17, TIMEOUT_UPDATED = 18,
        UPDATE = 20, UPDATED = 21,
    }
    /// INCIDENT.
    incident { RESOLVE = 1, RESOLVED = 2, }
    /// VARIABLE_DOCUMENT.
    variable_document { UPDATE = 0, UPDATED = 1, }
    /// DECISION_EVALUATION.
    decision_evaluation { EVALUATED = 0, FAILED = 1, EVALUATE = 2, }
    /// RESOURCE_DELETION.
    resource_deletion { DELETE = 0, DELETING = 1, }
    /// USER_TASK.
    user_task {
        COMPLETE = 2, COMPLETED = 4, ASSIGN = 7, ASSIGNED = 9, CLAIM = 10, UPDATE = 11, UPDATED = 13,
    }
    /// CLOCK.
    clock { PIN = 0, PINNED = 1, RESET = 2, RESETTED = 3, }
    /// CHECKPOINT.
    checkpoint { CREATED = 1, IGNORED = 2, }
}
