//! The parser: words with one of look-ahead, names, and how errors are said.

use super::keywords;
use super::lexer::{Place, Token};
use super::{Config, Error, Symbol};
use crate::bird::filter::{Attr, Type, value::ENUMS};

/// How deep things may stand in each other: the parser is recursive.
const MAX_NESTING: usize = 100;
/// How deep a tree may grow without the parser going deeper: by operators in a row, methods, and `else if`.
/// It is walked and dropped by recursion. BIRD's own bound, of its parser's stack, is some two thousand `else if`.
const MAX_CHAIN: usize = 300;

pub(super) type Result<T> = core::result::Result<T, Error>;

/// A scope of variables: of a filter or function.
#[derive(Default)]
pub(super) struct Scope {
    /// The names that can be seen, the latest last.
    pub(super) names: Vec<(String, usize, Type)>,
    /// Which of them are of the block that is being read: inner ones may have the name of an outer one.
    pub(super) begin: usize,
    /// The types of all variables.
    pub(super) vars: Vec<Type>,
    /// The function that is being read, with the number of its arguments: it may call itself.
    pub(super) function: Option<(String, usize)>,
}

pub(super) struct Parser {
    words: Vec<(Token, Place)>,
    at: usize,
    pub(super) config: Config,
    pub(super) scope: Scope,
    nesting: usize,
    /// How many links of chains the tree that is being read has at most above each other.
    pub(super) chain: usize,
    /// The file is in the language of BIRD 1: protocols have no channels, but what stood in the only one.
    pub(super) bird1: bool,
    /// The device protocol was there.
    pub(super) device: bool,
    /// `debug protocols`: for those that follow.
    pub(super) debug: bool,
    /// How many protocols of each kind had no name.
    pub(super) unnamed: std::collections::BTreeMap<&'static str, u32>,
}

impl Parser {
    pub(super) fn new(words: Vec<(Token, Place)>) -> Self {
        let mut config = Config { tables: vec!["master4".into()], ..Config::default() };
        config.symbols.insert("master4".into(), Symbol::Table);
        config.symbols.insert("master6".into(), Symbol::Table);
        let (scope, unnamed) = Default::default();
        let bird1 = super::bird1::is_bird1(&words);
        Parser { words, at: 0, config, scope, nesting: 0, chain: 0, bird1, device: false, debug: false, unnamed }
    }

    /// With the names of another configuration: for what is typed at a running daemon.
    pub(super) fn with_names(words: Vec<(Token, Place)>, config: &Config) -> Self {
        let mut parser = Parser::new(words);
        parser.config = config.clone();
        parser
    }

    pub(super) fn config(mut self) -> Result<Config> {
        while *self.peek() != Token::End {
            self.item()?;
        }
        if self.config.protocols.is_empty() {
            return self.error("No protocol is specified in the config file");
        }
        Ok(self.config)
    }

    pub(super) fn peek(&self) -> &Token {
        // The last word is the end, which is never passed.
        &self.words[self.at.min(self.words.len() - 1)].0
    }

    pub(super) fn peek_second(&self) -> &Token {
        &self.words[(self.at + 1).min(self.words.len() - 1)].0
    }

    pub(super) fn place(&self) -> Place {
        self.words[self.at.min(self.words.len() - 1)].1.clone()
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.words.len() - 1);
        token
    }

    /// Takes the last word back.
    pub(super) fn back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    /// Where the parser is, to come back to.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn go_back_to(&mut self, at: usize) {
        self.at = at;
    }

    /// Something else is wrong than the grammar; the place is that of the next word.
    pub(super) fn error<T>(&self, text: impl Into<String>) -> Result<T> {
        Err(Error { place: self.place(), text: text.into() })
    }

    /// The next word cannot stand here.
    pub(super) fn unexpected<T>(&self) -> Result<T> {
        self.unexpected_but("")
    }

    /// The same, with what could stand here.
    pub(super) fn unexpected_but<T>(&self, expected: &str) -> Result<T> {
        let name = match self.peek() {
            Token::Symbol(name) if Attr::find(name).is_some() => name.to_ascii_uppercase(),
            Token::Symbol(name) if ENUMS.iter().any(|(n, ..)| n == name) => "ENUM".into(),
            Token::Symbol(name) if keywords::is_reserved(name) => keywords::error_name(name),
            Token::Symbol(name) if self.knows(name) => "CF_SYM_KNOWN".into(),
            Token::Symbol(_) => "CF_SYM_UNDEFINED".into(),
            Token::Key(word) => keywords::error_name(word),
            Token::Number(_) => "NUM".into(),
            Token::Ip(_) => "IP4".into(),
            Token::Ip6(_) => "IP6".into(),
            Token::Text(_) => "TEXT".into(),
            Token::Mark(mark) => keywords::mark_name(mark),
            Token::End => "END".into(),
        };
        let expected = if expected.is_empty() { String::new() } else { format!(", expecting {expected}") };
        self.error(format!("syntax error, unexpected {name}{expected}"))
    }

    fn knows(&self, name: &str) -> bool {
        self.config.symbols.contains_key(name) || self.scope.names.iter().any(|(n, ..)| n == name)
    }

    pub(super) fn is_mark(&self, mark: &str) -> bool {
        matches!(self.peek(), Token::Mark(m) if *m == mark)
    }

    pub(super) fn is_key(&self, key: &str) -> bool {
        matches!(self.peek(), Token::Key(k) if *k == key)
    }

    pub(super) fn eat_mark(&mut self, mark: &str) -> bool {
        let found = self.is_mark(mark);
        if found {
            self.next();
        }
        found
    }

    pub(super) fn eat(&mut self, key: &str) -> bool {
        let found = self.is_key(key);
        if found {
            self.next();
        }
        found
    }

    pub(super) fn mark(&mut self, mark: &str) -> Result<()> {
        if self.eat_mark(mark) { Ok(()) } else { self.unexpected_but(&keywords::mark_name(mark)) }
    }

    /// The same where more than a mark could stand.
    pub(super) fn mark_or_more(&mut self, mark: &str) -> Result<()> {
        if self.eat_mark(mark) { Ok(()) } else { self.unexpected() }
    }

    pub(super) fn key(&mut self, key: &str) -> Result<()> {
        if self.eat(key) { Ok(()) } else { self.unexpected_but(&key.to_ascii_uppercase()) }
    }

    pub(super) fn text(&mut self) -> Result<String> {
        match self.peek().clone() {
            Token::Text(text) => {
                self.next();
                Ok(text)
            }
            _ => self.unexpected_but("TEXT"),
        }
    }

    /// A name that is not in use yet.
    pub(super) fn new_name(&mut self) -> Result<String> {
        match self.peek().clone() {
            Token::Symbol(name) if Attr::find(&name).is_none() && !keywords::is_reserved(&name) => {
                if self.config.symbols.contains_key(&name) {
                    return self.error(format!("Symbol '{name}' already defined"));
                }
                self.next();
                Ok(name)
            }
            _ => self.unexpected(),
        }
    }

    /// `yes`, `no`, `on`, `off`, a number, or nothing, which is yes.
    pub(super) fn switch(&mut self) -> Result<bool> {
        match self.peek() {
            Token::Key("yes" | "on" | "true") => self.next(),
            Token::Key("no" | "off" | "false") => {
                self.next();
                return Ok(false);
            }
            Token::Number(n) => {
                let on = *n != 0;
                self.next();
                return Ok(on);
            }
            _ => return Ok(true),
        };
        Ok(true)
    }

    /// The name of a table.
    pub(super) fn table(&mut self) -> Result<String> {
        match self.peek().clone() {
            Token::Symbol(name) if self.knows(&name) => {
                if name == "master6" {
                    return self.error("Incompatible table type");
                }
                if !matches!(self.config.symbols.get(&name), Some(Symbol::Table)) {
                    return self.error("Table expected");
                }
                self.next();
                Ok(name)
            }
            _ => self.unexpected_but("CF_SYM_KNOWN"),
        }
    }

    /// Goes one level deeper.
    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= MAX_NESTING {
            return self.error("memory exhausted");
        }
        if self.nesting == 0 {
            self.chain = 0;
        }
        self.nesting += 1;
        let done = inner(self);
        self.nesting -= 1;
        done
    }

    /// One more link of a chain.
    pub(super) fn chained(&mut self) -> Result<()> {
        self.chain += 1;
        if self.chain > MAX_CHAIN { self.error("memory exhausted") } else { Ok(()) }
    }
}
