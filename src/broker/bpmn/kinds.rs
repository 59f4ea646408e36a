//! What each element does.

use roxmltree::Node;

use super::extensions;
use super::model::ElementIndex;
use super::model::{
    Boundary, BoundaryTrigger, Branching, Catch, ElementKind, End, JobTaskKind, Message, PassTask,
    Start, Timer,
};
use super::read::{Found, Graph, Reader, local};
use super::support::Feature;
use super::xml::NodeExt;

type Read<'r, 'a, 'i> = Reader<'r, 'a, 'i>;

/// The kind of the element, or none when there was a finding.
pub(super) fn read<'a, 'i>(
    reader: &mut Read<'_, 'a, 'i>,
    found: &Found<'a, 'i>,
    graph: &Graph<'a>,
) -> Option<ElementKind> {
    let node = found.node;
    let tag = node.bpmn()?;
    common(reader, node);
    let job = |reader: &mut Read<'_, 'a, 'i>, kind| {
        let known = ["taskDefinition", "taskHeaders", "ioMapping"];
        extensions::refuse_others(reader, node, &known);
        require(reader, node, Feature::JobTask)?;
        Some(ElementKind::JobTask(extensions::job_task(reader, node, kind)?))
    };
    match tag {
        "serviceTask" => return job(reader, JobTaskKind::Service),
        "scriptTask" => return job(reader, JobTaskKind::Script),
        "sendTask" => return job(reader, JobTaskKind::Send),
        "businessRuleTask" => return job(reader, JobTaskKind::BusinessRule),
        _ => extensions::refuse_others(reader, node, &["ioMapping"]),
    }
    let passing = |kind| ElementKind::PassTask(kind);
    match tag {
        "task" => accept(reader, node, Feature::PassTask, passing(PassTask::Undefined)),
        "manualTask" => accept(reader, node, Feature::PassTask, passing(PassTask::Manual)),
        "parallelGateway" => {
            accept(reader, node, Feature::ParallelGateway, ElementKind::ParallelGateway)
        }
        "eventBasedGateway" => {
            accept(reader, node, Feature::EventBasedGateway, ElementKind::EventBasedGateway)
        }
        "exclusiveGateway" => {
            let branching = branching(reader, node, graph)?;
            let kind = ElementKind::ExclusiveGateway(branching);
            accept(reader, node, Feature::ExclusiveGateway, kind)
        }
        "inclusiveGateway" => {
            let branching = branching(reader, node, graph)?;
            let kind = ElementKind::InclusiveGateway(branching);
            accept(reader, node, Feature::InclusiveGateway, kind)
        }
        "subProcess" => sub_process(reader, node),
        "receiveTask" => {
            require(reader, node, Feature::ReceiveTask)?;
            Some(ElementKind::ReceiveTask(message(reader, node, node, true)?))
        }
        "startEvent" => start_event(reader, found),
        "endEvent" => end_event(reader, node),
        "intermediateThrowEvent" => {
            if let Some((name, _)) = definition(reader, node)? {
                return refuse(
                    reader,
                    node,
                    &format!("Intermediate throw events of type '{name}'"),
                );
            }
            accept(reader, node, Feature::NoneThrow, ElementKind::IntermediateThrowNone)
        }
        "intermediateCatchEvent" => catch_event(reader, node),
        "boundaryEvent" => boundary_event(reader, node, graph),
        other => refuse(reader, node, &format!("Elements of type '{other}'")),
    }
}

/// Refuses what any activity may carry and the engine would ignore.
fn common(reader: &mut Read<'_, '_, '_>, node: Node<'_, '_>) {
    if node.filled("id").is_none() {
        reader.findings.add(node.label(), "Attribute 'id' must be present and not empty");
    }
    for child in node.children() {
        if let Some(name @ ("multiInstanceLoopCharacteristics" | "standardLoopCharacteristics")) =
            child.bpmn()
        {
            refuse(reader, node, &format!("Elements of type '{name}'"));
        }
    }
    if node.attribute("isForCompensation") == Some("true") {
        refuse(reader, node, "Compensation handlers");
    }
}

fn refuse(reader: &mut Read<'_, '_, '_>, node: Node<'_, '_>, what: &str) -> Option<ElementKind> {
    reader.findings.add(node.label(), format!("{what} are currently not supported"));
    None
}

/// Records a finding when the engine does not run `feature`.
fn require(reader: &mut Read<'_, '_, '_>, node: Node<'_, '_>, feature: Feature) -> Option<()> {
    if reader.support.contains(&feature) {
        return Some(());
    }
    let message = format!(
        "Elements of type '{}' are currently not supported: the engine does not run {}",
        node.tag_name().name(),
        feature.describe()
    );
    reader.findings.add(node.label(), message);
    None
}

fn accept(
    reader: &mut Read<'_, '_, '_>,
    node: Node<'_, '_>,
    feature: Feature,
    kind: ElementKind,
) -> Option<ElementKind> {
    require(reader, node, feature)?;
    Some(kind)
}

/// The one event definition of an event: its name without `EventDefinition`, and its node. The
/// outer option is none when there are several.
#[allow(clippy::option_option)]
fn definition<'a, 'i>(
    reader: &mut Read<'_, '_, '_>,
    node: Node<'a, 'i>,
) -> Option<Option<(&'i str, Node<'a, 'i>)>> {
    let mut definitions = node.children().filter_map(|child| {
        let name = child.bpmn()?.strip_suffix("EventDefinition")?;
        Some((name, child))
    });
    let first = definitions.next();
    let references = node.bpmn_children("eventDefinitionRef").next().is_some();
    if definitions.next().is_some() || references {
        reader.findings.add(node.label(), "Must have exactly one event definition");
        return None;
    }
    Some(first)
}

fn branching(
    reader: &mut Read<'_, '_, '_>,
    node: Node<'_, '_>,
    graph: &Graph<'_>,
) -> Option<Branching> {
    let Some(reference) = node.filled("default") else { return Some(Branching { default: None }) };
    match graph.flows.get(local(reference)) {
        Some(flow) => Some(Branching { default: Some(*flow) }),
        None => {
            let message = format!("The default flow '{reference}' does not exist");
            reader.findings.add(node.label(), message);
            None
        }
    }
}

fn sub_process(reader: &mut Read<'_, '_, '_>, node: Node<'_, '_>) -> Option<ElementKind> {
    if node.attribute("triggeredByEvent") == Some("true") {
        return refuse(reader, node, "Event sub-processes");
    }
    accept(reader, node, Feature::SubProcess, ElementKind::SubProcess)
}

fn start_event(reader: &mut Read<'_, '_, '_>, found: &Found<'_, '_>) -> Option<ElementKind> {
    let node = found.node;
    let definition = definition(reader, node)?;
    if definition.is_some() && found.scope != ElementIndex::PROCESS {
        reader.findings.add(node.label(), "Start events in subprocesses must be of type none");
        return None;
    }
    let start = match definition {
        None => Start::None,
        Some(("message", inner)) => {
            require(reader, node, Feature::MessageStart)?;
            Start::Message(message(reader, node, inner, false)?)
        }
        Some(("timer", inner)) => {
            require(reader, node, Feature::TimerStart)?;
            Start::Timer(timer(reader, node, inner, true)?)
        }
        Some((other, _)) => {
            return refuse(reader, node, &format!("Start events of type '{other}'"));
        }
    };
    Some(ElementKind::StartEvent(start))
}

fn end_event(reader: &mut Read<'_, '_, '_>, node: Node<'_, '_>) -> Option<ElementKind> {
    let end = match definition(reader, node)? {
        None => End::None,
        Some(("terminate", _)) => {
            require(reader, node, Feature::TerminateEnd)?;
            End::Terminate
        }
        Some(("error", inner)) => {
            require(reader, node, Feature::ErrorEnd)?;
            let Some(reference) = inner.filled("errorRef") else {
                reader.findings.add(node.label(), "Must reference an error");
                return None;
            };
            let code = error_code(reader, node, reference)?;
            End::Error(reader.expression(node.label(), code)?)
        }
        Some((other, _)) => return refuse(reader, node, &format!("End events of type '{other}'")),
    };
    Some(ElementKind::EndEvent(end))
}

fn error_code<'a>(
    reader: &mut Read<'_, 'a, '_>,
    node: Node<'_, '_>,
    reference: &str,
) -> Option<&'a str> {
    let Some(error) = reader.definitions.errors.get(local(reference)).copied() else {
        let message = format!("The error '{reference}' does not exist");
        reader.findings.add(node.label(), message);
        return None;
    };
    let code = error.filled("errorCode");
    if code.is_none() {
        reader.findings.add(error.label(), "ErrorCode must be present and not empty");
    }
    code
}

fn catch_event(reader: &mut Read<'_, '_, '_>, node: Node<'_, '_>) -> Option<ElementKind> {
    let catch = match definition(reader, node)? {
        None => {
            reader.findings.add(node.label(), "Must have exactly one event definition");
            return None;
        }
        Some(("message", inner)) => {
            require(reader, node, Feature::MessageCatch)?;
            Catch::Message(message(reader, node, inner, true)?)
        }
        Some(("timer", inner)) => {
            require(reader, node, Feature::TimerCatch)?;
            Catch::Timer(timer(reader, node, inner, false)?)
        }
        Some((other, _)) => {
            return refuse(reader, node, &format!("Intermediate catch events of type '{other}'"));
        }
    };
    Some(ElementKind::IntermediateCatchEvent(catch))
}

fn boundary_event(
    reader: &mut Read<'_, '_, '_>,
    node: Node<'_, '_>,
    graph: &Graph<'_>,
) -> Option<ElementKind> {
    let attached = node.filled("attachedToRef").map(local);
    let Some(attached_to) = attached.and_then(|id| graph.elements.get(id)).copied() else {
        reader.findings.add(node.label(), "Must be attached to an activity");
        return None;
    };
    let interrupting = node.attribute("cancelActivity") != Some("false");
    let trigger = match definition(reader, node)? {
        None => {
            reader.findings.add(node.label(), "Must have exactly one event definition");
            return None;
        }
        Some(("error", inner)) => {
            require(reader, node, Feature::ErrorBoundary)?;
            if !interrupting {
                reader
                    .findings
                    .add(node.label(), "Non-interrupting events of this type are not allowed");
            }
            error_trigger(reader, node, inner)?
        }
        Some(("message", inner)) => {
            require(reader, node, Feature::MessageBoundary)?;
            BoundaryTrigger::Message(message(reader, node, inner, true)?)
        }
        Some(("timer", inner)) => {
            require(reader, node, Feature::TimerBoundary)?;
            BoundaryTrigger::Timer(timer(reader, node, inner, !interrupting)?)
        }
        Some((other, _)) => {
            return refuse(reader, node, &format!("Boundary events of type '{other}'"));
        }
    };
    Some(ElementKind::BoundaryEvent(Boundary { attached_to, interrupting, trigger }))
}

fn error_trigger(
    reader: &mut Read<'_, '_, '_>,
    node: Node<'_, '_>,
    definition: Node<'_, '_>,
) -> Option<BoundaryTrigger> {
    let Some(reference) = definition.filled("errorRef") else {
        return Some(BoundaryTrigger::Error(None));
    };
    let code = error_code(reader, node, reference)?;
    if code.trim_start().starts_with('=') {
        let message =
            "The error code of an error catch event must be static, but it is an expression";
        reader.findings.add(node.label(), message);
        return None;
    }
    Some(BoundaryTrigger::Error(Some(code.to_owned())))
}

/// The message that `holder` (an event definition or a receive task) refers to.
fn message(
    reader: &mut Read<'_, '_, '_>,
    node: Node<'_, '_>,
    holder: Node<'_, '_>,
    correlated: bool,
) -> Option<Message> {
    let Some(reference) = holder.filled("messageRef") else {
        reader.findings.add(node.label(), "Must reference a message");
        return None;
    };
    let Some(message) = reader.definitions.messages.get(local(reference)).copied() else {
        let text = format!("The message '{reference}' does not exist");
        reader.findings.add(node.label(), text);
        return None;
    };
    let id = message.label();
    let name = match message.filled("name") {
        Some(name) => reader.expression(id, name),
        None => {
            reader.findings.add(id, "Name must be present and not empty");
            None
        }
    };
    let subscription =
        message.extensions().find(|extension| extension.tag_name().name() == "subscription");
    let key = subscription.and_then(|subscription| subscription.filled("correlationKey"));
    let correlation_key = match (key, subscription) {
        (Some(key), _) => Some(reader.expression(id, key)?),
        (None, _) if !correlated => None,
        (None, Some(_)) => {
            reader.findings.add(id, "Attribute 'correlationKey' must be present and not empty");
            return None;
        }
        (None, None) => {
            reader.findings.add(id, "Must have exactly one zeebe:subscription extension element");
            return None;
        }
    };
    Some(Message { id: id.to_owned(), name: name?, correlation_key })
}

fn timer(
    reader: &mut Read<'_, '_, '_>,
    node: Node<'_, '_>,
    definition: Node<'_, '_>,
    may_repeat: bool,
) -> Option<Timer> {
    let mut parts = definition.children().filter_map(|child| match child.bpmn()? {
        name @ ("timeDuration" | "timeDate" | "timeCycle") => Some((name, child)),
        _ => None,
    });
    let (Some((name, part)), None) = (parts.next(), parts.next()) else {
        let message = "Must be exactly one type of timer: timeDate, timeDuration or timeCycle";
        reader.findings.add(node.label(), message);
        return None;
    };
    let text = part.text().unwrap_or("").trim();
    if text.is_empty() {
        reader.findings.add(node.label(), format!("The {name} must not be empty"));
        return None;
    }
    let expression = reader.expression(node.label(), text)?;
    let (timer, fault) = super::check::timer(name, expression);
    match timer {
        Timer::Duration(_) => {}
        Timer::Date(_) => require(reader, node, Feature::TimerDate)?,
        Timer::Cycle(_) if !may_repeat => {
            let message = "Must be a timer with a duration or a date: a cycle is not allowed here";
            reader.findings.add(node.label(), message);
        }
        Timer::Cycle(_) => require(reader, node, Feature::TimerCycle)?,
    }
    if let Some(fault) = fault {
        reader.findings.add(node.label(), format!("Invalid timer expression: {fault}"));
    }
    Some(timer)
}
