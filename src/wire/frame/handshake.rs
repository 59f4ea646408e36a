//! The six bytes each side sends first.

use bytes::{Buf, BytesMut};

/// Version of the framing; the two differ only in how the sender address is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// Sender address as IP octets.
    V1,
    /// Sender address as text.
    V2,
}

impl ProtocolVersion {
    /// What an initiator offers.
    pub const LATEST: ProtocolVersion = ProtocolVersion::V2;

    /// The version with this number on the wire.
    #[must_use]
    pub const fn from_wire(number: i16) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn to_wire(self) -> i16 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// Number that stands for a cluster name on the wire: Java's `String.hashCode`, over UTF-16 units
/// with wrapping arithmetic (cluster-protocol §1.1).
#[must_use]
pub fn cluster_preamble(name: &str) -> i32 {
    name.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

/// Why two ends do not talk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The other end belongs to a cluster of another name.
    #[error("peer is of another cluster: preamble {found:#010x}, expected {expected:#010x}")]
    OtherCluster {
        /// Our preamble.
        expected: i32,
        /// Theirs.
        found: i32,
    },
    /// The acceptor answered with a version we do not speak.
    #[error("peer answered with unknown protocol version {0}")]
    UnknownVersion(i16),
}

/// What either side sends first. The version is a plain number: a peer may offer one we do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The cluster's preamble.
    pub preamble: i32,
    /// Offered or chosen version.
    pub version: i16,
}

impl Handshake {
    /// Length on the wire in bytes. Write it in one write and read the answer before anything else:
    /// a JVM acceptor drops whatever arrives in the same segment.
    pub const LEN: usize = 6;

    /// What an initiator sends.
    #[must_use]
    pub const fn offer(preamble: i32) -> Self {
        Self { preamble, version: ProtocolVersion::LATEST.to_wire() }
    }

    /// Bytes on the wire.
    #[must_use]
    pub fn encode(self) -> [u8; Self::LEN] {
        let [a, b, c, d] = self.preamble.to_be_bytes();
        let [e, f] = self.version.to_be_bytes();
        [a, b, c, d, e, f]
    }

    /// From bytes on the wire.
    #[must_use]
    pub fn decode(bytes: [u8; Self::LEN]) -> Self {
        let [a, b, c, d, e, f] = bytes;
        Self { preamble: i32::from_be_bytes([a, b, c, d]), version: i16::from_be_bytes([e, f]) }
    }

    /// Takes a handshake off the front of `input`, or nothing while fewer than six bytes are there.
    pub fn take(input: &mut BytesMut) -> Option<Self> {
        let bytes: [u8; Self::LEN] = input.get(..Self::LEN)?.try_into().ok()?;
        input.advance(Self::LEN);
        Some(Self::decode(bytes))
    }

    /// Acceptor's side: what to answer to an offer and which version then holds. On an error close
    /// without a byte, as a JVM broker does.
    pub fn accept(self, our_preamble: i32) -> Result<(Handshake, ProtocolVersion), HandshakeError> {
        self.check_cluster(our_preamble)?;
        let version = ProtocolVersion::from_wire(self.version).unwrap_or(ProtocolVersion::LATEST);
        Ok((Handshake { preamble: our_preamble, version: version.to_wire() }, version))
    }

    /// Initiator's side: which version holds after the acceptor's answer.
    pub fn confirm(self, our_preamble: i32) -> Result<ProtocolVersion, HandshakeError> {
        self.check_cluster(our_preamble)?;
        ProtocolVersion::from_wire(self.version).ok_or(HandshakeError::UnknownVersion(self.version))
    }

    fn check_cluster(self, expected: i32) -> Result<(), HandshakeError> {
        if self.preamble == expected {
            return Ok(());
        }
        Err(HandshakeError::OtherCluster { expected, found: self.preamble })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preamble_is_javas_string_hash() {
        assert_eq!(cluster_preamble("zeebe-cluster"), 0xeb6e_ec8a_u32 as i32);
        assert_eq!(cluster_preamble("abc"), 96354);
        assert_eq!(cluster_preamble(""), 0);
        // U+1F600 counts as its two surrogates.
        assert_eq!(cluster_preamble("\u{1f600}"), 0xd83d * 31 + 0xde00);
    }

    #[test]
    fn acceptor_keeps_known_versions_and_answers_unknown_ones_with_its_latest() {
        for (offered, answered) in [(1, 1), (2, 2), (9, 2), (-1, 2)] {
            let (answer, version) = Handshake { preamble: 7, version: offered }.accept(7).unwrap();
            assert_eq!((answer.preamble, answer.version), (7, answered));
            assert_eq!(version.to_wire(), answered);
        }
    }

    #[test]
    fn initiator_refuses_unknown_versions_and_both_refuse_another_cluster() {
        let other = Handshake { preamble: 8, version: 2 };
        let error = HandshakeError::OtherCluster { expected: 7, found: 8 };
        assert_eq!(other.accept(7), Err(error.clone()));
        assert_eq!(other.confirm(7), Err(error));
        assert_eq!(
            Handshake { preamble: 7, version: 3 }.confirm(7),
            Err(HandshakeError::UnknownVersion(3))
        );
    }

    #[test]
    fn is_taken_only_when_complete() {
        let bytes = Handshake::offer(cluster_preamble("zeebe-cluster")).encode();
        let mut input = BytesMut::from(&bytes[..5]);
        assert_eq!(Handshake::take(&mut input), None);
        input.extend_from_slice(&[bytes[5], 0x01]);
        assert_eq!(Handshake::take(&mut input), Some(Handshake::decode(bytes)));
        assert_eq!(&input[..], [0x01]);
    }
}
