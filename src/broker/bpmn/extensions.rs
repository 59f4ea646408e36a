//! Zeebe's extension elements.

use roxmltree::Node;

use super::error::Findings;
use super::model::{IoMapping, JobTask, JobTaskKind, Mapping};
use super::read::Reader;
use super::xml::NodeExt;
use crate::broker::feel::Expression;

/// Retries of a job when the task definition does not say.
const DEFAULT_RETRIES: &str = "3";

/// Extension elements that only tools read.
const FOR_TOOLS: [&str; 4] = ["properties", "modelerTemplateIcon", "formDefinition", "versionTag"];

/// `zeebe:versionTag` of a process.
pub(super) fn version_tag(process: Node<'_, '_>, findings: &mut Findings) -> Option<String> {
    let mut tag = None;
    for extension in process.extensions() {
        match extension.tag_name().name() {
            "versionTag" => tag = extension.attribute("value").map(str::to_owned),
            "properties" | "userTaskForm" => {}
            other => findings.add(process.label(), unsupported(other)),
        }
    }
    tag
}

fn unsupported(name: &str) -> String {
    format!("Extension element 'zeebe:{name}' is currently not supported")
}

/// Refuses extension elements that would change how the element runs.
pub(super) fn refuse_others(reader: &mut Reader<'_, '_, '_>, node: Node<'_, '_>, known: &[&str]) {
    for extension in node.extensions() {
        let name = extension.tag_name().name();
        if !known.contains(&name) && !FOR_TOOLS.contains(&name) {
            reader.findings.add(node.label(), unsupported(name));
        }
    }
}

/// `zeebe:taskDefinition` and `zeebe:taskHeaders`.
pub(super) fn job_task(
    reader: &mut Reader<'_, '_, '_>,
    node: Node<'_, '_>,
    task: JobTaskKind,
) -> Option<JobTask> {
    let id = node.label();
    let mut definitions = node.extensions().filter(|e| e.tag_name().name() == "taskDefinition");
    let (Some(definition), None) = (definitions.next(), definitions.next()) else {
        let message = "Must have exactly one 'zeebe:taskDefinition' extension element";
        reader.findings.add(id, message);
        return None;
    };
    let path = format!("{id} > extensionElements > taskDefinition");
    let job_type = match definition.filled("type") {
        Some(text) => reader.expression(&path, text),
        None => {
            reader.findings.add(&path, "Attribute 'type' must be present and not empty");
            None
        }
    };
    let retries = definition.filled("retries").unwrap_or(DEFAULT_RETRIES);
    let retries = reader.expression(&path, retries)?;
    if retries.static_text().is_some_and(|text| text.trim().parse::<i32>().is_err()) {
        let message = format!("Expected the retries to be a number but found '{}'", retries.text());
        reader.findings.add(&path, message);
    }
    Some(JobTask { task, job_type: job_type?, retries, headers: headers(node) })
}

fn headers(node: Node<'_, '_>) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for headers in node.extensions().filter(|e| e.tag_name().name() == "taskHeaders") {
        for header in headers.zeebe_children("header") {
            let (Some(key), Some(value)) = (header.filled("key"), header.filled("value")) else {
                continue;
            };
            match out.iter_mut().find(|(known, _)| known == key) {
                Some((_, known)) => value.clone_into(known),
                None => out.push((key.to_owned(), value.to_owned())),
            }
        }
    }
    out
}

/// `zeebe:ioMapping`.
pub(super) fn io_mapping(reader: &mut Reader<'_, '_, '_>, node: Node<'_, '_>) -> IoMapping {
    let mut mapping = IoMapping::default();
    for io in node.extensions().filter(|e| e.tag_name().name() == "ioMapping") {
        for input in io.zeebe_children("input") {
            mapping.inputs.extend(one_mapping(reader, node, input));
        }
        for output in io.zeebe_children("output") {
            mapping.outputs.extend(one_mapping(reader, node, output));
        }
    }
    mapping
}

fn one_mapping(
    reader: &mut Reader<'_, '_, '_>,
    node: Node<'_, '_>,
    mapping: Node<'_, '_>,
) -> Option<Mapping> {
    let path = format!("{} > extensionElements > ioMapping > {}", node.label(), mapping.label());
    let Some(target) = mapping.filled("target") else {
        reader.findings.add(&path, "Attribute 'target' must be present and not empty");
        return None;
    };
    let target: Vec<String> = target.split('.').map(|part| part.trim().to_owned()).collect();
    if target.iter().any(|part| part.is_empty() || part.contains(char::is_whitespace)) {
        let message = format!("Expected path expression '{}' but it is no path", target.join("."));
        reader.findings.add(&path, message);
        return None;
    }
    let source = match mapping.attribute("source") {
        Some(source) => reader.expression(&path, source)?,
        None => Expression::parse("=null").ok()?,
    };
    Some(Mapping { source, target })
}
