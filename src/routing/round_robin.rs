//! The next partition in turn that has a leader (command-api §3.5).

use crate::model::{ClusterView, PartitionId};

/// One counter. The gateway has one for instance creation, one for all other commands without a
/// partition, and one per job type.
#[derive(Clone, Debug, Default)]
pub struct RoundRobin {
    next: u64,
}

impl RoundRobin {
    /// The next partition with a leader that `admits` commands; if none admits any, the next with a
    /// leader; nothing when no partition has one. `admits` is asked about each at most once, and
    /// what it agrees to is picked.
    pub fn pick(
        &mut self,
        view: &ClusterView,
        admits: impl Fn(PartitionId) -> bool,
    ) -> Option<PartitionId> {
        let mut reluctant = None;
        for _ in 0..view.partitions_count.max(0) {
            let candidate = self.advance(view)?;
            if view.has_leader(candidate) {
                if admits(candidate) {
                    return Some(candidate);
                }
                reluctant.get_or_insert(candidate);
            }
        }
        reluctant
    }

    /// Picks made so far.
    #[must_use]
    pub fn picks(&self) -> u64 {
        self.next
    }

    fn advance(&mut self, view: &ClusterView) -> Option<PartitionId> {
        let turn = self.next;
        self.next = self.next.wrapping_add(1);
        match view.active_partitions.as_deref() {
            Some(ring) => {
                let len = u64::try_from(ring.len()).ok().filter(|&len| len > 0)?;
                ring.get(usize::try_from(turn % len).ok()?).copied()
            }
            None => {
                let len = u64::try_from(view.partitions_count).ok().filter(|&len| len > 0)?;
                u16::try_from(turn % len + 1).ok().map(PartitionId)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::partition::test_view;
    use super::*;

    fn picks(ring: &mut RoundRobin, view: &ClusterView, count: usize) -> Vec<Option<u16>> {
        (0..count).map(|_| ring.pick(view, |_| true).map(|p| p.0)).collect()
    }

    #[test]
    fn starts_at_partition_one_and_goes_round() {
        let view = test_view(&[(1, Some(0)), (2, Some(0)), (3, Some(0))]);
        let picked = picks(&mut RoundRobin::default(), &view, 4);
        assert_eq!(picked, [Some(1), Some(2), Some(3), Some(1)]);
    }

    #[test]
    fn skips_partitions_without_a_leader() {
        let view = test_view(&[(1, None), (2, Some(0)), (3, None)]);
        assert_eq!(picks(&mut RoundRobin::default(), &view, 3), [Some(2); 3]);
        let leaderless = test_view(&[(1, None), (2, None)]);
        assert_eq!(RoundRobin::default().pick(&leaderless, |_| true), None);
        assert_eq!(RoundRobin::default().pick(&ClusterView::default(), |_| true), None);
    }

    #[test]
    fn skips_partitions_that_admit_nothing_unless_none_does() {
        let view = test_view(&[(1, Some(0)), (2, Some(0)), (3, Some(0))]);
        let mut ring = RoundRobin::default();
        let picked: Vec<_> =
            (0..4).filter_map(|_| ring.pick(&view, |p| p.0 != 1)).map(|p| p.0).collect();
        assert_eq!(picked, [2, 3, 2, 3], "evenly over the others");
        let picked = (0..3).filter_map(|_| ring.pick(&view, |_| false)).map(|p| p.0);
        assert_eq!(picked.collect::<Vec<_>>(), [1; 3], "the first in turn");
    }

    #[test]
    fn takes_only_active_partitions_when_the_configuration_names_them() {
        let mut view = test_view(&[(1, Some(0)), (2, Some(0)), (3, Some(0)), (4, Some(0))]);
        view.active_partitions = Some(vec![PartitionId(2), PartitionId(4)]);
        let picked = picks(&mut RoundRobin::default(), &view, 3);
        assert_eq!(picked, [Some(2), Some(4), Some(2)]);
        view.active_partitions = Some(Vec::new());
        assert_eq!(RoundRobin::default().pick(&view, |_| true), None);
    }
}
