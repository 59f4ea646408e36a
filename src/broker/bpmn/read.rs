//! XML to model: collects elements and flows, links them, and leaves what each element does to
//! `kinds`.

use std::collections::HashMap;

use roxmltree::Node;

use super::error::{BpmnError, Findings};
use super::model::{
    Element, ElementIndex, ElementKind, FlowIndex, IoMapping, Process, SequenceFlow,
};
use super::support::Feature;
use super::xml::{self, NodeExt};
use super::{check, extensions, kinds};
use crate::broker::feel::Expression;

/// Deepest nesting of sub-processes.
const MAX_SCOPES: usize = 32;

/// Children of a process that are no flow nodes and do not change how it runs.
const IGNORED: [&str; 16] = [
    "extensionElements",
    "documentation",
    "laneSet",
    "textAnnotation",
    "association",
    "group",
    "dataObject",
    "dataObjectReference",
    "dataStoreReference",
    "property",
    "ioSpecification",
    "incoming",
    "outgoing",
    "auditing",
    "monitoring",
    "category",
];

/// Reads all executable processes of a resource.
pub(super) fn parse(xml: &[u8], support: &[Feature]) -> Result<Vec<Process>, BpmnError> {
    let document = xml::parse(xml)?;
    let root = document.root_element();
    let mut findings = Findings::default();
    if root.bpmn() != Some("definitions") {
        findings.add(root.tag_name().name(), "The root element must be bpmn:definitions");
        return Err(BpmnError::Invalid(findings));
    }
    let definitions = Definitions::of(root, &mut findings);
    let mut processes = Vec::new();
    let mut ids = Vec::new();
    for node in root.bpmn_children("process") {
        if node.attribute("isExecutable") != Some("true") {
            continue;
        }
        let id = node.label();
        if ids.contains(&id) {
            findings.add(id, "Duplicated process id in the resource");
        }
        ids.push(id);
        let reader = Reader { definitions: &definitions, support, findings: &mut findings };
        processes.push(reader.process(node));
    }
    if ids.is_empty() {
        findings.add("definitions", "Must contain at least one executable process");
    }
    if findings.is_empty() { Ok(processes) } else { Err(BpmnError::Invalid(findings)) }
}

/// The messages and errors that events refer to, by id.
#[derive(Default)]
pub(super) struct Definitions<'a, 'input> {
    pub messages: HashMap<&'a str, Node<'a, 'input>>,
    pub errors: HashMap<&'a str, Node<'a, 'input>>,
}

impl<'a, 'input> Definitions<'a, 'input> {
    fn of(root: Node<'a, 'input>, findings: &mut Findings) -> Self {
        let mut definitions = Self::default();
        for node in root.children() {
            let map = match node.bpmn() {
                Some("message") => &mut definitions.messages,
                Some("error") => &mut definitions.errors,
                _ => continue,
            };
            if map.insert(node.label(), node).is_some() {
                findings.add(node.label(), "The id is used more than once");
            }
        }
        definitions
    }
}

/// A flow node found in the XML.
pub(super) struct Found<'a, 'input> {
    pub node: Node<'a, 'input>,
    pub scope: ElementIndex,
}

/// A reference in XML uses a prefix when the model has a namespace of its own.
pub(super) fn local(reference: &str) -> &str {
    reference.rsplit(':').next().unwrap_or(reference).trim()
}

pub(super) struct Reader<'r, 'a, 'input> {
    pub definitions: &'r Definitions<'a, 'input>,
    pub support: &'r [Feature],
    pub findings: &'r mut Findings,
}

/// What is known while kinds are read: all elements by id, and the flows.
pub(super) struct Graph<'a> {
    pub elements: HashMap<&'a str, ElementIndex>,
    pub flows: HashMap<&'a str, FlowIndex>,
}

impl<'r, 'a, 'input> Reader<'r, 'a, 'input> {
    fn process(mut self, node: Node<'a, 'input>) -> Process {
        if node.filled("id").is_none() {
            self.findings.add("process", "Attribute 'id' must be present and not empty");
        }
        let mut found = vec![Found { node, scope: ElementIndex::PROCESS }];
        let mut flow_nodes = Vec::new();
        self.collect(&mut found, &mut flow_nodes);
        let mut graph = Graph { elements: HashMap::new(), flows: HashMap::new() };
        for (at, found) in found.iter().enumerate() {
            if graph.elements.insert(found.node.label(), ElementIndex(at as u32)).is_some() {
                self.findings.add(found.node.label(), "The id is used more than once");
            }
        }
        let flows = self.flows(&flow_nodes, &mut graph, &found);
        let elements = self.elements(&found, &flows, &graph);
        let mut process = Process {
            id: node.label().to_owned(),
            name: node.attribute("name").map(str::to_owned),
            version_tag: extensions::version_tag(node, self.findings),
            elements,
            flows,
        };
        attach(&mut process);
        check::process(&process, self.findings);
        process
    }

    /// Lists the flow nodes breadth first, so that nesting costs no stack.
    fn collect(&mut self, found: &mut Vec<Found<'a, 'input>>, flows: &mut Vec<Node<'a, 'input>>) {
        let mut depths = vec![0usize];
        let mut at = 0;
        while let Some(Found { node, .. }) = found.get(at) {
            let (container, depth) = (*node, depths.get(at).copied().unwrap_or(0));
            let scope = ElementIndex(at as u32);
            at += 1;
            let is_scope = matches!(container.bpmn(), Some("process" | "subProcess"));
            if !is_scope {
                continue;
            }
            if depth >= MAX_SCOPES {
                let message = format!("Sub-processes are nested more than {MAX_SCOPES} deep");
                self.findings.add(container.label(), message);
                return;
            }
            for child in container.children().filter(|child| child.is_element()) {
                match child.bpmn() {
                    Some("sequenceFlow") => flows.push(child),
                    Some(name) if IGNORED.contains(&name) || name.ends_with("Characteristics") => {}
                    Some(_) => {
                        found.push(Found { node: child, scope });
                        depths.push(depth + 1);
                    }
                    None => {}
                }
            }
        }
    }

    fn flows(
        &mut self,
        nodes: &[Node<'a, 'input>],
        graph: &mut Graph<'a>,
        found: &[Found<'a, 'input>],
    ) -> Vec<SequenceFlow> {
        let mut flows = Vec::new();
        for node in nodes {
            let id = node.label();
            let source = self.end_of_flow(*node, "sourceRef", graph);
            let target = self.end_of_flow(*node, "targetRef", graph);
            let condition = node
                .bpmn_children("conditionExpression")
                .next()
                .and_then(|condition| self.condition(id, condition));
            let (Some(source), Some(target)) = (source, target) else { continue };
            let scope = |index: ElementIndex| found.get(index.0 as usize).map(|found| found.scope);
            if scope(source) != scope(target) {
                self.findings.add(id, "A sequence flow must not cross the border of a sub-process");
                continue;
            }
            if graph.flows.insert(id, FlowIndex(flows.len() as u32)).is_some() {
                self.findings.add(id, "The id is used more than once");
            }
            flows.push(SequenceFlow { id: id.to_owned(), source, target, condition });
        }
        flows
    }

    fn end_of_flow(
        &mut self,
        flow: Node<'a, 'input>,
        attribute: &str,
        graph: &Graph<'a>,
    ) -> Option<ElementIndex> {
        let Some(reference) = flow.filled(attribute) else {
            let message = format!("Attribute '{attribute}' must be present and not empty");
            self.findings.add(flow.label(), message);
            return None;
        };
        let target = graph.elements.get(local(reference)).copied();
        match target.filter(|target| *target != ElementIndex::PROCESS) {
            Some(target) => Some(target),
            None => {
                let message = format!(
                    "Attribute '{attribute}' refers to '{reference}', which does not exist"
                );
                self.findings.add(flow.label(), message);
                None
            }
        }
    }

    fn condition(&mut self, flow: &str, node: Node<'a, 'input>) -> Option<Expression> {
        let text = node.text().unwrap_or("").trim();
        if text.is_empty() {
            self.findings.add(flow, "The condition must not be empty");
            return None;
        }
        let expression = self.expression(flow, text)?;
        if expression.is_static() {
            self.findings.add(
                flow,
                format!("Expected an expression but found '{text}': a condition begins with '='"),
            );
            return None;
        }
        Some(expression)
    }

    /// Parses the text of an attribute.
    pub fn expression(&mut self, element: &str, text: &str) -> Option<Expression> {
        match Expression::parse(text) {
            Ok(expression) => Some(expression),
            Err(error) => {
                let shown = text.trim().trim_start_matches('=').trim();
                let shown: String = shown.chars().take(200).collect();
                self.findings
                    .add(element, format!("Failed to parse expression '{shown}': {error}"));
                None
            }
        }
    }

    fn elements(
        &mut self,
        found: &[Found<'a, 'input>],
        flows: &[SequenceFlow],
        graph: &Graph<'a>,
    ) -> Vec<Element> {
        let mut elements: Vec<Element> = Vec::new();
        for (at, found) in found.iter().enumerate() {
            let node = found.node;
            let kind =
                if at == 0 { Some(ElementKind::Process) } else { kinds::read(self, found, graph) };
            let io_mapping = match at {
                0 => IoMapping::default(),
                _ => extensions::io_mapping(self, node),
            };
            elements.push(Element {
                id: node.label().to_owned(),
                name: node.attribute("name").map(str::to_owned),
                // A finding was recorded, so that nobody will see the placeholder.
                kind: kind.unwrap_or(ElementKind::IntermediateThrowNone),
                flow_scope: (at != 0).then_some(found.scope),
                incoming: Vec::new(),
                outgoing: Vec::new(),
                boundary_events: Vec::new(),
                io_mapping,
            });
        }
        for (at, flow) in flows.iter().enumerate() {
            let index = FlowIndex(at as u32);
            if let Some(source) = elements.get_mut(flow.source.0 as usize) {
                source.outgoing.push(index);
            }
            if let Some(target) = elements.get_mut(flow.target.0 as usize) {
                target.incoming.push(index);
            }
        }
        elements
    }
}

/// Tells activities of their boundary events.
fn attach(process: &mut Process) {
    let mut pairs = Vec::new();
    for index in process.indices() {
        if let ElementKind::BoundaryEvent(boundary) = &process.element(index).kind {
            pairs.push((boundary.attached_to, index));
        }
    }
    for (activity, event) in pairs {
        if let Some(activity) = process.elements.get_mut(activity.0 as usize) {
            activity.boundary_events.push(event);
        }
    }
}
