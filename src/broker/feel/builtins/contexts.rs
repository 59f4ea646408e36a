//! Functions of contexts.

use super::{Builtin, Outcome, builtin};
use crate::broker::feel::eval::Evaluator;
use crate::broker::feel::value::{Context, Value};

/// The functions.
pub(super) const TABLE: &[Builtin] = &[
    builtin("get value", &[&["context", "key"]], |_, args| {
        let [Value::Context(entries), key] = args else { return Ok(None) };
        Ok(match key {
            Value::String(key) => Some(Value::from(entries.get(&**key).cloned())),
            Value::List(path) => Some(walk(entries, path).unwrap_or(Value::Null)),
            _ => None,
        })
    }),
    builtin("get entries", &[&["context"]], |_, args| {
        let [Value::Context(entries)] = args else { return Ok(None) };
        let entry = |(key, value): (&String, &Value)| {
            let pair =
                [("key".to_owned(), Value::string(key)), ("value".to_owned(), value.clone())];
            Value::context(pair.into_iter().collect())
        };
        Ok(Some(Value::list(entries.iter().map(entry).collect())))
    }),
    builtin("context put", &[&["context", "key", "value"]], put),
    builtin("put", &[&["context", "key", "value"]], put),
    builtin("context merge", &[&["contexts"]], merge),
    builtin("put all", &[&["contexts"]], merge),
    builtin("context", &[&["entries"]], |_, args| {
        let [Value::List(items)] = args else { return Ok(None) };
        let mut out = Context::new();
        for item in items.iter() {
            let Value::Context(entry) = item else { return Ok(None) };
            let (Some(Value::String(key)), Some(value)) = (entry.get("key"), entry.get("value"))
            else {
                return Ok(None);
            };
            out.insert(key.to_string(), value.clone());
        }
        Ok(Some(Value::context(out)))
    }),
];

fn walk(entries: &Context, path: &[Value]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    let value = entries.get(first.as_str()?)?;
    match (value, rest) {
        (value, []) => Some(value.clone()),
        (Value::Context(inner), rest) => walk(inner, rest),
        _ => None,
    }
}

fn put(_: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    let [Value::Context(entries), key, value] = args else { return Ok(None) };
    Ok(match key {
        Value::String(key) => put_at(entries, &[Value::String(key.clone())], value),
        Value::List(path) => put_at(entries, path, value),
        _ => None,
    })
}

fn put_at(entries: &Context, path: &[Value], value: &Value) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    let key = first.as_str()?;
    let new = match (rest, entries.get(key)) {
        ([], _) => value.clone(),
        (rest, Some(Value::Context(inner))) => put_at(inner, rest, value)?,
        (rest, None) => put_at(&Context::new(), rest, value)?,
        (_, Some(_)) => return None,
    };
    let mut out = entries.clone();
    out.insert(key.to_owned(), new);
    Some(Value::context(out))
}

fn merge(_: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    let [Value::List(items)] = args else { return Ok(None) };
    let mut out = Context::new();
    for item in items.iter() {
        let Value::Context(entries) = item else { return Ok(None) };
        out.extend(entries.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    Ok(Some(Value::context(out)))
}
