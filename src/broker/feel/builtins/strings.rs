//! Functions of text.

use super::Builtin;
use crate::broker::feel::value::Value;

/// The functions.
pub(super) const TABLE: &[Builtin] = &[
    Builtin {
        name: "contains",
        forms: &[&["string", "match"]],
        variadic: false,
        run: |_, args| match args {
            [Value::String(text), Value::String(part)] => {
                Ok(Some(Value::Bool(text.contains(&**part))))
            }
            _ => Ok(None),
        },
    },
    Builtin {
        name: "is defined",
        forms: &[&["value"]],
        variadic: false,
        // The parser makes a node of its own of it, because it must see the expression.
        run: |_, args| Ok(args.first().map(|value| Value::Bool(!value.is_null()))),
    },
];
