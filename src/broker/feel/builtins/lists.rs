//! Functions of lists.

use std::cmp::Ordering;

use super::{Builtin, Outcome, builtin, variadic};
use crate::broker::feel::error::FeelError;
use crate::broker::feel::eval::Evaluator;
use crate::broker::feel::number::Number;
use crate::broker::feel::value::Value;

/// The functions.
pub(super) const TABLE: &[Builtin] = &[
    builtin("list contains", &[&["list", "element"]], |this, args| {
        let [Value::List(items), element] = args else { return Ok(None) };
        Ok(Some(Value::Bool(position(this, items, element)?.is_some())))
    }),
    variadic("count", &[&["list"]], |_, args| {
        Ok(match args {
            [Value::List(items)] => Some(items.len().into()),
            _ => None,
        })
    }),
    variadic("min", &[&["list"]], |this, args| extreme(this, args, Ordering::Less)),
    variadic("max", &[&["list"]], |this, args| extreme(this, args, Ordering::Greater)),
    variadic("sum", &[&["list"]], |this, args| {
        Ok(match numbers(this, args)? {
            Some(numbers) if numbers.is_empty() => Some(Value::Null),
            Some(numbers) => sum(&numbers).map(Value::from),
            None => None,
        })
    }),
    variadic("product", &[&["list"]], |this, args| {
        Ok(match numbers(this, args)? {
            Some(numbers) if numbers.is_empty() => Some(Value::Null),
            Some(numbers) => numbers
                .iter()
                .try_fold(Number::from(1_i64), |product, number| product.multiply(*number))
                .map(Value::from),
            None => None,
        })
    }),
    variadic("mean", &[&["list"]], |this, args| {
        Ok(match numbers(this, args)? {
            Some(numbers) if numbers.is_empty() => Some(Value::Null),
            Some(numbers) => mean(&numbers).map(Value::from),
            None => None,
        })
    }),
    variadic("median", &[&["list"]], |this, args| {
        let Some(mut numbers) = numbers(this, args)? else { return Ok(None) };
        numbers.sort();
        let middle = numbers.len() / 2;
        if numbers.len() % 2 == 1 {
            return Ok(numbers.get(middle).copied().map(Value::from));
        }
        let pair = numbers.get(middle.saturating_sub(1)..=middle).unwrap_or_default();
        Ok(if pair.is_empty() { Some(Value::Null) } else { mean(pair).map(Value::from) })
    }),
    variadic("all", &[&["list"]], |_, args| Ok(logic(args, false))),
    variadic("and", &[&["list"]], |_, args| Ok(logic(args, false))),
    variadic("any", &[&["list"]], |_, args| Ok(logic(args, true))),
    variadic("or", &[&["list"]], |_, args| Ok(logic(args, true))),
    builtin("is empty", &[&["list"]], |_, args| {
        Ok(match args {
            [Value::List(items)] => Some(Value::Bool(items.is_empty())),
            _ => None,
        })
    }),
    builtin(
        "sublist",
        &[&["list", "start position"], &["list", "start position", "length"]],
        sublist,
    ),
    variadic("append", &[&["list", "items"]], |this, args| {
        let [Value::List(items), added @ ..] = args else { return Ok(None) };
        this.spend(items.len() + added.len())?;
        Ok(Some(Value::list(items.iter().chain(added).cloned().collect())))
    }),
    variadic("concatenate", &[&["lists"]], concatenate),
    builtin("insert before", &[&["list", "position", "newItem"]], |this, args| {
        let [Value::List(items), Value::Number(at), new] = args else { return Ok(None) };
        this.spend(items.len() + 1)?;
        let Some(at) = place(items.len(), at.to_int()) else { return Ok(None) };
        let mut items = items.as_ref().clone();
        items.insert(at, new.clone());
        Ok(Some(Value::list(items)))
    }),
    builtin("remove", &[&["list", "position"]], |this, args| {
        let [Value::List(items), Value::Number(at)] = args else { return Ok(None) };
        this.spend(items.len())?;
        let Some(at) = place(items.len(), at.to_int()) else { return Ok(None) };
        let mut items = items.as_ref().clone();
        items.remove(at);
        Ok(Some(Value::list(items)))
    }),
    builtin("reverse", &[&["list"]], |this, args| {
        let [Value::List(items)] = args else { return Ok(None) };
        this.spend(items.len())?;
        Ok(Some(Value::list(items.iter().rev().cloned().collect())))
    }),
    builtin("index of", &[&["list", "match"]], |this, args| {
        let [Value::List(items), wanted] = args else { return Ok(None) };
        let mut out = Vec::new();
        for (at, item) in items.iter().enumerate() {
            this.step()?;
            if item.same(wanted) {
                out.push(Value::from(at + 1));
            }
        }
        Ok(Some(Value::list(out)))
    }),
    variadic("union", &[&["lists"]], |this, args| {
        Ok(match concatenate(this, args)? {
            Some(Value::List(items)) => Some(distinct(this, &items)?),
            _ => None,
        })
    }),
    builtin("distinct values", &[&["list"]], |this, args| {
        let [Value::List(items)] = args else { return Ok(None) };
        Ok(Some(distinct(this, items)?))
    }),
    builtin("duplicate values", &[&["list"]], |this, args| {
        let [Value::List(items)] = args else { return Ok(None) };
        let mut out: Vec<Value> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let before = items.get(..at).unwrap_or_default();
            if position(this, before, item)?.is_some() && position(this, &out, item)?.is_none() {
                out.push(item.clone());
            }
        }
        Ok(Some(Value::list(out)))
    }),
    builtin("flatten", &[&["list"]], |this, args| {
        let [Value::List(items)] = args else { return Ok(None) };
        let mut out = Vec::new();
        flatten(this, items, &mut out)?;
        Ok(Some(Value::list(out)))
    }),
    builtin("partition", &[&["list", "size"]], |this, args| {
        let [Value::List(items), Value::Number(size)] = args else { return Ok(None) };
        this.spend(items.len() * 2)?;
        let size = size.to_int().and_then(|size| usize::try_from(size).ok());
        let Some(size) = size.filter(|size| *size > 0) else { return Ok(None) };
        Ok(Some(Value::list(items.chunks(size).map(|part| Value::list(part.to_vec())).collect())))
    }),
    builtin("sort", &[&["list"]], |this, args| {
        let [Value::List(items)] = args else { return Ok(None) };
        this.spend(items.len())?;
        let mut items = items.as_ref().clone();
        items.sort_by(|a, b| a.order(b).unwrap_or(Ordering::Equal));
        Ok(Some(Value::list(items)))
    }),
];

/// `f([1, 2])` and `f(1, 2)` are the same.
fn spread(args: &[Value]) -> &[Value] {
    match args {
        [Value::List(items)] => items,
        args => args,
    }
}

fn position(
    this: &mut Evaluator<'_>,
    items: &[Value],
    wanted: &Value,
) -> Result<Option<usize>, FeelError> {
    for (at, item) in items.iter().enumerate() {
        this.step()?;
        if wanted.is_container() {
            this.weigh(wanted)?;
        }
        if item.same(wanted) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn extreme(this: &mut Evaluator<'_>, args: &[Value], wanted: Ordering) -> Outcome {
    let mut best: Option<&Value> = None;
    for item in spread(args) {
        this.step()?;
        best = match best {
            None => Some(item),
            Some(known) => match item.order(known) {
                Some(order) => Some(if order == wanted { item } else { known }),
                None => return Ok(None),
            },
        };
    }
    Ok(Some(best.cloned().unwrap_or(Value::Null)))
}

fn numbers(this: &mut Evaluator<'_>, args: &[Value]) -> Result<Option<Vec<Number>>, FeelError> {
    let items = spread(args);
    this.spend(items.len())?;
    Ok(items.iter().map(Value::as_number).collect())
}

fn sum(numbers: &[Number]) -> Option<Number> {
    numbers.iter().try_fold(Number::ZERO, |sum, number| sum.add(*number))
}

fn mean(numbers: &[Number]) -> Option<Number> {
    sum(numbers)?.divide(Number::from(numbers.len()))
}

/// Three-valued, over a list.
fn logic(args: &[Value], deciding: bool) -> Option<Value> {
    let mut open = false;
    for item in spread(args) {
        match item {
            Value::Bool(value) if *value == deciding => return Some(Value::Bool(deciding)),
            Value::Bool(_) => {}
            _ => open = true,
        }
    }
    Some(if open { Value::Null } else { Value::Bool(!deciding) })
}

/// A position that counts from 1, or from -1 at the end, as an index of an item that exists.
fn place(len: usize, position: Option<i64>) -> Option<usize> {
    let position = position?;
    let back = usize::try_from(position.unsigned_abs()).ok()?;
    let at = if position > 0 { back.checked_sub(1)? } else { len.checked_sub(back)? };
    (at < len).then_some(at)
}

fn sublist(this: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    let [Value::List(items), Value::Number(start), rest @ ..] = args else { return Ok(None) };
    this.spend(items.len())?;
    let Some(at) = place(items.len(), start.to_int()) else { return Ok(None) };
    let length = match rest {
        [] => items.len(),
        [Value::Number(length), ..] => {
            let length = length.to_int().and_then(|length| usize::try_from(length).ok());
            let Some(length) = length else { return Ok(None) };
            length
        }
        _ => return Ok(None),
    };
    Ok(Some(Value::list(items.iter().skip(at).take(length).cloned().collect())))
}

fn concatenate(this: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    let mut out = Vec::new();
    for arg in args {
        let Value::List(items) = arg else { return Ok(None) };
        this.spend(items.len())?;
        out.extend(items.iter().cloned());
    }
    Ok(Some(Value::list(out)))
}

fn distinct(this: &mut Evaluator<'_>, items: &[Value]) -> Result<Value, FeelError> {
    let mut out: Vec<Value> = Vec::new();
    for item in items {
        if position(this, &out, item)?.is_none() {
            out.push(item.clone());
        }
    }
    Ok(Value::list(out))
}

fn flatten(
    this: &mut Evaluator<'_>,
    items: &[Value],
    out: &mut Vec<Value>,
) -> Result<(), FeelError> {
    for item in items {
        this.step()?;
        this.spend(1)?;
        match item {
            Value::List(inner) => flatten(this, inner, out)?,
            item => out.push(item.clone()),
        }
    }
    Ok(())
}
