//! Schema 1, second half: backups of a partition, topic `backup-api-<partition>`
//! (command-api §1.2, §8).
//!
//! The order of the data fields is the one on the wire, which the published schema contradicts.

use bytes::{BufMut, Bytes, BytesMut};

use super::layout::{Block, Body, Field, Fixed, Message, put_var, var_len};
use crate::model::{BackupRequestType, BackupStatusCode};
use crate::wire::DecodeError;

const SCHEMA: u16 = 1;
const VERSION: u16 = 0;

/// Asks a partition's leader to take, show, list or delete backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupRequest {
    /// Target partition.
    pub partition: u16,
    /// What to do.
    pub kind: BackupRequestType,
    /// The backup, -1 for LIST.
    pub backup_id: i64,
    /// Whether to append an empty `pattern`: brokers from 8.8 read it unconditionally although
    /// the schema version is the same; older ones ignore it (command-api §7.2).
    pub pattern: bool,
}

impl BackupRequest {
    const PARTITION: Field<u16> = Field::at(0);
    const KIND: Field<u8> = Field::at(2);
    const BACKUP_ID: Field<i64> = Field::at(3);
}

impl Message for BackupRequest {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 3;
    const BLOCK_LENGTH: u16 = 11;
    const NAME: &'static str = "BackupRequest";

    fn encode(&self, out: &mut BytesMut) {
        Block::<11>::new()
            .put(Self::PARTITION, self.partition)
            .put(Self::KIND, self.kind.to_wire())
            .put(Self::BACKUP_ID, self.backup_id)
            .begin::<Self>(out, if self.pattern { var_len(&[]) } else { 0 });
        if self.pattern {
            put_var(out, &[]);
        }
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let body = Body::open_any_schema::<Self>(input)?;
        Ok(Self {
            partition: body.get(Self::PARTITION)?,
            kind: BackupRequestType::from_wire(body.get(Self::KIND)?),
            backup_id: body.get(Self::BACKUP_ID)?,
            pattern: body.has_var(0),
        })
    }
}

/// State of one backup in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupStatusResponse {
    /// The backup.
    pub backup_id: i64,
    /// Its state.
    pub status: BackupStatusCode,
    /// The partition.
    pub partition: u16,
    /// The broker that took it, if known.
    pub broker: Option<u16>,
    /// Log position of the checkpoint, if known.
    pub checkpoint_position: Option<i64>,
    /// Number of partitions when it was taken, if known.
    pub partitions: Option<u16>,
    /// Snapshot it is based on.
    pub snapshot_id: String,
    /// Why it failed.
    pub failure_reason: String,
    /// Version of the broker that took it.
    pub broker_version: String,
    /// ISO 8601, or empty.
    pub created_at: String,
    /// ISO 8601, or empty.
    pub last_updated: String,
}

impl BackupStatusResponse {
    const BACKUP_ID: Field<i64> = Field::at(0);
    const STATUS: Field<u8> = Field::at(8);
    const PARTITION: Field<u16> = Field::at(9);
    const BROKER: Field<u16> = Field::at(11);
    const CHECKPOINT_POSITION: Field<i64> = Field::at(13);
    const PARTITIONS: Field<u16> = Field::at(21);
    /// Positions are declared signed, so their null is not the -1 of keys.
    const NO_POSITION: i64 = i64::MIN;
}

impl Message for BackupStatusResponse {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 4;
    const BLOCK_LENGTH: u16 = 23;
    const NAME: &'static str = "BackupStatusResponse";

    fn encode(&self, out: &mut BytesMut) {
        let texts = [
            self.snapshot_id.as_bytes(),
            self.failure_reason.as_bytes(),
            self.broker_version.as_bytes(),
            self.created_at.as_bytes(),
            self.last_updated.as_bytes(),
        ];
        Block::<23>::new()
            .put(Self::BACKUP_ID, self.backup_id)
            .put(Self::STATUS, self.status.to_wire())
            .put(Self::PARTITION, self.partition)
            .put(Self::BROKER, self.broker.unwrap_or(u16::NULL))
            .put(Self::CHECKPOINT_POSITION, self.checkpoint_position.unwrap_or(Self::NO_POSITION))
            .put(Self::PARTITIONS, self.partitions.unwrap_or(u16::NULL))
            .begin::<Self>(out, texts.iter().map(|text| var_len(text)).sum());
        for text in texts {
            put_var(out, text);
        }
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Body::open::<Self>(input)?;
        let position = body.get(Self::CHECKPOINT_POSITION)?;
        Ok(Self {
            backup_id: body.get(Self::BACKUP_ID)?,
            status: BackupStatusCode::from_wire(body.get(Self::STATUS)?),
            partition: body.get(Self::PARTITION)?,
            broker: Some(body.get(Self::BROKER)?).filter(|id| *id != u16::NULL),
            checkpoint_position: Some(position).filter(|at| *at != Self::NO_POSITION),
            partitions: Some(body.get(Self::PARTITIONS)?).filter(|n| *n != u16::NULL),
            snapshot_id: body.text("snapshot id")?,
            failure_reason: body.text("failure reason")?,
            broker_version: body.text("broker version")?,
            created_at: body.text("creation time")?,
            last_updated: body.text("update time")?,
        })
    }
}

/// One line of a [`BackupListResponse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupListEntry {
    /// The backup.
    pub backup_id: i64,
    /// Its state.
    pub status: BackupStatusCode,
    /// The partition.
    pub partition: u16,
    /// Why it failed.
    pub failure_reason: String,
    /// ISO 8601, or empty.
    pub created_at: String,
    /// Version of the broker that took it.
    pub broker_version: String,
}

/// The backups a partition knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupListResponse {
    /// At most 65535 can be written; more are cut off.
    pub backups: Vec<BackupListEntry>,
}

impl BackupListResponse {
    const ENTRY_LENGTH: u16 = 11;
    const BACKUP_ID: Field<i64> = Field::at(0);
    const STATUS: Field<u8> = Field::at(8);
    const PARTITION: Field<u16> = Field::at(9);
}

impl Message for BackupListResponse {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 5;
    const BLOCK_LENGTH: u16 = 0;
    const NAME: &'static str = "BackupListResponse";

    fn encode(&self, out: &mut BytesMut) {
        Block::<0>::new().begin::<Self>(out, 8);
        let count = self.backups.len().min(usize::from(u16::MAX));
        out.put_u16_le(Self::ENTRY_LENGTH);
        out.put_u16_le(count as u16);
        // Counts of nested groups and data fields: always written as 0.
        out.put_u32_le(0);
        for entry in self.backups.iter().take(count) {
            let block = Block::<11>::new()
                .put(Self::BACKUP_ID, entry.backup_id)
                .put(Self::STATUS, entry.status.to_wire())
                .put(Self::PARTITION, entry.partition);
            block.append(out);
            put_var(out, entry.failure_reason.as_bytes());
            put_var(out, entry.created_at.as_bytes());
            put_var(out, entry.broker_version.as_bytes());
        }
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Body::open::<Self>(input)?;
        let [b0, b1, n0, n1, ..] = body.take::<8>("the group of backups")?;
        let entry_length = u16::from_le_bytes([b0, b1]);
        // The count is the sender's claim: the list grows with what is really there.
        let mut backups = Vec::new();
        for _ in 0..u16::from_le_bytes([n0, n1]) {
            body.enter_entry(entry_length)?;
            backups.push(BackupListEntry {
                backup_id: body.get(Self::BACKUP_ID)?,
                status: BackupStatusCode::from_wire(body.get(Self::STATUS)?),
                partition: body.get(Self::PARTITION)?,
                failure_reason: body.text("failure reason")?,
                created_at: body.text("creation time")?,
                broker_version: body.text("broker version")?,
            });
        }
        Ok(Self { backups })
    }
}
