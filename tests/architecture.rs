//! Guards on the structure of the sources: who may import whom, how long a file may be.
//!
//! `docs/ARCHITECTURE.md` explains the rules; this test is what keeps them true.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folder or file under `src/`, and the modules of this crate it may name. The most specific row
/// wins.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &["model"]),
    ("error.rs", &["model"]),
    ("config", &["config"]),
    ("chance.rs", &[]),
    ("clock.rs", &["model"]),
    ("metrics.rs", &["model", "error"]),
    ("metrics", &["model", "error", "metrics"]),
    ("wire", &["model", "wire"]),
    ("gossip", &["model", "gossip", "wire::swim", "wire::broker_info", "wire::configuration"]),
    ("routing", &["model", "error", "routing", "wire::record"]),
    ("net", &["model", "error", "config", "wire", "gossip", "net", "clock", "chance"]),
    (
        "actors",
        &[
            "model", "error", "config", "wire", "gossip", "routing", "net", "actors", "metrics",
            "clock", "chance",
        ],
    ),
    ("auth/core", &["model", "auth::core"]),
    ("auth", &["model", "config", "clock", "auth"]),
    (
        "api",
        &[
            "auth::Authenticator",
            "auth::Identity",
            "auth::StartError",
            "model",
            "error",
            "config",
            "metrics",
            "clock",
            "api",
            "actors::gateway",
            "actors::Gateway",
            "actors::SessionHandle",
            "wire::record",
            "wire::msgpack",
            "wire::DecodeError",
        ],
    ),
    (
        "broker/engine",
        &[
            "model",
            "wire::record",
            "wire::msgpack",
            "wire::DecodeError",
            "broker::engine",
            "broker::bpmn",
            "broker::feel",
        ],
    ),
    ("broker/bpmn", &["model", "broker::bpmn", "broker::feel"]),
    ("broker/feel", &["model", "wire::msgpack", "wire::DecodeError", "broker::feel"]),
    (
        "broker",
        &[
            "model", "error", "config", "wire", "gossip", "net", "routing", "broker", "clock",
            "chance",
        ],
    ),
];

/// Modules that must stay pure, and what would make them impure.
const PURE: &[&str] = &[
    "model",
    "wire",
    "gossip",
    "routing",
    "auth/core",
    "broker/engine",
    "broker/bpmn",
    "broker/feel",
];
const IMPURE: &[&str] = &[
    "tokio::",
    "actix",
    "std::net::Tcp",
    "std::net::Udp",
    "std::thread",
    "std::fs",
    "Instant::now",
    "SystemTime::now",
    "rand::rng()",
    "thread_rng",
];

const LINES_MAX: usize = 600;

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut pending = vec![root.clone()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).expect("below src").display().to_string();
            (name, fs::read_to_string(path).expect("readable"))
        })
        .collect()
}

/// The part of a file that ships: everything before its tests.
fn shipped(text: &str) -> &str {
    text.split_once("#[cfg(test)]\nmod tests").map_or(text, |(shipped, _)| shipped)
}

fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Paths named after `crate::`, with braces opened up to the second segment.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (start, _) in code.match_indices("crate::") {
        if code[..start].ends_with('$') {
            continue;
        }
        let rest = &code[start + "crate::".len()..];
        for path in expand(rest) {
            found.insert(path);
        }
    }
    found
}

fn segment(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

fn expand(rest: &str) -> Vec<String> {
    if let Some(group) = rest.strip_prefix('{') {
        return members(group).into_iter().flat_map(|member| expand(&member)).collect();
    }
    let (first, tail) = segment(rest);
    let Some(tail) = tail.strip_prefix("::") else { return vec![first.to_owned()] };
    let seconds = match tail.strip_prefix('{') {
        Some(group) => members(group),
        None => vec![tail.to_owned()],
    };
    seconds.iter().map(|second| format!("{first}::{}", segment(second.trim()).0)).collect()
}

/// Members of a brace group, the opening brace already taken.
fn members(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut all = vec![String::new()];
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ => {}
        }
        match (c, all.last_mut()) {
            (',', _) if depth == 0 => all.push(String::new()),
            (_, Some(last)) if !(c.is_whitespace() && last.is_empty()) => last.push(c),
            _ => {}
        }
    }
    all.retain(|member| !member.trim().is_empty());
    all
}

fn rule_of(file: &str) -> Option<(&'static str, &'static [&'static str])> {
    MAY_IMPORT
        .iter()
        .filter(|(place, _)| file == *place || file.starts_with(&format!("{place}/")))
        .max_by_key(|(place, _)| place.len())
        .map(|(place, allowed)| (*place, *allowed))
}

#[test]
fn imports_point_one_way() {
    let free = ["lib.rs", "main.rs", "bootstrap.rs"];
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if free.contains(&file.as_str()) || file.starts_with("bootstrap/") {
            continue;
        }
        let Some((_, allowed)) = rule_of(&file) else {
            wrong.push(format!("{file} belongs to no module of the import table"));
            continue;
        };
        for path in imports(&without_comments(shipped(&text))) {
            let fits = |rule: &&str| path == **rule || path.starts_with(&format!("{rule}::"));
            if !allowed.iter().any(fits) {
                wrong.push(format!("{file} must not name crate::{path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn cores_are_pure() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        // Test modules are not shipped, whether at the end of a file or in one of their own.
        let core = PURE.iter().any(|place| file.starts_with(&format!("{place}/")));
        if !core || file.contains("/tests/") {
            continue;
        }
        let code = without_comments(shipped(&text));
        for word in IMPURE {
            if code.contains(word) {
                wrong.push(format!("{file} uses {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_hold_one_idea() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(file, text)| (file, shipped(&text).lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "files over {LINES_MAX} lines: {long:?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let mute: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(file, _)| file)
        .collect();
    assert!(mute.is_empty(), "without a module comment: {mute:?}");
}

#[test]
fn nothing_is_left_undone() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        for word in ["todo!(", "unimplemented!(", "dbg!(", "FIXME"] {
            if without_comments(&text).contains(word) {
                wrong.push(format!("{file} has {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_guard_reads_imports_as_rustc_does() {
    let code = "use crate::{wire::{sbe, frame::X}, model};\nlet y = crate::net::dial::z();";
    let found: Vec<_> = imports(code).into_iter().collect();
    assert_eq!(found, ["model", "net::dial", "wire::frame", "wire::sbe"]);
}

/// Sections of `docs/protocol` by document, and the numbers of the decisions.
fn documents() -> (BTreeSet<String>, BTreeSet<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut sections = BTreeSet::new();
    let mut decisions = BTreeSet::new();
    for entry in fs::read_dir(root.join("protocol")).expect("the facts of the protocol") {
        let path = entry.expect("an entry").path();
        let document = path.file_stem().expect("a name").display().to_string();
        for line in fs::read_to_string(&path).expect("readable").lines() {
            let Some(title) = line.strip_prefix('#') else { continue };
            let number = title.trim_start_matches('#').split_whitespace().next();
            let number = number.map(|n| n.trim_end_matches('.').to_owned());
            sections.extend(number.map(|number| format!("{document} §{number}")));
        }
    }
    for entry in fs::read_dir(root.join("adr")).expect("the decisions") {
        let name = entry.expect("an entry").file_name().into_string().expect("a plain name");
        let Some((number, _)) = name.split_once('-') else { continue };
        assert!(decisions.insert(number.to_owned()), "two decisions have the number {number}");
    }
    (sections, decisions)
}

/// What a text cites: `document §1.2` and `ADR 0001`, also across lines of a comment.
fn citations(text: &str) -> Vec<String> {
    let marks = |word: &&str| !matches!(*word, "//" | "///" | "//!");
    let words: Vec<&str> = text.split_whitespace().filter(marks).collect();
    let number = |word: &str| -> String {
        let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
        word[..end].trim_end_matches('.').to_owned()
    };
    let mut cited = Vec::new();
    for pair in words.windows(2) {
        let name = pair[0].trim_start_matches(['(', '`']).trim_end_matches([',', '`']);
        match pair[1].strip_prefix('§') {
            // The second section of one citation.
            Some(_) if matches!(name, "and" | "to") || name.starts_with('§') => {}
            Some(section) => cited.push(format!("{name} §{}", number(section))),
            None if name == "ADR" => cited.push(format!("ADR {}", number(pair[1]))),
            None => {}
        }
    }
    cited
}

#[test]
fn citations_name_sections_and_decisions_that_exist() {
    let text = "//! Numbers (config §1–§3, see rest-v2\n//! §2.1 and §3.6), ADR 0002.";
    assert_eq!(citations(text), ["config §1", "rest-v2 §2.1", "ADR 0002"]);
    let (sections, decisions) = documents();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        for cited in citations(&text) {
            let exists = match cited.strip_prefix("ADR ") {
                Some(number) => decisions.contains(number),
                None => sections.contains(&cited),
            };
            if !exists {
                wrong.push(format!("{file} cites {cited}"));
            }
        }
    }
    let next = decisions.len() + 1;
    for number in 1..next {
        let number = format!("{number:04}");
        assert!(decisions.contains(&number), "there is no decision {number}");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
