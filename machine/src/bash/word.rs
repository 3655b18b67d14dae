//! Words into parts: quotes, `$...`, `${...}`, `$(...)`, `$((...))`, backticks, tildes.

use std::sync::{Arc, OnceLock};

use super::ast::{Index, Op, Param, Part, Substitution, Word};
use super::quote::ansi_c;
use super::scan;

/// How deep `${a:-${b:-...}}` may nest.
const DEPTH_MAX: usize = 40;

/// Why a word is none: the text bash would print after `bash: `.
pub(super) type WordError = String;

/// Where a word stands; decides what is special in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Context {
    /// An ordinary word.
    Plain,
    /// Between double quotes.
    Double,
    /// A here-document's body: as double quotes, but `"` is an ordinary character.
    HereDoc,
    /// An arithmetic expression: as double quotes, but quotes vanish.
    Arith,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    depth: usize,
}

/// Parses an ordinary word.
pub(super) fn word(text: &str, line: usize) -> Result<Word, WordError> {
    let mut parser = Parser { text, at: 0, line, depth: 0 };
    let mut parts = parser.tilde().into_iter().collect::<Vec<_>>();
    parser.parts(Context::Plain, None, &mut parts)?;
    Ok(Word { parts })
}

/// Parses the value of an assignment: tildes also after `:`.
pub(super) fn assigned(text: &str, line: usize) -> Result<Word, WordError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(after) = rest.strip_prefix('~') {
        // Only leading `~/a:~/b` lists; what follows the first other character is an ordinary word.
        let end = after.find(['/', ':']).unwrap_or(after.len());
        let (user, tail) = after.split_at(end);
        if !user.chars().all(|c| c.is_ascii_alphanumeric() || "+-_".contains(c)) {
            break;
        }
        parts.push(Part::Tilde(user.to_owned()));
        let colon = tail.find(":~").filter(|&c| !tail[..c].contains(['\'', '"', '$', '`', '\\']));
        match colon {
            Some(colon) => {
                parts.push(Part::Text(tail[..=colon].to_owned()));
                rest = &tail[colon + 1..];
            }
            None => {
                rest = tail;
                break;
            }
        }
    }
    let mut parser = Parser { text: rest, at: 0, line, depth: 0 };
    parser.parts(Context::Plain, None, &mut parts)?;
    Ok(Word { parts })
}

/// Parses a here-document's body.
pub(super) fn here_document(text: &str, line: usize) -> Result<Word, WordError> {
    let mut parts = Vec::new();
    Parser { text, at: 0, line, depth: 0 }.parts(Context::HereDoc, None, &mut parts)?;
    Ok(Word { parts: vec![Part::Double(parts)] })
}

/// Parses an arithmetic expression's text.
pub(super) fn arithmetic(text: &str, line: usize) -> Result<Word, WordError> {
    let mut parts = Vec::new();
    Parser { text, at: 0, line, depth: 0 }.parts(Context::Arith, None, &mut parts)?;
    Ok(Word { parts: vec![Part::Double(parts)] })
}

fn is_name_start(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

fn is_name_char(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or("")
    }

    fn tilde(&mut self) -> Option<Part> {
        let after = self.rest().strip_prefix('~')?;
        let end = after.find('/').unwrap_or(after.len());
        let user = after.get(..end)?;
        if !user.chars().all(|c| c.is_ascii_alphanumeric() || "+-_".contains(c)) {
            return None;
        }
        self.at += 1 + end;
        Some(Part::Tilde(user.to_owned()))
    }

    /// Parts up to the end, or up to an unquoted character of `stop` (which is left).
    fn parts(&mut self, context: Context, stop: Option<&str>, parts: &mut Vec<Part>) -> Result<(), WordError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("expansion nests too deeply".to_owned());
        }
        while let Some(c) = self.peek() {
            if stop.is_some_and(|s| s.contains(c)) {
                break;
            }
            match c {
                '\\' => self.backslash(context, parts),
                '\'' if context == Context::Plain => {
                    self.next();
                    let text = self.take_while(|c| c != '\'');
                    self.line += text.matches('\n').count();
                    self.next();
                    parts.push(Part::Quoted(text.to_owned()));
                }
                '"' if context == Context::Plain => {
                    self.next();
                    let mut inner = Vec::new();
                    self.parts(Context::Double, Some("\""), &mut inner)?;
                    self.next();
                    parts.push(Part::Double(inner));
                }
                '"' | '\'' if context == Context::Arith => {
                    self.next();
                }
                '`' => parts.push(self.backticks(context)),
                '$' => self.dollar(context, parts)?,
                _ => {
                    self.next();
                    push_text(parts, context, c);
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn backslash(&mut self, context: Context, parts: &mut Vec<Part>) {
        self.next();
        let Some(c) = self.peek() else { return push_text(parts, context, '\\') };
        match context {
            Context::Plain => {
                self.next();
                if c != '\n' {
                    parts.push(Part::Quoted(c.to_string()));
                }
            }
            Context::Double | Context::HereDoc | Context::Arith => {
                let special = "$`\\".contains(c) || (c == '"' && context != Context::HereDoc) || c == '\n';
                if !special {
                    return push_text(parts, context, '\\');
                }
                self.next();
                if c != '\n' {
                    parts.push(Part::Quoted(c.to_string()));
                }
            }
        }
    }

    fn backticks(&mut self, context: Context) -> Part {
        let line = self.line;
        self.next();
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                '`' => break,
                '\\' => match self.peek() {
                    Some(n) if "$`\\".contains(n) || (n == '"' && context == Context::Double) => {
                        self.next();
                        text.push(n);
                    }
                    _ => text.push('\\'),
                },
                c => text.push(c),
            }
        }
        substitution(text, line)
    }

    fn dollar(&mut self, context: Context, parts: &mut Vec<Part>) -> Result<(), WordError> {
        let line = self.line;
        let start = self.at;
        self.next();
        match self.peek() {
            Some('(') => {
                if self.rest().starts_with("((")
                    && let Some(end) = scan::arithmetic_end(self.text, self.at + 2)
                {
                    let inner = self.text.get(self.at + 2..end).unwrap_or("");
                    parts.push(Part::Arith(arithmetic(inner, line)?));
                    self.at = end + 2;
                    return Ok(());
                }
                let end =
                    scan::command_end(self.text, self.at + 1).ok_or("unexpected EOF while looking for matching `)'")?;
                let inner = self.text.get(self.at + 1..end).unwrap_or("");
                self.line += inner.matches('\n').count();
                self.at = end + 1;
                parts.push(substitution(inner.to_owned(), line));
            }
            Some('[') => {
                let end = self.rest().find(']').ok_or("unexpected EOF while looking for matching `]'")?;
                let inner = self.rest().get(1..end).unwrap_or("");
                parts.push(Part::Arith(arithmetic(inner, line)?));
                self.at += end + 1;
            }
            Some('{') => {
                self.next();
                let param = self.braced(context, start)?;
                parts.push(Part::Param(Arc::new(param)));
            }
            Some('\'') if context == Context::Plain => {
                self.next();
                let (text, used) = ansi_c(self.rest());
                self.at += used;
                parts.push(Part::Quoted(text));
            }
            Some('"') if context == Context::Plain => {}
            Some(c) if is_name_start(c) => {
                let name = self.take_while(is_name_char).to_owned();
                parts.push(simple_param(name));
            }
            Some(c) if c.is_ascii_digit() || "@*#?-$!".contains(c) => {
                self.next();
                parts.push(simple_param(c.to_string()));
            }
            _ => push_text(parts, context, '$'),
        }
        Ok(())
    }

    /// After `${`.
    fn braced(&mut self, context: Context, start: usize) -> Result<Param, WordError> {
        let mut param =
            Param { name: String::new(), index: None, indirect: false, op: Op::None, source: String::new() };
        let mut length = false;
        if self.rest().starts_with('#')
            && !self.rest().starts_with("#}")
            && !self.rest().starts_with("#:")
            && !self.rest().starts_with("##")
        {
            // `${#-}` and `${#?}` are lengths too; `${#-word}` is `$#` with a default.
            let special = self.rest().chars().nth(1).is_some_and(|c| "-?=+%/^,".contains(c))
                && self.rest().chars().nth(2) != Some('}');
            if !special {
                self.next();
                length = true;
            }
        }
        if !length && self.rest().starts_with('!') && !self.rest().starts_with("!}") && !self.rest().starts_with("!:") {
            self.next();
            param.indirect = true;
        }
        self.parameter_name(&mut param)?;
        if length {
            param.op = Op::Length;
        } else {
            self.operator(context, &mut param)?;
        }
        if !self.eat("}") {
            param.op = Op::Bad;
            let mut ignored = Vec::new();
            self.parts(Context::Plain, Some("}"), &mut ignored)?;
            if !self.eat("}") {
                return Err("unexpected EOF while looking for matching `}'".to_owned());
            }
        }
        self.text.get(start..self.at).unwrap_or("").clone_into(&mut param.source);
        Ok(param)
    }

    fn parameter_name(&mut self, param: &mut Param) -> Result<(), WordError> {
        match self.peek() {
            Some(c) if is_name_start(c) => self.take_while(is_name_char).clone_into(&mut param.name),
            Some(c) if c.is_ascii_digit() => self.take_while(|c| c.is_ascii_digit()).clone_into(&mut param.name),
            Some(c) if "@*#?-$!".contains(c) => {
                self.next();
                param.name = c.to_string();
            }
            _ => param.op = Op::Bad,
        }
        if self.peek() == Some('[') && param.name.starts_with(is_name_start) {
            self.next();
            let end = scan::bracket_end(self.text, self.at).ok_or("bad substitution: no closing `]'")?;
            let inner = self.text.get(self.at..end).unwrap_or("");
            param.index = Some(match inner {
                "@" => Index::All,
                "*" => Index::Star,
                _ => Index::Expr(index(inner, self.line)?),
            });
            self.at = end + 1;
        }
        Ok(())
    }

    fn operator(&mut self, context: Context, param: &mut Param) -> Result<(), WordError> {
        let Some(c) = self.peek() else { return Ok(()) };
        if param.indirect && param.index.is_some() && c == '}' {
            if let Some(Index::All | Index::Star) = param.index {
                param.op = Op::Keys(matches!(param.index, Some(Index::Star)));
                param.indirect = false;
            }
            return Ok(());
        }
        if param.indirect && param.index.is_none() && (self.rest().starts_with("*}") || self.rest().starts_with("@}")) {
            param.op = Op::Names(c == '*');
            param.indirect = false;
            self.next();
            return Ok(());
        }
        match c {
            '}' => {}
            ':' if self.rest().chars().nth(1).is_some_and(|n| "-=?+".contains(n)) => {
                self.next();
                let kind = self.next().unwrap_or('-');
                param.op = Op::Default(kind, true, self.operand(context)?);
            }
            '-' | '=' | '?' | '+' => {
                self.next();
                param.op = Op::Default(c, false, self.operand(context)?);
            }
            '#' | '%' => {
                self.next();
                let longest = self.eat(&c.to_string());
                param.op = Op::Trim(c, longest, self.pattern("}")?);
            }
            '/' => {
                self.next();
                let place = match self.peek() {
                    Some(p @ ('/' | '#' | '%')) => {
                        self.next();
                        p
                    }
                    _ => '\0',
                };
                let pattern = self.pattern("/}")?;
                let replacement = if self.eat("/") { self.pattern("}")? } else { Word::default() };
                param.op = Op::Replace(place, pattern, replacement);
            }
            '^' | ',' => {
                self.next();
                let all = self.eat(&c.to_string());
                param.op = Op::Case(c, all, self.pattern("}")?);
            }
            '@' => {
                self.next();
                param.op = match self.next() {
                    Some(t) if "QEPAaUuLKk".contains(t) => Op::Transform(t),
                    _ => Op::Bad,
                };
            }
            ':' => {
                self.next();
                let offset = self.slice()?;
                let length = if self.eat(":") { Some(self.slice()?) } else { None };
                param.op = Op::Substring(offset, length);
            }
            _ => param.op = Op::Bad,
        }
        Ok(())
    }

    /// The word of `${x:-word}`: in double quotes its quotes are ordinary characters, except for `"..."` inside.
    fn operand(&mut self, context: Context) -> Result<Word, WordError> {
        let mut parts = Vec::new();
        if context == Context::Plain {
            parts.extend(self.tilde_in_braces());
            self.parts(Context::Plain, Some("}"), &mut parts)?;
            return Ok(Word { parts });
        }
        loop {
            self.parts(Context::Double, Some("}\""), &mut parts)?;
            if self.peek() != Some('"') {
                break;
            }
            self.next();
            if context != Context::HereDoc {
                continue;
            }
            parts.push(Part::Quoted("\"".to_owned()));
        }
        Ok(Word { parts: vec![Part::Double(parts)] })
    }

    fn tilde_in_braces(&mut self) -> Option<Part> {
        let after = self.rest().strip_prefix('~')?;
        if !after.starts_with(['}', '/']) {
            return None;
        }
        self.at += 1;
        Some(Part::Tilde(String::new()))
    }

    /// A pattern or replacement: quotes count even between double quotes.
    fn pattern(&mut self, stop: &str) -> Result<Word, WordError> {
        let mut parts = Vec::new();
        // A pattern may begin with `/` itself: ${path////x}.
        self.parts(Context::Plain, Some(stop), &mut parts)?;
        Ok(Word { parts })
    }

    /// Offset or length of `${x:offset:length}`; a `:` inside `( ? : )` belongs to the expression.
    fn slice(&mut self) -> Result<Word, WordError> {
        let mut parts = Vec::new();
        let mut open = 0usize;
        let mut questions = 0usize;
        loop {
            self.parts(Context::Arith, Some(":}()?"), &mut parts)?;
            match self.peek() {
                Some('(') => open += 1,
                Some(')') => open = open.saturating_sub(1),
                Some('?') => questions += 1,
                Some(':') if open > 0 || questions > 0 => questions = questions.saturating_sub(1),
                _ => break,
            }
            if let Some(c) = self.next() {
                push_text(&mut parts, Context::Arith, c);
            }
        }
        Ok(Word { parts: vec![Part::Double(parts)] })
    }
}

/// An array subscript: quotes count (they protect an associative array's key).
pub(super) fn index(text: &str, line: usize) -> Result<Word, WordError> {
    let mut parts = Vec::new();
    Parser { text, at: 0, line, depth: 0 }.parts(Context::Plain, None, &mut parts)?;
    Ok(Word { parts })
}

fn substitution(text: String, line: usize) -> Part {
    Part::Command(Arc::new(Substitution { text, line, parsed: OnceLock::new() }))
}

fn simple_param(name: String) -> Part {
    Part::Param(Arc::new(Param { name, index: None, indirect: false, op: Op::None, source: String::new() }))
}

fn push_text(parts: &mut Vec<Part>, context: Context, c: char) {
    match (parts.last_mut(), context) {
        (Some(Part::Text(text)), Context::Plain) => text.push(c),
        (Some(Part::Quoted(text)), Context::Double | Context::HereDoc | Context::Arith) => text.push(c),
        (_, Context::Plain) => parts.push(Part::Text(c.to_string())),
        _ => parts.push(Part::Quoted(c.to_string())),
    }
}
