//! The life that all element instances share; see `LIFECYCLE.md`.

use super::{Context, Failure, error, events, gateway, job_task, mapping, process};
use crate::broker::bpmn::{ElementIndex, ElementKind, End, FlowIndex};
use crate::broker::engine::event::Event;
use crate::broker::engine::remote;
use crate::broker::engine::state::{ElementInstance, Entries, Interruption, Phase};
use crate::broker::engine::step::Step;
use crate::broker::engine::turn::Turn;
use crate::broker::engine::{incident, scope};
use crate::model::Key;

/// Does one step.
pub fn run(turn: &mut Turn<'_>, step: Step) {
    match step {
        Step::Activate { element, scope, consumed } => {
            activate(turn, element, scope, consumed, None);
        }
        Step::Prepare { key } => prepare(turn, key),
        Step::Complete { key } => complete(turn, key, Entries::new()),
        Step::HandOver { key } => hand_over(turn, key),
        Step::Terminate { key } => terminate(turn, key, None),
        Step::Execute(command) => {
            let own = turn.config.partition;
            remote::execute(turn, own, *command);
        }
    }
}

/// Begins an element in a scope. `carried` is what the event that led here carried, if one did.
pub fn activate(
    turn: &mut Turn<'_>,
    element: ElementIndex,
    scope: Key,
    consumed: Vec<FlowIndex>,
    carried: Option<Entries>,
) {
    let Some(container) = turn.state.elements.get(scope) else { return };
    if container.phase != Phase::Active || !gateway::tokens_present(container, &consumed) {
        return;
    }
    let mut instance = Box::new(ElementInstance::inside(container, element));
    instance.key = turn.new_key();
    instance.triggered = carried.is_some();
    let key = instance.key;
    turn.emit(Event::ElementActivating { instance, consumed });
    scope::set_local(turn, key, carried.unwrap_or_default());
    prepare(turn, key);
}

/// The context of an instance in this phase.
fn context(turn: &Turn<'_>, key: Key, phase: Phase) -> Option<Context> {
    turn.state.elements.get(key).filter(|instance| instance.phase == phase).map(Context::of)
}

fn prepare(turn: &mut Turn<'_>, key: Key) {
    let Some(context) = context(turn, key, Phase::Activating) else { return };
    if let Err(Failure { kind, message }) = try_prepare(turn, &context) {
        incident::raise(turn, key, kind, message, None);
    }
}

/// Evaluates, then emits: a failure leaves nothing half done.
fn try_prepare(turn: &mut Turn<'_>, context: &Context) -> Result<(), Failure> {
    mapping::apply_inputs(turn, context)?;
    match &context.element().kind {
        ElementKind::JobTask(task) => {
            let job = job_task::new_job(turn, context, task)?;
            events::subscribe(turn, context)?;
            activated(turn, context);
            job_task::create(turn, job);
        }
        ElementKind::IntermediateCatchEvent(_)
        | ElementKind::ReceiveTask(_)
        | ElementKind::EventBasedGateway
            if !context.triggered =>
        {
            events::subscribe(turn, context)?;
            activated(turn, context);
        }
        ElementKind::SubProcess => {
            events::subscribe(turn, context)?;
            activated(turn, context);
            process::enter(turn, context);
        }
        ElementKind::EndEvent(End::Error(code)) => {
            // The end event itself ends with the activity it is inside of.
            let catcher = error::prepare(turn, context, code)?;
            activated(turn, context);
            error::catch(turn, catcher, Entries::new());
        }
        ElementKind::PassTask(_) => {
            events::subscribe(turn, context)?;
            activated(turn, context);
            turn.push(Step::Complete { key: context.key });
        }
        ElementKind::Process
        | ElementKind::StartEvent(_)
        | ElementKind::EndEvent(End::None | End::Terminate)
        | ElementKind::IntermediateThrowNone
        | ElementKind::IntermediateCatchEvent(_)
        | ElementKind::ReceiveTask(_)
        | ElementKind::BoundaryEvent(_)
        | ElementKind::EventBasedGateway
        | ElementKind::ExclusiveGateway(_)
        | ElementKind::InclusiveGateway(_)
        | ElementKind::ParallelGateway => {
            activated(turn, context);
            turn.push(Step::Complete { key: context.key });
        }
    }
    Ok(())
}

fn activated(turn: &mut Turn<'_>, context: &Context) {
    turn.emit(Event::ElementActivated { key: context.key });
}

/// Ends an active element whose work is done and brought these variables.
pub fn complete(turn: &mut Turn<'_>, key: Key, variables: Entries) {
    let Some(context) = context(turn, key, Phase::Active) else { return };
    mapping::take_results(turn, &context, variables);
    turn.emit(Event::ElementCompleting { key });
    // Nothing can interrupt what is done: its events are not waited for any more.
    events::unsubscribe(turn, key);
    hand_over(turn, key);
}

fn hand_over(turn: &mut Turn<'_>, key: Key) {
    let Some(context) = context(turn, key, Phase::Completing) else { return };
    if let Err(Failure { kind, message }) = try_hand_over(turn, &context) {
        incident::raise(turn, key, kind, message, None);
    }
}

fn try_hand_over(turn: &mut Turn<'_>, context: &Context) -> Result<(), Failure> {
    mapping::apply_outputs(turn, context)?;
    let flows = gateway::flows_to_take(turn, context)?;
    let Some(scope) = context.scope else {
        process::completed(turn, context);
        return Ok(());
    };
    if matches!(context.element().kind, ElementKind::EndEvent(End::Terminate)) {
        turn.emit(Event::ElementCompleted { key: context.key });
        terminate_siblings(turn, scope);
        return Ok(());
    }
    for flow in flows {
        take(turn, context, scope, flow);
    }
    turn.emit(Event::ElementCompleted { key: context.key });
    check_scope(turn, scope);
    Ok(())
}

/// Puts a token on a flow. Its target begins in a later step, at a join once all are there.
fn take(turn: &mut Turn<'_>, context: &Context, scope: Key, flow: FlowIndex) {
    let process = &context.definition.process;
    let element = process.flow(flow).target;
    turn.emit(Event::FlowTaken { scope, flow });
    let target = process.element(element);
    let consumed = if gateway::is_join(target) { target.incoming.clone() } else { vec![flow] };
    let container = turn.state.elements.get(scope);
    if container.is_some_and(|container| gateway::tokens_present(container, &consumed)) {
        turn.push(Step::Activate { element, scope, consumed });
    }
}

/// Ends a scope that has nothing left to do, or that only waited for what it contained.
fn check_scope(turn: &mut Turn<'_>, scope: Key) {
    let Some(container) = turn.state.elements.get(scope) else { return };
    if container.children > 0 {
        return;
    }
    match container.phase {
        Phase::Active if container.tokens.is_empty() => turn.push(Step::Complete { key: scope }),
        Phase::Terminating => terminated(turn, scope),
        Phase::Active | Phase::Activating | Phase::Completing => {}
    }
}

/// Ends everything in a scope that a terminate end event was reached in.
fn terminate_siblings(turn: &mut Turn<'_>, scope: Key) {
    turn.emit(Event::TokensDropped { scope });
    for child in turn.state.elements.children(scope) {
        turn.push(Step::Terminate { key: child });
    }
    check_scope(turn, scope);
}

/// Ends an element instance from outside. With an interruption, its event goes on in its place.
pub fn terminate(turn: &mut Turn<'_>, key: Key, interruption: Option<Interruption>) {
    let Some(instance) = turn.state.elements.get(key) else { return };
    if instance.phase == Phase::Terminating {
        return;
    }
    let job = instance.job;
    turn.emit(Event::ElementTerminating { key, interruption });
    if let Some(job) = job {
        turn.emit(Event::JobRemoved { key: job, element_instance: key });
    }
    events::unsubscribe(turn, key);
    incident::discard(turn, key);
    let children = turn.state.elements.children(key);
    if children.is_empty() {
        return terminated(turn, key);
    }
    for child in children {
        turn.push(Step::Terminate { key: child });
    }
}

/// As deep in calls as sub-processes are nested, which the reader of the model limits.
fn terminated(turn: &mut Turn<'_>, key: Key) {
    let Some(instance) = turn.state.elements.get(key) else { return };
    let (scope, interruption) = (instance.scope, instance.interruption.clone());
    let Some(scope) = scope else { return process::terminated(turn, key) };
    turn.emit(Event::ElementTerminated { key });
    let active = turn.state.elements.get(scope).is_some_and(|scope| scope.phase == Phase::Active);
    match interruption.filter(|_| active) {
        Some(Interruption { event, variables }) => {
            activate(turn, event, scope, Vec::new(), Some(variables));
        }
        None => check_scope(turn, scope),
    }
}
