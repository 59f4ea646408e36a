//! The part of the parser that reads operands: literals, names, calls, and what stands in
//! parentheses, brackets and braces.

use super::ast::{Expr, Precedes, Range};
use super::builtins;
use super::error::FeelError;
use super::lexer::Token;
use super::parser::{KEYWORDS, Parser};
use super::temporal;
use super::value::Value;

impl Parser {
    /// A literal, a name, a call, a collection or an expression in parentheses.
    pub fn primary(&mut self) -> Result<Expr, FeelError> {
        let literal = match self.peek() {
            Token::Number(number) => Value::Number(*number),
            Token::String(text) => Value::string(text),
            Token::At(text) => match temporal::parse_any(text) {
                Some(value) => value,
                None => return self.syntax(format!("'{text}' is no date, time or duration")),
            },
            Token::Quoted(name) => {
                let name = name.clone();
                self.pos += 1;
                return Ok(Expr::Name(name));
            }
            Token::Word(_) => return self.word(),
            Token::Sign("(") => return self.parenthesis(),
            Token::Sign("[") => return self.list(),
            Token::Sign("]") => {
                self.pos += 1;
                let low = self.expression()?;
                return self.range(low, false);
            }
            Token::Sign("{") => return self.context(),
            Token::Sign("?") => {
                self.pos += 1;
                return Ok(Expr::Name("?".to_owned()));
            }
            _ => return self.unexpected("an expression"),
        };
        self.pos += 1;
        Ok(Expr::Literal(literal))
    }

    fn word(&mut self) -> Result<Expr, FeelError> {
        if let Some((builtin, words)) = self.builtin() {
            self.pos += words + 1;
            return self.call(builtin);
        }
        let Token::Word(word) = self.peek().clone() else { return self.unexpected("a name") };
        let literal = match word.as_str() {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "function" => {
                let what = "a function definition outside of 'sort'".to_owned();
                return Err(FeelError::Unsupported { what });
            }
            "if" | "for" | "some" | "every" => return self.expression(),
            keyword if KEYWORDS.contains(&keyword) => return self.unexpected("an expression"),
            _ => {
                self.pos += 1;
                if self.is_sign("(") {
                    let what = format!("the function '{word}'");
                    return Err(FeelError::Unsupported { what });
                }
                return Ok(Expr::Name(word));
            }
        };
        self.pos += 1;
        Ok(Expr::Literal(literal))
    }

    /// The built-in function whose name, which may have spaces, stands before a parenthesis.
    fn builtin(&self) -> Option<(&'static builtins::Builtin, usize)> {
        let mut name = String::new();
        for words in 1..=builtins::MAX_WORDS {
            let Token::Word(word) = self.at(words - 1) else { return None };
            if words > 1 {
                name.push(' ');
            }
            name.push_str(word);
            if matches!(self.at(words), Token::Sign("(")) {
                return builtins::find(&name).map(|builtin| (builtin, words));
            }
        }
        None
    }

    /// The arguments, after the opening parenthesis.
    fn call(&mut self, builtin: &'static builtins::Builtin) -> Result<Expr, FeelError> {
        let mut arguments = Vec::new();
        let mut named = Vec::new();
        if !self.take_sign(")") {
            loop {
                if let Some(name) = self.argument_name() {
                    named.push((name, self.expression()?));
                } else if builtin.name == "sort" && self.is_word("function") {
                    return self.sort(arguments);
                } else {
                    arguments.push(self.expression()?);
                }
                if self.take_sign(")") {
                    break;
                }
                if !self.take_sign(",") {
                    return self.unexpected("',' or ')'");
                }
            }
        }
        if !named.is_empty() {
            if !arguments.is_empty() {
                return self.syntax("arguments are given by name and by position".to_owned());
            }
            arguments = match builtin.order(named) {
                Ok(arguments) => arguments,
                Err(message) => return self.syntax(message),
            };
        }
        match builtin.check(arguments.len()) {
            Ok(()) if builtin.name == "is defined" => {
                Ok(arguments.pop().map_or(Expr::Literal(Value::Null), |argument| {
                    Expr::IsDefined(Box::new(argument))
                }))
            }
            Ok(()) => Ok(Expr::Call(builtin, arguments)),
            Err(message) => self.syntax(message),
        }
    }

    /// `name:` or `name of words:` before an argument.
    fn argument_name(&mut self) -> Option<String> {
        let mut words = Vec::new();
        while let Token::Word(word) = self.at(words.len()) {
            words.push(word.clone());
        }
        let named = !words.is_empty() && matches!(self.at(words.len()), Token::Sign(":"));
        if !named {
            return None;
        }
        self.pos += words.len() + 1;
        Some(words.join(" "))
    }

    /// `function(x, y) x < y)`, after the first argument and its comma.
    fn sort(&mut self, mut arguments: Vec<Expr>) -> Result<Expr, FeelError> {
        let (Some(list), true) = (arguments.pop(), arguments.is_empty()) else {
            return self.syntax("'sort' takes a list and a function".to_owned());
        };
        self.expect_word("function")?;
        self.expect_sign("(")?;
        let left = self.name("a parameter")?;
        self.expect_sign(",")?;
        let right = self.name("a parameter")?;
        self.expect_sign(")")?;
        let body = self.expression()?;
        self.expect_sign(")")?;
        Ok(Expr::Sort(Box::new(list), Box::new(Precedes { left, right, body })))
    }

    fn parenthesis(&mut self) -> Result<Expr, FeelError> {
        self.expect_sign("(")?;
        let inner = self.expression()?;
        if self.is_sign("..") {
            return self.range(inner, false);
        }
        self.expect_sign(")")?;
        Ok(inner)
    }

    /// From `..` on.
    fn range(&mut self, low: Expr, low_closed: bool) -> Result<Expr, FeelError> {
        self.expect_sign("..")?;
        let high = self.expression()?;
        let high_closed = self.is_sign("]");
        if !high_closed && !self.is_sign(")") && !self.is_sign("[") {
            return self.unexpected("']', ')' or '[' at the end of the range");
        }
        self.pos += 1;
        Ok(Expr::Range(Box::new(Range { low, low_closed, high, high_closed })))
    }

    fn list(&mut self) -> Result<Expr, FeelError> {
        self.expect_sign("[")?;
        let mut items = Vec::new();
        if self.take_sign("]") {
            return Ok(Expr::List(items));
        }
        loop {
            let item = self.expression()?;
            if items.is_empty() && self.is_sign("..") {
                return self.range(item, true);
            }
            items.push(item);
            if self.take_sign("]") {
                return Ok(Expr::List(items));
            }
            if !self.take_sign(",") {
                return self.unexpected("',' or ']'");
            }
        }
    }

    fn context(&mut self) -> Result<Expr, FeelError> {
        self.expect_sign("{")?;
        let mut entries = Vec::new();
        if self.take_sign("}") {
            return Ok(Expr::Context(entries));
        }
        loop {
            let key = self.key()?;
            self.expect_sign(":")?;
            entries.push((key, self.expression()?));
            if self.take_sign("}") {
                return Ok(Expr::Context(entries));
            }
            if !self.take_sign(",") {
                return self.unexpected("',' or '}'");
            }
        }
    }

    /// A key: text, or words up to the colon.
    fn key(&mut self) -> Result<String, FeelError> {
        let mut words: Vec<String> = Vec::new();
        loop {
            match self.peek().clone() {
                Token::String(text) | Token::Quoted(text) if words.is_empty() => {
                    self.pos += 1;
                    return Ok(text);
                }
                Token::Word(word) => {
                    self.pos += 1;
                    words.push(word);
                }
                _ if words.is_empty() => return self.unexpected("a key"),
                _ => return Ok(words.join(" ")),
            }
        }
    }
}
