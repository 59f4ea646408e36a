//! The built-in functions.

mod contexts;
mod lists;
mod numbers;
mod strings;
mod temporal;

use super::ast::Expr;
use super::error::FeelError;
use super::eval::Evaluator;
use super::value::Value;

/// The body of a function: none where it does not accept its arguments.
type Run = fn(&mut Evaluator<'_>, &[Value]) -> Outcome;

/// What a body yields.
type Outcome = Result<Option<Value>, FeelError>;

/// A built-in function.
pub(super) struct Builtin {
    /// Its name, with spaces.
    pub name: &'static str,
    /// The names of the parameters, one list for each form.
    pub forms: &'static [&'static [&'static str]],
    /// Whether the last parameter may be repeated.
    pub variadic: bool,
    /// Its body.
    pub run: Run,
}

const fn builtin(
    name: &'static str,
    forms: &'static [&'static [&'static str]],
    run: Run,
) -> Builtin {
    Builtin { name, forms, variadic: false, run }
}

const fn variadic(
    name: &'static str,
    forms: &'static [&'static [&'static str]],
    run: Run,
) -> Builtin {
    Builtin { name, forms, variadic: true, run }
}

/// The text a function is called with first.
fn text(args: &[Value]) -> Option<&str> {
    args.first()?.as_str()
}

impl std::fmt::Debug for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Builtin {
    fn eq(&self, other: &Builtin) -> bool {
        self.name == other.name
    }
}

/// Most words in a name: `years and months duration`, `get or else`.
pub(super) const MAX_WORDS: usize = 5;

const TABLES: [&[Builtin]; 5] =
    [strings::TABLE, numbers::TABLE, lists::TABLE, contexts::TABLE, temporal::TABLE];

/// The function of this name.
pub(super) fn find(name: &str) -> Option<&'static Builtin> {
    TABLES.iter().flat_map(|table| table.iter()).find(|builtin| builtin.name == name)
}

impl Builtin {
    /// Whether a call with this many arguments is possible.
    pub fn check(&self, count: usize) -> Result<(), String> {
        let fits = |form: &&[&str]| form.len() == count || self.variadic && count >= form.len();
        if self.forms.iter().any(fits) {
            return Ok(());
        }
        let forms: Vec<String> =
            self.forms.iter().map(|form| format!("{}({})", self.name, form.join(", "))).collect();
        Err(format!("'{}' does not take {count} arguments: {}", self.name, forms.join(" or ")))
    }

    /// Puts named arguments in their places.
    pub fn order(&self, named: Vec<(String, Expr)>) -> Result<Vec<Expr>, String> {
        let fits = |form: &&&[&str]| {
            form.len() == named.len() && named.iter().all(|(name, _)| form.contains(&name.as_str()))
        };
        let Some(form) = self.forms.iter().find(fits) else {
            let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
            return Err(format!("'{}' has no parameters ({})", self.name, names.join(", ")));
        };
        let mut named = named;
        named.sort_by_key(|(name, _)| form.iter().position(|parameter| parameter == name));
        Ok(named.into_iter().map(|(_, expr)| expr).collect())
    }
}
