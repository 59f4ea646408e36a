//! Messages.

use super::Document;
use super::define::record;
use crate::model::DEFAULT_TENANT;

record! {
    /// Publication of a message.
    pub struct MessageRecord {
        name: String = "name";
        correlation_key: String = "correlationKey";
        /// Milliseconds.
        time_to_live: i64 = "timeToLive";
        variables: Document = "variables" or Document::empty();
        message_id: String = "messageId" or String::new();
        deadline: i64 = "deadline" or -1;
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
    }

    /// Correlation of a message, answered with the instance it reached.
    pub struct MessageCorrelationRecord {
        name: String = "name";
        correlation_key: String = "correlationKey";
        variables: Document = "variables" or Document::empty();
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
        message_key: i64 = "messageKey" or -1;
        request_id: i64 = "requestId" or -1;
        request_stream_id: i32 = "requestStreamId" or -1;
        process_instance_key: i64 = "processInstanceKey" or -1;
    }
}
