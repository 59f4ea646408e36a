//! `/actors`.

use crate::actors::gateway::Gateway;
use crate::model::ActorSnapshot;

/// All actors, by name.
pub(super) fn all(gateway: &Gateway) -> Vec<ActorSnapshot> {
    let mut actors = gateway.actors();
    actors.sort_by(|a, b| a.name.cmp(&b.name));
    actors
}

/// The actor with this name.
pub(super) fn one(gateway: &Gateway, name: &str) -> Option<ActorSnapshot> {
    gateway.actors().into_iter().find(|actor| actor.name == name)
}

/// `text` without percent-encoding; `None` where that is broken or gives no text.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (digits, next) = after.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = next;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_percent_decoded() {
        let name = decoded("leader-connection%5Bpartition=3%5d");
        assert_eq!(name.as_deref(), Some("leader-connection[partition=3]"));
        for broken in ["", "a%", "a%2", "%zz", "%ff"] {
            assert_eq!(decoded(broken), None, "{broken}");
        }
    }
}
