//! Which flows go on: choosing, forking and joining.

use super::{Context, Failure, expression};
use crate::broker::bpmn::{Branching, Element, ElementKind, FlowIndex};
use crate::broker::engine::state::{ElementInstance, IncidentKind};
use crate::broker::engine::turn::Turn;

/// Whether an element waits for a token on each of its incoming flows.
pub fn is_join(element: &Element) -> bool {
    matches!(element.kind, ElementKind::ParallelGateway) && element.incoming.len() > 1
}

/// Whether the tokens an element consumes are there. They are not if a terminate end event took
/// them away, or if two tokens on one flow called a join twice.
pub fn tokens_present(container: &ElementInstance, consumed: &[FlowIndex]) -> bool {
    consumed.iter().all(|flow| container.tokens.contains_key(flow))
}

/// The flows a completing element takes.
pub fn flows_to_take(turn: &Turn<'_>, context: &Context) -> Result<Vec<FlowIndex>, Failure> {
    let element = context.element();
    let flows = match &element.kind {
        ElementKind::ExclusiveGateway(branching) => vec![first(turn, context, *branching)?],
        ElementKind::InclusiveGateway(branching) => every(turn, context, *branching)?,
        // The event that happened was activated in the gateway's place.
        ElementKind::EventBasedGateway => Vec::new(),
        _ => element.outgoing.clone(),
    };
    let queued = turn.queued();
    if flows.len() > 1 && queued > turn.config.max_queued_steps {
        let message = format!(
            "{queued} elements wait to be executed; '{}' is not forked before they are",
            element.id
        );
        return Err(Failure::new(IncidentKind::Unknown, message));
    }
    Ok(flows)
}

fn holds(turn: &Turn<'_>, context: &Context, flow: FlowIndex) -> Result<Option<bool>, Failure> {
    match &context.definition.process.flow(flow).condition {
        Some(condition) => expression::boolean(turn, context.key, condition).map(Some),
        None => Ok(None),
    }
}

/// The first flow whose condition holds, else the default flow. A flow without a condition is
/// taken where it is the only one.
fn first(turn: &Turn<'_>, context: &Context, branching: Branching) -> Result<FlowIndex, Failure> {
    let outgoing = &context.element().outgoing;
    if let [only] = outgoing.as_slice()
        && context.definition.process.flow(*only).condition.is_none()
    {
        return Ok(*only);
    }
    for flow in outgoing.iter().copied().filter(|flow| Some(*flow) != branching.default) {
        if holds(turn, context, flow)? == Some(true) {
            return Ok(flow);
        }
    }
    branching.default.ok_or_else(|| no_flow(context))
}

/// All flows whose condition holds, else the default flow.
fn every(
    turn: &Turn<'_>,
    context: &Context,
    branching: Branching,
) -> Result<Vec<FlowIndex>, Failure> {
    let outgoing = &context.element().outgoing;
    let mut flows = Vec::new();
    for flow in outgoing.iter().copied().filter(|flow| Some(*flow) != branching.default) {
        if holds(turn, context, flow)?.unwrap_or(true) {
            flows.push(flow);
        }
    }
    match (flows.is_empty(), branching.default) {
        (false, _) => Ok(flows),
        (true, Some(default)) => Ok(vec![default]),
        (true, None) if outgoing.is_empty() => Ok(flows),
        (true, None) => Err(no_flow(context)),
    }
}

fn no_flow(context: &Context) -> Failure {
    let message = format!(
        "no condition of the flows out of '{}' holds, and it has no default flow",
        context.element().id
    );
    Failure::new(IncidentKind::Condition, message)
}
