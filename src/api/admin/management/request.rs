//! From path, query and body to the operation they ask for (monitoring §5).

use actix_web::http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::{Refused, ShownAs};
use super::{ACTUATOR, flow_control, patch};
use crate::api::admin::actors::decoded;
use crate::model::management::{ConfigurationRequest, ExportingMode, ManagementOperation};
use crate::model::{Key, MemberId};

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Asked {
    /// The operation.
    pub(super) operation: ManagementOperation,
    /// How its outcome is worded.
    pub(super) shown_as: ShownAs,
}

/// What the parts of a path under `/actuator` name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Cluster,
    /// All of a kind.
    Resources(Resource),
    /// One of a kind.
    Resource(Resource, String),
    /// A broker's replica of a partition, from either side.
    Replica {
        broker: MemberId,
        partition: i32,
    },
    Exporters,
    EnableExporter(String),
    DisableExporter(String),
    Exporting(ExportingWord),
    Rebalance,
    Banning(i64),
    FlowControl,
    Backups,
    Backup(i64),
}

/// What a cluster consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Brokers,
    Partitions,
    Changes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExportingWord {
    Pause,
    Resume,
}

impl Resource {
    fn named(word: &str) -> Result<Self, Refused> {
        match word {
            "brokers" => Ok(Self::Brokers),
            "partitions" => Ok(Self::Partitions),
            "changes" => Ok(Self::Changes),
            other => {
                Err(Refused::bad(format!("'{other}' is none of brokers, partitions, changes")))
            }
        }
    }
}

impl Endpoint {
    /// The endpoint of a path; `None` for other paths, an error where the path begins like one.
    pub(super) fn find(path: &str) -> Option<Result<Self, Refused>> {
        let parts = path.strip_prefix("/actuator/")?.split('/');
        let parts: Option<Vec<String>> = parts.map(decoded).collect();
        let parts = parts?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Some(match parts[..] {
            ["cluster"] => Ok(Self::Cluster),
            ["cluster", kind] => Resource::named(kind).map(Self::Resources),
            ["cluster", kind, id] => {
                Resource::named(kind).map(|kind| Self::Resource(kind, id.to_owned()))
            }
            ["cluster", kind, id, inner, inner_id] => Self::replica(kind, id, inner, inner_id),
            ["exporters"] => Ok(Self::Exporters),
            ["exporters", id, "enable"] => Ok(Self::EnableExporter(id.to_owned())),
            ["exporters", id, "disable"] => Ok(Self::DisableExporter(id.to_owned())),
            ["exporting", "pause"] => Ok(Self::Exporting(ExportingWord::Pause)),
            ["exporting", "resume"] => Ok(Self::Exporting(ExportingWord::Resume)),
            ["exporting", other] => {
                Err(Refused::bad(format!("'{other}' is none of pause, resume")))
            }
            ["rebalance"] => Ok(Self::Rebalance),
            ["banning", key] => number("processInstanceKey", key).map(Self::Banning),
            ["flowControl"] => Ok(Self::FlowControl),
            ["backups"] => Ok(Self::Backups),
            ["backups", id] => number("id", id).map(Self::Backup),
            _ => return None,
        })
    }

    fn replica(kind: &str, id: &str, inner: &str, inner_id: &str) -> Result<Self, Refused> {
        let (broker, partition) = match (Resource::named(kind)?, Resource::named(inner)?) {
            (Resource::Brokers, Resource::Partitions) => (id, inner_id),
            (Resource::Partitions, Resource::Brokers) => (inner_id, id),
            _ => return Err(Refused::NoSuchThing),
        };
        let broker: i32 = number("broker", broker)?;
        let broker = MemberId::new(broker.to_string());
        Ok(Self::Replica { broker, partition: number("partition", partition)? })
    }

    /// The methods it exists with.
    pub(super) fn methods(&self) -> &'static [Method] {
        match self {
            Self::Cluster => &[Method::PATCH, Method::GET],
            Self::Exporters => &[Method::GET],
            Self::Resource(..) | Self::Replica { .. } => &[Method::POST, Method::DELETE],
            Self::FlowControl => &[Method::GET, Method::POST],
            Self::Backups => &[Method::POST, Method::GET],
            Self::Backup(_) => &[Method::GET, Method::DELETE],
            Self::Resources(_)
            | Self::EnableExporter(_)
            | Self::DisableExporter(_)
            | Self::Exporting(_)
            | Self::Rebalance
            | Self::Banning(_) => &[Method::POST],
        }
    }

    /// The media types it takes with this method; `None` where it does not look.
    pub(super) fn takes(&self, method: &Method) -> Option<&'static str> {
        const BACKUPS: &str = "application/vnd.spring-boot.actuator.v3+json, \
            application/vnd.spring-boot.actuator.v2+json, application/json";
        match self {
            Self::Cluster if *method == Method::PATCH => Some("application/json"),
            Self::Resources(_) | Self::Replica { .. } => Some("application/json"),
            Self::Backups if *method == Method::POST => Some(BACKUPS),
            _ => None,
        }
    }

    /// Whether it takes a body of this media type, where it looks.
    pub(super) fn accepts(&self, media_type: &str) -> bool {
        let bare = media_type.split(';').next().unwrap_or_default().trim();
        bare.eq_ignore_ascii_case("application/json")
            || (*self == Self::Backups && bare.eq_ignore_ascii_case(ACTUATOR))
    }

    /// What a request with one of its methods asks for.
    pub(super) fn asked(self, method: &Method, query: &str, body: &[u8]) -> Result<Asked, Refused> {
        let query = Query::read(query)?;
        let operation = match self {
            Self::Exporters => {
                let operation = ManagementOperation::Configuration(ConfigurationRequest::Query);
                return Ok(Asked { operation, shown_as: ShownAs::Exporters });
            }
            Self::Backups | Self::Backup(_) => {
                let operation = self.backups(method, body)?;
                return Ok(Asked { operation, shown_as: ShownAs::Actuator });
            }
            Self::Exporting(ExportingWord::Resume) => {
                ManagementOperation::Exporting(ExportingMode::Resumed)
            }
            Self::Exporting(ExportingWord::Pause) if query.soft => {
                ManagementOperation::Exporting(ExportingMode::SoftPaused)
            }
            Self::Exporting(ExportingWord::Pause) => {
                ManagementOperation::Exporting(ExportingMode::Paused)
            }
            Self::Rebalance => ManagementOperation::Rebalance,
            Self::Banning(key) => ManagementOperation::BanInstance(Key(key)),
            Self::FlowControl if *method == Method::GET => ManagementOperation::FlowControl,
            Self::FlowControl => ManagementOperation::SetFlowControl(flow_control::filled(body)?),
            _ => ManagementOperation::Configuration(self.configuration(method, &query, body)?),
        };
        Ok(Asked { operation, shown_as: ShownAs::Plain })
    }

    fn backups(self, method: &Method, body: &[u8]) -> Result<ManagementOperation, Refused> {
        Ok(match self {
            Self::Backup(id) if *method == Method::DELETE => ManagementOperation::DeleteBackup(id),
            Self::Backup(id) => ManagementOperation::BackupStatus(id),
            _ if *method == Method::GET => ManagementOperation::ListBackups,
            _ => {
                let TakeBackup { backup_id } = json(body)?;
                if backup_id <= 0 {
                    let message = "A backupId must be provided and it must be > 0";
                    return Err(Refused::InvalidBackup(message));
                }
                ManagementOperation::TakeBackup(backup_id)
            }
        })
    }

    fn configuration(
        self,
        method: &Method,
        query: &Query,
        body: &[u8],
    ) -> Result<ConfigurationRequest, Refused> {
        let dry_run = query.dry_run;
        let adds = *method == Method::POST;
        Ok(match self {
            Self::Cluster if *method == Method::PATCH => {
                let patch: patch::Patch = json(body)?;
                return patch.request(dry_run, query.force);
            }
            Self::Resources(resource) => return resource.scale(query, body),
            Self::Resource(resource, id) if adds => return resource.add(&id, dry_run),
            Self::Resource(resource, id) => return resource.remove(&id, dry_run),
            Self::Replica { broker, partition } if adds => {
                let JoinPartition { priority } = json(body)?;
                ConfigurationRequest::JoinPartition { broker, partition, priority, dry_run }
            }
            Self::Replica { broker, partition } => {
                ConfigurationRequest::LeavePartition { broker, partition, dry_run }
            }
            Self::DisableExporter(exporter) => {
                ConfigurationRequest::DisableExporter { exporter, dry_run }
            }
            Self::EnableExporter(exporter) => {
                let body: EnableExporter =
                    if body.is_empty() { EnableExporter::default() } else { json(body)? };
                let initialize_from = body.initialize_from;
                ConfigurationRequest::EnableExporter { exporter, initialize_from, dry_run }
            }
            // The others have operations of their own.
            _ => ConfigurationRequest::Query,
        })
    }
}

impl Resource {
    const CHANGES: Refused = Refused::NotSupported(
        "Changing cluster directly is not supported. Use POST /cluster/brokers for scaling the \
         cluster",
    );

    fn scale(self, query: &Query, body: &[u8]) -> Result<ConfigurationRequest, Refused> {
        match self {
            Self::Partitions => Err(Refused::NotSupported("Scaling partitions is not supported")),
            Self::Changes => Err(Self::CHANGES),
            Self::Brokers => {
                let brokers = patch::members(&json::<Vec<i32>>(body)?);
                let (replication_factor, dry_run) = (query.replication_factor, query.dry_run);
                Ok(if query.force {
                    ConfigurationRequest::ForceScaleDown { brokers, replication_factor, dry_run }
                } else {
                    ConfigurationRequest::ScaleBrokers { brokers, replication_factor, dry_run }
                })
            }
        }
    }

    fn add(self, id: &str, dry_run: bool) -> Result<ConfigurationRequest, Refused> {
        match self {
            Self::Partitions => Err(Refused::NotSupported("Adding partitions is not supported")),
            Self::Changes => Err(Self::CHANGES),
            Self::Brokers => {
                Ok(ConfigurationRequest::AddBrokers { brokers: vec![MemberId::new(id)], dry_run })
            }
        }
    }

    fn remove(self, id: &str, dry_run: bool) -> Result<ConfigurationRequest, Refused> {
        match self {
            Self::Partitions => Err(Refused::NotSupported("Removing partitions is not supported")),
            Self::Changes if dry_run => {
                Err(Refused::NotSupported("Dry run is not supported for cancelling changes"))
            }
            Self::Changes => {
                let wrong = |_| Refused::Invalid("Change id must be a number".to_owned());
                Ok(ConfigurationRequest::CancelChange(id.parse().map_err(wrong)?))
            }
            Self::Brokers => {
                let brokers = vec![MemberId::new(id)];
                Ok(ConfigurationRequest::RemoveBrokers { brokers, dry_run })
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TakeBackup {
    backup_id: i64,
}

#[derive(Deserialize)]
struct JoinPartition {
    priority: i32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnableExporter {
    initialize_from: Option<String>,
}

/// The parameters after the `?`; others are passed over.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query {
    dry_run: bool,
    force: bool,
    soft: bool,
    replication_factor: Option<u32>,
}

impl Query {
    fn read(text: &str) -> Result<Self, Refused> {
        let mut query = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "dryRun" => query.dry_run = truth(name, value)?,
                "force" => query.force = truth(name, value)?,
                "soft" => query.soft = truth(name, value)?,
                "replicationFactor" => query.replication_factor = Some(number(name, value)?),
                _ => {}
            }
        }
        Ok(query)
    }
}

/// The words of the JVM's web framework.
fn truth(name: &str, value: &str) -> Result<bool, Refused> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Ok(true),
        "false" | "off" | "no" | "0" | "" => Ok(false),
        _ => Err(Refused::bad(format!("{name}: '{value}' is neither true nor false"))),
    }
}

fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(
    name: &str,
    text: &str,
) -> Result<T, Refused> {
    text.parse().map_err(|error| Refused::bad(format!("{name}: '{text}': {error}")))
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::bad(format!("body: {error}")))
}
