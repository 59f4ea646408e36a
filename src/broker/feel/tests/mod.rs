//! Tests of the language as a whole.

use super::{Context, Expression, Value};
use crate::model::Millis;

fn eval(text: &str, variables: &Context) -> Value {
    let expression = Expression::parse(&format!("={text}")).expect("the test wrote FEEL");
    expression.evaluate(variables, Millis(0)).expect("the test stays in the budget")
}

#[test]
fn decimal_arithmetic_is_exact() {
    assert_eq!(eval("0.1 + 0.2 = 0.3", &Context::new()), Value::Bool(true));
}

#[test]
fn a_missing_variable_is_null_and_explained() {
    let expression = Expression::parse("= x > 5").expect("FEEL");
    let outcome = expression.evaluate_explained(&Context::new(), Millis(0)).expect("in budget");
    assert_eq!(outcome.value, Value::Null);
    let warnings: Vec<String> = outcome.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "[NO_VARIABLE_FOUND] No variable found with name 'x'",
            "[NOT_COMPARABLE] Can't compare 'null' with '5'",
        ]
    );
}

#[test]
fn text_without_an_equals_sign_stands_for_itself() {
    let expression = Expression::parse("payment").expect("static");
    assert!(expression.is_static());
    assert_eq!(expression.evaluate(&Context::new(), Millis(0)), Ok(Value::string("payment")));
}
