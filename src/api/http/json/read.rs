//! Reads request objects with the coercions of the JVM gateway's JSON mapper (rest-v2 §3.3).
//!
//! A body is scanned once; each member is kept as a slice of it and turned into its type by
//! [`FromJson`]. Unknown members are ignored, of duplicates the last wins, and what follows the
//! first value is not looked at.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{Deserialize, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::msgpack::json::{JsonDialect, JsonError, document_from_json};
use crate::wire::record::Document;

/// The text is not JSON, or a member has a type that cannot be coerced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api::http) struct Unreadable;

impl From<serde_json::Error> for Unreadable {
    fn from(_: serde_json::Error) -> Self {
        Unreadable
    }
}

/// A type that a member of a request can have.
pub(in crate::api::http) trait FromJson<'a>: Sized {
    /// Reads the one JSON value that `text` is, without blanks around it.
    fn from_json(text: &'a str) -> Result<Self, Unreadable>;
}

/// Defines a request object: `field: Type = "member";`, each `Option`, with the value it has when
/// the member is absent after `or`. An explicit `null` always gives `None`.
macro_rules! request {
    ($($(#[$meta:meta])* struct $name:ident<$life:lifetime> {
        $($field:ident: $ty:ty = $member:literal $(or $default:expr)?;)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Debug)]
        struct $name<$life> {
            $($field: Option<$ty>,)*
            body: std::marker::PhantomData<&$life str>,
        }

        impl Default for $name<'_> {
            fn default() -> Self {
                #[allow(unused_mut, unused_assignments)]
                let mut request = Self { $($field: None,)* body: std::marker::PhantomData };
                $($(request.$field = Some($default);)?)*
                request
            }
        }

        impl<$life> $crate::api::http::json::FromJson<$life> for $name<$life> {
            fn from_json(text: &$life str) -> Result<Self, $crate::api::http::json::Unreadable> {
                let mut request = Self::default();
                $crate::api::http::json::members(text.as_bytes(), |name, value| {
                    match name {
                        $($member => {
                            request.$field = $crate::api::http::json::FromJson::from_json(value)?;
                        })*
                        _ => {}
                    }
                    Ok(())
                })?;
                Ok(request)
            }
        }
    )*};
}
pub(in crate::api::http) use request;

/// Calls `member` with the name and the text of each member of the object that `text` begins with.
pub(in crate::api::http) fn members<'a>(
    text: &'a [u8],
    member: impl FnMut(&str, &'a str) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    struct Members<F>(F);

    impl<'de, F: FnMut(&str, &'de str) -> Result<(), Unreadable>> Visitor<'de> for Members<F> {
        type Value = Result<(), Unreadable>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut outcome = Ok(());
            while let Some(Name(name)) = map.next_key()? {
                let value: &'de RawValue = map.next_value()?;
                // An unreadable member is remembered, for the rest must still be JSON.
                outcome = outcome.and((self.0)(&name, value.get()));
            }
            Ok(outcome)
        }
    }

    serde_json::Deserializer::from_slice(text).deserialize_map(Members(member))?
}

/// A member's name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        from.deserialize_str(Text)
    }
}

impl<'a, T: FromJson<'a>> FromJson<'a> for Option<T> {
    fn from_json(text: &'a str) -> Result<Self, Unreadable> {
        if text == "null" {
            return Ok(None);
        }
        match T::from_json(text) {
            // Empty text is a value as text, and null as anything else.
            Err(Unreadable) if text == "\"\"" => Ok(None),
            value => value.map(Some),
        }
    }
}

impl FromJson<'_> for String {
    fn from_json(text: &str) -> Result<Self, Unreadable> {
        match text.as_bytes().first() {
            Some(b'"') => unescape(text),
            Some(b'{' | b'[') | None => Err(Unreadable),
            Some(_) if text == "null" => Err(Unreadable),
            Some(_) => Ok(text.to_owned()),
        }
    }
}

/// The text of a JSON string. A lone surrogate becomes `?`, as the JVM encodes it.
fn unescape(text: &str) -> Result<String, Unreadable> {
    struct Content;

    impl Visitor<'_> for Content {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => without_surrogates(bytes),
            })
        }
    }

    Ok(serde_json::Deserializer::from_str(text).deserialize_bytes(Content)?)
}

/// `bytes` are UTF-8 but for surrogates encoded as three bytes each, all starting with 0xED.
fn without_surrogates(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(text) => {
                out.push_str(text);
                return out;
            }
            Err(error) => {
                let (valid, invalid) = rest.split_at(error.valid_up_to());
                out.push_str(&String::from_utf8_lossy(valid));
                out.push('?');
                rest = invalid.get(3..).unwrap_or_default();
            }
        }
    }
}

impl FromJson<'_> for i64 {
    fn from_json(text: &str) -> Result<Self, Unreadable> {
        let digits = match text.as_bytes().first() {
            Some(b'"') => return unescape(text)?.trim().parse().map_err(|_| Unreadable),
            Some(b'-' | b'0'..=b'9') => text,
            _ => return Err(Unreadable),
        };
        if !digits.contains(['.', 'e', 'E']) {
            return digits.parse().map_err(|_| Unreadable);
        }
        // Fractions are cut off; 2^63 is the first double out of range.
        let value: f64 = digits.parse().map_err(|_| Unreadable)?;
        let bound = 9_223_372_036_854_775_808.0;
        if (-bound..bound).contains(&value) { Ok(value as i64) } else { Err(Unreadable) }
    }
}

impl FromJson<'_> for i32 {
    fn from_json(text: &str) -> Result<Self, Unreadable> {
        i64::from_json(text).and_then(|wide| i32::try_from(wide).map_err(|_| Unreadable))
    }
}

impl FromJson<'_> for bool {
    fn from_json(text: &str) -> Result<Self, Unreadable> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ if text.starts_with('"') => match unescape(text)?.trim() {
                "true" | "True" | "TRUE" => Ok(true),
                "false" | "False" | "FALSE" => Ok(false),
                _ => Err(Unreadable),
            },
            _ => Ok(i64::from_json(text)? != 0),
        }
    }
}

impl<'a, T: FromJson<'a>> FromJson<'a> for Vec<T> {
    fn from_json(text: &'a str) -> Result<Self, Unreadable> {
        struct Elements<T>(std::marker::PhantomData<T>);

        impl<'de, T: FromJson<'de>> Visitor<'de> for Elements<T> {
            type Value = Result<Vec<T>, Unreadable>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Ok(Vec::new());
                while let Some(value) = seq.next_element::<&'de RawValue>()? {
                    elements = elements.and_then(|mut so_far: Vec<T>| {
                        so_far.push(T::from_json(value.get())?);
                        Ok(so_far)
                    });
                }
                Ok(elements)
            }
        }

        let elements = Elements(std::marker::PhantomData);
        serde_json::Deserializer::from_str(text).deserialize_seq(elements)?
    }
}

/// A member that only newer versions know: whether it is there, and whether it says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api::http) struct Newer(bool);

impl FromJson<'_> for Newer {
    fn from_json(text: &str) -> Result<Self, Unreadable> {
        let compact = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).take(3);
        let nothing = matches!(&compact.collect::<Vec<_>>()[..], b"{}" | b"[]" | b"\"\"");
        Ok(Self(!nothing && text != "false"))
    }
}

impl Newer {
    /// Whether leaving the member out would change anything. Clients send empty members.
    pub(in crate::api::http) fn says_something(self) -> bool {
        self.0
    }
}

/// A `variables` object, still the client's text.
#[derive(Clone, Copy, Debug)]
pub(in crate::api::http) struct Variables<'a>(&'a str);

impl<'a> FromJson<'a> for Variables<'a> {
    fn from_json(text: &'a str) -> Result<Self, Unreadable> {
        if text.starts_with('{') { Ok(Self(text)) } else { Err(Unreadable) }
    }
}

impl Variables<'_> {
    /// Whether the object has no members.
    pub(in crate::api::http) fn is_empty(&self) -> bool {
        let inside = self.0.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        inside.is_some_and(|inside| inside.trim().is_empty())
    }
}

/// The variables as MsgPack, in one pass; absent ones are the empty document.
pub(in crate::api::http) fn document(
    variables: Option<Variables<'_>>,
) -> Result<Document, JsonError> {
    match variables {
        None => Ok(Document::empty()),
        Some(variables) => document_from_json(variables.0, JsonDialect::Strict),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    request! {
        struct Sample<'a> {
            text: String = "text";
            long: i64 = "long" or 7;
            int: i32 = "int";
            flag: bool = "flag" or false;
            list: Vec<String> = "list" or Vec::new();
            variables: Variables<'a> = "variables";
        }
    }

    fn read(text: &str) -> Result<Sample<'_>, Unreadable> {
        Sample::from_json(text)
    }

    #[test]
    fn absent_members_have_their_default_and_null_has_none() {
        let absent = read("{}").expect("readable");
        assert_eq!((absent.text, absent.long, absent.flag), (None, Some(7), Some(false)));
        let null = read(r#"{"long":null,"flag":null,"list":null}"#).expect("readable");
        assert_eq!((null.long, null.flag, null.list), (None, None, None));
    }

    #[test]
    fn scalars_are_coerced() {
        let given = read(r#"{"text":12.50,"long":"5","int":1.9,"flag":"true"}"#).expect("readable");
        assert_eq!(given.text.as_deref(), Some("12.50"));
        assert_eq!((given.long, given.int, given.flag), (Some(5), Some(1), Some(true)));
        let given = read(r#"{"text":true,"long":"","int":-2.9,"flag":0}"#).expect("readable");
        assert_eq!(given.text.as_deref(), Some("true"));
        assert_eq!((given.long, given.int, given.flag), (None, Some(-2), Some(false)));
    }

    #[test]
    fn what_cannot_be_coerced_is_unreadable() {
        for text in [
            "",
            "[]",
            "3",
            "{'text':1}",
            r#"{"text":{}}"#,
            r#"{"text":[]}"#,
            r#"{"long":"abc"}"#,
            r#"{"long":9223372036854775808}"#,
            r#"{"long":1e300}"#,
            r#"{"int":3000000000}"#,
            r#"{"flag":"yes"}"#,
            r#"{"list":"a"}"#,
            r#"{"list":[{}]}"#,
            r#"{"variables":[]}"#,
            r#"{"variables":"{}"}"#,
            r#"{"text":"a}"#,
            r#"{"zzz":01}"#,
            "{\"text\":\"a\nb\"}",
        ] {
            assert_eq!(read(text).map(|_| ()), Err(Unreadable), "{text}");
        }
        let invalid = b"{\"text\":\"\xff\"}";
        assert_eq!(members(invalid, |_, _| Ok(())), Err(Unreadable));
    }

    #[test]
    fn of_duplicates_the_last_wins_and_trailing_text_is_ignored() {
        let given = read(r#"{"text":"a","text":"b","zzz":{"deep":[1]}} xx"#).expect("readable");
        assert_eq!(given.text.as_deref(), Some("b"));
    }

    #[test]
    fn lone_surrogates_become_question_marks() {
        let given = read(r#"{"text":"a\ud800b\u00fc\udc00"}"#).expect("readable");
        assert_eq!(given.text.as_deref(), Some("a?b\u{fc}?"));
    }

    #[test]
    fn empty_variables_are_recognised() {
        let given = read("{\"variables\":{ \n}}").expect("readable");
        assert!(given.variables.is_some_and(|v| v.is_empty()));
        let given = read(r#"{"variables":{"a":1}}"#).expect("readable");
        assert!(given.variables.is_some_and(|v| !v.is_empty()));
    }
}
