//! Words of BIRD's language, each with its place. Models `conf/cf-lex.l`.

use core::net::Ipv4Addr;
use std::sync::Arc;

use super::{Error, keywords};

/// The most that may be included from included files, as in BIRD.
const MAX_INCLUDE_DEPTH: usize = 8;
/// The most words of a configuration: what is longer is refused.
const MAX_TOKENS: usize = 4 << 20;

/// Where a word begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file as it was named.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1; 0 at the end of the file.
    pub column: u32,
}

/// A word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Token {
    /// A name that is no keyword, or one in single quotes.
    Symbol(String),
    /// A keyword.
    Key(&'static str),
    /// A number.
    Number(u32),
    /// An IPv4 address.
    Ip(Ipv4Addr),
    /// An IPv6 address: read, and refused where it is used.
    Ip6(String),
    /// A string.
    Text(String),
    /// An operator or a mark.
    Mark(&'static str),
    /// The end.
    End,
}

const MARKS: [&str; 33] = [
    "[=", "=]", "..", "!=", "<=", ">=", "&&", "||", "!~", "->", "=", "<", ">", "!", "~", "+", "-", "*", "/", "(", ")",
    "{", "}", "[", "]", ";", ",", ":", ".", "?", "%", "&", "|",
];

/// Reads files that are named in `include`.
pub type Read<'a> = dyn FnMut(&str) -> Result<Vec<u8>, String> + 'a;

/// Splits a text, and what it includes, into words.
///
/// # Errors
/// What is no word at all; includes that cannot be read.
pub fn lex(file: &str, text: &str, read: &mut Read<'_>) -> Result<Vec<(Token, Place)>, Error> {
    let mut words = Vec::new();
    lex_file(file, text, read, 0, &mut words)?;
    // Flex has left the file by then, and with it the line.
    words.push((Token::End, Place { file: file.into(), line: 1, column: 0 }));
    Ok(words)
}

struct Cursor<'a> {
    file: Arc<str>,
    text: &'a str,
    at: usize,
    line: u32,
    column: u32,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn place(&self) -> Place {
        Place { file: self.file.clone(), line: self.line, column: self.column }
    }

    /// Takes so many bytes, which end at a character's border.
    fn take(&mut self, len: usize) -> &'a str {
        let taken = &self.text[self.at..self.at + len];
        for c in taken.chars() {
            if c == '\n' {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += c.len_utf8() as u32;
            }
        }
        self.at += len;
        taken
    }

    fn take_while(&mut self, good: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !good(c)).unwrap_or(rest.len());
        self.take(len)
    }

    fn error<T>(&self, text: &str) -> Result<T, Error> {
        Err(Error { place: self.place(), text: text.to_owned() })
    }

    fn skip_blanks(&mut self) -> Result<(), Error> {
        loop {
            self.take_while(|c| c.is_ascii_whitespace());
            if self.rest().starts_with('#') {
                self.take_while(|c| c != '\n');
            } else if let Some(comment) = self.rest().strip_prefix("/*") {
                match comment.find("*/") {
                    Some(len) => self.take(len + 4),
                    None => {
                        self.take(self.rest().len());
                        self.column = 0;
                        return self.error("Unterminated comment");
                    }
                };
            } else {
                return Ok(());
            }
        }
    }

    fn word(&mut self) -> Result<Token, Error> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        if first.is_ascii_alphabetic() || first == '_' {
            if let Some(address) = self.ip6() {
                return Ok(address);
            }
            let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            return Ok(keywords::find(name).map_or_else(|| Token::Symbol(name.to_owned()), Token::Key));
        }
        if first.is_ascii_digit() {
            return self.number();
        }
        if first == '\'' {
            let inner = rest[1..].find('\'').map(|len| &rest[1..=len]).unwrap_or_default();
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
            if !inner.is_empty() && inner.chars().all(good) {
                self.take(inner.len() + 2);
                return Ok(Token::Symbol(inner.to_owned()));
            }
        }
        if first == '"' {
            return self.string();
        }
        if rest.starts_with("::")
            && let Some(address) = self.ip6()
        {
            return Ok(address);
        }
        match MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            Some(mark) => {
                self.take(mark.len());
                Ok(Token::Mark(mark))
            }
            None => self.error("Unknown character"),
        }
    }

    fn string(&mut self) -> Result<Token, Error> {
        let rest = &self.rest()[1..];
        let Some(len) = rest.find(['"', '\n']).filter(|len| rest[*len..].starts_with('"')) else {
            let len = rest.find('\n').unwrap_or(rest.len());
            self.take(len + 1);
            return self.error("Unterminated string");
        };
        let text = rest[..len].to_owned();
        self.take(len + 2);
        Ok(Token::Text(text))
    }

    /// Something with at least two colons that is an IPv6 address.
    fn ip6(&mut self) -> Option<Token> {
        let rest = self.rest();
        let len = rest.find(|c: char| !c.is_ascii_hexdigit() && c != ':' && c != '.').unwrap_or(rest.len());
        let text = &rest[..len];
        text.parse::<core::net::Ipv6Addr>().ok()?;
        self.take(len);
        Some(Token::Ip6(text.to_owned()))
    }

    fn number(&mut self) -> Result<Token, Error> {
        if let Some(address) = self.ip6() {
            return Ok(address);
        }
        let rest = self.rest();
        if let Some(hex) = rest.strip_prefix("0x") {
            let len = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
            if len > 0 {
                let value = u32::from_str_radix(&hex[..len], 16);
                let Ok(value) = value else { return self.error("Number out of range") };
                self.take(len + 2);
                return Ok(Token::Number(value));
            }
        }
        if let Some(len) = dotted(rest) {
            let text = &rest[..len];
            let Ok(address) = text.parse() else { return self.error(&format!("Invalid IPv4 address {text}")) };
            self.take(len);
            return Ok(Token::Ip(address));
        }
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let Ok(value) = rest[..digits].parse() else { return self.error("Number out of range") };
        self.take(digits);
        Ok(Token::Number(value))
    }
}

/// The length of four numbers with dots between them at the beginning of a text.
fn dotted(text: &str) -> Option<usize> {
    let mut at = 0;
    for part in 0..4 {
        if part > 0 {
            text[at..].starts_with('.').then_some(())?;
            at += 1;
        }
        let digits = text[at..].find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len() - at);
        (digits > 0).then_some(())?;
        at += digits;
    }
    Some(at)
}

fn lex_file(
    file: &str,
    text: &str,
    read: &mut Read<'_>,
    depth: usize,
    words: &mut Vec<(Token, Place)>,
) -> Result<(), Error> {
    let mut cursor = Cursor { file: file.into(), text, at: 0, line: 1, column: 1 };
    loop {
        cursor.skip_blanks()?;
        let place = cursor.place();
        let word = cursor.word()?;
        if word == Token::End {
            return Ok(());
        }
        if word == Token::Symbol("include".into()) {
            include(&mut cursor, read, depth, words)?;
            continue;
        }
        if words.len() >= MAX_TOKENS {
            return Err(Error { place, text: "The configuration is too long".into() });
        }
        words.push((word, place));
    }
}

fn include(
    cursor: &mut Cursor<'_>,
    read: &mut Read<'_>,
    depth: usize,
    words: &mut Vec<(Token, Place)>,
) -> Result<(), Error> {
    cursor.skip_blanks()?;
    // The scanner is behind the quotation mark.
    let place = Place { column: cursor.column + 1, ..cursor.place() };
    let fail = |text: String| Err(Error { place: place.clone(), text });
    let Token::Text(name) = cursor.word()? else { return fail("Include directive expects a file name".into()) };
    cursor.skip_blanks()?;
    if cursor.word()? != Token::Mark(";") {
        return fail("Include directive ends with a semicolon".into());
    }
    if name.contains(['*', '?', '[']) {
        return fail("Wildcards in include are not supported here".into());
    }
    if depth >= MAX_INCLUDE_DEPTH {
        return fail("Max include depth reached".into());
    }
    let path = match (name.starts_with('/'), cursor.file.rsplit_once('/')) {
        (true, _) => name,
        (false, Some((folder, _))) => format!("{folder}/{name}"),
        (false, None) => format!("./{name}"),
    };
    match read(&path) {
        Ok(bytes) => lex_file(&path, &String::from_utf8_lossy(&bytes), read, depth + 1, words),
        Err(why) => fail(format!("Unable to open included file {path}: {why}")),
    }
}
