//! The bookkeeping rules, on golden broker infos and configurations.

use super::*;
use crate::gossip::Swim;
use crate::gossip::{SwimConfig, SwimIdentity};
use crate::model::PartitionRole;
use crate::wire::swim::Properties;

const NOW: Millis = Millis(1_700_000_000_000);

macro_rules! vector {
    ($file:literal) => {
        unhex(include_str!(concat!("../../../tests/vectors/cluster/", $file)))
    };
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.trim().chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn member(info: &BrokerInfo) -> Member {
    let property = (broker_info::PROPERTY.to_owned(), info.to_property().unwrap());
    Member {
        properties: [property].into(),
        state: Some(MemberState::Alive),
        ..Member::placeholder(
            MemberId::new(info.node_id.to_string()),
            Address::new("broker", 26502),
        )
    }
}

fn added(info: &BrokerInfo) -> Event {
    Event::MemberAdded(member(info))
}

fn changed(info: &BrokerInfo) -> Event {
    Event::MetadataChanged(member(info))
}

fn three_partitions() -> BrokerInfo {
    BrokerInfo::decode(&vector!("brokerinfo-3-partitions.hex")).unwrap()
}

fn mixed() -> BrokerInfo {
    BrokerInfo::decode(&vector!("brokerinfo-mixed.hex")).unwrap()
}

fn view(directory: &BrokerDirectory) -> ClusterView {
    let identity = SwimIdentity {
        id: MemberId::new("gw"),
        address: Address::new("gateway", 26502),
        version: None,
        properties: Properties::new(),
    };
    let swim = Swim::new(SwimConfig::default(), identity, vec![], 1, NOW);
    directory.view(NOW, Some(swim.own()), swim.members())
}

fn leader(directory: &BrokerDirectory, partition: u16) -> Option<i32> {
    view(directory).partition(partition.into()).and_then(|p| p.leader).map(|id| id.0)
}

#[test]
fn knows_nothing_at_first() {
    let view = view(&BrokerDirectory::new());
    let numbers = (view.cluster_size, view.partitions_count, view.replication_factor);
    assert_eq!(numbers, (-1, 0, 0));
    assert_eq!(view.members.len(), 1, "ourselves");
}

#[test]
fn learns_brokers_in_order_and_keeps_the_first_numbers() {
    let mut directory = BrokerDirectory::new();
    let changes = directory.apply(NOW, &added(&mixed())).unwrap();
    assert_eq!(changes, [Change::BrokerAdded(BrokerId(2))]);
    directory.apply(NOW, &added(&three_partitions())).unwrap();
    let view = view(&directory);
    let numbers = (view.cluster_size, view.partitions_count, view.replication_factor);
    assert_eq!(numbers, (3, 3, 3));
    assert_eq!(view.brokers.iter().map(|b| b.id.0).collect::<Vec<_>>(), [2, 0]);
    let broker = &view.brokers[0];
    assert_eq!(broker.command_address, "broker-2:26501");
    assert_eq!(broker.internal_address, "broker:26502");
    // Broker 0 claims partition 1 with term 1, below broker 2's term 7.
    assert_eq!(leader(&directory, 1), Some(2));
    assert_eq!(leader(&directory, 2), Some(0));
    let replicas = broker.replicas.iter().map(|r| (r.partition.0, r.role, r.health));
    let expected = [
        (1, PartitionRole::Leader, PartitionHealth::Healthy),
        (2, PartitionRole::Follower, PartitionHealth::Unhealthy),
        (3, PartitionRole::Inactive, PartitionHealth::Dead),
    ];
    assert_eq!(replicas.collect::<Vec<_>>(), expected);
    assert_eq!(view.version, 2);
}

#[test]
fn a_leader_must_have_the_highest_term() {
    let mut directory = BrokerDirectory::new();
    let mut info = three_partitions();
    directory.apply(NOW, &added(&info)).unwrap();
    let mut rival = BrokerInfo { node_id: BrokerId(1), ..info.clone() };
    rival.leader_terms = vec![(PartitionId(1), 0), (PartitionId(2), 1), (PartitionId(3), 2)];
    directory.apply(NOW, &added(&rival)).unwrap();
    let leaders = |directory: &BrokerDirectory| [1, 2, 3].map(|p| leader(directory, p).unwrap());
    assert_eq!(leaders(&directory), [0, 1, 1]);
    // The loser announces what it is now.
    info.roles[1].1 = PartitionRole::Follower;
    info.roles.remove(2);
    directory.apply(NOW, &changed(&info)).unwrap();
    assert_eq!(leaders(&directory), [0, 1, 1]);
    let view = view(&directory);
    assert_eq!(view.partition(2).unwrap().followers, [BrokerId(0)]);
    assert!(view.partition(3).unwrap().followers.is_empty(), "not listed any more");
}

#[test]
fn what_leaves_leads_nothing_but_partitions_and_numbers_stay() {
    let mut directory = BrokerDirectory::new();
    directory.apply(NOW, &added(&three_partitions())).unwrap();
    let gone = Event::MemberRemoved(member(&three_partitions()));
    assert_eq!(directory.apply(NOW, &gone), Ok(vec![Change::BrokerRemoved(BrokerId(0))]));
    let view = view(&directory);
    assert!(view.brokers.is_empty());
    assert_eq!((view.partitions.len(), view.partitions_count), (3, 3));
    assert!(view.partitions.iter().all(|p| p.leader.is_none() && p.term == 1));
    assert_eq!(directory.apply(NOW, &gone), Ok(vec![]));
}

#[test]
fn gateways_and_suspicion_change_nothing_and_garbage_is_an_error() {
    let mut directory = BrokerDirectory::new();
    let mut gateway = member(&three_partitions());
    let suspected = Event::ReachabilityChanged(gateway.clone());
    assert_eq!(directory.apply(NOW, &suspected), Ok(vec![]));
    let garbage = ["!", "AAAA"].map(|value| {
        gateway.properties.insert(broker_info::PROPERTY.into(), value.into());
        directory.apply(NOW, &Event::MemberAdded(gateway.clone())).is_err()
    });
    assert_eq!(garbage, [true, true]);
    gateway.properties.clear();
    assert_eq!(directory.apply(NOW, &Event::MemberAdded(gateway)), Ok(vec![]));
    assert_eq!(directory.version(), 0);
}

#[test]
fn a_lost_leader_is_doubted_for_a_moment_or_until_it_is_confirmed() {
    let (one, zero) = (PartitionId(1), BrokerId(0));
    let mut directory = BrokerDirectory::new();
    directory.apply(NOW, &added(&three_partitions())).unwrap();
    assert!(!directory.leader_lost(NOW, one, BrokerId(9), 1), "it does not lead");
    assert!(directory.leader_lost(NOW, one, zero, 1));
    assert_eq!(leader(&directory, 1), None);
    assert_eq!(directory.poll_timeout(), Some(Millis(NOW.0 + 250)));
    assert!(!directory.handle_timeout(Millis(NOW.0 + 249)));
    assert!(directory.handle_timeout(Millis(NOW.0 + 250)));
    assert_eq!((leader(&directory, 1), directory.poll_timeout()), (Some(0), None));

    directory.leader_lost(NOW, one, zero, 1);
    assert!(!directory.leader_confirmed(NOW, one, BrokerId(1), 1), "not the doubted one");
    assert!(!directory.leader_confirmed(NOW, one, zero, 0), "not in that term");
    assert!(directory.leader_confirmed(NOW, one, zero, 1));
    assert_eq!(leader(&directory, 1), Some(0));

    directory.leader_lost(NOW, one, zero, 1);
    directory.apply(NOW, &changed(&three_partitions())).unwrap();
    assert_eq!(leader(&directory, 1), None, "it says what it said before");
    let mut again = three_partitions();
    again.leader_terms[0].1 = 2;
    directory.apply(NOW, &changed(&again)).unwrap();
    assert_eq!((leader(&directory, 1), directory.poll_timeout()), (Some(0), None));

    directory.leader_lost(NOW, one, zero, 2);
    let mut rival = BrokerInfo { node_id: BrokerId(1), ..three_partitions() };
    rival.leader_terms[0].1 = 3;
    directory.apply(NOW, &added(&rival)).unwrap();
    assert_eq!((leader(&directory, 1), directory.poll_timeout()), (Some(1), None));
}

#[test]
fn doubts_that_end_without_news_grow_to_two_seconds_and_begin_anew_after_an_answer() {
    let (one, zero) = (PartitionId(1), BrokerId(0));
    let mut directory = BrokerDirectory::new();
    directory.apply(NOW, &added(&three_partitions())).unwrap();
    let mut now = NOW;
    let mut doubt = |directory: &mut BrokerDirectory| {
        assert!(directory.leader_lost(now, one, zero, 1));
        let end = directory.poll_timeout().unwrap();
        let long = end - now;
        now = end;
        assert!(directory.handle_timeout(now));
        long.0
    };
    let grown: Vec<i64> = (0..6).map(|_| doubt(&mut directory)).collect();
    assert_eq!(grown, [250, 500, 1_000, 2_000, 2_000, 2_000]);
    assert!(!directory.leader_confirmed(NOW, one, zero, 1), "it leads already");
    assert_eq!(doubt(&mut directory), 250);
}

#[test]
fn news_of_an_old_leader_does_not_depose_a_new_one() {
    let (one, zero) = (PartitionId(1), BrokerId(0));
    let mut directory = BrokerDirectory::new();
    directory.apply(NOW, &added(&three_partitions())).unwrap();
    // The same broker leads again, and what it was sent before is refused only now.
    let mut again = three_partitions();
    again.leader_terms[0].1 = 5;
    directory.apply(NOW, &changed(&again)).unwrap();
    assert!(!directory.leader_lost(NOW, one, zero, 1));
    assert!(!directory.leader_lost(NOW, one, zero, 4));
    // Another one does.
    let mut rival = BrokerInfo { node_id: BrokerId(1), ..three_partitions() };
    rival.leader_terms[0].1 = 6;
    directory.apply(NOW, &added(&rival)).unwrap();
    assert!(!directory.leader_lost(NOW, one, zero, 5));
    assert!(!directory.leader_confirmed(NOW, one, zero, 5));
    assert_eq!((leader(&directory, 1), directory.poll_timeout()), (Some(1), None));
}

#[test]
fn inactive_and_unhealthy_replicas_are_shown_and_a_dead_broker_is_not() {
    let mut directory = BrokerDirectory::new();
    let mut info = three_partitions();
    info.roles[1].1 = PartitionRole::Inactive;
    info.health.retain(|(id, _)| id.0 != 2);
    info.health.iter_mut().filter(|(id, _)| id.0 == 3).for_each(|row| {
        row.1 = PartitionHealth::Dead;
    });
    directory.apply(NOW, &added(&info)).unwrap();
    let shown = view(&directory);
    let replicas: Vec<_> =
        shown.brokers[0].replicas.iter().map(|r| (r.partition.0, r.role, r.health)).collect();
    let expected = [
        (1, PartitionRole::Leader, PartitionHealth::Healthy),
        (2, PartitionRole::Inactive, PartitionHealth::Unhealthy),
        (3, PartitionRole::Leader, PartitionHealth::Dead),
    ];
    assert_eq!(replicas, expected, "health that is not told counts as unhealthy");
    assert_eq!(shown.partition(2).unwrap().leader, None);
    directory.apply(NOW, &Event::MemberRemoved(member(&info))).unwrap();
    let gone = view(&directory);
    assert!(gone.brokers.is_empty());
    assert!(gone.partition(2).unwrap().inactive.is_empty(), "an inactive replica went with it");
}

#[test]
fn the_configuration_overrides_the_numbers() {
    let mut directory = BrokerDirectory::new();
    directory.apply(NOW, &added(&mixed())).unwrap();
    let payload = vector!("topology-gossip-1-broker-3-partitions.hex");
    let answer = directory.apply_configuration(&payload).unwrap();
    assert_eq!(answer, ConfigurationAnswer { reply: vec![], changed: true });
    let now = view(&directory);
    assert_eq!((now.cluster_size, now.partitions_count, now.replication_factor), (1, 3, 1));
    assert_eq!(now.active_partitions, None);

    let again = directory.apply_configuration(&payload).unwrap();
    assert_eq!(again, ConfigurationAnswer { reply: payload.clone(), changed: false });
    assert!(!directory.apply_configuration(&[]).unwrap().changed);

    let full = vector!("topology-gossip-full.hex");
    assert!(directory.apply_configuration(&full).unwrap().changed, "a higher version");
    assert!(!directory.apply_configuration(&payload).unwrap().changed, "a lower version");
    let now = view(&directory);
    assert_eq!(now.active_partitions, Some([1, 2, 3].map(PartitionId).into()));
    assert_eq!(now.correlation_partitions, Some(3));
    assert_eq!((now.cluster_size, now.partitions_count, now.replication_factor), (1, 1, 1));
}

#[test]
fn configurations_of_the_same_version_are_mixed_by_member() {
    let full = configuration::decode(&vector!("topology-gossip-full.hex")).unwrap().unwrap();
    let mut directory = BrokerDirectory::new();
    directory.apply_configuration(&configuration::encode(Some(&full))).unwrap();

    let mut newer = full.clone();
    newer.members.get_mut("0").unwrap().version += 1;
    newer.members.get_mut("0").unwrap().state = configuration::State::Leaving as i32;
    newer.current_change.as_mut().unwrap().version += 1;
    let answer = directory.apply_configuration(&configuration::encode(Some(&newer))).unwrap();
    assert!(answer.changed);
    assert_eq!(directory.configuration(), Some(&newer));

    let mut conflicting = newer.clone();
    conflicting.members.get_mut("0").unwrap().state = configuration::State::Left as i32;
    let error = directory.apply_configuration(&configuration::encode(Some(&conflicting)));
    assert!(matches!(error, Err(ConfigurationError::Conflict { .. })));
}

#[test]
fn what_a_newer_broker_plans_is_followed_and_told_on_unchanged() {
    let full = configuration::decode(&vector!("topology-gossip-full.hex")).unwrap().unwrap();
    let mut directory = BrokerDirectory::new();
    directory.apply_configuration(&configuration::encode(Some(&full))).unwrap();

    let mut unknown = full.clone();
    unknown.version += 1;
    unknown.current_change.as_mut().unwrap().pending_operations[0].step = None;
    // Field 99 of the outer message, a number: nothing this version knows.
    let payload = [configuration::encode(Some(&unknown)), vec![0x98, 0x06, 0x07]].concat();
    assert!(directory.apply_configuration(&payload).unwrap().changed);
    assert_eq!(directory.told_configuration(), payload);
    assert_eq!(directory.configuration(), Some(&unknown));

    // A mixture of the two cannot be told without losing the unknown step.
    let mut rival = unknown.clone();
    rival.current_change = None;
    rival.members.get_mut("0").unwrap().version += 1;
    let error = directory.apply_configuration(&configuration::encode(Some(&rival)));
    assert_eq!(error, Err(ConfigurationError::UnknownOperation));
    assert_eq!(directory.told_configuration(), payload, "ours is kept");
}
