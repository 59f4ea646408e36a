//! The partition of a command (command-api §3.2 and §3.6).

use super::{Candidates, RoundRobin, correlation_partition};
use crate::error::GatewayError;
use crate::model::{ClusterView, Command, PartitionId, PartitionView, Route};

/// Partition that a command without a partition of its own falls back to when none has a leader.
const FALLBACK: PartitionId = PartitionId(1);

/// Where a command goes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The partition.
    pub partition: PartitionId,
    /// For an instance creation: the partitions that are left to try.
    pub candidates: Option<Candidates>,
}

/// Chooses partitions; holds the round-robin counters that outlive a command.
#[derive(Clone, Debug, Default)]
pub struct Router {
    shared: RoundRobin,
    creation: RoundRobin,
}

impl Router {
    /// The partition to send a command to that was not sent yet. Where several could take it, those
    /// are preferred that `admits` agrees to ([`RoundRobin::pick`]).
    ///
    /// # Errors
    /// Without a partition to send to: [`GatewayError::PartitionNotFound`],
    /// [`GatewayError::PartitionInactive`], [`GatewayError::NoPartitionForMessage`],
    /// [`GatewayError::NoTopology`] (only creation asks for one) or
    /// [`GatewayError::AllPartitionsFailed`] without attempts.
    pub fn choose(
        &mut self,
        command: &Command,
        view: &ClusterView,
        admits: impl Fn(PartitionId) -> bool,
    ) -> Result<Choice, GatewayError> {
        let only = |partition| Choice { partition, candidates: None };
        match &command.route {
            Route::Partition(id) => specific(view, i64::from(id.0)).map(only),
            Route::Key(key) => specific(view, key.partition_number()).map(only),
            Route::CorrelationKey(key) => by_correlation(view, key).map(only),
            Route::RoundRobin => {
                strategy(view, self.shared.pick(view, admits).unwrap_or(FALLBACK)).map(only)
            }
            Route::Creation => self.creation(view, admits),
        }
    }

    /// Picks made for commands of the shared counter and for creations.
    #[must_use]
    pub fn picks(&self) -> (u64, u64) {
        (self.shared.picks(), self.creation.picks())
    }

    fn creation(
        &mut self,
        view: &ClusterView,
        admits: impl Fn(PartitionId) -> bool,
    ) -> Result<Choice, GatewayError> {
        if view.partitions_count <= 0 {
            return Err(GatewayError::NoTopology);
        }
        let exhausted = || GatewayError::AllPartitionsFailed { attempts: Vec::new() };
        let partition = self.creation.pick(view, admits).ok_or_else(exhausted)?;
        Ok(Choice { partition, candidates: Some(Candidates::after(partition, view)) })
    }
}

/// The partition with this number.
///
/// # Errors
/// [`GatewayError::PartitionNotFound`] unless it was seen: that is also the answer to keys that no
/// broker can have made.
pub fn partition_by_number(
    view: &ClusterView,
    number: i64,
) -> Result<&PartitionView, GatewayError> {
    view.partition(number).ok_or(GatewayError::PartitionNotFound(number))
}

fn specific(view: &ClusterView, number: i64) -> Result<PartitionId, GatewayError> {
    let partition = partition_by_number(view, number)?;
    check_active(partition)?;
    Ok(partition.id)
}

/// A partition chosen by hash or turn may be unknown: it then has no leader, which is for the
/// sender to find out.
fn strategy(view: &ClusterView, id: PartitionId) -> Result<PartitionId, GatewayError> {
    view.partition(i64::from(id.0)).map_or(Ok(()), check_active)?;
    Ok(id)
}

fn by_correlation(view: &ClusterView, key: &[u8]) -> Result<PartitionId, GatewayError> {
    let counted = || u32::try_from(view.partitions_count).unwrap_or(0);
    let partitions = view.correlation_partitions.unwrap_or_else(counted);
    match correlation_partition(key, partitions) {
        Some(partition) => strategy(view, partition),
        None => Err(GatewayError::NoPartitionForMessage {
            correlation_key: String::from_utf8_lossy(key).into_owned(),
        }),
    }
}

fn check_active(partition: &PartitionView) -> Result<(), GatewayError> {
    if partition.leader.is_none() && !partition.inactive.is_empty() {
        return Err(GatewayError::PartitionInactive(partition.id.0.into()));
    }
    Ok(())
}

/// A view with these partitions and their leaders.
#[cfg(test)]
pub(super) fn test_view(partitions: &[(u16, Option<i32>)]) -> ClusterView {
    use crate::model::{BrokerId, Millis};

    let view = |&(id, leader): &(u16, Option<i32>)| PartitionView {
        id: PartitionId(id),
        leader: leader.map(BrokerId),
        term: 1,
        followers: Vec::new(),
        inactive: Vec::new(),
        leader_source: "test",
        leader_seen: Millis(0),
    };
    ClusterView {
        cluster_size: 1,
        partitions_count: partitions.len() as i32,
        partitions: partitions.iter().map(view).collect(),
        ..ClusterView::default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::{BrokerId, CommandKind, Key};

    fn command(route: Route) -> Command {
        Command {
            kind: CommandKind::CompleteJob,
            key: Key::NONE,
            route,
            operation_reference: None,
            value: Bytes::new(),
            authorization: Bytes::new(),
            transport_retry: true,
            timeout: None,
        }
    }

    fn choose(view: &ClusterView, route: Route) -> Result<u16, GatewayError> {
        Router::default().choose(&command(route), view, |_| true).map(|choice| choice.partition.0)
    }

    #[test]
    fn keys_lead_to_their_partition_as_recorded() {
        let recorded = include_str!("../../tests/vectors/command/routing/key-layout.json");
        let rows: Vec<serde_json::Value> = serde_json::from_str(recorded).unwrap();
        let view = test_view(&[(1, Some(0)), (2, Some(0)), (3, None)]);
        for row in rows {
            let key = Key(row["key"].as_i64().unwrap());
            let number = row["partitionId"].as_i64().unwrap();
            let expected = match number {
                1..=3 => Ok(number as u16),
                _ => Err(GatewayError::PartitionNotFound(number)),
            };
            assert_eq!(choose(&view, Route::Key(key)), expected, "{key}");
        }
    }

    #[test]
    fn without_topology_each_route_fails_as_the_jvm_gateway_does() {
        let view = ClusterView::default();
        let deploy = choose(&view, Route::Partition(PartitionId::DEPLOYMENT));
        assert_eq!(deploy, Err(GatewayError::PartitionNotFound(1)));
        let publish = choose(&view, Route::CorrelationKey(Bytes::from_static(b"ck")));
        let no_partition = GatewayError::NoPartitionForMessage { correlation_key: "ck".into() };
        assert_eq!(publish, Err(no_partition));
        assert_eq!(choose(&view, Route::Creation), Err(GatewayError::NoTopology));
        // Not an error: the sender then waits for a leader of partition 1.
        assert_eq!(choose(&view, Route::RoundRobin), Ok(1));
    }

    #[test]
    fn creation_without_any_leader_makes_no_attempt() {
        let view = test_view(&[(1, None), (2, None)]);
        let failed = GatewayError::AllPartitionsFailed { attempts: Vec::new() };
        assert_eq!(choose(&view, Route::Creation), Err(failed));
    }

    #[test]
    fn inactive_replicas_and_no_leader_make_a_partition_inactive() {
        let mut view = test_view(&[(1, None), (2, Some(0))]);
        view.partitions[0].inactive.push(BrokerId(1));
        view.partitions[1].inactive.push(BrokerId(1));
        let inactive = Err(GatewayError::PartitionInactive(1));
        assert_eq!(choose(&view, Route::Key(Key::new(PartitionId(1), 7))), inactive);
        assert_eq!(choose(&view, Route::CorrelationKey(Bytes::new())), inactive);
        assert_eq!(choose(&view, Route::Partition(PartitionId(2))), Ok(2));
        view.partitions[1].leader = None;
        assert_eq!(choose(&view, Route::RoundRobin), inactive);
    }

    #[test]
    fn the_configuration_may_name_the_partition_count_of_the_hash() {
        let mut view = test_view(&[(1, Some(0)), (2, Some(0)), (3, Some(0))]);
        assert_eq!(choose(&view, Route::CorrelationKey(Bytes::from_static(b"b"))), Ok(3));
        view.correlation_partitions = Some(2);
        assert_eq!(choose(&view, Route::CorrelationKey(Bytes::from_static(b"b"))), Ok(1));
    }

    #[test]
    fn only_commands_that_any_partition_takes_avoid_one_that_does_not_answer() {
        let view = test_view(&[(1, Some(0)), (2, Some(0))]);
        let mut router = Router::default();
        let mut pick = |route| {
            router.choose(&command(route), &view, |p| p.0 != 1).map(|choice| choice.partition.0)
        };
        assert_eq!([pick(Route::Creation), pick(Route::Creation)], [Ok(2), Ok(2)]);
        assert_eq!(pick(Route::RoundRobin), Ok(2));
        assert_eq!(pick(Route::Key(Key::new(PartitionId(1), 7))), Ok(1));
        assert_eq!(pick(Route::CorrelationKey(Bytes::new())), Ok(1));
        assert_eq!(pick(Route::Partition(PartitionId(1))), Ok(1));
    }

    #[test]
    fn creation_and_other_commands_count_apart() {
        let view = test_view(&[(1, Some(0)), (2, Some(0)), (3, Some(0))]);
        let mut router = Router::default();
        let mut pick = |route| {
            router.choose(&command(route), &view, |_| true).map(|choice| choice.partition.0)
        };
        assert_eq!(pick(Route::Creation), Ok(1));
        assert_eq!(pick(Route::Creation), Ok(2));
        assert_eq!(pick(Route::RoundRobin), Ok(1));
        assert_eq!(pick(Route::Creation), Ok(3));
        assert_eq!(pick(Route::RoundRobin), Ok(2));
    }
}
