//! Who is asked and what the answers mean, over a cluster of three brokers.

use super::*;
use crate::model::management::{BackupState, ClusterConfiguration, ExportingMode};
use crate::model::{
    BackupStatusCode, BrokerView, Key, MemberState, MemberView, Millis, PartitionView,
};

fn ids(ids: &[&str]) -> Vec<MemberId> {
    ids.iter().map(|id| MemberId::new(*id)).collect()
}

fn partition(id: u16, leader: Option<i32>, followers: &[i32], inactive: &[i32]) -> PartitionView {
    let brokers = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
    PartitionView {
        id: PartitionId(id),
        leader: leader.map(BrokerId),
        term: 1,
        followers: brokers(followers),
        inactive: brokers(inactive),
        leader_source: "test",
        leader_seen: Millis(1),
    }
}

/// Two partitions on three brokers, seen in the wrong order.
fn view() -> ClusterView {
    let broker = |id| BrokerView {
        id: BrokerId(id),
        command_address: format!("command-{id}:26501"),
        internal_address: format!("internal-{id}:26502"),
        version: "8.6.0".to_owned(),
        replicas: Vec::new(),
    };
    ClusterView {
        cluster_size: 3,
        partitions_count: 2,
        replication_factor: 3,
        configured_members: ids(&["0", "1", "2"]),
        partitions: vec![partition(2, Some(1), &[0], &[2]), partition(1, Some(0), &[1, 2], &[])],
        brokers: (0..3).map(broker).collect(),
        ..ClusterView::default()
    }
}

fn replica(partition: u16, broker: i32) -> Target {
    Target::Replica(PartitionId(partition), BrokerId(broker))
}

fn leader(partition: u16) -> Target {
    Target::Leader(PartitionId(partition))
}

const PAUSE: ManagementOperation = ManagementOperation::Exporting(ExportingMode::Paused);

#[test]
fn exporting_is_for_every_replica_and_needs_them_all() {
    let all = [(1, 0), (1, 1), (1, 2), (2, 1), (2, 0), (2, 2)].map(|(p, b)| replica(p, b));
    assert_eq!(targets(&PAUSE, &view()), Ok(all.to_vec()));
    let incomplete = |change: fn(&mut ClusterView)| {
        let mut view = view();
        change(&mut view);
        match targets(&PAUSE, &view) {
            Err(ManagementError::IncompleteTopology(cause)) => cause,
            other => panic!("{other:?}"),
        }
    };
    let cause = incomplete(|view| view.partitions[0].leader = None);
    assert_eq!(cause, "partition 2 has no leader");
    let cause = incomplete(|view| view.partitions[1].followers.clear());
    assert_eq!(cause, "partition 1 has 1 known replicas instead of 3");
    let cause = incomplete(|view| drop(view.partitions.remove(1)));
    assert_eq!(cause, "partition 1 was not seen yet");
    let cause = incomplete(|view| *view = ClusterView::default());
    assert_eq!(cause, "no broker was seen yet");
}

#[test]
fn leaders_get_what_they_decide_and_replicas_what_all_keep() {
    let (both, view) = (vec![leader(1), leader(2)], view());
    for operation in [
        ManagementOperation::Rebalance,
        ManagementOperation::FlowControl,
        ManagementOperation::TakeBackup(7),
        ManagementOperation::BackupStatus(7),
        ManagementOperation::ListBackups,
        ManagementOperation::DeleteBackup(7),
    ] {
        assert_eq!(targets(&operation, &view).as_ref(), Ok(&both), "{operation:?}");
    }
    let set = ManagementOperation::SetFlowControl("{}".to_owned());
    assert_eq!(targets(&set, &view).map(|targets| targets.len()), Ok(6));
    let key = Key::new(PartitionId(2), 5);
    assert_eq!(targets(&ManagementOperation::BanInstance(key), &view), Ok(vec![leader(2)]));
    let unknown = targets(&ManagementOperation::BanInstance(Key(0)), &view);
    assert_eq!(unknown, Err(ManagementError::UnknownPartition(0)));
}

#[test]
fn without_brokers_there_are_no_backups_and_none_can_be_taken() {
    let nothing = ClusterView::default();
    assert_eq!(targets(&ManagementOperation::ListBackups, &nothing), Ok(Vec::new()));
    let outcome = fold(&ManagementOperation::ListBackups, Vec::new());
    assert_eq!(outcome, Ok(ManagementOutcome::Backups(Vec::new())));
    let take = targets(&ManagementOperation::TakeBackup(1), &nothing);
    assert!(matches!(take, Err(ManagementError::IncompleteTopology(_))), "{take:?}");
}

#[test]
fn the_coordinator_is_the_first_by_text_of_those_that_stay() {
    let coordinator = |request, members: &[&str]| {
        let view = ClusterView { configured_members: ids(members), ..ClusterView::default() };
        targets(&ManagementOperation::Configuration(request), &view)
    };
    let at = |id: &str| Ok(vec![Target::Coordinator(MemberId::new(id))]);
    assert_eq!(coordinator(ConfigurationRequest::Query, &[]), at("0"));
    assert_eq!(coordinator(ConfigurationRequest::Query, &["2", "10", "3"]), at("10"));
    let down = ConfigurationRequest::ForceScaleDown {
        brokers: ids(&["2", "1"]),
        replication_factor: None,
        dry_run: false,
    };
    assert_eq!(coordinator(down, &["0", "1", "2"]), at("1"));
    let remove =
        ConfigurationRequest::ForceRemoveBrokers { brokers: ids(&["0", "1"]), dry_run: false };
    assert_eq!(coordinator(remove, &["0", "1", "2"]), at("2"));
}

#[test]
fn a_coordinator_is_found_as_a_member_and_partitions_at_command_addresses() {
    let mut view = view();
    let coordinator = Target::Coordinator(MemberId::new("2"));
    let address = |target: &Target, view: &ClusterView| locate(target, view).map(|to| to.address);
    assert_eq!(address(&coordinator, &view).as_deref(), Ok("internal-2:26502"));
    view.members.push(MemberView {
        id: MemberId::new("2"),
        address: "moved:1".to_owned(),
        state: MemberState::Alive,
        incarnation: 1,
        version: None,
        is_broker: true,
        last_seen: Millis(1),
    });
    assert_eq!(address(&coordinator, &view).as_deref(), Ok("moved:1"));
    let nobody = Target::Coordinator(MemberId::new("7"));
    let unknown = Err(ManagementError::UnknownMember(MemberId::new("7")));
    assert_eq!(locate(&nobody, &view), unknown);

    assert_eq!(address(&leader(2), &view).as_deref(), Ok("command-1:26501"));
    assert_eq!(locate(&replica(2, 0), &view).map(|to| to.broker), Ok(Some(BrokerId(0))));
    view.partitions[0].leader = None;
    assert_eq!(locate(&leader(2), &view), Err(ManagementError::NoLeader(PartitionId(2))));
    view.brokers.clear();
    let gone = ManagementError::NoBroker { partition: PartitionId(1), broker: 2 };
    assert_eq!(locate(&replica(1, 2), &view), Err(gone));
}

#[test]
fn only_backups_are_asked_for_again_and_only_of_who_did_nothing() {
    let mismatch = ManagementError::Broker {
        code: ErrorCode::PartitionLeaderMismatch,
        message: String::new(),
    };
    let list = ManagementOperation::ListBackups;
    for nothing_done in [
        ManagementError::NoLeader(PartitionId(1)),
        ManagementError::Unreachable(String::new()),
        mismatch.clone(),
    ] {
        assert!(again(&list, &nothing_done), "{nothing_done:?}");
        assert!(!again(&PAUSE, &nothing_done), "{nothing_done:?}");
    }
    for final_one in [
        ManagementError::Timeout(String::new()),
        ManagementError::Failed(String::new()),
        ManagementError::Broker { code: ErrorCode::ResourceExhausted, message: String::new() },
    ] {
        assert!(!again(&list, &final_one), "{final_one:?}");
    }
}

#[test]
fn one_failure_is_the_result_of_all() {
    let failure = ManagementError::Unreachable("broker 2".to_owned());
    let answers = vec![
        (replica(1, 0), Ok(Answer::Done)),
        (replica(1, 2), Err(failure.clone())),
        (replica(2, 0), Err(ManagementError::Timeout("later".to_owned()))),
    ];
    assert_eq!(fold(&PAUSE, answers), Err(failure));
    let done = vec![(replica(1, 0), Ok(Answer::Done))];
    assert_eq!(fold(&PAUSE, done), Ok(ManagementOutcome::Done));
}

#[test]
fn configurations_and_limits_are_passed_on() {
    let query = ManagementOperation::Configuration(ConfigurationRequest::Query);
    let configuration = ManagementOutcome::Configuration(ClusterConfiguration::default());
    let coordinator = Target::Coordinator(MemberId::new("0"));
    let answers = vec![(coordinator, Ok(Answer::Outcome(Box::new(configuration.clone()))))];
    assert_eq!(fold(&query, answers), Ok(configuration));
    assert!(matches!(fold(&query, Vec::new()), Err(ManagementError::Unreadable(_))));

    let limits = |json: &str| Ok(Answer::FlowControl(json.to_owned()));
    let answers = vec![(leader(2), limits("2")), (leader(1), limits("1"))];
    let by_partition = [(PartitionId(1), "1".to_owned()), (PartitionId(2), "2".to_owned())];
    let expected = ManagementOutcome::FlowControl(by_partition.into());
    assert_eq!(fold(&ManagementOperation::FlowControl, answers), Ok(expected));
}

#[test]
fn a_backup_is_taken_when_one_partition_began_it_and_none_has_a_newer() {
    let take = |answers: &[(bool, i64)]| {
        let answer = |(n, &(created, id)): (usize, &(bool, i64))| {
            (leader(n as u16 + 1), Ok(Answer::Checkpoint { created, id }))
        };
        let answers = answers.iter().enumerate().map(answer).collect();
        fold(&ManagementOperation::TakeBackup(5), answers)
    };
    assert_eq!(take(&[(true, 5), (true, 5)]), Ok(ManagementOutcome::Done));
    // The checkpoint came to the second partition with another's command.
    assert_eq!(take(&[(true, 5), (false, 5)]), Ok(ManagementOutcome::Done));
    let exists = |newest| Err(ManagementError::BackupExists { requested: 5, newest });
    assert_eq!(take(&[(false, 5), (false, 5)]), exists(5));
    assert_eq!(take(&[(true, 5), (false, 9)]), exists(9));
}

fn on(partition: u16, state: BackupStatusCode) -> PartitionBackup {
    PartitionBackup {
        partition_id: PartitionId(partition),
        state,
        failure_reason: (state == BackupStatusCode::Failed).then(|| "disk full".to_owned()),
        created_at: None,
        last_updated_at: None,
        snapshot_id: None,
        checkpoint_position: None,
        broker_id: None,
        broker_version: None,
    }
}

#[test]
fn the_state_of_a_backup_is_that_of_its_worst_partition() {
    use BackupStatusCode::{Completed, DoesNotExist, Failed, InProgress, Unknown};
    let state = |states: &[BackupStatusCode]| {
        let answer = |(n, state): (usize, &BackupStatusCode)| {
            let partition = n as u16 + 1;
            (leader(partition), Ok(Answer::Backups(vec![(5, on(partition, *state))])))
        };
        let answers = states.iter().enumerate().map(answer).collect();
        match fold(&ManagementOperation::BackupStatus(5), answers) {
            Ok(ManagementOutcome::Backup(backup)) => Ok((backup.state, backup.failure_reason)),
            Err(error) => Err(error),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(state(&[Completed, Completed]), Ok((BackupState::Completed, None)));
    assert_eq!(state(&[Completed, InProgress]), Ok((BackupState::InProgress, None)));
    assert_eq!(state(&[Completed, DoesNotExist]), Ok((BackupState::Incomplete, None)));
    assert_eq!(state(&[InProgress, DoesNotExist]), Ok((BackupState::Incomplete, None)));
    assert_eq!(state(&[Completed, Unknown(9)]), Ok((BackupState::Incomplete, None)));
    let reason = Some("Backup on partition 2 failed due to disk full.".to_owned());
    assert_eq!(state(&[DoesNotExist, Failed]), Ok((BackupState::Failed, reason)));
    assert_eq!(state(&[DoesNotExist, DoesNotExist]), Err(ManagementError::NoBackup(5)));
}

#[test]
fn backups_are_listed_with_the_best_of_each_partition() {
    use BackupStatusCode::{Completed, Failed};
    let answers = vec![
        (leader(1), Ok(Answer::Backups(vec![(7, on(1, Completed)), (5, on(1, Failed))]))),
        (leader(2), Ok(Answer::Backups(vec![(7, on(2, Failed)), (7, on(2, Completed))]))),
    ];
    let Ok(ManagementOutcome::Backups(backups)) = fold(&ManagementOperation::ListBackups, answers)
    else {
        panic!("no list")
    };
    let found: Vec<_> = backups.iter().map(|backup| (backup.backup_id, backup.state)).collect();
    assert_eq!(found, [(5, BackupState::Failed), (7, BackupState::Completed)]);
    let states: Vec<_> = backups[0].details.iter().map(|detail| detail.state).collect();
    assert_eq!(states, [Failed, BackupStatusCode::DoesNotExist]);
}
