//! The evaluator: walks the syntax tree. What visits the items of lists is in [`super::iteration`].
//!
//! Bounded: each node costs a step, each produced item or byte of text a unit of memory; an
//! expression that exceeds either budget is stopped.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Millis;

use super::Scope;
use super::arith;
use super::ast::{Access, BinaryOp, Expr, Range, Test};
use super::error::FeelError;
use super::outcome::{Evaluation, MAX_WARNINGS, Warning, WarningKind};
use super::value::{Context, RangeValue, Value};

/// Most nodes evaluated for one expression: some tens of milliseconds.
const MAX_STEPS: usize = 1_000_000;
/// Most list items and bytes of text produced by one expression; four times the message limit.
const MAX_UNITS: usize = 16 * 1024 * 1024;
const UNITS: &str = "items and bytes";
/// Deepest nesting of a value that is built.
const MAX_DEPTH: usize = 200;

pub(super) type Result<T> = std::result::Result<T, FeelError>;

/// Evaluates `expr`.
pub(super) fn evaluate(expr: &Expr, scope: &dyn Scope, now: Millis) -> Result<Evaluation> {
    let mut evaluator = Evaluator {
        scope,
        now,
        variables: BTreeMap::new(),
        locals: Vec::new(),
        steps: 0,
        units: 0,
        warnings: Vec::new(),
    };
    let value = evaluator.eval(expr)?;
    Ok(Evaluation { value, warnings: evaluator.warnings })
}

/// A level of names inside the expression.
pub(super) enum Local {
    /// A name bound by `for`, `some`, `every` or a sort.
    Bound(String, Value),
    /// The item a filter looks at: `item`, and the entries of a context by their names.
    Item(Value),
    /// The entries of a context written so far.
    Entries(Arc<Context>),
}

/// State of one evaluation.
pub(super) struct Evaluator<'a> {
    scope: &'a dyn Scope,
    /// The time of the evaluation.
    pub now: Millis,
    /// Variables read so far; a loop decodes each only once.
    variables: BTreeMap<String, Option<Value>>,
    locals: Vec<Local>,
    steps: usize,
    units: usize,
    warnings: Vec<Warning>,
}

impl Evaluator<'_> {
    /// Records why a value is null, and returns null.
    pub fn warn(&mut self, kind: WarningKind, message: impl FnOnce() -> String) -> Value {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(Warning { kind, message: message() });
        }
        Value::Null
    }

    /// Pays for one step.
    pub fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(FeelError::Exhausted { limit: MAX_STEPS, unit: "steps" });
        }
        Ok(())
    }

    /// Pays for `units` list items or bytes of text.
    pub fn spend(&mut self, units: usize) -> Result<()> {
        self.units = self.units.saturating_add(units);
        if self.units > MAX_UNITS {
            return Err(FeelError::Exhausted { limit: MAX_UNITS, unit: UNITS });
        }
        Ok(())
    }

    /// Pays for a value that holds others, part by part: sharing would otherwise let a short
    /// expression build a value that fills the memory when it is written out.
    fn admit(&mut self, value: Value) -> Result<Value> {
        if value.is_container() {
            self.weigh(&value)?;
        }
        Ok(value)
    }

    /// Pays for every part of a value.
    pub fn weigh(&mut self, value: &Value) -> Result<()> {
        let mut left = MAX_UNITS.saturating_sub(self.units);
        let depth = value.measure(&mut left);
        self.units = MAX_UNITS - left;
        match depth {
            None => Err(FeelError::Exhausted { limit: MAX_UNITS, unit: UNITS }),
            Some(depth) if depth > MAX_DEPTH => {
                Err(FeelError::Exhausted { limit: MAX_DEPTH, unit: "levels of nesting" })
            }
            Some(_) => Ok(()),
        }
    }

    /// Evaluates a node. Each arm is a call, so that the frame of this function stays small.
    pub fn eval(&mut self, expr: &Expr) -> Result<Value> {
        self.step()?;
        match expr {
            Expr::Literal(value) => Ok(value.clone()),
            Expr::Name(name) => Ok(self.name(name)),
            Expr::Postfix(base, steps) => self.postfix(base, steps),
            Expr::List(items) => self.list(items),
            Expr::Context(entries) => self.context(entries),
            Expr::Range(range) => self.range(range),
            Expr::Negate(inner) => self.negate(inner),
            Expr::Chain(first, rest) => self.chain(first, rest),
            Expr::And(terms) => self.junction(terms, false),
            Expr::Or(terms) => self.junction(terms, true),
            Expr::Between(value, low, high) => self.between(value, low, high),
            Expr::In(value, tests) => self.is_in(value, tests),
            Expr::InstanceOf(value, name) => self.instance_of(value, name),
            Expr::If(condition, then, otherwise) => self.conditional(condition, then, otherwise),
            Expr::For(bindings, body) => self.iterate(bindings, body),
            Expr::Quantified(quantifier, bindings, body) => {
                self.quantified(*quantifier, bindings, body)
            }
            Expr::Call(builtin, arguments) => self.call(builtin, arguments),
            Expr::IsDefined(inner) => Ok(Value::Bool(self.is_defined(inner)?)),
            Expr::Sort(list, precedes) => self.sort(list, precedes),
        }
    }

    fn lookup(&mut self, name: &str) -> Option<Value> {
        for local in self.locals.iter().rev() {
            match local {
                Local::Bound(bound, value) if bound == name => return Some(value.clone()),
                Local::Item(value) if name == "item" || name == "?" => return Some(value.clone()),
                Local::Item(Value::Context(entries)) | Local::Entries(entries) => {
                    if let Some(value) = entries.get(name) {
                        return Some(value.clone());
                    }
                }
                _ => {}
            }
        }
        if let Some(known) = self.variables.get(name) {
            return known.clone();
        }
        let value = self.scope.variable(name);
        self.variables.insert(name.to_owned(), value.clone());
        value
    }

    fn name(&mut self, name: &str) -> Value {
        match self.lookup(name) {
            Some(value) => value,
            None => self.warn(WarningKind::NoVariableFound, || {
                format!("No variable found with name '{name}'")
            }),
        }
    }

    fn postfix(&mut self, base: &Expr, steps: &[Access]) -> Result<Value> {
        let mut value = self.eval(base)?;
        for step in steps {
            self.step()?;
            value = match step {
                Access::Property(name) => self.property(&value, name)?,
                Access::Filter(filter) => self.filter(value, filter)?,
            };
        }
        Ok(value)
    }

    fn property(&mut self, value: &Value, name: &str) -> Result<Value> {
        match value {
            Value::Context(entries) => Ok(entries.get(name).cloned().unwrap_or_else(|| {
                self.warn(WarningKind::NoContextEntryFound, || {
                    format!("No context entry found with key '{name}'")
                })
            })),
            // The property of each item.
            Value::List(items) => {
                self.spend(items.len())?;
                let mut out = Vec::new();
                for item in items.iter() {
                    self.step()?;
                    out.push(match item {
                        Value::List(_) => Value::Null,
                        item => self.property(item, name)?,
                    });
                }
                Ok(Value::list(out))
            }
            other => Ok(arith::property(other, name).unwrap_or_else(|| {
                self.warn(WarningKind::NoPropertyFound, || {
                    format!("No property found with name '{name}' of value '{other}'")
                })
            })),
        }
    }

    /// Evaluates with one more level of names.
    pub fn with<T>(&mut self, local: Local, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.locals.push(local);
        let result = run(self);
        self.locals.pop();
        result
    }

    fn list(&mut self, items: &[Expr]) -> Result<Value> {
        self.spend(items.len())?;
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            out.push(self.eval(item)?);
        }
        self.admit(Value::list(out))
    }

    /// Later entries see the earlier ones.
    fn context(&mut self, entries: &[(String, Expr)]) -> Result<Value> {
        self.spend(entries.len())?;
        self.locals.push(Local::Entries(Arc::default()));
        let mut outcome = Ok(());
        for (key, expr) in entries {
            match self.eval(expr) {
                Ok(value) => {
                    if let Err(error) = self.weigh(&value) {
                        outcome = Err(error);
                        break;
                    }
                    if let Some(Local::Entries(done)) = self.locals.last_mut() {
                        Arc::make_mut(done).insert(key.clone(), value);
                    }
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        let done = self.locals.pop();
        outcome?;
        match done {
            Some(Local::Entries(done)) => self.admit(Value::Context(done)),
            _ => Ok(Value::Null),
        }
    }

    fn range(&mut self, range: &Range) -> Result<Value> {
        let low = self.eval(&range.low)?;
        let high = self.eval(&range.high)?;
        let (low_closed, high_closed) = (range.low_closed, range.high_closed);
        let range = RangeValue { low, low_closed, high, high_closed };
        self.admit(Value::Range(Arc::new(range)))
    }

    fn negate(&mut self, inner: &Expr) -> Result<Value> {
        let value = self.eval(inner)?;
        Ok(match arith::negate(&value) {
            Some(value) => value,
            None => self
                .warn(WarningKind::InvalidType, || format!("Expected Number but found '{value}'")),
        })
    }

    fn chain(&mut self, first: &Expr, rest: &[(BinaryOp, Expr)]) -> Result<Value> {
        let mut left = self.eval(first)?;
        for (op, right) in rest {
            let right = self.eval(right)?;
            left = self.binary(*op, &left, &right)?;
        }
        Ok(left)
    }

    /// Applies an operator to two values.
    pub fn binary(&mut self, op: BinaryOp, left: &Value, right: &Value) -> Result<Value> {
        if let (BinaryOp::Add, Value::String(a), Value::String(b)) = (op, left, right) {
            self.spend(a.len() + b.len())?;
        }
        if op.compares() && left.is_container() {
            self.weigh(left)?;
        }
        if let Some(value) = arith::apply(op, left, right) {
            return Ok(value);
        }
        let kind =
            if op.compares() { WarningKind::NotComparable } else { WarningKind::InvalidType };
        Ok(self.warn(kind, || match op.compares() {
            true => format!("Can't compare '{left}' with '{right}'"),
            false => format!("Can't {} '{right}' {} '{left}'", op.verb().0, op.verb().1),
        }))
    }

    /// Three-valued: `deciding` settles it, anything that is not a boolean leaves it open.
    fn junction(&mut self, terms: &[Expr], deciding: bool) -> Result<Value> {
        let mut open = false;
        for term in terms {
            match self.eval(term)? {
                Value::Bool(value) if value == deciding => return Ok(Value::Bool(deciding)),
                Value::Bool(_) => {}
                _ => open = true,
            }
        }
        Ok(if open { Value::Null } else { Value::Bool(!deciding) })
    }

    fn between(&mut self, value: &Expr, low: &Expr, high: &Expr) -> Result<Value> {
        let (value, low, high) = (self.eval(value)?, self.eval(low)?, self.eval(high)?);
        let above = self.binary(BinaryOp::GreaterOrEqual, &value, &low)?;
        let below = self.binary(BinaryOp::LessOrEqual, &value, &high)?;
        Ok(match (above, below) {
            (Value::Bool(above), Value::Bool(below)) => Value::Bool(above && below),
            _ => Value::Null,
        })
    }

    fn is_in(&mut self, value: &Expr, tests: &[Test]) -> Result<Value> {
        let value = self.eval(value)?;
        let mut open = false;
        for test in tests {
            match self
                .with(Local::Bound("?".to_owned(), value.clone()), |this| this.test(&value, test))?
            {
                Value::Bool(true) => return Ok(Value::Bool(true)),
                Value::Bool(false) => {}
                _ => open = true,
            }
        }
        Ok(if open { Value::Null } else { Value::Bool(false) })
    }

    fn test(&mut self, value: &Value, test: &Test) -> Result<Value> {
        match test {
            Test::Compare(op, right) => {
                let right = self.eval(right)?;
                self.binary(*op, value, &right)
            }
            Test::Value(expr) => {
                let expected = self.eval(expr)?;
                Ok(match &expected {
                    Value::Range(range) => Value::from(range.contains(value)),
                    Value::List(items) if !matches!(value, Value::List(_)) => {
                        Value::Bool(items.iter().any(|item| match item {
                            Value::Range(range) => range.contains(value) == Some(true),
                            item => item.same(value),
                        }))
                    }
                    // A test that is a condition on `?` decides by itself.
                    Value::Bool(holds) if !matches!(value, Value::Bool(_)) => Value::Bool(*holds),
                    other => Value::from(other.equals(value)),
                })
            }
        }
    }

    fn instance_of(&mut self, value: &Expr, name: &str) -> Result<Value> {
        let value = self.eval(value)?;
        Ok(Value::Bool(match name {
            "Any" => !value.is_null(),
            name => value.type_name() == name,
        }))
    }

    fn conditional(&mut self, condition: &Expr, then: &Expr, otherwise: &Expr) -> Result<Value> {
        match self.eval(condition)? {
            Value::Bool(true) => self.eval(then),
            _ => self.eval(otherwise),
        }
    }

    fn call(
        &mut self,
        builtin: &'static super::builtins::Builtin,
        arguments: &[Expr],
    ) -> Result<Value> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.eval(argument)?);
        }
        match (builtin.run)(self, &values)? {
            Some(value) => self.admit(value),
            None => Ok(self.warn(WarningKind::FunctionInvocationFailure, || {
                let types: Vec<&str> = values.iter().map(Value::type_name).collect();
                format!("Failed to invoke function '{}' with ({})", builtin.name, types.join(", "))
            })),
        }
    }

    fn is_defined(&mut self, expr: &Expr) -> Result<bool> {
        match expr {
            Expr::Name(name) => Ok(self.lookup(name).is_some()),
            Expr::Postfix(base, steps) => {
                let Some((Access::Property(last), before)) = steps.split_last() else {
                    return Ok(!self.eval(expr)?.is_null());
                };
                Ok(match self.postfix(base, before)? {
                    Value::Context(entries) => entries.contains_key(last),
                    other => arith::property(&other, last).is_some(),
                })
            }
            expr => self.eval(expr).map(|_| true),
        }
    }
}
