//! The broker as a member of the cluster: what it tells about itself, and what it does when others
//! come, change and go.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::seq::IndexedRandom;
use tokio::sync::mpsc;

use super::hub::Hub;
use crate::chance::{self, select};
use crate::gossip::Event;
use crate::model::{BrokerId, PartitionHealth, PartitionId, PartitionRole};
use crate::net::{Members, RequestError};
use crate::wire::address::Address;
use crate::wire::broker_info::{BrokerInfo, COMMAND_API};
use crate::wire::configuration::SYNC_SUBJECT;
use crate::wire::swim::Member;

/// Version of the broker whose protocol this one speaks.
pub const VERSION: &str = "8.6.0";
/// Term of the leader of each partition: there was never an election.
const TERM: i64 = 1;
/// Subject that asks a gateway to register its job streams again.
const RECREATE_SUBJECT: &str = "stream-recreate";
const RECREATE_TIMEOUT: Duration = Duration::from_secs(5);
const RECREATE_BACKOFF_MIN: Duration = Duration::from_millis(100);
const RECREATE_BACKOFF_MAX: Duration = Duration::from_secs(10);
/// Between two times that some member is told the configuration (cluster-protocol §5.2).
const SYNC_INTERVAL: Duration = Duration::from_secs(10);
const SYNC_TIMEOUT: Duration = Duration::from_secs(2);

/// What the broker tells about itself: it leads all its partitions, as the only replica.
#[must_use]
pub fn broker_info(
    node: BrokerId,
    command_address: &Address,
    health: &[(PartitionId, PartitionHealth)],
) -> BrokerInfo {
    BrokerInfo {
        node_id: node,
        partitions_count: i32::try_from(health.len()).unwrap_or(i32::MAX),
        cluster_size: 1,
        replication_factor: 1,
        addresses: vec![(COMMAND_API.to_owned(), command_address.to_string())],
        roles: health.iter().map(|(id, _)| (*id, PartitionRole::Leader)).collect(),
        leader_terms: health.iter().map(|(id, _)| (*id, TERM)).collect(),
        version: VERSION.to_owned(),
        health: health.to_vec(),
    }
}

/// Follows the membership until it ends.
pub async fn follow(hub: Arc<Hub>, mut events: mpsc::Receiver<Event>) {
    let mut sync =
        tokio::time::interval_at(tokio::time::Instant::now() + SYNC_INTERVAL, SYNC_INTERVAL);
    sync.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        select! {
            event = events.recv() => match event {
                Some(event) => react(&hub, event),
                None => return,
            },
            _ = sync.tick() => {
                let members = hub.membership().members();
                if let Some(known) = members.others.choose(&mut chance::rng()) {
                    tokio::spawn(tell_configuration(Arc::clone(&hub), known.member.clone()));
                }
            }
        }
    }
}

fn react(hub: &Arc<Hub>, event: Event) {
    match event {
        Event::MemberAdded(member) => {
            log::info!("event=member_added id={} address={}", member.id, member.address);
            tokio::spawn(recreate_streams(Arc::clone(hub), member.clone()));
            tokio::spawn(tell_configuration(Arc::clone(hub), member));
        }
        Event::MemberRemoved(member) => {
            log::info!("event=member_removed id={} address={}", member.id, member.address);
            hub.member_removed(&member.id);
        }
        Event::ReachabilityChanged(member) => {
            log::debug!("event=member_reachability id={} state={:?}", member.id, member.state);
        }
        Event::MetadataChanged(_) => {}
        Event::IdentityConflict(member) => log::error!(
            "event=member_id_conflict id={} address={} hint=\"set broker.node_id\"",
            member.id,
            member.address
        ),
    }
    hub.jobs().refresh_subscribers();
}

/// Asks a new member to register its job streams: it may have known an earlier process of this
/// broker. Repeated until the member answers, has no such handler or is gone.
async fn recreate_streams(hub: Arc<Hub>, member: Member) {
    let mut backoff = RECREATE_BACKOFF_MIN;
    loop {
        let answer = hub
            .messenger()
            .request(&member.address, RECREATE_SUBJECT, Bytes::new(), RECREATE_TIMEOUT)
            .await;
        match answer {
            Ok(_) | Err(RequestError::NoHandler { .. } | RequestError::Remote(_)) => return,
            Err(error) => {
                log::debug!("event=stream_recreate_failed member={} error=\"{error}\"", member.id)
            }
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(RECREATE_BACKOFF_MAX);
        if !is_known(&hub.membership().members(), &member) {
            return;
        }
    }
}

/// Whether this very process is still a member.
fn is_known(members: &Members, member: &Member) -> bool {
    members.by_id(&member.id).is_some_and(|known| {
        known.member.timestamp == member.timestamp && known.member.address == member.address
    })
}

async fn tell_configuration(hub: Arc<Hub>, member: Member) {
    let told = hub.configuration();
    let answer = hub.messenger().request(&member.address, SYNC_SUBJECT, told, SYNC_TIMEOUT).await;
    // The answer is the member's own opinion; this broker's is the one that counts.
    if let Err(error) = answer {
        log::debug!("event=configuration_not_told member={} error=\"{error}\"", member.id);
    }
}
