//! Text to tokens.

use super::error::FeelError;
use super::number::Number;

/// A token and where it begins, counted in characters from 1.
#[derive(Clone, Debug)]
pub(super) struct Spanned {
    pub token: Token,
    pub column: usize,
}

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(Number),
    String(String),
    /// A name or a keyword.
    Word(String),
    /// A name in backticks: never a keyword.
    Quoted(String),
    /// `@"…"`.
    At(String),
    /// Punctuation.
    Sign(&'static str),
    End,
}

impl Token {
    /// The token as an error message shows it.
    pub fn describe(&self) -> String {
        match self {
            Token::Number(number) => format!("'{number}'"),
            Token::String(_) => "a string".to_owned(),
            Token::Word(word) | Token::Quoted(word) => format!("'{word}'"),
            Token::At(_) => "a temporal literal".to_owned(),
            Token::Sign(sign) => format!("'{sign}'"),
            Token::End => "the end of the expression".to_owned(),
        }
    }
}

/// Longer signs first: the first match wins.
const SIGNS: [&str; 26] = [
    "**", "..", "!=", "<=", ">=", "->", "(", ")", "[", "]", "{", "}", ",", ":", ".", "+", "-", "*",
    "/", "<", ">", "=", "?", "|", ";", "@",
];

struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    column: usize,
}

/// Splits `text` into tokens; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, FeelError> {
    let mut lexer = Lexer { text, pos: 0, column: 1 };
    let mut out = Vec::new();
    loop {
        lexer.skip_blank()?;
        let column = lexer.column;
        let token = lexer.next()?;
        let end = token == Token::End;
        out.push(Spanned { token, column });
        if end {
            return Ok(out);
        }
    }
}

fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.pos..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        self.column += 1;
        Some(c)
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, FeelError> {
        Err(FeelError::Syntax { message: message.into(), column: self.column })
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let start = self.pos;
        while self.peek().is_some_and(&accept) {
            self.bump();
        }
        self.text.get(start..self.pos).unwrap_or("")
    }

    fn skip_blank(&mut self) -> Result<(), FeelError> {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest().starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if self.rest().starts_with("/*") {
                let Some(len) = self.rest().find("*/") else {
                    return self.error("a comment is not closed");
                };
                let end = self.pos + len + 2;
                while self.pos < end {
                    self.bump();
                }
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Token, FeelError> {
        let Some(c) = self.peek() else { return Ok(Token::End) };
        let second = self.rest().chars().nth(1);
        if c.is_ascii_digit() || c == '.' && second.is_some_and(|c| c.is_ascii_digit()) {
            return self.number();
        }
        if c == '"' {
            return Ok(Token::String(self.string()?));
        }
        if c == '@' && second == Some('"') {
            self.bump();
            return Ok(Token::At(self.string()?));
        }
        if c == '`' {
            self.bump();
            let name = self.take_while(|c| c != '`').to_owned();
            if self.bump().is_none() {
                return self.error("a name in backticks is not closed");
            }
            return Ok(Token::Quoted(name));
        }
        if starts_name(c) {
            return Ok(Token::Word(self.take_while(continues_name).to_owned()));
        }
        let Some(sign) = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign)) else {
            return self.error(format!("unexpected character '{c}'"));
        };
        for _ in sign.chars() {
            self.bump();
        }
        Ok(Token::Sign(sign))
    }

    fn number(&mut self) -> Result<Token, FeelError> {
        let start = self.pos;
        self.take_while(|c| c.is_ascii_digit());
        let mut ahead = self.rest().chars();
        if ahead.next() == Some('.') && ahead.next().is_some_and(|c| c.is_ascii_digit()) {
            self.bump();
            self.take_while(|c| c.is_ascii_digit());
        }
        let mut ahead = self.rest().chars();
        if matches!(ahead.next(), Some('e' | 'E')) {
            let sign = ahead.next();
            let digit = if matches!(sign, Some('+' | '-')) { ahead.next() } else { sign };
            if digit.is_some_and(|c| c.is_ascii_digit()) {
                self.bump();
                self.bump();
                self.take_while(|c| c.is_ascii_digit());
            }
        }
        let text = self.text.get(start..self.pos).unwrap_or("");
        match text.parse() {
            Ok(number) => Ok(Token::Number(number)),
            Err(()) => self.error(format!("'{text}' is no number")),
        }
    }

    fn string(&mut self) -> Result<String, FeelError> {
        self.bump();
        let mut out = String::new();
        loop {
            match self.bump() {
                None => return self.error("a string is not closed"),
                Some('"') => return Ok(out),
                Some('\\') => self.escape(&mut out)?,
                Some(c) => out.push(c),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), FeelError> {
        match self.bump() {
            None => return self.error("a string is not closed"),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some(c @ ('"' | '\'' | '\\')) => out.push(c),
            Some('u') => self.code_point(4, out)?,
            Some('U') => self.code_point(6, out)?,
            // Other backslashes stay: `"\d+"` is written for regular expressions.
            Some(c) => out.extend(['\\', c]),
        }
        Ok(())
    }

    /// A code unit; a pair of surrogates makes one character.
    fn code_point(&mut self, digits: usize, out: &mut String) -> Result<(), FeelError> {
        let mut code = self.hex(digits)?;
        if (0xd800..0xdc00).contains(&code) && self.rest().starts_with("\\u") {
            self.bump();
            self.bump();
            let low = self.hex(4)?;
            if !(0xdc00..0xe000).contains(&low) {
                return self.error("an escaped surrogate has no partner");
            }
            code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        let Some(c) = char::from_u32(code) else {
            return self.error("an escape names no character");
        };
        out.push(c);
        Ok(())
    }

    fn hex(&mut self, digits: usize) -> Result<u32, FeelError> {
        let mut code = 0;
        for _ in 0..digits {
            let Some(digit) = self.bump().and_then(|c| c.to_digit(16)) else {
                return self.error(format!("an escape needs {digits} hexadecimal digits"));
            };
            code = code * 16 + digit;
        }
        Ok(code)
    }
}
