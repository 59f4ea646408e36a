//! What a broker tells about itself: addresses, roles, terms, health (cluster-protocol §4).
//!
//! Travels in gossip as the property [`PROPERTY`]: base64 of an SBE message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BufMut;

use super::DecodeError;
use super::little_endian::LittleEndian;
use crate::model::{BrokerId, PartitionHealth, PartitionId, PartitionRole};

/// Name of the member property that carries the info.
pub const PROPERTY: &str = "brokerInfo";
/// Name of the command API in [`BrokerInfo::addresses`].
pub const COMMAND_API: &str = "commandApi";

const TEMPLATE: u16 = 201;
const SCHEMA: u16 = 0;
/// Header version of 8.6 and 8.7; the layout is the same in 8.5 to 8.8.
const SCHEMA_VERSION: u16 = 5;
const BLOCK_BYTES: u16 = 16;
const ROLE_BYTES: u16 = 5;
const TERM_BYTES: u16 = 12;
/// Largest group: the count is one byte and 255 means "null".
const GROUP_MAX: usize = 254;

/// A broker's announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerInfo {
    /// Its node id.
    pub node_id: BrokerId,
    /// Number of partitions in its static configuration.
    pub partitions_count: i32,
    /// Number of brokers in its static configuration.
    pub cluster_size: i32,
    /// Replicas per partition in its static configuration.
    pub replication_factor: i32,
    /// Address by API name, `host:port`.
    pub addresses: Vec<(String, String)>,
    /// Its role in each partition it takes part in.
    pub roles: Vec<(PartitionId, PartitionRole)>,
    /// Terms of the partitions it leads.
    pub leader_terms: Vec<(PartitionId, i64)>,
    /// Its version text.
    pub version: String,
    /// Health of its replicas.
    pub health: Vec<(PartitionId, PartitionHealth)>,
}

/// Why an info cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broker info lists {found} {what}, at most {GROUP_MAX} fit")]
pub struct TooMany {
    /// Of what.
    pub what: &'static str,
    /// How many.
    pub found: usize,
}

/// Why a property value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// Not base64.
    #[error("property value is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// Not the message it should be.
    #[error("property value: {0}")]
    Content(#[from] DecodeError),
}

impl BrokerInfo {
    /// The command API address, if it names one.
    #[must_use]
    pub fn command_address(&self) -> Option<&str> {
        let found = self.addresses.iter().find(|(name, _)| name == COMMAND_API);
        found.map(|(_, address)| address.as_str())
    }

    /// Term of a partition it leads.
    #[must_use]
    pub fn leader_term(&self, partition: PartitionId) -> Option<i64> {
        let found = self.leader_terms.iter().find(|(id, _)| *id == partition);
        found.map(|(_, term)| *term)
    }

    /// Health of its replica of the partition; unhealthy when it says nothing.
    #[must_use]
    pub fn health_of(&self, partition: PartitionId) -> PartitionHealth {
        let found = self.health.iter().find(|(id, _)| *id == partition);
        found.map_or(PartitionHealth::Unhealthy, |(_, health)| *health)
    }

    /// The message.
    pub fn encode(&self) -> Result<Vec<u8>, TooMany> {
        let mut out = Vec::new();
        for field in [BLOCK_BYTES, TEMPLATE, SCHEMA, SCHEMA_VERSION] {
            out.put_u16_le(field);
        }
        out.put_i32_le(self.node_id.0);
        out.put_i32_le(self.partitions_count);
        out.put_i32_le(self.cluster_size);
        out.put_i32_le(self.replication_factor);
        group(&mut out, 0, self.addresses.len(), "addresses")?;
        for (name, address) in &self.addresses {
            text(&mut out, name);
            text(&mut out, address);
        }
        group(&mut out, ROLE_BYTES, self.roles.len(), "partition roles")?;
        for (partition, role) in &self.roles {
            out.put_i32_le(partition.0.into());
            out.put_u8(role.to_wire());
        }
        group(&mut out, TERM_BYTES, self.leader_terms.len(), "leader terms")?;
        for (partition, term) in &self.leader_terms {
            out.put_i32_le(partition.0.into());
            out.put_i64_le(*term);
        }
        // The schema lists the health group first; the bytes have the version first.
        text(&mut out, &self.version);
        group(&mut out, ROLE_BYTES, self.health.len(), "partition healths")?;
        for (partition, health) in &self.health {
            out.put_i32_le(partition.0.into());
            out.put_u8(health.to_wire());
        }
        Ok(out)
    }

    /// Reads the message.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = LittleEndian::new(bytes);
        let block = read_header(&mut reader)?;
        let mut fixed = LittleEndian::new(reader.take(block, "broker info")?);
        Ok(Self {
            node_id: BrokerId(fixed.i32("the node id")?),
            partitions_count: fixed.i32("the partition count")?,
            cluster_size: fixed.i32("the cluster size")?,
            replication_factor: fixed.i32("the replication factor")?,
            addresses: read_addresses(&mut reader)?,
            roles: read_group(&mut reader, "partition roles", |entry| {
                Ok((read_partition(entry)?, PartitionRole::from_wire(entry.u8("a role")?)))
            })?,
            leader_terms: read_group(&mut reader, "leader terms", |entry| {
                Ok((read_partition(entry)?, entry.i64("a term")?))
            })?,
            version: reader.text("the version")?.to_owned(),
            health: read_group(&mut reader, "partition healths", |entry| {
                Ok((read_partition(entry)?, PartitionHealth::from_wire(entry.u8("a health")?)))
            })?,
        })
    }

    /// The property value.
    pub fn to_property(&self) -> Result<String, TooMany> {
        Ok(STANDARD.encode(self.encode()?))
    }

    /// Reads a property value.
    pub fn from_property(value: &str) -> Result<Self, PropertyError> {
        Ok(Self::decode(&STANDARD.decode(value)?)?)
    }
}

fn group(out: &mut Vec<u8>, bytes: u16, len: usize, what: &'static str) -> Result<(), TooMany> {
    if len > GROUP_MAX {
        return Err(TooMany { what, found: len });
    }
    out.put_u16_le(bytes);
    out.put_u8(len as u8);
    Ok(())
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.put_u32_le(text.len() as u32);
    out.put_slice(text.as_bytes());
}

fn read_header(reader: &mut LittleEndian<'_>) -> Result<usize, DecodeError> {
    let block = reader.u16("a header")?;
    let (template, schema) = (reader.u16("a header")?, reader.u16("a header")?);
    reader.u16("a header")?;
    if (template, schema) != (TEMPLATE, SCHEMA) {
        return Err(DecodeError::Invalid { offset: 2, what: "a message that is not broker info" });
    }
    Ok(block.into())
}

fn read_addresses(reader: &mut LittleEndian<'_>) -> Result<Vec<(String, String)>, DecodeError> {
    let bytes = reader.u16("addresses")?;
    let count = reader.u8("addresses")?;
    let mut addresses = Vec::new();
    for _ in 0..count {
        reader.take(bytes.into(), "an address")?;
        let name = reader.text("an API name")?.to_owned();
        addresses.push((name, reader.text("an address")?.to_owned()));
    }
    Ok(addresses)
}

fn read_group<T>(
    reader: &mut LittleEndian<'_>,
    what: &'static str,
    read: impl Fn(&mut LittleEndian<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let bytes = reader.u16(what)?;
    let count = reader.u8(what)?;
    (0..count).map(|_| read(&mut LittleEndian::new(reader.take(bytes.into(), what)?))).collect()
}

fn read_partition(entry: &mut LittleEndian<'_>) -> Result<PartitionId, DecodeError> {
    let offset = entry.position();
    let id = entry.i32("a partition id")?;
    u16::try_from(id)
        .map(PartitionId)
        .map_err(|_| DecodeError::OutOfRange { offset, what: "a partition id" })
}
