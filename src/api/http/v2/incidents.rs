//! `/v2/incidents`.

use super::super::endpoint::Input;
use super::super::problem::Problem;
use crate::model::{Command, CommandKind};
use crate::wire::record::IncidentRecord;

pub(super) fn resolve(input: &Input<'_>) -> Result<Command, Problem> {
    Ok(input.keyed(CommandKind::ResolveIncident, &IncidentRecord::default()))
}
