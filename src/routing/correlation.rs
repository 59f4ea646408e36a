//! Correlation key → partition (command-api §3.3).

use crate::model::PartitionId;

/// The partition that messages with this correlation key go to in a cluster of `partitions`, or
/// nothing when it has none. All gateways and brokers must agree on it.
#[must_use]
pub fn correlation_partition(key: &[u8], partitions: u32) -> Option<PartitionId> {
    let count = i32::try_from(partitions).ok().filter(|&count| count > 0)?;
    let number = (hash(key) % count).unsigned_abs() + 1;
    u16::try_from(number).ok().map(PartitionId)
}

/// Polynomial hash over the UTF-8 bytes, each taken as signed.
fn hash(key: &[u8]) -> i32 {
    key.iter().fold(0, |hash: i32, &byte| hash.wrapping_mul(31).wrapping_add((byte as i8).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_recorded_table() {
        let recorded =
            include_str!("../../tests/vectors/command/routing/correlation-key-partition.json");
        let rows: Vec<serde_json::Value> = serde_json::from_str(recorded).unwrap();
        let counts = [1, 2, 3, 4, 5, 6, 7, 8, 16, 100, 1000];
        assert!(rows.len() > 20);
        for row in rows {
            let key = row["key"].as_str().unwrap();
            assert_eq!(i64::from(hash(key.as_bytes())), row["hash"].as_i64().unwrap(), "{key}");
            let partitions =
                row["partitions_for_count_1_to_8_then_16_100_1000"].as_array().unwrap();
            assert_eq!(partitions.len(), counts.len());
            for (count, partition) in counts.into_iter().zip(partitions) {
                let expected = PartitionId(partition.as_u64().unwrap().try_into().unwrap());
                assert_eq!(correlation_partition(key.as_bytes(), count), Some(expected), "{key}");
            }
        }
    }

    #[test]
    fn no_partition_without_partitions() {
        assert_eq!(correlation_partition(b"ck-1", 0), None);
    }
}
