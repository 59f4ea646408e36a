//! Any bytes as membership payloads and datagrams.

#![no_main]

use beegate::wire::frame::cluster_preamble;
use beegate::wire::swim::{Datagram, RequestKind, decode_gossip, encode_gossip};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for kind in [RequestKind::Probe, RequestKind::Sync, RequestKind::ProbeFor] {
        if let Ok(request) = kind.decode_request(bytes) {
            assert_eq!(kind.decode_request(&request.encode()), Ok(request));
        }
        if let Ok(response) = kind.decode_response(bytes) {
            assert_eq!(kind.decode_response(&response.encode()), Ok(response));
        }
    }
    if let Ok(updates) = decode_gossip(bytes) {
        assert_eq!(decode_gossip(&encode_gossip(&updates)), Ok(updates));
    }
    let preamble = cluster_preamble("zeebe-cluster");
    if let Ok(datagram) = Datagram::decode(bytes, preamble) {
        assert_eq!(Datagram::decode(&datagram.encode(preamble), preamble), Ok(datagram.clone()));
        _ = decode_gossip(&datagram.payload);
    }
});
