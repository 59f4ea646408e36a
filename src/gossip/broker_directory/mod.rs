//! Which broker leads, follows, is healthy and where it listens: the cluster view, from gossip.
//!
//! The topology feeds it membership events, cluster configurations and hints of connections, and
//! publishes [`BrokerDirectory::view`] whenever something changed. Rules: cluster-protocol §4 and
//! §5, command-api §6.1. Pure state; no IO, no clock.
//!
//! Invariants: a broker is in at most one role per partition; a partition's term never falls; what
//! left the cluster leads nothing; partitions are never forgotten.

mod partitions;
#[cfg(test)]
mod tests;

use super::{Event, KnownMember};
use crate::model::{
    BrokerId, BrokerView, ClusterView, MemberId, MemberState, MemberView, Millis, PartitionHealth,
    PartitionId, ReplicaView,
};
use crate::wire::broker_info::{self, BrokerInfo, PropertyError};
use crate::wire::configuration::{self, ClusterTopology, ConfigurationError};
use crate::wire::swim::{Address, Member};
use partitions::Partitions;

/// What an event changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A broker is new: job streams must be added to it.
    BrokerAdded(BrokerId),
    /// A broker is gone, and its job streams with it.
    BrokerRemoved(BrokerId),
    /// Roles, health or addresses of a known broker differ.
    BrokerChanged(BrokerId),
}

/// Answer to a broker that tells its cluster configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationAnswer {
    /// Our configuration from before, as the reply's payload.
    pub reply: Vec<u8>,
    /// Whether ours changed; if so it shall be told to two other members.
    pub changed: bool,
}

#[derive(Clone, Debug)]
struct Broker {
    id: BrokerId,
    member: MemberId,
    internal_address: Address,
    command_address: String,
    version: String,
    health: Vec<(PartitionId, PartitionHealth)>,
}

/// State kept from gossip.
#[derive(Debug, Default)]
pub struct BrokerDirectory {
    version: u64,
    /// Cluster size, partitions and replicas; `None` until a broker or configuration was seen.
    numbers: Option<Numbers>,
    /// In order of discovery.
    brokers: Vec<Broker>,
    partitions: Partitions,
    configuration: Option<ClusterTopology>,
    /// The same as a payload, with whatever newer members put into it; empty when there is none.
    told: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbers {
    cluster_size: i32,
    partitions_count: i32,
    replication_factor: i32,
}

impl BrokerDirectory {
    /// A directory that knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a membership event. Members without broker info are not brokers and change nothing.
    /// Fails, changing nothing, when the info cannot be read.
    pub fn apply(&mut self, now: Millis, event: &Event) -> Result<Vec<Change>, PropertyError> {
        let changes = match event {
            Event::MemberAdded(member) | Event::MetadataChanged(member) => {
                self.learn(now, member)?
            }
            Event::MemberRemoved(member) => self.forget(member),
            // A suspect broker still gets commands.
            Event::ReachabilityChanged(_) | Event::IdentityConflict(_) => Vec::new(),
        };
        self.version += u64::from(!changes.is_empty());
        Ok(changes)
    }

    fn learn(&mut self, now: Millis, member: &Member) -> Result<Vec<Change>, PropertyError> {
        let Some(property) = member.properties.get(broker_info::PROPERTY) else {
            return Ok(Vec::new());
        };
        let info = BrokerInfo::from_property(property)?;
        self.numbers.get_or_insert(Numbers {
            cluster_size: info.cluster_size,
            partitions_count: info.partitions_count,
            replication_factor: info.replication_factor,
        });
        self.partitions.learn(now, &info);
        let broker = Broker {
            id: info.node_id,
            member: member.id.clone(),
            internal_address: member.address.clone(),
            command_address: info.command_address().unwrap_or_default().to_owned(),
            version: info.version.clone(),
            health: info.roles.iter().map(|(id, _)| (*id, info.health_of(*id))).collect(),
        };
        match self.brokers.iter_mut().find(|known| known.id == info.node_id) {
            Some(known) => {
                *known = broker;
                Ok(vec![Change::BrokerChanged(info.node_id)])
            }
            None => {
                self.brokers.push(broker);
                Ok(vec![Change::BrokerAdded(info.node_id)])
            }
        }
    }

    /// Partitions and the cluster's numbers stay.
    fn forget(&mut self, member: &Member) -> Vec<Change> {
        let Some(at) = self.brokers.iter().position(|broker| broker.member == member.id) else {
            return Vec::new();
        };
        let id = self.brokers.remove(at).id;
        self.partitions.forget(id);
        vec![Change::BrokerRemoved(id)]
    }

    /// A broker said that it does not lead the partition, or it cannot be reached. For a moment it
    /// counts as not leading, unless it answers or leads in a higher term; a leader that really
    /// changed announces itself in that time. Moments that end without news grow to 2 s. News about
    /// another leadership than the known one is stale and changes nothing. True when this changed
    /// the view.
    pub fn leader_lost(
        &mut self,
        now: Millis,
        partition: PartitionId,
        broker: BrokerId,
        term: i64,
    ) -> bool {
        let changed = self.partitions.doubt(now, partition, broker, term);
        self.version += u64::from(changed);
        changed
    }

    /// A broker answered a command as leader of the partition. True when this changed the view.
    pub fn leader_confirmed(
        &mut self,
        now: Millis,
        partition: PartitionId,
        broker: BrokerId,
        term: i64,
    ) -> bool {
        let changed = self.partitions.confirm(now, partition, broker, term);
        self.version += u64::from(changed);
        changed
    }

    /// When [`BrokerDirectory::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Millis> {
        self.partitions.next_doubt_end()
    }

    /// Ends doubts that are old enough. True when this changed the view.
    pub fn handle_timeout(&mut self, now: Millis) -> bool {
        let changed = self.partitions.end_doubts(now);
        self.version += u64::from(changed);
        changed
    }

    /// The cluster configuration, once one was received.
    #[must_use]
    pub fn configuration(&self) -> Option<&ClusterTopology> {
        self.configuration.as_ref()
    }

    /// The payload that tells the configuration to others; empty when there is none.
    #[must_use]
    pub fn told_configuration(&self) -> &[u8] {
        &self.told
    }

    /// Takes the payload of a configuration message: request, reply or gossip. Fails, changing
    /// nothing, when it cannot be read or merged with ours.
    pub fn apply_configuration(
        &mut self,
        payload: &[u8],
    ) -> Result<ConfigurationAnswer, ConfigurationError> {
        let reply = self.told.clone();
        let Some(received) = configuration::decode(payload)? else {
            return Ok(ConfigurationAnswer { reply, changed: false });
        };
        let merged = match &self.configuration {
            Some(ours) => ours.merge(&received)?,
            None => received.clone(),
        };
        let changed = self.configuration.as_ref() != Some(&merged);
        if changed {
            self.told = if merged == received {
                payload.to_vec()
            } else if merged.has_unknown_operation() {
                return Err(ConfigurationError::UnknownOperation);
            } else {
                configuration::encode(Some(&merged))
            };
            self.numbers = Some(Numbers {
                cluster_size: count(merged.cluster_size()),
                partitions_count: count(merged.partitions_count()),
                replication_factor: count(merged.replication_factor()),
            });
            self.configuration = Some(merged);
            self.version += 1;
        }
        Ok(ConfigurationAnswer { reply, changed })
    }

    /// Grows with each change; the version of the next view.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The cluster as commands are routed by it. Members come from the gossip core; `own` is
    /// ourselves.
    #[must_use]
    pub fn view<'a>(
        &self,
        now: Millis,
        own: Option<&Member>,
        others: impl IntoIterator<Item = &'a KnownMember>,
    ) -> ClusterView {
        let unknown = Numbers { cluster_size: -1, partitions_count: 0, replication_factor: 0 };
        let numbers = self.numbers.unwrap_or(unknown);
        let configuration = self.configuration.as_ref();
        let own = own.map(|own| member_view(own, now));
        let others = others.into_iter().map(|KnownMember { member, last_heard, .. }| {
            member_view(member, last_heard.unwrap_or_default())
        });
        ClusterView {
            version: self.version,
            cluster_size: numbers.cluster_size,
            partitions_count: numbers.partitions_count,
            replication_factor: numbers.replication_factor,
            correlation_partitions: configuration.and_then(ClusterTopology::correlation_partitions),
            active_partitions: configuration.and_then(ClusterTopology::active_partitions),
            configured_members: configuration.map(ClusterTopology::member_ids).unwrap_or_default(),
            partitions: self.partitions.views(),
            brokers: self.brokers.iter().map(|broker| self.broker_view(broker)).collect(),
            members: own.into_iter().chain(others).collect(),
        }
    }

    fn broker_view(&self, broker: &Broker) -> BrokerView {
        let replicas = self.partitions.roles(broker.id).map(|(partition, role)| {
            let health = broker.health.iter().find(|(id, _)| *id == partition);
            let health = health.map_or(PartitionHealth::Unhealthy, |(_, health)| *health);
            ReplicaView { partition, role, health }
        });
        BrokerView {
            id: broker.id,
            command_address: broker.command_address.clone(),
            internal_address: broker.internal_address.to_string(),
            version: broker.version.clone(),
            replicas: replicas.collect(),
        }
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn member_view(member: &Member, last_seen: Millis) -> MemberView {
    MemberView {
        id: member.id.clone(),
        address: member.address.to_string(),
        state: member.state.unwrap_or(MemberState::Suspect),
        incarnation: member.incarnation,
        version: member.version.as_ref().map(ToString::to_string),
        is_broker: member.properties.contains_key(broker_info::PROPERTY),
        last_seen,
    }
}
