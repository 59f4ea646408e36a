//! Rules on the linked model: what flows where.

use super::error::Findings;
use super::model::{Branching, Catch, Element, ElementIndex, ElementKind, Process, Start, Timer};
use crate::broker::feel::{Cycle, Expression, Interval, IntervalError, Value, parse_due_date};

/// Checks a process.
pub(super) fn process(process: &Process, findings: &mut Findings) {
    for index in process.indices() {
        let element = process.element(index);
        match &element.kind {
            ElementKind::Process | ElementKind::SubProcess => starts(process, index, findings),
            ElementKind::StartEvent(_) if !element.incoming.is_empty() => {
                findings.add(&element.id, "Start events must not have incoming sequence flows");
            }
            ElementKind::EndEvent(_) if !element.outgoing.is_empty() => {
                let message = "End events must not have outgoing sequence flows to other elements.";
                findings.add(&element.id, message);
            }
            ElementKind::BoundaryEvent(boundary) => {
                let activity = process.element(boundary.attached_to);
                check_boundary(element, activity, findings);
            }
            ElementKind::ExclusiveGateway(branching) => {
                gateway(process, index, branching, findings);
            }
            ElementKind::InclusiveGateway(branching) => {
                if element.incoming.len() > 1 {
                    let message =
                        "Currently the inclusive gateway can only have one incoming sequence flow";
                    findings.add(&element.id, message);
                }
                gateway(process, index, branching, findings);
            }
            ElementKind::EventBasedGateway => event_gateway(process, element, findings),
            _ => {}
        }
        if !matches!(
            element.kind,
            ElementKind::ExclusiveGateway(_) | ElementKind::InclusiveGateway(_)
        ) {
            for flow in &element.outgoing {
                if process.flow(*flow).condition.is_some() {
                    let message =
                        "Conditional flows are only supported at exclusive or inclusive gateway";
                    findings.add(&process.flow(*flow).id, message);
                }
            }
        }
    }
}

fn starts(process: &Process, scope: ElementIndex, findings: &mut Findings) {
    let id = &process.element(scope).id;
    let (mut none, mut all) = (0, 0);
    for index in process.children(scope) {
        if let ElementKind::StartEvent(start) = &process.element(index).kind {
            all += 1;
            none += usize::from(matches!(start, Start::None));
        }
    }
    if scope != ElementIndex::PROCESS && none != 1 {
        findings.add(id, "Must have exactly one none start event");
    } else if all == 0 {
        findings.add(id, "Must have at least one start event");
    } else if none > 1 {
        findings.add(id, "Multiple none start events are not allowed");
    }
}

fn check_boundary(event: &Element, activity: &Element, findings: &mut Findings) {
    let is_activity = matches!(
        activity.kind,
        ElementKind::SubProcess
            | ElementKind::JobTask(_)
            | ElementKind::PassTask(_)
            | ElementKind::ReceiveTask(_)
    );
    if !is_activity || activity.flow_scope != event.flow_scope {
        findings.add(&event.id, "Must be attached to an activity");
    }
    if !event.incoming.is_empty() {
        findings.add(&event.id, "Boundary events must not have incoming sequence flows");
    }
}

fn gateway(process: &Process, index: ElementIndex, branching: &Branching, findings: &mut Findings) {
    let element = process.element(index);
    if let Some(default) = branching.default {
        let flow = process.flow(default);
        if flow.source != index {
            findings.add(&element.id, "Default flow must start at gateway");
        }
        if flow.condition.is_some() {
            findings.add(&flow.id, "Default flow must not have a condition");
        }
    }
    // A single flow without a condition is taken always: a join.
    if element.outgoing.len() < 2 {
        return;
    }
    for index in &element.outgoing {
        let flow = process.flow(*index);
        if flow.condition.is_none() && branching.default != Some(*index) {
            findings.add(&flow.id, "Must have a condition or be default flow");
        }
    }
}

fn event_gateway(process: &Process, element: &Element, findings: &mut Findings) {
    if element.outgoing.len() < 2 {
        let message = "Event-based gateway must have at least 2 outgoing sequence flows.";
        findings.add(&element.id, message);
    }
    for flow in &element.outgoing {
        let target = process.element(process.flow(*flow).target);
        let catches = matches!(
            &target.kind,
            ElementKind::IntermediateCatchEvent(Catch::Message(_) | Catch::Timer(_))
        );
        if !catches {
            let message = "Event-based gateway must not have an outgoing sequence flow to other \
                           elements than message/timer intermediate catch events.";
            findings.add(&element.id, message);
        } else if target.incoming.len() != 1 {
            let message = "Target elements of an event gateway must not have any additional \
                           incoming sequence flows other than that from the event gateway.";
            findings.add(&target.id, message);
        }
    }
}

/// Makes a timer of its XML name and its expression; a static text is checked at once.
pub(super) fn timer(name: &str, expression: Expression) -> (Timer, Option<IntervalError>) {
    let text = expression.static_text().map(str::to_owned);
    match name {
        "timeDate" => {
            let fault = text.and_then(|text| parse_due_date(&Value::string(&text)).err());
            (Timer::Date(expression), fault)
        }
        "timeCycle" => {
            let fault = text.and_then(|text| Cycle::parse(&text).err());
            (Timer::Cycle(expression), fault)
        }
        _ => {
            let fault = text.and_then(|text| Interval::parse(&text).err());
            (Timer::Duration(expression), fault)
        }
    }
}
