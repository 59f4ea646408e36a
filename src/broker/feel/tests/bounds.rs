//! Hostile expressions: they end with an error, soon, and without a panic.

use bytes::Bytes;
use proptest::prelude::*;

use super::{run, variables};
use crate::broker::feel::{Context, Cycle, Expression, FeelError, Interval, Value};
use crate::model::Millis;
use crate::wire::msgpack::{Reader, Writer};

/// Runs on a stack smaller than any thread of the broker has.
fn on_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn(test);
    thread.expect("a thread starts").join().expect("no overflow");
}

#[test]
fn nesting_is_bounded() {
    on_small_stack(|| {
        for (open, close) in [
            ("(", ")"),
            ("[", "]"),
            ("-", ""),
            ("{a:", "}"),
            ("not(", ")"),
            ("if 1 then 1 else ", ""),
            ("for i in ", " return i"),
            ("x[", "]"),
            ("1 in (", ")"),
            ("(1+2*-", ")"),
        ] {
            let deep = format!("={}1{}", open.repeat(10_000), close.repeat(10_000));
            let result = Expression::parse(&deep);
            assert!(matches!(result, Err(FeelError::TooLarge { .. })), "{open}: {result:?}");
            let text = format!("{}1{}", open.repeat(30), close.repeat(30));
            assert!(run(&text, &variables()).is_ok(), "{open}");
        }
    });
}

#[test]
fn the_deepest_tree_evaluates_on_a_small_stack() {
    on_small_stack(|| {
        let open = "true and 1 < 1 + 2 * 2 ** -x[";
        let text = format!("{}1{}", open.repeat(31), "]".repeat(31));
        assert!(run(&text, &variables()).is_ok());
    });
}

#[test]
fn long_chains_do_not_nest() {
    on_small_stack(|| {
        let text = format!("1{}", " + 1".repeat(15_000));
        assert_eq!(run(&text, &Context::new()), Ok(Value::from(15_001_i64)));
        let text = format!("x{}", ".y".repeat(15_000));
        assert_eq!(run(&text, &Context::new()), Ok(Value::Null));
    });
}

#[test]
fn evaluation_is_bounded() {
    for text in [
        "for i in 1..1000000000 return i",
        "some i in 1..1000000000 satisfies i < 0",
        "for a in 1..10000, b in 1..10000 return 1",
        "for i in 1..1000000000 return \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
        "for i in 1..1000000 return partial",
    ] {
        let result = run(text, &Context::new());
        assert!(matches!(result, Err(FeelError::Exhausted { .. })), "{text}: {result:?}");
    }
    let mut doubling = String::from("{a0: [1, 1]");
    for i in 1..60 {
        doubling += &format!(", a{i}: [a{}, a{}]", i - 1, i - 1);
    }
    let result = run(&(doubling + "}"), &Context::new());
    assert!(matches!(result, Err(FeelError::Exhausted { .. })));
}

#[test]
fn numbers_keep_their_kind_through_msgpack() {
    for (text, bytes) in [
        ("1 + 1", vec![2]),
        ("6 / 2", vec![3]),
        ("18446744073709551615", vec![0xcf, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("0.5", vec![0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0]),
        ("duration(\"PT1H\")", b"\xa4PT1H".to_vec()),
    ] {
        let mut writer = Writer::default();
        run(text, &Context::new()).expect("valid").to_msgpack(&mut writer);
        assert_eq!(writer.finish(), bytes, "{text}");
    }
}

#[test]
fn timers_read_iso_durations() {
    let after = |text: &str| Interval::parse(text).map(|interval| interval.after(Millis(0)));
    assert_eq!(after("PT10S"), Ok(Some(Millis(10_000))));
    assert_eq!(after("P1DT2H"), Ok(Some(Millis(93_600_000))));
    assert_eq!(after("P1M"), Ok(Some(Millis(31 * 86_400_000))));
    assert_eq!(after("PT0.5S"), Ok(Some(Millis(500))));
    for wrong in
        ["", "P", "PT", "10S", "PT10", "P1H", "PT1S1M", "P1M1M", "PTxS", "P99999999999999999999D"]
    {
        assert!(Interval::parse(wrong).is_err(), "{wrong}");
    }
    assert_eq!(Cycle::parse("R3/PT1S").map(|cycle| cycle.repetitions), Ok(Some(3)));
    assert_eq!(Cycle::parse("R/PT1S").map(|cycle| cycle.repetitions), Ok(None));
    assert!(Cycle::parse("3/PT1S").is_err());
}

/// Text made of the pieces of the language, valid or not.
fn pieces() -> impl Strategy<Value = String> {
    let table = include_str!("conformance.txt");
    let words: Vec<String> = table
        .split_whitespace()
        .map(str::to_owned)
        .chain(
            [
                "(",
                ")",
                "[",
                "]",
                "{",
                "}",
                "..",
                "**",
                "-",
                "99999999999999999999999999999",
                "1e308",
                "@\"PT1H\"",
                "?",
            ]
            .map(str::to_owned),
        )
        .collect();
    prop::collection::vec(prop::sample::select(words), 0..20).prop_map(|words| words.join(" "))
}

/// Expressions that always parse.
fn grammatical() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1",
        "-3",
        "0",
        "1e300",
        "79228162514264337593543950335",
        "\"a\"",
        "null",
        "true",
        "x",
        "items",
        "order",
        "[]",
        "duration(\"P1D\")",
        "duration(\"P9999999999M\")",
        "date(\"9999-12-31\")",
        "date(\"-9999-01-01\")",
        "now()",
        "time(\"10:00:00+01:00\")",
        "9223372036854775807",
        "[1..3]",
        "0.0000000000000000000000000001",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 48, 4, |inner| {
        let call = prop::sample::select(vec![
            "floor",
            "abs",
            "count",
            "min",
            "max",
            "sum",
            "mean",
            "median",
            "string",
            "reverse",
            "flatten",
            "distinct values",
            "not",
            "even",
            "sqrt",
            "last day of month",
            "exp",
        ]);
        let call2 = prop::sample::select(vec![
            "substring",
            "append",
            "sublist",
            "remove",
            "decimal",
            "round up",
            "modulo",
            "split",
            "partition",
            "index of",
            "get value",
            "matches",
            "list contains",
            "ceiling",
        ]);
        let op = prop::sample::select(vec!["+", "-", "*", "/", "**", "=", "<", ">=", "and", "or"]);
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
            (call, inner.clone()).prop_map(|(name, a)| format!("{name}({a})")),
            (call2, inner.clone(), inner.clone()).prop_map(|(f, a, b)| format!("{f}({a}, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("for i in {a} return {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            inner.prop_map(|a| format!("-({a})")),
        ]
    })
}

fn msgpack_round_trip(value: &Value) -> Value {
    let mut writer = Writer::default();
    value.to_msgpack(&mut writer);
    let bytes: Bytes = writer.finish();
    Value::from_msgpack(&mut Reader::new(&bytes)).expect("what was written reads back")
}

proptest! {
    #[test]
    fn any_text_is_answered(text in ".{0,200}") {
        let _ = run(&text, &variables());
        let _ = Interval::parse(&text);
        let _ = Cycle::parse(&text);
    }

    #[test]
    fn any_words_are_answered(text in pieces()) {
        let _ = run(&text, &variables());
    }

    #[test]
    fn any_expression_evaluates(text in grammatical()) {
        let value = run(&text, &variables());
        match value {
            Ok(value) => drop(msgpack_round_trip(&value)),
            Err(FeelError::Exhausted { .. }) => {}
            Err(error) => prop_assert!(false, "{}: {}", text, error),
        }
    }

    #[test]
    fn any_bytes_are_a_variable_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let _ = Value::from_msgpack(&mut Reader::new(&bytes));
    }
}
