//! The XML layer: size limits, no DTD, errors in the words clients know.
//!
//! The tree builder does not recurse, so nesting needs no limit here; the reader limits scopes.

use roxmltree::{Document, Node, ParsingOptions};

use super::error::BpmnError;

/// Largest resource: what fits a message.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Most XML nodes; a node costs far more memory than the bytes that make it.
const MAX_NODES: u32 = 200_000;

/// The BPMN 2.0 namespace.
const BPMN: &str = "http://www.omg.org/spec/BPMN/20100524/MODEL";
/// The namespace of Zeebe's extensions.
const ZEEBE: &str = "http://camunda.org/schema/zeebe/1.0";

fn fatal(line: u32, message: impl Into<String>) -> BpmnError {
    BpmnError::Xml { line, message: message.into() }
}

/// Parses text within the limits.
pub(super) fn parse(xml: &[u8]) -> Result<Document<'_>, BpmnError> {
    if xml.len() > MAX_BYTES {
        return Err(fatal(1, format!("The resource exceeds {MAX_BYTES} bytes.")));
    }
    let text = std::str::from_utf8(xml).map_err(|error| {
        let before = xml.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
        fatal(line, "Invalid byte in the UTF-8 text.")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text, options).map_err(|error| describe(text, &error))?;
    Ok(document)
}

/// The error in the words of the JVM's parser where clients may know them.
fn describe(text: &str, error: &roxmltree::Error) -> BpmnError {
    use roxmltree::Error;
    if text.trim_matches(|c: char| c.is_whitespace() || c == '\0').is_empty() {
        return fatal(1, "Premature end of file.");
    }
    if let Some(error) = unbound_root(text) {
        return error;
    }
    let line = error.pos().row;
    let message = match error {
        Error::NoRootNode if root(text).is_none() => "Premature end of file.".to_owned(),
        // A root element was opened, even if its first tag never ends.
        Error::NoRootNode | Error::UnclosedRootNode | Error::UnexpectedEndOfStream => {
            "XML document structures must start and end within the same entity.".to_owned()
        }
        Error::DtdDetected => "DOCTYPE is disallowed.".to_owned(),
        Error::NodesLimitReached => format!("The document exceeds {MAX_NODES} nodes."),
        Error::UnexpectedCloseTag(expected, found, _) => format!(
            "The element type \"{expected}\" must be terminated by the matching end-tag \
             \"</{expected}>\", found \"</{found}>\"."
        ),
        Error::UnknownNamespace(prefix, _) => format!("The prefix \"{prefix}\" is not bound."),
        other => format!("{other}."),
    };
    fatal(line, message)
}

/// Where the first tag of the root element starts: comments and instructions may precede it.
fn root(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let open = at + text.get(at..)?.find('<')?;
        let rest = text.get(open + 1..)?;
        if !rest.starts_with(['?', '!']) {
            return Some(open);
        }
        at = open + 1 + if rest.starts_with("!--") { rest.find("-->")? } else { rest.find('>')? };
    }
}

/// A root element whose prefix is not declared: reported before anything after it.
fn unbound_root(text: &str) -> Option<BpmnError> {
    let start = root(text)?;
    let (tag, _) = text.get(start + 1..)?.split_once('>')?;
    let name = tag.split(|c: char| c.is_whitespace() || c == '/').next()?;
    let (prefix, _) = name.split_once(':')?;
    if tag.contains(&format!("xmlns:{prefix}")) {
        return None;
    }
    let line = text.get(..start)?.matches('\n').count() as u32 + 1;
    let message = format!("The prefix \"{prefix}\" for element \"{name}\" is not bound.");
    Some(fatal(line, message))
}

/// Shorthand for looking around in the tree.
pub(super) trait NodeExt<'a, 'input: 'a> {
    /// The local name, when the node is a BPMN element.
    fn bpmn(&self) -> Option<&'input str>;
    /// The BPMN children of this name.
    fn bpmn_children(&self, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>>;
    /// The Zeebe extension elements of this name.
    fn zeebe_children(&self, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>>;
    /// All Zeebe extension elements.
    fn extensions(&self) -> impl Iterator<Item = Node<'a, 'input>>;
    /// An attribute that is present and not blank.
    fn filled(&self, name: &str) -> Option<&'a str>;
    /// The id, or the name of the tag where there is none.
    fn label(&self) -> &'a str;
}

impl<'a, 'input: 'a> NodeExt<'a, 'input> for Node<'a, 'input> {
    fn bpmn(&self) -> Option<&'input str> {
        let name = self.tag_name();
        (self.is_element() && name.namespace() == Some(BPMN)).then(|| name.name())
    }

    fn bpmn_children(&self, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
        self.children().filter(move |child| child.bpmn() == Some(name))
    }

    fn zeebe_children(&self, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
        self.children().filter(move |child| child.has_tag_name((ZEEBE, name)))
    }

    fn extensions(&self) -> impl Iterator<Item = Node<'a, 'input>> {
        self.bpmn_children("extensionElements")
            .flat_map(|extensions| extensions.children())
            .filter(|child| child.is_element() && child.tag_name().namespace() == Some(ZEEBE))
    }

    fn filled(&self, name: &str) -> Option<&'a str> {
        self.attribute(name).filter(|value| !value.trim().is_empty())
    }

    fn label(&self) -> &'a str {
        self.attribute("id").unwrap_or_else(|| self.tag_name().name())
    }
}
