//! The part of the evaluator that runs an expression for each item of a list: filters, `for`,
//! `some`, `every` and `sort`.
//!
//! Bounded like the rest of the evaluator: each visit costs a step, each item kept a unit.

use std::sync::Arc;

use super::arith;
use super::ast::{Binding, Expr, Precedes, Quantifier};
use super::eval::{Evaluator, Local, Result};
use super::outcome::WarningKind;
use super::value::Value;

impl Evaluator<'_> {
    /// Keeps the items for which `filter` holds, or picks the one it numbers.
    pub fn filter(&mut self, value: Value, filter: &Expr) -> Result<Value> {
        let items = match value {
            Value::Null => return Ok(Value::Null),
            Value::List(items) => items,
            single => Arc::new(vec![single]),
        };
        // An index is the same for every item, and shows itself on the first; the outcome for the
        // first item is kept, because evaluating it twice would double with every nesting.
        let first = items.first().cloned().unwrap_or(Value::Null);
        let known = self.with(Local::Item(first), |this| this.eval(filter))?;
        if let Value::Number(number) = known {
            let item = number.as_i64().and_then(|index| arith::at(&items, index));
            return Ok(item.cloned().unwrap_or(Value::Null));
        }
        let mut out = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let holds = match at {
                0 => known == Value::Bool(true),
                _ => {
                    let local = Local::Item(item.clone());
                    self.with(local, |this| this.eval(filter))? == Value::Bool(true)
                }
            };
            if holds {
                self.spend(1)?;
                out.push(item.clone());
            }
        }
        Ok(Value::list(out))
    }

    /// `for … return`: the list of what `body` yields, which sees the list so far as `partial`.
    pub fn iterate(&mut self, bindings: &[Binding], body: &Expr) -> Result<Value> {
        let mut out = Arc::new(Vec::new());
        let complete = self.each(bindings, &mut |this| {
            let partial = Local::Bound("partial".to_owned(), Value::List(out.clone()));
            let value = this.with(partial, |this| this.eval(body))?;
            this.weigh(&value)?;
            Arc::make_mut(&mut out).push(value);
            Ok(true)
        })?;
        Ok(if complete { Value::List(out) } else { Value::Null })
    }

    /// `some … satisfies` and `every … satisfies`, three-valued.
    pub fn quantified(
        &mut self,
        quantifier: Quantifier,
        bindings: &[Binding],
        body: &Expr,
    ) -> Result<Value> {
        let deciding = quantifier == Quantifier::Some;
        let mut decided = false;
        let mut open = false;
        let complete = self.each(bindings, &mut |this| {
            match this.eval(body)? {
                Value::Bool(value) if value == deciding => decided = true,
                Value::Bool(_) => {}
                _ => open = true,
            }
            Ok(!decided)
        })?;
        Ok(match (complete, decided, open) {
            (_, true, _) => Value::Bool(deciding),
            (true, false, false) => Value::Bool(!deciding),
            _ => Value::Null,
        })
    }

    /// Runs `visit` for every combination of the bound names until it returns false. The answer
    /// is false when something is no list.
    fn each(
        &mut self,
        bindings: &[Binding],
        visit: &mut dyn FnMut(&mut Self) -> Result<bool>,
    ) -> Result<bool> {
        let mut stop = false;
        self.each_from(bindings, visit, &mut stop)
    }

    fn each_from(
        &mut self,
        bindings: &[Binding],
        visit: &mut dyn FnMut(&mut Self) -> Result<bool>,
        stop: &mut bool,
    ) -> Result<bool> {
        let Some((binding, inner)) = bindings.split_first() else {
            *stop = !visit(self)?;
            return Ok(true);
        };
        let over = self.eval(&binding.over)?;
        let Some(items) = arith::items(&over) else {
            self.warn(WarningKind::InvalidType, || format!("Expected List but found '{over}'"));
            return Ok(false);
        };
        for item in items {
            self.step()?;
            let local = Local::Bound(binding.name.clone(), item);
            if !self.with(local, |this| this.each_from(inner, visit, stop))? {
                return Ok(false);
            }
            if *stop {
                break;
            }
        }
        Ok(true)
    }

    /// A stable merge sort, so that even a function that is no order ends with a permutation.
    pub fn sort(&mut self, list: &Expr, precedes: &Precedes) -> Result<Value> {
        let value = self.eval(list)?;
        let Value::List(items) = value else {
            return Ok(self
                .warn(WarningKind::InvalidType, || format!("Expected List but found '{value}'")));
        };
        self.spend(items.len())?;
        let mut from: Vec<Value> = items.as_ref().clone();
        let mut width = 1;
        while width < from.len() {
            let mut to = Vec::with_capacity(from.len());
            for pair in from.chunks(width * 2) {
                let (left, right) = pair.split_at(width.min(pair.len()));
                self.merge(left, right, precedes, &mut to)?;
            }
            from = to;
            width *= 2;
        }
        Ok(Value::list(from))
    }

    fn merge(
        &mut self,
        left: &[Value],
        right: &[Value],
        precedes: &Precedes,
        to: &mut Vec<Value>,
    ) -> Result<()> {
        let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            let (a, b) = ((*a).clone(), (*b).clone());
            let bound_b = Local::Bound(precedes.left.clone(), b);
            let bound_a = Local::Bound(precedes.right.clone(), a);
            let swap = self
                .with(bound_b, |this| this.with(bound_a, |this| this.eval(&precedes.body)))?
                == Value::Bool(true);
            to.extend(if swap { right.next() } else { left.next() }.cloned());
        }
        to.extend(left.cloned());
        to.extend(right.cloned());
        Ok(())
    }
}
