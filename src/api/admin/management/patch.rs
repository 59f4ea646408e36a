//! `PATCH /actuator/cluster`: numbers of brokers, partitions and replicas (monitoring §5.1).

use serde::Deserialize;

use super::answer::Refused;
use crate::model::MemberId;
use crate::model::management::ConfigurationRequest;

/// The body.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Patch {
    brokers: Option<Brokers>,
    partitions: Option<Partitions>,
}

#[derive(Debug, Default, Deserialize)]
struct Brokers {
    count: Option<u32>,
    #[serde(default)]
    add: Option<Vec<i32>>,
    #[serde(default)]
    remove: Option<Vec<i32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Partitions {
    count: Option<u32>,
    replication_factor: Option<u32>,
}

/// Ids as members have them.
pub(super) fn members(numbers: &[i32]) -> Vec<MemberId> {
    numbers.iter().map(|number| MemberId::new(number.to_string())).collect()
}

impl Patch {
    /// What it asks for.
    pub(super) fn request(
        self,
        dry_run: bool,
        force: bool,
    ) -> Result<ConfigurationRequest, Refused> {
        let Self { brokers, partitions } = self;
        let given = brokers.is_some();
        let brokers = brokers.unwrap_or_default();
        let add = members(&brokers.add.unwrap_or_default());
        let remove = members(&brokers.remove.unwrap_or_default());
        let Partitions { count: partitions, replication_factor } = partitions.unwrap_or_default();
        let refuse = |message: &str| Err(Refused::Invalid(message.to_owned()));
        if force {
            return match (brokers.count, partitions, replication_factor) {
                _ if !given => refuse("Must provide a set of brokers to force remove."),
                (Some(_), ..) => refuse("Cannot force change the broker count."),
                _ if !add.is_empty() => refuse("Cannot force add brokers"),
                (_, Some(_), _) => refuse("Cannot force change the partition count."),
                (.., Some(_)) => refuse("Cannot force change the replication factor."),
                _ if remove.is_empty() => refuse("Must provide a set of brokers to force remove."),
                _ => Ok(ConfigurationRequest::ForceRemoveBrokers { brokers: remove, dry_run }),
            };
        }
        let Some(count) = brokers.count else {
            return Ok(ConfigurationRequest::PatchCluster {
                add,
                remove,
                partitions,
                replication_factor,
                dry_run,
            });
        };
        if !add.is_empty() || !remove.is_empty() {
            return refuse(
                "Cannot change brokers count and add/remove brokers at the same time. Specify \
                 either the new brokers count or brokers to add and remove.",
            );
        }
        let brokers = Some(count);
        Ok(ConfigurationRequest::ScaleCluster { brokers, partitions, replication_factor, dry_run })
    }
}
