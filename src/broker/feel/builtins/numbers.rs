//! Functions of numbers and booleans, and conversions.

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Builtin, Outcome, builtin, strings};
use crate::broker::feel::error::FeelError;
use crate::broker::feel::eval::Evaluator;
use crate::broker::feel::number::Number;
use crate::broker::feel::value::Value;

/// The functions.
pub(super) const TABLE: &[Builtin] = &[
    builtin("not", &[&["negand"]], |_, args| {
        Ok(Some(match args {
            [Value::Bool(value)] => Value::Bool(!value),
            _ => Value::Null,
        }))
    }),
    builtin("is defined", &[&["value"]], |_, args| {
        // The parser makes a node of its own of it, because it must see the expression.
        Ok(args.first().map(|value| Value::Bool(!value.is_null())))
    }),
    builtin("get or else", &[&["value", "default"]], |_, args| {
        Ok(match args {
            [Value::Null, default] => Some(default.clone()),
            [value, _] => Some(value.clone()),
            _ => None,
        })
    }),
    builtin("assert", &[&["value", "condition"], &["value", "condition", "cause"]], assert),
    builtin("string", &[&["from"]], |this, args| {
        let Some(value) = args.first().filter(|value| !value.is_null()) else {
            return Ok(Some(Value::Null));
        };
        let text = value.to_string();
        this.spend(text.len())?;
        Ok(Some(text.into()))
    }),
    builtin(
        "number",
        &[
            &["from"],
            &["from", "grouping separator"],
            &["from", "grouping separator", "decimal separator"],
        ],
        |_, args| Ok(strings::number_from(args).map(Value::from)),
    ),
    builtin("decimal", &[&["n", "scale"]], |_, args| {
        Ok(round(args, RoundingStrategy::MidpointNearestEven))
    }),
    builtin("floor", &[&["n"], &["n", "scale"]], |_, args| {
        Ok(round(args, RoundingStrategy::ToNegativeInfinity))
    }),
    builtin("ceiling", &[&["n"], &["n", "scale"]], |_, args| {
        Ok(round(args, RoundingStrategy::ToPositiveInfinity))
    }),
    builtin("round up", &[&["n", "scale"]], |_, args| {
        Ok(round(args, RoundingStrategy::AwayFromZero))
    }),
    builtin("round down", &[&["n", "scale"]], |_, args| Ok(round(args, RoundingStrategy::ToZero))),
    builtin("round half up", &[&["n", "scale"]], |_, args| {
        Ok(round(args, RoundingStrategy::MidpointAwayFromZero))
    }),
    builtin("round half down", &[&["n", "scale"]], |_, args| {
        Ok(round(args, RoundingStrategy::MidpointTowardZero))
    }),
    builtin("abs", &[&["number"], &["n"]], |_, args| {
        Ok(match args {
            [Value::Number(number)] if number.is_negative() => Some(number.negate().into()),
            [Value::Number(number)] => Some((*number).into()),
            [Value::Duration(duration)] => Some(Value::Duration(duration.abs())),
            [Value::Months(months)] => months.checked_abs().map(Value::Months),
            _ => None,
        })
    }),
    builtin("modulo", &[&["dividend", "divisor"]], modulo),
    builtin("sqrt", &[&["number"]], |_, args| {
        Ok(one(args).and_then(|number| number.map_f64(f64::sqrt)).map(Value::from))
    }),
    builtin("log", &[&["number"]], |_, args| {
        Ok(one(args).and_then(|number| number.map_f64(f64::ln)).map(Value::from))
    }),
    builtin("exp", &[&["number"]], |_, args| {
        Ok(one(args).and_then(|number| number.map_f64(f64::exp)).map(Value::from))
    }),
    builtin("odd", &[&["number"]], |_, args| Ok(parity(args, true))),
    builtin("even", &[&["number"]], |_, args| Ok(parity(args, false))),
];

fn one(args: &[Value]) -> Option<Number> {
    args.first()?.as_number()
}

fn parity(args: &[Value], odd: bool) -> Option<Value> {
    let number = one(args)?.as_i64()?;
    Some(Value::Bool((number % 2 != 0) == odd))
}

fn assert(_: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    let [value, condition, rest @ ..] = args else { return Ok(None) };
    if *condition == Value::Bool(true) {
        return Ok(Some(value.clone()));
    }
    let cause = rest.first().and_then(Value::as_str);
    let default = "Assertion failure - The condition is not fulfilled";
    Err(FeelError::Assertion(cause.unwrap_or(default).to_owned()))
}

fn round(args: &[Value], strategy: RoundingStrategy) -> Option<Value> {
    let number = one(args)?;
    let scale = match args.get(1) {
        None => 0,
        Some(scale) => scale.as_number()?.as_i64()?,
    };
    // A double beyond the decimals has no digits after the point left to round.
    let Some(decimal) = number.decimal() else { return Some(number.into()) };
    if scale >= 0 {
        let scale = u32::try_from(scale).ok()?;
        return Some(Number::from(decimal.round_dp_with_strategy(scale, strategy)).into());
    }
    let unit = Number::from(10_i64).power(Number::from(scale.checked_neg()?))?.decimal()?;
    let rounded = decimal.checked_div(unit)?.round_dp_with_strategy(0, strategy);
    Some(Number::from(rounded.checked_mul(unit)?).into())
}

/// The result has the sign of the divisor.
fn modulo(_: &mut Evaluator<'_>, args: &[Value]) -> Outcome {
    let [Value::Number(dividend), Value::Number(divisor)] = args else { return Ok(None) };
    let (Some(a), Some(b)) = (dividend.decimal(), divisor.decimal()) else { return Ok(None) };
    let Some(rest) = a.checked_rem(b) else { return Ok(None) };
    let moved = if rest != Decimal::ZERO && rest.is_sign_negative() != b.is_sign_negative() {
        rest.checked_add(b)
    } else {
        Some(rest)
    };
    Ok(moved.map(|rest| Number::from(rest).into()))
}
