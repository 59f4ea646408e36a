//! What the parts of a broker share: partitions, jobs, membership.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::engine::{JobStream, PartitionMessage, StreamId};
use super::jobs::Jobs;
use super::limits::Limits;
use super::management::ExportingMode;
use super::member::broker_info;
use super::partition::{Partition, Surroundings};
use crate::model::{BrokerId, Key, MemberId, PartitionHealth, PartitionId};
use crate::net::{Membership, Messenger};
use crate::wire::address::Address;
use crate::wire::broker_info::PROPERTY;
use crate::wire::configuration::{self, ClusterTopology};
use crate::wire::record::JobRecord;

/// Shared by all tasks of one broker.
#[derive(Debug)]
pub struct Hub {
    node: BrokerId,
    command_address: Address,
    membership: Membership,
    messenger: Messenger,
    jobs: Arc<Jobs>,
    configuration: Bytes,
    exporting: Arc<ExportingMode>,
    /// Set once, before anything is served.
    partitions: OnceLock<Vec<Partition>>,
}

impl Hub {
    /// The shared part of a broker, still without partitions.
    #[must_use]
    pub fn new(
        node: BrokerId,
        command_address: Address,
        membership: Membership,
        messenger: Messenger,
        topology: &ClusterTopology,
        limits: &Limits,
    ) -> Self {
        let jobs = Jobs::new(membership.clone(), messenger.clone(), limits);
        Self {
            node,
            command_address,
            membership,
            messenger,
            jobs: Arc::new(jobs),
            configuration: Bytes::from(configuration::encode(Some(topology))),
            exporting: Arc::default(),
            partitions: OnceLock::new(),
        }
    }

    /// Sets the partitions; a second call changes nothing.
    pub fn set_partitions(&self, partitions: Vec<Partition>) {
        if self.partitions.set(partitions).is_err() {
            log::error!("event=partitions_set_twice");
        }
    }

    /// All partitions, by number.
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        self.partitions.get().map_or(&[], Vec::as_slice)
    }

    fn partition(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions().iter().find(|partition| partition.id() == id)
    }

    /// Where commands are taken.
    #[must_use]
    pub fn command_address(&self) -> &Address {
        &self.command_address
    }

    /// The members.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// How to reach them.
    #[must_use]
    pub fn messenger(&self) -> &Messenger {
        &self.messenger
    }

    /// Jobs on their way out.
    #[must_use]
    pub fn jobs(&self) -> &Arc<Jobs> {
        &self.jobs
    }

    /// The cluster configuration as it is told to others.
    #[must_use]
    pub fn configuration(&self) -> Bytes {
        self.configuration.clone()
    }

    /// What exporters would do.
    #[must_use]
    pub fn exporting(&self) -> &Arc<ExportingMode> {
        &self.exporting
    }

    /// The value of the broker's own property as of now.
    ///
    /// # Errors
    /// There are more partitions than can be told.
    pub fn announcement(&self) -> Result<String, crate::wire::broker_info::TooMany> {
        let health: Vec<_> = self
            .partitions()
            .iter()
            .map(|partition| {
                let healthy = partition.is_healthy();
                let health = if healthy { PartitionHealth::Healthy } else { PartitionHealth::Dead };
                (partition.id(), health)
            })
            .collect();
        broker_info(self.node, &self.command_address, &health).to_property()
    }

    /// Tells the engines which job streams there are, if that changed.
    pub fn streams_changed(&self, streams: Option<Vec<JobStream>>) {
        let Some(streams) = streams else { return };
        for partition in self.partitions() {
            partition.streams_changed(streams.clone());
        }
    }

    /// A member is gone, and its job streams with it.
    pub fn member_removed(&self, member: &MemberId) {
        self.streams_changed(self.jobs.forget(member));
    }

    /// For the admin endpoint.
    #[must_use]
    pub fn observe(&self) -> serde_json::Value {
        let partitions: Vec<_> = self
            .partitions()
            .iter()
            .map(|partition| {
                serde_json::json!({
                    "id": partition.id(),
                    "healthy": partition.is_healthy(),
                    "queued_commands": partition.queued_commands(),
                    "stats": partition.stats(),
                })
            })
            .collect();
        serde_json::json!({
            "node_id": self.node,
            "command_address": self.command_address.to_string(),
            "internal_address": self.messenger.endpoint().advertised().to_string(),
            "members": self.membership.members().others.len(),
            "job_stream_registrations": self.jobs.registrations(),
            "exporting": self.exporting.name(),
            "partitions": partitions,
        })
    }
}

impl Surroundings for Hub {
    fn deliver(&self, from: PartitionId, to: PartitionId, message: PartitionMessage) {
        match self.partition(to) {
            Some(partition) => partition.deliver(from, message),
            None => log::error!("event=message_to_unknown_partition from={from} to={to}"),
        }
    }

    fn jobs_available(&self, job_type: &str) {
        self.jobs.available(job_type);
    }

    fn push_job(&self, from: PartitionId, stream: StreamId, key: Key, job: Box<JobRecord>) {
        if let Some(partition) = self.partition(from) {
            self.jobs.push(partition.clone(), stream, key, job);
        }
    }

    fn partition_died(&self, _: PartitionId) {
        match self.announcement() {
            Ok(value) => self.membership.set_property(PROPERTY, Some(value)),
            Err(error) => log::error!("event=announcement_failed error=\"{error}\""),
        }
    }
}
