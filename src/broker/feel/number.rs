//! Numbers: decimals of 28 digits, and doubles where a decimal would not hold the value.
//!
//! Conditions compare money and counters, so `0.1 + 0.2 = 0.3` must hold. Variables, however, are
//! JSON numbers and may be `1e300`; those stay doubles.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// A FEEL number. Always finite.
#[derive(Clone, Copy)]
pub struct Number(Repr);

#[derive(Clone, Copy)]
enum Repr {
    Decimal(Decimal),
    Double(f64),
}

impl Number {
    /// Zero.
    pub const ZERO: Number = Number(Repr::Decimal(Decimal::ZERO));

    /// The number a double stands for: the shortest decimal that reads back as it. None when it is
    /// not finite.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Number> {
        if !value.is_finite() {
            return None;
        }
        let exact = Decimal::from_scientific(&format!("{value:e}"))
            .ok()
            .filter(|decimal| decimal.to_f64() == Some(value));
        Some(Number(exact.map_or(Repr::Double(value), Repr::Decimal)))
    }

    /// The number as an `i64`, when it is a whole number in its range.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Decimal(decimal) if decimal.is_integer() => decimal.to_i64(),
            _ => None,
        }
    }

    /// The number as a `u64`, when it is a whole number in its range.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self.0 {
            Repr::Decimal(decimal) if decimal.is_integer() => decimal.to_u64(),
            _ => None,
        }
    }

    /// The nearest double.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        match self.0 {
            // Through text: the conversion of the decimal library is off by one unit at times.
            Repr::Decimal(decimal) => decimal.to_string().parse().unwrap_or(f64::NAN),
            Repr::Double(double) => double,
        }
    }

    /// The number as an index or a count.
    #[must_use]
    pub(super) fn to_int(self) -> Option<i64> {
        match self.0 {
            Repr::Decimal(decimal) => decimal.trunc().to_i64(),
            Repr::Double(_) => None,
        }
    }

    /// As a decimal, when it is one.
    pub(super) fn decimal(self) -> Option<Decimal> {
        match self.0 {
            Repr::Decimal(decimal) => Some(decimal),
            Repr::Double(_) => None,
        }
    }

    fn combine(
        self,
        other: Number,
        exact: fn(Decimal, Decimal) -> Option<Decimal>,
        rough: fn(f64, f64) -> f64,
    ) -> Option<Number> {
        if let (Repr::Decimal(left), Repr::Decimal(right)) = (self.0, other.0)
            && let Some(result) = exact(left, right)
        {
            return Some(result.into());
        }
        Number::from_f64(rough(self.as_f64(), other.as_f64()))
    }

    pub(super) fn add(self, other: Number) -> Option<Number> {
        self.combine(other, Decimal::checked_add, |a, b| a + b)
    }

    pub(super) fn subtract(self, other: Number) -> Option<Number> {
        self.combine(other, Decimal::checked_sub, |a, b| a - b)
    }

    pub(super) fn multiply(self, other: Number) -> Option<Number> {
        self.combine(other, Decimal::checked_mul, |a, b| a * b)
    }

    pub(super) fn divide(self, other: Number) -> Option<Number> {
        self.combine(other, Decimal::checked_div, |a, b| a / b)
    }

    pub(super) fn negate(self) -> Number {
        match self.0 {
            Repr::Decimal(decimal) => (-decimal).into(),
            Repr::Double(double) => Number(Repr::Double(-double)),
        }
    }

    pub(super) fn is_zero(self) -> bool {
        self == Number::ZERO
    }

    pub(super) fn is_negative(self) -> bool {
        self < Number::ZERO
    }

    /// Whole powers of decimals are exact while they fit; everything else goes through doubles.
    pub(super) fn power(self, exponent: Number) -> Option<Number> {
        const EXACT: i64 = 128;
        if let (Some(base), Some(times @ 0..=EXACT)) = (self.decimal(), exponent.as_i64()) {
            let mut result = Some(Decimal::ONE);
            for _ in 0..times {
                result = result.and_then(|result| result.checked_mul(base));
            }
            if let Some(result) = result {
                return Some(result.into());
            }
        }
        Number::from_f64(self.as_f64().powf(exponent.as_f64()))
    }

    /// Applies a function of doubles.
    pub(super) fn map_f64(self, function: fn(f64) -> f64) -> Option<Number> {
        Number::from_f64(function(self.as_f64()))
    }
}

impl From<Decimal> for Number {
    fn from(decimal: Decimal) -> Number {
        Number(Repr::Decimal(decimal))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Number {
        Decimal::from(value).into()
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Decimal::from(value).into()
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Number {
        Number::from(value as u64)
    }
}

impl FromStr for Number {
    type Err = ();

    /// Digits with an optional sign, point and exponent.
    fn from_str(text: &str) -> Result<Number, ()> {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        let digits = text.bytes().any(|b| b.is_ascii_digit());
        if !plain || !digits {
            return Err(());
        }
        let exact = if text.contains(['e', 'E']) {
            None
        } else {
            Decimal::from_str_exact(text).ok().map(Number::from)
        };
        exact.or_else(|| text.parse().ok().and_then(Number::from_f64)).ok_or(())
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (self.0, other.0) {
            (Repr::Decimal(left), Repr::Decimal(right)) => left.cmp(&right),
            _ => self.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Decimal(decimal) => decimal.normalize().fmt(f),
            Repr::Double(double) => write!(f, "{double:E}"),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
