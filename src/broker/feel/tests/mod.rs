//! Tests of the language as a whole.

mod bounds;

use super::{Context, Expression, FeelError, Value};
use crate::model::Millis;

fn run(text: &str, variables: &Context) -> Result<Value, FeelError> {
    Expression::parse(&format!("={text}"))?.evaluate(variables, Millis(0))
}

fn eval(text: &str) -> Value {
    run(text, &variables()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Made of FEEL itself: a context literal.
fn variables() -> Context {
    let text = r#"{
        x: 5, order: {id: 7, customer: {name: "Ann"}}, "with space": 9,
        items: [{name: "a", price: 10}, {name: "b", price: 20}, {name: "c", price: 30}]
    }"#;
    match run(text, &Context::new()) {
        Ok(Value::Context(entries)) => entries.as_ref().clone(),
        other => panic!("no context: {other:?}"),
    }
}

#[test]
fn expressions_have_the_value_the_specification_gives() {
    let table = include_str!("conformance.txt");
    let mut wrong = Vec::new();
    let mut rows = 0;
    for row in table.lines() {
        let Some((expression, expected)) = row.rsplit_once(" => ") else { continue };
        if row.starts_with("# ") {
            continue;
        }
        rows += 1;
        let (found, expected) = (run(expression, &variables()), run(expected, &variables()));
        if found != expected || expected.is_err() {
            wrong.push(format!("{expression} => {found:?}, expected {expected:?}"));
        }
    }
    assert!(rows >= 200, "the table has {rows} rows");
    assert!(wrong.is_empty(), "{} of {rows}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn decimal_arithmetic_is_exact() {
    assert_eq!(eval("0.1 + 0.2 = 0.3"), Value::Bool(true));
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

#[test]
fn errors_say_what_and_where() {
    let shown = |text: &str| Expression::parse(text).expect_err("must be refused").to_string();
    insta::assert_snapshot!(
        ["=", "=1 +", "=(1", "=[1, 2", "=\"a", "=if a then b", "=a b", "=uuid()", "=count()",
         "=substring(text: \"a\")", "=function(x) x", "=@\"x\"", "=1 ; 2", "={a 1}", "=x in"]
            .map(|text| format!("{text}  |  {}", shown(text)))
            .join("\n"),
        @r#"
=  |  expected an expression, found the end of the expression at column 1
=1 +  |  expected an expression, found the end of the expression at column 4
=(1  |  expected ')', found the end of the expression at column 3
=[1, 2  |  expected ',' or ']', found the end of the expression at column 6
="a  |  a string is not closed at column 3
=if a then b  |  expected 'else', found the end of the expression at column 12
=a b  |  expected an operator or the end of the expression, found 'b' at column 3
=uuid()  |  the function 'uuid' is not supported
=count()  |  'count' does not take 0 arguments: count(list) at column 8
=substring(text: "a")  |  'substring' has no parameters (text) at column 21
=function(x) x  |  a function definition outside of 'sort' is not supported
=@"x"  |  'x' is no date, time or duration at column 1
=1 ; 2  |  expected an operator or the end of the expression, found ';' at column 3
={a 1}  |  expected ':', found '1' at column 4
=x in  |  expected an expression, found the end of the expression at column 5
"#
    );
}
