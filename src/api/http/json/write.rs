//! Writes response bodies member by member; MsgPack documents are transcoded into them directly.

use std::fmt::Write;

use bytes::Bytes;

use crate::config::KeyForm;
use crate::wire::DecodeError;
use crate::wire::msgpack::json::append_json;

/// What an answer depends on besides its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api::http) struct Style {
    /// How keys stand in it (rest-v2 §2).
    pub(in crate::api::http) keys: KeyForm,
    /// Without members that 8.6 does not have.
    pub(in crate::api::http) exact: bool,
}

impl Style {
    /// For documents that have neither keys nor newer members.
    pub(in crate::api::http) const PLAIN: Self = Self { keys: KeyForm::Number, exact: false };
}

/// An object being written.
pub(in crate::api::http) struct Object<'a> {
    out: &'a mut String,
    style: Style,
    empty: bool,
}

/// An array being written.
pub(in crate::api::http) struct Array<'a> {
    out: &'a mut String,
    style: Style,
    empty: bool,
}

/// Appends one object to `out`, all of it in this style.
pub(in crate::api::http) fn object(
    out: &mut String,
    style: Style,
    members: impl FnOnce(&mut Object<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    out.push('{');
    members(&mut Object { out, style, empty: true })?;
    out.push('}');
    Ok(())
}

fn text(out: &mut String, value: &str) {
    out.push('"');
    let mut rest = value;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let (byte, after) = special.split_at(1);
        match byte {
            "\"" => out.push_str("\\\""),
            "\\" => out.push_str("\\\\"),
            "\n" => out.push_str("\\n"),
            "\r" => out.push_str("\\r"),
            "\t" => out.push_str("\\t"),
            control => {
                let code = control.bytes().next().unwrap_or_default();
                write!(out, "\\u{code:04X}").expect("a string takes everything");
            }
        }
        rest = after;
    }
    out.push_str(rest);
    out.push('"');
}

fn separate(out: &mut String, empty: &mut bool) {
    if !std::mem::replace(empty, false) {
        out.push(',');
    }
}

impl Object<'_> {
    fn name(&mut self, name: &str) {
        separate(self.out, &mut self.empty);
        text(self.out, name);
        self.out.push(':');
    }

    /// Text.
    pub(in crate::api::http) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        text(self.out, value);
    }

    /// An integer.
    pub(in crate::api::http) fn int(&mut self, name: &str, value: impl Into<i64>) {
        self.name(name);
        write!(self.out, "{}", value.into()).expect("a string takes everything");
    }

    /// Whether members that 8.6 does not have are left out.
    pub(in crate::api::http) fn exact(&self) -> bool {
        self.style.exact
    }

    /// The key of an entity, in the form the client wants (rest-v2 §2).
    pub(in crate::api::http) fn key(&mut self, name: &str, value: i64) {
        self.name(name);
        match self.style.keys {
            KeyForm::Number => write!(self.out, "{value}"),
            KeyForm::String => write!(self.out, "\"{value}\""),
        }
        .expect("a string takes everything");
    }

    /// A key under the name that newer versions have for it, unless they break the client.
    pub(in crate::api::http) fn newer_key(&mut self, name: &str, value: i64) {
        if !self.style.exact {
            self.key(name, value);
        }
    }

    /// Text that newer versions have and clients of 8.6 ignore.
    pub(in crate::api::http) fn newer_text(&mut self, name: &str, value: &str) {
        if !self.style.exact {
            self.text(name, value);
        }
    }

    /// JSON that is known to be one value.
    pub(in crate::api::http) fn raw(&mut self, name: &str, json: &str) {
        self.name(name);
        self.out.push_str(json);
    }

    /// A boolean.
    pub(in crate::api::http) fn bool(&mut self, name: &str, value: bool) {
        self.name(name);
        self.out.push_str(if value { "true" } else { "false" });
    }

    /// A MsgPack value as JSON.
    pub(in crate::api::http) fn msgpack(
        &mut self,
        name: &str,
        value: &Bytes,
    ) -> Result<(), DecodeError> {
        self.name(name);
        append_json(value, self.out)
    }

    /// A MsgPack value as text that holds its JSON.
    pub(in crate::api::http) fn msgpack_text(
        &mut self,
        name: &str,
        value: &Bytes,
    ) -> Result<(), DecodeError> {
        let mut json = String::new();
        append_json(value, &mut json)?;
        self.text(name, &json);
        Ok(())
    }

    /// An object.
    pub(in crate::api::http) fn object(
        &mut self,
        name: &str,
        members: impl FnOnce(&mut Object<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        self.name(name);
        object(self.out, self.style, members)
    }

    /// An array.
    pub(in crate::api::http) fn array(
        &mut self,
        name: &str,
        elements: impl FnOnce(&mut Array<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        self.name(name);
        self.out.push('[');
        elements(&mut Array { out: self.out, style: self.style, empty: true })?;
        self.out.push(']');
        Ok(())
    }
}

impl Array<'_> {
    /// Appends an object.
    pub(in crate::api::http) fn object(
        &mut self,
        members: impl FnOnce(&mut Object<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        separate(self.out, &mut self.empty);
        object(self.out, self.style, members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nests_and_separates() {
        let mut out = String::new();
        object(&mut out, Style::PLAIN, |o| {
            o.text("a", "x\"\u{1}");
            o.int("b", -5);
            o.bool("c", true);
            o.array("d", |items| {
                items.object(|_| Ok(()))?;
                items.object(|o| o.object("e", |_| Ok(())))
            })?;
            o.msgpack("f", &Bytes::from_static(&[0x81, 0xa1, b'k', 0x92, 0x01, 0xc0]))?;
            o.msgpack_text("g", &Bytes::from_static(&[0xa1, b'v']))
        })
        .expect("well-formed");
        let expected = r#"{"a":"x\"\u0001","b":-5,"c":true,"d":[{},{"e":{}}],"#;
        assert_eq!(out, format!("{expected}{}", r#""f":{"k":[1,null]},"g":"\"v\""}"#));
    }

    #[test]
    fn keys_have_the_wanted_form_at_every_depth() {
        let written = |keys| {
            let mut out = String::new();
            object(&mut out, Style { keys, exact: false }, |o| {
                o.key("k", 1 << 53);
                o.int("i", 5);
                o.array("a", |items| {
                    items.object(|o| {
                        o.key("k", -1);
                        Ok(())
                    })
                })
            })
            .expect("well-formed");
            out
        };
        let number = r#"{"k":9007199254740992,"i":5,"a":[{"k":-1}]}"#;
        assert_eq!(written(KeyForm::Number), number);
        let string = r#"{"k":"9007199254740992","i":5,"a":[{"k":"-1"}]}"#;
        assert_eq!(written(KeyForm::String), string);
    }

    #[test]
    fn a_broken_document_is_an_error() {
        let mut out = String::new();
        let written =
            object(&mut out, Style::PLAIN, |o| o.msgpack("f", &Bytes::from_static(&[0x81])));
        assert!(written.is_err());
    }
}
