//! The cluster configuration of this broker, which is its whole cluster, and the requests about it
//! (cluster-protocol §5).
//!
//! The configuration is fixed at the start, so every request to change it is refused.

use bytes::Bytes;
use prost::Message as _;

use crate::model::BrokerId;
use crate::net::{Handlers, Membership, Message, Responder};
use crate::wire::configuration::{
    self, ClusterTopology, Error, ExportersConfig, GOSSIP_SUBJECT, MemberState, PartitionConfig,
    PartitionState, RequestErrorCode, Response, SYNC_SUBJECT, State, Timestamp, response, subject,
};

/// Seconds of the time that stands for "never".
const NEVER: i64 = -31_557_014_167_219_200;
/// Priority of a replica whose partition has no other.
const PRIORITY: i32 = 1;

/// Requests that would change the configuration.
const CHANGES: [&str; 13] = [
    subject::MEMBER_ADD,
    subject::MEMBER_REMOVE,
    subject::MEMBER_SCALE,
    subject::FORCE_SCALE_DOWN,
    subject::PARTITION_JOIN,
    subject::PARTITION_LEAVE,
    subject::PARTITION_REASSIGN,
    subject::CHANGE_CANCEL,
    subject::CLUSTER_SCALE,
    subject::CLUSTER_PATCH,
    subject::BROKER_FORCE_REMOVE,
    subject::EXPORTER_DISABLE,
    subject::EXPORTER_ENABLE,
];

/// The configuration of a fresh cluster of one broker with `partitions` partitions.
#[must_use]
pub fn initial(node: BrokerId, partitions: u16) -> ClusterTopology {
    let replica = PartitionState {
        state: State::Active.into(),
        priority: PRIORITY,
        config: Some(PartitionConfig { exporting: Some(ExportersConfig::default()) }),
    };
    let member = MemberState {
        version: 0,
        last_updated: Some(Timestamp { seconds: NEVER, nanos: 0 }),
        state: State::Active.into(),
        partitions: (1..=i32::from(partitions)).map(|id| (id, replica.clone())).collect(),
    };
    ClusterTopology {
        version: 1,
        members: [(node.to_string(), member)].into(),
        ..ClusterTopology::default()
    }
}

/// Answers the requests about the configuration.
pub fn register(handlers: &mut Handlers, membership: &Membership, topology: &ClusterTopology) {
    let told = Bytes::from(configuration::encode(Some(topology)));
    let members = membership.clone();
    handlers.on(SYNC_SUBJECT, move |message: Message, responder: Responder| {
        if members.members().by_address(&message.sender).is_none() {
            return responder.error(unknown_sender(&message));
        }
        responder.reply(told.clone());
    });
    // Nobody else decides about this cluster, so there is nothing to learn.
    handlers.on(GOSSIP_SUBJECT, |_: Message, _: Responder| {});
    let answer = response::Response::ClusterTopology(topology.clone());
    let answer = Bytes::from(Response { response: Some(answer) }.encode_to_vec());
    handlers.on(subject::QUERY, move |_: Message, responder: Responder| {
        responder.reply(answer.clone());
    });
    for change in CHANGES {
        handlers.on(change, refuse);
    }
}

fn refuse(message: Message, responder: Responder) {
    log::info!("event=configuration_change_refused subject={}", message.subject);
    let error = Error {
        error_code: RequestErrorCode::OperationNotAllowed.into(),
        error_message: "the embedded broker's cluster has a fixed configuration".to_owned(),
    };
    let response = Response { response: Some(response::Response::Error(error)) };
    responder.reply(Bytes::from(response.encode_to_vec()));
}

/// What a sender gets that is no member (cluster-protocol §1.5).
#[must_use]
pub fn unknown_sender(message: &Message) -> String {
    format!("Failed to handle message, host {} is not a known cluster member", message.sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_configuration_is_the_one_a_jvm_broker_gossips() {
        let recorded = "0a420801123e0a01301239120b0880a890a381e2f8c7ff011802220c08011208080210011a\
                        020a00220c08021208080210011a020a00220c08031208080210011a020a00";
        let told = configuration::encode(Some(&initial(BrokerId(0), 3)));
        let hex: String = told.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, recorded);
    }
}
