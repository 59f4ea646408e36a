//! Raising incidents and going on after their resolution.

use super::event::Event;
use super::state::{Definition, Incident, IncidentKind, Phase, State};
use super::step::Step;
use super::turn::Turn;
use super::work;
use crate::model::Key;
use crate::wire::record::IncidentRecord;

/// Stops an element instance, or its job, until somebody acts.
pub fn raise(
    turn: &mut Turn<'_>,
    element_instance: Key,
    kind: IncidentKind,
    message: String,
    job: Option<Key>,
) {
    let key = turn.new_key();
    let incident =
        Incident { key, kind, message, element_instance, job, variable_scope: element_instance };
    turn.emit(Event::IncidentCreated { incident: Box::new(incident) });
}

/// Closes an incident and tries again what failed.
pub fn resolve(turn: &mut Turn<'_>, key: Key) {
    let Some(incident) = turn.state.incidents.get(key) else { return };
    let (element_instance, job) = (incident.element_instance, incident.job);
    turn.emit(Event::IncidentRemoved { key });
    if let Some(job) = job {
        return work::reactivate(turn, job);
    }
    match turn.state.elements.get(element_instance).map(|instance| instance.phase) {
        Some(Phase::Activating) => turn.push(Step::Prepare { key: element_instance }),
        Some(Phase::Completing) => turn.push(Step::HandOver { key: element_instance }),
        Some(Phase::Active | Phase::Terminating) | None => {}
    }
}

/// Closes the incidents of an element instance that ends.
pub fn discard(turn: &mut Turn<'_>, element_instance: Key) {
    for key in turn.state.incidents.of_element_instance(element_instance) {
        turn.emit(Event::IncidentRemoved { key });
    }
}

/// An incident as replies show it.
pub fn record(state: &State, incident: &Incident) -> IncidentRecord {
    let mut record = IncidentRecord {
        error_type: incident.kind.name().into(),
        error_message: incident.message.clone(),
        element_instance_key: incident.element_instance.0,
        job_key: incident.job.map_or(-1, |job| job.0),
        variable_scope_key: incident.variable_scope.0,
        ..IncidentRecord::default()
    };
    if let Some(instance) = state.elements.get(incident.element_instance) {
        let definition: &Definition = &instance.definition;
        record.bpmn_process_id = definition.process_id().to_owned();
        record.process_definition_key = definition.key.0;
        record.process_instance_key = instance.process_instance.0;
        record.element_id = definition.process.element(instance.element).id.to_string();
        record.tenant_id = definition.tenant.to_string();
        record.process_definition_path = vec![definition.key.0];
        record.element_instance_path = vec![path(state, incident.element_instance)];
    }
    record
}

/// Keys from the process instance down to an element instance.
fn path(state: &State, element_instance: Key) -> Vec<i64> {
    let elements = &state.elements;
    let upwards = std::iter::successors(Some(element_instance), |key| elements.get(*key)?.scope);
    let mut keys: Vec<i64> = upwards.map(|key| key.0).collect();
    keys.reverse();
    keys
}
