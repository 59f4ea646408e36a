//! Tokens to a syntax tree, by recursive descent: expressions, and operators by their precedence.
//! What an operator works on is in [`super::operands`].
//!
//! Nesting is counted, so hostile text ends in an error and not in a stack overflow; chains of
//! operators are kept flat, so the tree is never deeper than the nesting allows.

use super::ast::{Access, BinaryOp, Binding, Expr, Quantifier, Range, Test};
use super::error::FeelError;
use super::lexer::{Spanned, Token, tokens};

/// Longest expression, in bytes.
const MAX_LEN: usize = 64 * 1024;
/// Deepest nesting of parentheses, lists, calls and the like.
const MAX_NESTING: usize = 64;
/// Words that are never a variable.
pub(super) const KEYWORDS: [&str; 18] = [
    "null",
    "true",
    "false",
    "if",
    "then",
    "else",
    "for",
    "in",
    "return",
    "some",
    "every",
    "satisfies",
    "and",
    "or",
    "between",
    "instance",
    "function",
    "external",
];

/// Parses an expression (without the leading `=`).
pub(super) fn parse(text: &str) -> Result<Expr, FeelError> {
    if text.len() > MAX_LEN {
        return Err(FeelError::TooLarge { limit: MAX_LEN, unit: "bytes" });
    }
    let mut parser = Parser { tokens: tokens(text)?, pos: 0, nesting: 0 };
    let expr = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => parser.unexpected("an operator or the end of the expression"),
    }
}

/// The tokens, and how far they are read.
pub(super) struct Parser {
    tokens: Vec<Spanned>,
    pub pos: usize,
    nesting: usize,
}

impl Parser {
    pub fn at(&self, ahead: usize) -> &Token {
        const END: &Token = &Token::End;
        self.tokens.get(self.pos + ahead).map_or(END, |spanned| &spanned.token)
    }

    pub fn peek(&self) -> &Token {
        self.at(0)
    }

    pub fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.pos += 1;
        token
    }

    pub fn syntax<T>(&self, message: String) -> Result<T, FeelError> {
        let spanned = self.tokens.get(self.pos).or(self.tokens.last());
        Err(FeelError::Syntax { message, column: spanned.map_or(1, |spanned| spanned.column) })
    }

    pub fn unexpected<T>(&self, expected: &str) -> Result<T, FeelError> {
        self.syntax(format!("expected {expected}, found {}", self.peek().describe()))
    }

    pub fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(found) if *found == sign)
    }

    pub fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found == word)
    }

    pub fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.pos += usize::from(found);
        found
    }

    pub fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.pos += usize::from(found);
        found
    }

    pub fn expect_sign(&mut self, sign: &str) -> Result<(), FeelError> {
        if self.take_sign(sign) { Ok(()) } else { self.unexpected(&format!("'{sign}'")) }
    }

    pub fn expect_word(&mut self, word: &str) -> Result<(), FeelError> {
        if self.take_word(word) { Ok(()) } else { self.unexpected(&format!("'{word}'")) }
    }

    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, FeelError>,
    ) -> Result<T, FeelError> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(FeelError::TooLarge { limit: MAX_NESTING, unit: "levels of nesting" });
        }
        let result = parse(self);
        self.nesting -= 1;
        result
    }

    pub fn expression(&mut self) -> Result<Expr, FeelError> {
        self.nested(|parser| match parser.peek() {
            Token::Word(word) => match word.as_str() {
                "if" => parser.conditional(),
                "for" => parser.iteration(),
                "some" => parser.quantified(Quantifier::Some),
                "every" => parser.quantified(Quantifier::Every),
                _ => parser.disjunction(),
            },
            _ => parser.disjunction(),
        })
    }

    fn conditional(&mut self) -> Result<Expr, FeelError> {
        self.expect_word("if")?;
        let condition = Box::new(self.expression()?);
        self.expect_word("then")?;
        let then = Box::new(self.expression()?);
        self.expect_word("else")?;
        Ok(Expr::If(condition, then, Box::new(self.expression()?)))
    }

    fn iteration(&mut self) -> Result<Expr, FeelError> {
        self.expect_word("for")?;
        let bindings = self.bindings()?;
        self.expect_word("return")?;
        Ok(Expr::For(bindings, Box::new(self.expression()?)))
    }

    fn quantified(&mut self, quantifier: Quantifier) -> Result<Expr, FeelError> {
        self.pos += 1;
        let bindings = self.bindings()?;
        self.expect_word("satisfies")?;
        Ok(Expr::Quantified(quantifier, bindings, Box::new(self.expression()?)))
    }

    /// `x in list, y in 1..3`; the commas are optional after `some` and `every`.
    fn bindings(&mut self) -> Result<Vec<Binding>, FeelError> {
        let mut out = Vec::new();
        loop {
            let name = self.name("a name")?;
            self.expect_word("in")?;
            let mut over = self.expression()?;
            if self.take_sign("..") {
                let high = self.expression()?;
                let range = Range { low: over, low_closed: true, high, high_closed: true };
                over = Expr::Range(Box::new(range));
            }
            out.push(Binding { name, over });
            if !self.take_sign(",") {
                return Ok(out);
            }
        }
    }

    pub fn name(&mut self, expected: &str) -> Result<String, FeelError> {
        match self.peek().clone() {
            Token::Quoted(name) => {
                self.pos += 1;
                Ok(name)
            }
            Token::Word(name) if !KEYWORDS.contains(&name.as_str()) => {
                self.pos += 1;
                Ok(name)
            }
            _ => self.unexpected(expected),
        }
    }

    fn disjunction(&mut self) -> Result<Expr, FeelError> {
        let first = self.conjunction()?;
        if !self.is_word("or") {
            return Ok(first);
        }
        let mut terms = vec![first];
        while self.take_word("or") {
            terms.push(self.conjunction()?);
        }
        Ok(Expr::Or(terms))
    }

    fn conjunction(&mut self) -> Result<Expr, FeelError> {
        let first = self.comparison()?;
        if !self.is_word("and") {
            return Ok(first);
        }
        let mut terms = vec![first];
        while self.take_word("and") {
            terms.push(self.comparison()?);
        }
        Ok(Expr::And(terms))
    }

    fn comparison_op(&mut self) -> Option<BinaryOp> {
        let Token::Sign(sign) = self.peek() else { return None };
        let op = match *sign {
            "=" => BinaryOp::Equal,
            "!=" => BinaryOp::NotEqual,
            "<" => BinaryOp::Less,
            "<=" => BinaryOp::LessOrEqual,
            ">" => BinaryOp::Greater,
            ">=" => BinaryOp::GreaterOrEqual,
            _ => return None,
        };
        self.pos += 1;
        Some(op)
    }

    fn comparison(&mut self) -> Result<Expr, FeelError> {
        let left = self.sum()?;
        if let Some(op) = self.comparison_op() {
            let right = self.sum()?;
            return Ok(Expr::Chain(Box::new(left), vec![(op, right)]));
        }
        if self.take_word("between") {
            let low = self.sum()?;
            self.expect_word("and")?;
            let high = self.sum()?;
            return Ok(Expr::Between(Box::new(left), Box::new(low), Box::new(high)));
        }
        if self.take_word("in") {
            return Ok(Expr::In(Box::new(left), self.tests()?));
        }
        if self.take_word("instance") {
            self.expect_word("of")?;
            return Ok(Expr::InstanceOf(Box::new(left), self.type_name()?));
        }
        Ok(left)
    }

    fn type_name(&mut self) -> Result<String, FeelError> {
        const TYPES: [(&str, &[&str]); 12] = [
            ("date and time", &["date", "and", "time"]),
            ("days and time duration", &["days", "and", "time", "duration"]),
            ("days and time duration", &["day", "time", "duration"]),
            ("years and months duration", &["years", "and", "months", "duration"]),
            ("years and months duration", &["year", "month", "duration"]),
            ("number", &["number"]),
            ("string", &["string"]),
            ("boolean", &["boolean"]),
            ("list", &["list"]),
            ("context", &["context"]),
            ("date", &["date"]),
            ("time", &["time"]),
        ];
        for (name, words) in TYPES {
            let matches = |(at, word): (usize, &&str)| matches!(self.at(at), Token::Word(found) if found == word);
            if words.iter().enumerate().all(matches) {
                self.pos += words.len();
                return Ok(name.to_owned());
            }
        }
        if self.take_word("Any") {
            return Ok("Any".to_owned());
        }
        self.unexpected("the name of a type")
    }

    /// What follows `in`.
    fn tests(&mut self) -> Result<Vec<Test>, FeelError> {
        if !self.is_sign("(") {
            return Ok(vec![self.test()?]);
        }
        // `(1..5)` is a range, `(1, 5)` and `(< 1, > 5)` are lists of tests.
        let start = self.pos;
        self.pos += 1;
        let mut tests = vec![self.inner_test()?];
        if self.is_sign("..") {
            self.pos = start;
            return Ok(vec![self.test()?]);
        }
        while self.take_sign(",") {
            tests.push(self.inner_test()?);
        }
        self.expect_sign(")")?;
        Ok(tests)
    }

    /// Inside parentheses a test may be a whole condition on `?`.
    fn inner_test(&mut self) -> Result<Test, FeelError> {
        match self.comparison_op() {
            Some(op) => Ok(Test::Compare(op, self.sum()?)),
            None => Ok(Test::Value(self.expression()?)),
        }
    }

    fn test(&mut self) -> Result<Test, FeelError> {
        self.nested(|parser| match parser.comparison_op() {
            Some(op) => Ok(Test::Compare(op, parser.sum()?)),
            None => Ok(Test::Value(parser.sum()?)),
        })
    }

    fn chain(
        &mut self,
        operand: fn(&mut Self) -> Result<Expr, FeelError>,
        signs: &[(&str, BinaryOp)],
    ) -> Result<Expr, FeelError> {
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Some((sign, op)) = signs.iter().find(|(sign, _)| self.is_sign(sign)) {
            self.take_sign(sign);
            rest.push((*op, operand(self)?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Chain(Box::new(first), rest) })
    }

    fn sum(&mut self) -> Result<Expr, FeelError> {
        self.chain(Self::product, &[("+", BinaryOp::Add), ("-", BinaryOp::Subtract)])
    }

    fn product(&mut self) -> Result<Expr, FeelError> {
        self.chain(Self::power, &[("*", BinaryOp::Multiply), ("/", BinaryOp::Divide)])
    }

    fn power(&mut self) -> Result<Expr, FeelError> {
        self.chain(Self::negation, &[("**", BinaryOp::Power)])
    }

    fn negation(&mut self) -> Result<Expr, FeelError> {
        if self.take_sign("-") {
            return self.nested(|parser| Ok(Expr::Negate(Box::new(parser.negation()?))));
        }
        let base = self.primary()?;
        let mut steps = Vec::new();
        loop {
            if self.take_sign(".") {
                steps.push(Access::Property(self.property()?));
            } else if self.is_sign("[") && !self.closes_range() {
                self.pos += 1;
                steps.push(Access::Filter(self.filter()?));
                self.expect_sign("]")?;
            } else if steps.is_empty() {
                return Ok(base);
            } else {
                return Ok(Expr::Postfix(Box::new(base), steps));
            }
        }
    }

    /// `[` after a value closes a range like `[1..5[` when nothing that starts a filter follows.
    fn closes_range(&self) -> bool {
        match self.at(1) {
            Token::End => true,
            Token::Sign(sign) => matches!(*sign, ")" | "]" | "," | "}"),
            Token::Word(word) => matches!(word.as_str(), "and" | "or" | "then" | "else"),
            _ => false,
        }
    }

    /// A filter may begin with a comparison: `[> 3]` means `[item > 3]`.
    fn filter(&mut self) -> Result<Expr, FeelError> {
        if let Some(op) = self.comparison_op() {
            let item = Box::new(Expr::Name("item".to_owned()));
            return Ok(Expr::Chain(item, vec![(op, self.sum()?)]));
        }
        self.expression()
    }

    /// The name after a dot; keywords are allowed, as are the two names of two words.
    fn property(&mut self) -> Result<String, FeelError> {
        match self.next() {
            Token::Quoted(name) => Ok(name),
            Token::Word(word) => {
                if word == "time" && self.take_word("offset") {
                    return Ok("time offset".to_owned());
                }
                if word == "time" && self.take_word("zone") {
                    return Ok("timezone".to_owned());
                }
                Ok(word)
            }
            _ => {
                self.pos -= 1;
                self.unexpected("the name of a property")
            }
        }
    }
}
