//! What an expression is once parsed.

use super::builtins::Builtin;
use super::value::Value;

/// A node. Depth is bounded by the parser, so recursion over it is safe.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    /// A constant.
    Literal(Value),
    /// A variable, or the value under test (`?`).
    Name(String),
    /// `a.b[c].d`, flat, so that long paths do not nest.
    Postfix(Box<Expr>, Vec<Access>),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `{a: 1}`.
    Context(Vec<(String, Expr)>),
    /// A range.
    Range(Box<Range>),
    /// `-a`.
    Negate(Box<Expr>),
    /// Operators of one precedence, applied from the left; flat for the same reason.
    Chain(Box<Expr>, Vec<(BinaryOp, Expr)>),
    /// `a and b and c`.
    And(Vec<Expr>),
    /// `a or b or c`.
    Or(Vec<Expr>),
    /// `a between b and c`.
    Between(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `a in (tests)`.
    In(Box<Expr>, Vec<Test>),
    /// `a instance of type`.
    InstanceOf(Box<Expr>, String),
    /// `if a then b else c`.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `for x in xs return r`.
    For(Vec<Binding>, Box<Expr>),
    /// `some`/`every` x in xs satisfies c.
    Quantified(Quantifier, Vec<Binding>, Box<Expr>),
    /// A call of a built-in function.
    Call(&'static Builtin, Vec<Expr>),
    /// `is defined(a)`: a function that sees whether its argument exists.
    IsDefined(Box<Expr>),
    /// `sort(list, function(a, b) precedes)`.
    Sort(Box<Expr>, Box<Precedes>),
}

/// A name bound to each item of a list in turn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Binding {
    pub name: String,
    pub over: Expr,
}

/// `some` or `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    Some,
    Every,
}

/// A range as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Range {
    pub low: Expr,
    pub low_closed: bool,
    pub high: Expr,
    pub high_closed: bool,
}

/// A positive unary test.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// `< 5`.
    Compare(BinaryOp, Expr),
    /// A value to equal, a list or a range to be in, or a boolean.
    Value(Expr),
}

/// Operators between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Access {
    /// `.name`.
    Property(String),
    /// `[index or condition]`.
    Filter(Expr),
}

/// The function of a sort.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Precedes {
    pub left: String,
    pub right: String,
    pub body: Expr,
}
