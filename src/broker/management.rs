//! `query-api-P`, `admin-api-P` and `backup-api-P` (command-api §1.2, §8).
//!
//! The embedded broker has no exporters, so pausing them only changes the mode it reports; it has no
//! backup store and refuses backups like a JVM broker without one; it cannot ban instances.

use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;

use super::command_api::Refusal;
use super::limits::Limits;
use super::partition::Partition;
use super::reply;
use crate::model::{AdminRequestType, ErrorCode};
use crate::net::{Handler, Message, Responder};
use crate::wire::sbe::admin::{AdminRequest, AdminResponse};
use crate::wire::sbe::backup::BackupRequest;
use crate::wire::sbe::{ExecuteQueryRequest, Header, Message as SbeMessage};

const NO_BACKUP_STORE: &str = "Cannot process backup requests. No backup store is configured. To \
    use this feature, configure backup in broker configuration.";

/// Which of the three subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `query-api-P`.
    Query,
    /// `admin-api-P`.
    Admin,
    /// `backup-api-P`.
    Backup,
}

/// What exporters would do if there were any.
#[derive(Debug, Default)]
pub struct ExportingMode(AtomicU8);

impl ExportingMode {
    const NAMES: [&'static str; 3] = ["EXPORTING", "PAUSED", "SOFT_PAUSED"];

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let mode = usize::from(self.0.load(Ordering::Relaxed));
        Self::NAMES.get(mode).copied().unwrap_or(Self::NAMES[0])
    }

    fn set(&self, mode: u8) {
        self.0.store(mode, Ordering::Relaxed);
    }
}

/// Handles the management requests of one partition.
#[derive(Debug)]
pub struct Management {
    /// Which subject.
    pub kind: Kind,
    /// Its queue length is part of an answer.
    pub partition: Partition,
    /// Part of an answer.
    pub limits: Limits,
    /// What exporters would do.
    pub exporting: std::sync::Arc<ExportingMode>,
}

impl Handler for Management {
    fn handle(&self, message: Message, responder: Responder) {
        let answer = match self.kind {
            Kind::Query => query(&message.payload),
            Kind::Admin => self.admin(&message.payload),
            Kind::Backup => backup(&message.payload),
        };
        responder.reply(answer.unwrap_or_else(|refusal| refusal.to_bytes()));
    }
}

impl Management {
    fn admin(&self, payload: &Bytes) -> Result<Bytes, Refusal> {
        let request: AdminRequest = read(payload)?;
        let payload = match request.kind {
            // It leads all its partitions and is the only replica.
            AdminRequestType::StepDownIfNotPrimary => Bytes::new(),
            AdminRequestType::PauseExporting => self.set_exporting(1),
            AdminRequestType::ResumeExporting => self.set_exporting(0),
            AdminRequestType::SoftPauseExporting => self.set_exporting(2),
            AdminRequestType::GetFlowControl => self.flow_control(),
            AdminRequestType::BanInstance => {
                return Err(Refusal::unsupported("The embedded broker cannot ban instances"));
            }
            AdminRequestType::SetFlowControl => {
                return Err(Refusal::unsupported(
                    "The embedded broker's flow control is fixed and cannot be configured",
                ));
            }
            AdminRequestType::Unknown(_) => return Err(unknown_admin_type()),
        };
        Ok(reply::encode(&AdminResponse { payload }))
    }

    fn set_exporting(&self, mode: u8) -> Bytes {
        self.exporting.set(mode);
        log::info!("event=exporting_mode_set mode={}", self.exporting.name());
        Bytes::new()
    }

    fn flow_control(&self) -> Bytes {
        let json = serde_json::json!({
            "requestLimiter": {
                "limit": self.limits.queued_commands,
                "inflight": self.partition.queued_commands(),
            },
            "writeRateLimit": null,
        });
        Bytes::from(json.to_string())
    }
}

fn query(payload: &Bytes) -> Result<Bytes, Refusal> {
    let _: ExecuteQueryRequest = read(payload)?;
    // Like a JVM broker's default.
    Err(Refusal::unsupported("Failed to handle query as the query API is disabled"))
}

fn backup(payload: &Bytes) -> Result<Bytes, Refusal> {
    let _: BackupRequest = read(payload)?;
    Err(Refusal::unsupported(NO_BACKUP_STORE))
}

fn read<M: SbeMessage>(payload: &Bytes) -> Result<M, Refusal> {
    let header = Header::decode(payload)?;
    if header.template_id != M::TEMPLATE {
        return Err(Refusal::template(M::TEMPLATE, header.template_id));
    }
    Ok(M::decode(payload)?)
}

fn unknown_admin_type() -> Refusal {
    let message = "Expected to handle only messages of type [STEP_DOWN_IF_NOT_PRIMARY, \
        PAUSE_EXPORTING, RESUME_EXPORTING, BAN_INSTANCE, SOFT_PAUSE_EXPORTING, SET_FLOW_CONTROL, \
        GET_FLOW_CONTROL], but received one of type 'SBE_UNKNOWN'";
    Refusal { code: ErrorCode::UnsupportedMessage, message: message.to_owned() }
}
