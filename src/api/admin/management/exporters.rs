//! The exporters of all partitions together (monitoring §5.2).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::management::ClusterConfiguration;

/// An exporter over all partitions.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExporterStatus<'a> {
    exporter_id: &'a str,
    status: &'static str,
}

/// All exporters, by id.
pub(super) fn of(configuration: &ClusterConfiguration) -> Vec<ExporterStatus<'_>> {
    let mut by_id: BTreeMap<&str, &'static str> = BTreeMap::new();
    let partitions = configuration.brokers.iter().flat_map(|broker| &broker.partitions);
    for exporter in partitions.flat_map(|partition| &partition.config.exporting.exporters) {
        by_id
            .entry(&exporter.id)
            .and_modify(|status| {
                if *status != exporter.state {
                    *status = "UNKNOWN";
                }
            })
            .or_insert(exporter.state);
    }
    // A change in progress says where those that differ are going.
    let pending = configuration.pending_change.iter().flat_map(|change| &change.pending);
    for step in pending {
        let Some(exporter) = step.exporter_id.as_deref() else { continue };
        let status = match step.operation {
            "PARTITION_DISABLE_EXPORTER" => "DISABLING",
            "PARTITION_ENABLE_EXPORTER" => "ENABLING",
            _ => continue,
        };
        by_id.insert(exporter, status);
    }
    by_id.into_iter().map(|(exporter_id, status)| ExporterStatus { exporter_id, status }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::management::{
        ChangeStep, ConfiguredBroker, ConfiguredPartition, Exporter, Exporting,
        PartitionConfiguration, PendingChange,
    };

    fn broker(id: i32, states: &[(&str, &'static str)]) -> ConfiguredBroker {
        let exporter =
            |(id, state): &(&str, &'static str)| Exporter { id: (*id).to_owned(), state };
        let exporting = Exporting { exporters: states.iter().map(exporter).collect() };
        ConfiguredBroker {
            id,
            state: "ACTIVE",
            version: 1,
            last_updated_at: String::new(),
            partitions: vec![ConfiguredPartition {
                id: 1,
                state: "ACTIVE",
                priority: 1,
                config: PartitionConfiguration { exporting },
            }],
        }
    }

    #[test]
    fn replicas_that_agree_decide_and_a_change_in_progress_decides_otherwise() {
        let (on, off) = ("ENABLED", "DISABLED");
        let mut configuration = ClusterConfiguration {
            brokers: vec![
                broker(0, &[("a", on), ("b", off), ("c", on)]),
                broker(1, &[("a", on), ("b", off), ("c", off)]),
            ],
            ..ClusterConfiguration::default()
        };
        let statuses = |configuration: &ClusterConfiguration| -> Vec<&'static str> {
            of(configuration).iter().map(|exporter| exporter.status).collect()
        };
        assert_eq!(statuses(&configuration), [on, off, "UNKNOWN"]);
        let step = |operation, id: &str| ChangeStep {
            operation,
            exporter_id: Some(id.to_owned()),
            ..ChangeStep::default()
        };
        configuration.pending_change = Some(PendingChange {
            id: 1,
            status: "IN_PROGRESS",
            completed: vec![step("PARTITION_DISABLE_EXPORTER", "a")],
            pending: vec![
                step("PARTITION_DISABLE_EXPORTER", "c"),
                step("PARTITION_ENABLE_EXPORTER", "d"),
            ],
        });
        assert_eq!(statuses(&configuration), [on, off, "DISABLING", "ENABLING"]);
    }
}
