//! Any bytes as plain Kryo objects, topics, broker info, configurations and heartbeats.

#![no_main]

use beegate::wire::broker_info::BrokerInfo;
use beegate::wire::kryo::{Basic, Reader};
use beegate::wire::{configuration, events, heartbeat};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(object) = Basic::decode(bytes) {
        assert_eq!(Basic::decode(&object.encode()), Ok(object));
    }
    if let Ok(topics) = events::decode_topics(bytes) {
        assert_eq!(events::decode_topics(&events::encode_topics(&topics)), Ok(topics));
    }
    if let Ok(job_type) = events::decode_jobs_available(bytes) {
        let payload = events::encode_jobs_available(&job_type);
        assert_eq!(events::decode_jobs_available(&payload), Ok(job_type));
    }
    if let Ok(info) = BrokerInfo::decode(bytes) {
        match info.encode() {
            Ok(encoded) => assert_eq!(BrokerInfo::decode(&encoded), Ok(info)),
            // 255 entries can be read, but the number means "null" when written.
            Err(too_many) => assert_eq!(too_many.found, 255),
        }
    }
    if let Ok(topology) = configuration::decode(bytes) {
        let payload = configuration::encode(topology.as_ref());
        assert_eq!(configuration::decode(&payload).as_ref(), Ok(&topology));
        if let Some(topology) = topology {
            assert_eq!(topology.merge(&topology).as_ref(), Ok(&topology));
            _ = (topology.active_partitions(), topology.correlation_partitions());
        }
    }
    if let Ok(message) = heartbeat::Message::decode(bytes) {
        assert_eq!(heartbeat::Message::decode(&message.encode()), Ok(message));
    }
    let mut reader = Reader::new(bytes);
    while reader.chunked().is_ok_and(|chunk| !chunk.is_empty()) {}
    _ = reader.field_names();
});
