//! Whom a management operation concerns, and what the answers of all of them mean together
//! (command-api §8, cluster-protocol §5.4).
//!
//! Between the door and the sockets of the management actor; pure functions over the cluster view.
//! Invariant: an operation succeeds only if everyone asked confirmed it.

mod backups;
mod error;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use error::{ManagementError, Refusal};

use crate::model::management::{
    ConfigurationRequest, ManagementOperation, ManagementOutcome, PartitionBackup,
};
use crate::model::{BrokerId, ClusterView, ErrorCode, MemberId, PartitionId, PartitionView};

/// Who coordinates before a configuration is known (cluster-protocol §5.4).
const FIRST_BROKER: &str = "0";

/// One of those to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A broker that plans changes of the configuration, at its internal address.
    Coordinator(MemberId),
    /// Whoever leads the partition when it is asked, at its command address.
    Leader(PartitionId),
    /// A broker's replica of the partition, at its command address.
    Replica(PartitionId, BrokerId),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Coordinator(id) => write!(f, "coordinator {id}"),
            Self::Leader(partition) => write!(f, "leader of partition {partition}"),
            Self::Replica(partition, broker) => write!(f, "broker {broker} partition {partition}"),
        }
    }
}

/// Where a target is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// `host:port`.
    pub address: String,
    /// The broker there, unless it coordinates.
    pub broker: Option<BrokerId>,
}

/// What one target answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It did it.
    Done,
    /// Its limits, as JSON.
    FlowControl(String),
    /// The coordinator's answer is the outcome.
    Outcome(Box<ManagementOutcome>),
    /// It took the backup, or knows one with an id as high.
    Checkpoint {
        /// Whether it took it.
        created: bool,
        /// Its newest id.
        id: i64,
    },
    /// What it knows of one or all backups, each with its id.
    Backups(Vec<(i64, PartitionBackup)>),
}

/// Whom to ask, in the order in which failures count.
///
/// # Errors
/// The operation needs more of the cluster than is known: nobody must be asked.
pub fn targets(
    operation: &ManagementOperation,
    view: &ClusterView,
) -> Result<Vec<Target>, ManagementError> {
    match operation {
        ManagementOperation::Configuration(request) => {
            Ok(vec![Target::Coordinator(coordinator(request, &view.configured_members))])
        }
        ManagementOperation::Exporting(_) => {
            let partitions = all_partitions(view)?;
            partitions.iter().try_for_each(|partition| complete(partition, view))?;
            Ok(replicas(partitions))
        }
        ManagementOperation::SetFlowControl(_) => Ok(replicas(by_number(view))),
        ManagementOperation::Rebalance | ManagementOperation::FlowControl => {
            Ok(leaders(by_number(view)))
        }
        ManagementOperation::BanInstance(key) => {
            let partition = view.partition(key.partition_number());
            let partition = partition.ok_or(ManagementError::UnknownPartition(key.0))?;
            Ok(vec![Target::Leader(partition.id)])
        }
        // Nobody could have taken one.
        ManagementOperation::ListBackups if view.partitions_count == 0 => Ok(Vec::new()),
        ManagementOperation::TakeBackup(_)
        | ManagementOperation::BackupStatus(_)
        | ManagementOperation::ListBackups
        | ManagementOperation::DeleteBackup(_) => Ok(leaders(all_partitions(view)?)),
    }
}

/// Where the target is as the cluster is now.
///
/// # Errors
/// It is not known now.
pub fn locate(target: &Target, view: &ClusterView) -> Result<Destination, ManagementError> {
    let at = |partition, id: BrokerId| {
        let broker = view.broker(id);
        let broker = broker.ok_or(ManagementError::NoBroker { partition, broker: id.0 })?;
        Ok(Destination { address: broker.command_address.clone(), broker: Some(id) })
    };
    match target {
        Target::Coordinator(id) => {
            let member = view.members.iter().find(|member| member.id == *id);
            let address = member.map(|member| member.address.clone()).or_else(|| {
                let mut brokers = view.brokers.iter();
                let broker = brokers.find(|broker| broker.id.to_string() == id.as_str());
                broker.map(|broker| broker.internal_address.clone())
            });
            let address = address.ok_or_else(|| ManagementError::UnknownMember(id.clone()))?;
            Ok(Destination { address, broker: None })
        }
        Target::Leader(partition) => {
            let leader = view.partition(i64::from(partition.0)).and_then(|known| known.leader);
            at(*partition, leader.ok_or(ManagementError::NoLeader(*partition))?)
        }
        Target::Replica(partition, broker) => at(*partition, *broker),
    }
}

/// Whether the target is asked again after this failure, because it provably did nothing and may
/// be elsewhere soon. The JVM gateway asks again for backups only (command-api §3.6).
#[must_use]
pub fn again(operation: &ManagementOperation, failure: &ManagementError) -> bool {
    let mismatch = ErrorCode::PartitionLeaderMismatch;
    let repeats = matches!(
        operation,
        ManagementOperation::TakeBackup(_)
            | ManagementOperation::BackupStatus(_)
            | ManagementOperation::ListBackups
            | ManagementOperation::DeleteBackup(_)
    );
    repeats
        && match failure {
            ManagementError::NoLeader(_)
            | ManagementError::NoBroker { .. }
            | ManagementError::Unreachable(_) => true,
            ManagementError::Broker { code, .. } => *code == mismatch,
            _ => false,
        }
}

/// What the answers mean together; they are in the order of the targets.
///
/// # Errors
/// The first failure, or what is wrong with the answers as a whole.
pub fn fold(
    operation: &ManagementOperation,
    answers: Vec<(Target, Result<Answer, ManagementError>)>,
) -> Result<ManagementOutcome, ManagementError> {
    let mut confirmed = Vec::with_capacity(answers.len());
    for (target, answer) in answers {
        confirmed.push((target, answer?));
    }
    match operation {
        ManagementOperation::TakeBackup(id) => backups::taken(*id, &confirmed),
        ManagementOperation::BackupStatus(id) => backups::status(*id, confirmed),
        ManagementOperation::ListBackups => Ok(backups::list(confirmed)),
        ManagementOperation::FlowControl => Ok(flow_control(confirmed)),
        ManagementOperation::Configuration(_) => {
            let outcome = confirmed.into_iter().find_map(|(_, answer)| match answer {
                Answer::Outcome(outcome) => Some(*outcome),
                _ => None,
            });
            outcome.ok_or_else(|| ManagementError::Unreadable("nothing was answered".to_owned()))
        }
        ManagementOperation::Exporting(_)
        | ManagementOperation::Rebalance
        | ManagementOperation::BanInstance(_)
        | ManagementOperation::SetFlowControl(_)
        | ManagementOperation::DeleteBackup(_) => Ok(ManagementOutcome::Done),
    }
}

fn flow_control(answers: Vec<(Target, Answer)>) -> ManagementOutcome {
    let limits = answers.into_iter().filter_map(|(target, answer)| match (target, answer) {
        (Target::Leader(partition), Answer::FlowControl(json)) => Some((partition, json)),
        _ => None,
    });
    ManagementOutcome::FlowControl(limits.collect::<BTreeMap<_, _>>())
}

/// Who plans this change: the first member by the order of ids as text, of those that will remain
/// when others are removed without their consent.
fn coordinator(request: &ConfigurationRequest, members: &[MemberId]) -> MemberId {
    let first = match request {
        ConfigurationRequest::ForceScaleDown { brokers, .. } => brokers.iter().min(),
        ConfigurationRequest::ForceRemoveBrokers { brokers, .. } => {
            members.iter().filter(|member| !brokers.contains(member)).min()
        }
        _ => members.iter().min(),
    };
    first.cloned().unwrap_or_else(|| MemberId::new(FIRST_BROKER))
}

/// The partitions that were seen, by number.
fn by_number(view: &ClusterView) -> Vec<&PartitionView> {
    let mut partitions: Vec<_> = view.partitions.iter().collect();
    partitions.sort_by_key(|partition| partition.id);
    partitions
}

/// All partitions that the cluster has, by number.
fn all_partitions(view: &ClusterView) -> Result<Vec<&PartitionView>, ManagementError> {
    let incomplete = |cause: String| Err(ManagementError::IncompleteTopology(cause));
    if view.partitions_count <= 0 {
        return incomplete("no broker was seen yet".to_owned());
    }
    for number in 1..=view.partitions_count {
        if view.partition(i64::from(number)).is_none() {
            return incomplete(format!("partition {number} was not seen yet"));
        }
    }
    Ok(by_number(view))
}

fn members(partition: &PartitionView) -> impl Iterator<Item = BrokerId> + '_ {
    let others = partition.followers.iter().chain(&partition.inactive).copied();
    partition.leader.into_iter().chain(others)
}

/// Whether all replicas of the partition are known: an order that reaches only some would leave
/// the others as they were, without anybody noticing.
fn complete(partition: &PartitionView, view: &ClusterView) -> Result<(), ManagementError> {
    let id = partition.id;
    if partition.leader.is_none() {
        return Err(ManagementError::IncompleteTopology(format!("partition {id} has no leader")));
    }
    let (known, wanted) = (members(partition).count(), view.replication_factor);
    if usize::try_from(wanted) == Ok(known) {
        return Ok(());
    }
    let cause = format!("partition {id} has {known} known replicas instead of {wanted}");
    Err(ManagementError::IncompleteTopology(cause))
}

fn leaders(partitions: Vec<&PartitionView>) -> Vec<Target> {
    partitions.into_iter().map(|partition| Target::Leader(partition.id)).collect()
}

fn replicas(partitions: Vec<&PartitionView>) -> Vec<Target> {
    let each = partitions.into_iter();
    each.flat_map(|p| members(p).map(|broker| Target::Replica(p.id, broker))).collect()
}
