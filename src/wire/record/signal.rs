//! Signals.

use super::Document;
use super::define::record;
use crate::model::DEFAULT_TENANT;

record! {
    /// Broadcast of a signal.
    pub struct SignalRecord {
        signal_name: String = "signalName";
        variables: Document = "variables" or Document::empty();
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
    }
}
