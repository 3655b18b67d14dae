//! Calico's selectors: `app == 'web' && tier in {'a', 'b'}`. Printed, a selector is in Calico's normal form, from which the names of sets
//! are made (libcalico-go `lib/selector`).

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

/// The labels of an endpoint.
pub type Labels = BTreeMap<String, String>;

/// So deep may parentheses and negations be nested.
const MAX_DEPTH: usize = 64;

/// A selector.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Selector {
    /// `all()`
    All,
    /// `global()`: what lies in no namespace.
    Global,
    /// `has(KEY)`
    Has(String),
    /// `KEY == "value"`
    Equal(String, String),
    /// `KEY != "value"`: also without the label.
    Unequal(String, String),
    /// `KEY in {"a", "b"}`
    In(String, BTreeSet<String>),
    /// `KEY not in {"a", "b"}`: also without the label.
    NotIn(String, BTreeSet<String>),
    /// `KEY contains "part"`
    Contains(String, String),
    /// `KEY starts with "part"`
    StartsWith(String, String),
    /// `KEY ends with "part"`
    EndsWith(String, String),
    /// `!(...)`
    Not(Box<Selector>),
    /// All of them.
    And(Vec<Selector>),
    /// One of them.
    Or(Vec<Selector>),
}

impl Selector {
    /// Reads a selector. Nothing at all means all.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
        if parser.tokens.is_empty() {
            return Ok(Selector::All);
        }
        let selector = parser.or()?;
        match parser.peek() {
            None => Ok(selector),
            Some(token) => Err(format!("unexpected content at end of selector {token}")),
        }
    }

    /// Both.
    pub fn and(self, other: Selector) -> Self {
        Selector::And(vec![self, other])
    }

    /// The same demands on labels whose names begin so.
    #[must_use]
    pub fn with_prefix(self, prefix: &str) -> Self {
        let key = |key: String| format!("{prefix}{key}");
        let each = |all: Vec<Selector>| all.into_iter().map(|inner| inner.with_prefix(prefix)).collect();
        match self {
            Selector::All | Selector::Global => self,
            Selector::Has(name) => Selector::Has(key(name)),
            Selector::Equal(name, value) => Selector::Equal(key(name), value),
            Selector::Unequal(name, value) => Selector::Unequal(key(name), value),
            Selector::In(name, values) => Selector::In(key(name), values),
            Selector::NotIn(name, values) => Selector::NotIn(key(name), values),
            Selector::Contains(name, part) => Selector::Contains(key(name), part),
            Selector::StartsWith(name, part) => Selector::StartsWith(key(name), part),
            Selector::EndsWith(name, part) => Selector::EndsWith(key(name), part),
            Selector::Not(inner) => Selector::Not(Box::new(inner.with_prefix(prefix))),
            Selector::And(all) => Selector::And(each(all)),
            Selector::Or(any) => Selector::Or(each(any)),
        }
    }

    /// Whether an endpoint with these labels is meant.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = |key: &str| labels.get(key);
        match self {
            Selector::All => true,
            Selector::Global => value("projectcalico.org/namespace").is_none(),
            Selector::Has(key) => value(key).is_some(),
            Selector::Equal(key, wanted) => value(key) == Some(wanted),
            Selector::Unequal(key, wanted) => value(key) != Some(wanted),
            Selector::In(key, wanted) => value(key).is_some_and(|value| wanted.contains(value)),
            Selector::NotIn(key, wanted) => value(key).is_none_or(|value| !wanted.contains(value)),
            Selector::Contains(key, part) => value(key).is_some_and(|value| value.contains(&**part)),
            Selector::StartsWith(key, part) => value(key).is_some_and(|value| value.starts_with(&**part)),
            Selector::EndsWith(key, part) => value(key).is_some_and(|value| value.ends_with(&**part)),
            Selector::Not(inner) => !inner.matches(labels),
            Selector::And(all) => all.iter().all(|inner| inner.matches(labels)),
            Selector::Or(any) => any.iter().any(|inner| inner.matches(labels)),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::All => f.write_str("all()"),
            Selector::Global => f.write_str("global()"),
            Selector::Has(key) => write!(f, "has({key})"),
            Selector::Equal(key, value) => write!(f, "{key} == {}", quoted(value)),
            Selector::Unequal(key, value) => write!(f, "{key} != {}", quoted(value)),
            Selector::In(key, values) => write!(f, "{key} in {{{}}}", joined(values, ", ", |v| quoted(v))),
            Selector::NotIn(key, values) => write!(f, "{key} not in {{{}}}", joined(values, ", ", |v| quoted(v))),
            Selector::Contains(key, part) => write!(f, "{key} contains {}", quoted(part)),
            Selector::StartsWith(key, part) => write!(f, "{key} starts with {}", quoted(part)),
            Selector::EndsWith(key, part) => write!(f, "{key} ends with {}", quoted(part)),
            Selector::Not(inner) => write!(f, "!{inner}"),
            Selector::And(all) => write!(f, "({})", joined(all, " && ", Selector::to_string)),
            Selector::Or(any) => write!(f, "({})", joined(any, " || ", Selector::to_string)),
        }
    }
}

fn joined<'a, T: 'a>(all: impl IntoIterator<Item = &'a T>, between: &str, shown: impl Fn(&T) -> String) -> String {
    all.into_iter().map(shown).collect::<Vec<_>>().join(between)
}

fn quoted(value: &str) -> String {
    if value.contains('"') { format!("'{value}'") } else { format!("\"{value}\"") }
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    /// A name, a word of the language, or `name(`.
    Word(String),
    Text(String),
    Sign(&'static str),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(word) => f.write_str(word),
            Token::Text(text) => write!(f, "{text:?}"),
            Token::Sign(sign) => f.write_str(sign),
        }
    }
}

const SIGNS: &[&str] = &["==", "!=", "&&", "||", "!", "(", ")", "{", "}", ","];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let (mut rest, mut all) = (text.trim_start(), Vec::new());
    while let Some(first) = rest.chars().next() {
        let used = if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            all.push(Token::Sign(sign));
            sign.len()
        } else if first == '"' || first == '\'' {
            let Some(end) = rest[1..].find(first) else { return Err("unterminated string".to_owned()) };
            all.push(Token::Text(rest[1..=end].to_owned()));
            end + 2
        } else {
            let is_part = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err(format!("unexpected characters {rest}"));
            }
            all.push(Token::Word(rest[..end].to_owned()));
            end
        };
        rest = rest[used..].trim_start();
    }
    Ok(all)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(found)) if *found == sign)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take_sign(sign) { Ok(()) } else { Err(format!("expected {sign}, found {}", self.found())) }
    }

    fn found(&self) -> String {
        self.peek().map_or_else(|| "end of selector".to_owned(), Token::to_string)
    }

    fn word(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => Err(format!("expected label, found {}", self.found())),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(Token::Text(text)) => {
                let text = text.clone();
                self.at += 1;
                Ok(text)
            }
            _ => Err(format!("expected string, found {}", self.found())),
        }
    }

    fn or(&mut self) -> Result<Selector, String> {
        self.list("||", Selector::Or, |parser| parser.list("&&", Selector::And, Parser::operation))
    }

    /// One operand, or several with this sign between them.
    fn list(
        &mut self,
        sign: &str,
        join: fn(Vec<Selector>) -> Selector,
        operand: fn(&mut Self) -> Result<Selector, String>,
    ) -> Result<Selector, String> {
        let first = operand(self)?;
        if !self.is_sign(sign) {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.take_sign(sign) {
            all.push(operand(self)?);
        }
        Ok(join(all))
    }

    fn operation(&mut self) -> Result<Selector, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("selector is nested too deeply".to_owned());
        }
        let selector = if self.take_sign("!") {
            Selector::Not(Box::new(self.operation()?))
        } else if self.take_sign("(") {
            let inner = self.or()?;
            self.expect(")")?;
            inner
        } else {
            let word = self.word()?;
            if self.is_sign("(") { self.call(&word)? } else { self.comparison(word)? }
        };
        self.depth -= 1;
        Ok(selector)
    }

    fn call(&mut self, name: &str) -> Result<Selector, String> {
        self.expect("(")?;
        let selector = match name {
            "all" => Selector::All,
            "global" => Selector::Global,
            "has" => Selector::Has(self.word()?),
            _ => return Err(format!("unexpected function {name}")),
        };
        self.expect(")")?;
        Ok(selector)
    }

    fn comparison(&mut self, key: String) -> Result<Selector, String> {
        if self.take_sign("==") {
            return Ok(Selector::Equal(key, self.text()?));
        }
        if self.take_sign("!=") {
            return Ok(Selector::Unequal(key, self.text()?));
        }
        match self.word()?.as_str() {
            "in" => Ok(Selector::In(key, self.values()?)),
            "not" if self.word()? == "in" => Ok(Selector::NotIn(key, self.values()?)),
            "contains" => Ok(Selector::Contains(key, self.text()?)),
            "starts" if self.word()? == "with" => Ok(Selector::StartsWith(key, self.text()?)),
            "ends" if self.word()? == "with" => Ok(Selector::EndsWith(key, self.text()?)),
            word => Err(format!("expected operator, found {word}")),
        }
    }

    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        self.expect("{")?;
        let mut all = BTreeSet::new();
        while !self.take_sign("}") {
            if !all.is_empty() {
                self.expect(",")?;
            }
            all.insert(self.text()?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Selector::parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn what_selectors_mean() {
        let web = [("app", "web"), ("tier", "front")];
        for yes in [
            "",
            "all()",
            "app == 'web'",
            "app != \"db\"",
            "none != 'x'",
            "has(app)",
            "!has(none)",
            "app in {'web', 'db'}",
            "none not in {'a'}",
            "app contains 'e'",
            "app starts with 'w' && app ends with 'b'",
            "app == 'db' || tier == 'front'",
            "!(app == 'db') && (tier == 'x' || has(tier))",
            "global()",
        ] {
            assert!(matches(yes, &web), "{yes}");
        }
        for no in ["app == 'db'", "none == 'x'", "none in {'x'}", "!all()", "none contains ''"] {
            assert!(!matches(no, &web), "{no}");
        }
    }

    #[test]
    fn the_normal_form() {
        let normal = |text: &str| Selector::parse(text).unwrap().to_string();
        assert_eq!(normal("a=='b'"), "a == \"b\"");
        assert_eq!(
            normal("(a == 'b') && (c in {'y','x'} && !has(d))"),
            "(a == \"b\" && (c in {\"x\", \"y\"} && !has(d)))"
        );
    }

    #[test]
    fn what_is_no_selector() {
        for bad in
            ["a", "a ==", "a == b", "(a == 'b'", "a == 'b' c", "has(", "foo()", "a in {'x'", "'", "ä", "a starts 'x'"]
        {
            assert!(Selector::parse(bad).is_err(), "{bad}");
        }
        assert!(Selector::parse(&"!".repeat(1000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-c!&|(){},='\" ]{0,40}|.{0,20}") {
            if let Ok(selector) = Selector::parse(&text) {
                prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
            }
        }
    }
}
