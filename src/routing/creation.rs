//! The partitions one instance creation tries, in order (command-api §3.4).

use crate::model::{ClusterView, PartitionId};

/// Walks once around all partitions, beginning with the one that the round robin chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    start: u32,
    count: u32,
    tried: u32,
}

impl Candidates {
    /// The partitions of the view that are left after `start`, which is tried first.
    #[must_use]
    pub fn after(start: PartitionId, view: &ClusterView) -> Self {
        let count = u32::try_from(view.partitions_count).unwrap_or(0);
        Self { start: u32::from(start.0), count, tried: 1 }
    }

    /// The next partition that has a leader in the view of this moment and `admits` commands. A
    /// partition that was found not to answer is passed over for good: the failure so far is a
    /// better answer than none.
    pub fn next(
        &mut self,
        view: &ClusterView,
        admits: impl Fn(PartitionId) -> bool,
    ) -> Option<PartitionId> {
        while self.tried < self.count {
            let turn = (self.start + self.count - 1 + self.tried) % self.count;
            self.tried += 1;
            let candidate = PartitionId(u16::try_from(turn + 1).ok()?);
            if view.has_leader(candidate) && admits(candidate) {
                return Some(candidate);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::partition::test_view;
    use super::*;

    #[test]
    fn leaders_are_looked_up_when_reached() {
        let before = test_view(&[(1, Some(0)), (2, Some(0)), (3, None)]);
        let after = test_view(&[(1, None), (2, None), (3, Some(1))]);
        let mut candidates = Candidates::after(PartitionId(2), &before);
        assert_eq!(candidates.next(&after, |_| true), Some(PartitionId(3)));
        assert_eq!(candidates.next(&after, |_| true), None);
        assert_eq!(candidates.next(&before, |_| true), None);
        let mut candidates = Candidates::after(PartitionId(2), &before);
        assert_eq!(candidates.next(&before, |p| p.0 != 1), None);
    }

    proptest! {
        #[test]
        fn every_other_partition_with_a_leader_is_tried_once(
            leaders in proptest::collection::vec(any::<bool>(), 1..20),
            start in 0usize..20,
        ) {
            let rows: Vec<(u16, Option<i32>)> = leaders
                .iter()
                .enumerate()
                .map(|(i, led)| (i as u16 + 1, led.then_some(0)))
                .collect();
            let view = test_view(&rows);
            let start = (start % leaders.len()) as u16 + 1;
            let mut candidates = Candidates::after(PartitionId(start), &view);
            let tried: Vec<u16> =
                std::iter::from_fn(|| candidates.next(&view, |_| true)).map(|p| p.0).collect();
            let expected: Vec<u16> = (start + 1..=leaders.len() as u16)
                .chain(1..start)
                .filter(|&p| leaders[usize::from(p) - 1])
                .collect();
            prop_assert_eq!(tried, expected);
        }
    }
}
