//! sed's scripts: text into commands.

use regex::bytes::Regex;

use crate::regexp::{Syntax, compile};

#[derive(Clone, Debug)]
pub(super) enum Address {
    Line(usize),
    Step(usize, usize),
    Last,
    /// `None`: the last expression that was used.
    Match(Option<Regex>),
    /// `addr,+N`
    Plus(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) from: Option<Address>,
    pub(super) to: Option<Address>,
    pub(super) negate: bool,
    /// The range under way: its end's line, if known.
    pub(super) active: Option<usize>,
    pub(super) name: char,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    None,
    Text(String),
    /// `b t T`: a label; the place to jump to.
    Jump(String),
    /// `{`: where its `}` is.
    Block(usize),
    Substitute {
        regex: Option<Regex>,
        parts: Vec<Piece>,
        global: bool,
        nth: usize,
        print: bool,
        file: Option<String>,
    },
    Translate(Vec<char>, Vec<char>),
    Exit(i32),
}

#[derive(Clone, Debug)]
pub(super) enum Piece {
    Text(String),
    Group(usize),
    /// `\U \L \u \l \E`
    Case(char),
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    syntax: Syntax,
}

type Parsed<T> = Result<T, (usize, String)>;

/// Parses a script; the error has its position.
pub(super) fn parse(script: &str, syntax: Syntax) -> Parsed<Vec<Command>> {
    let mut p = Parser { chars: script.chars().collect(), at: 0, syntax };
    let mut commands: Vec<Command> = Vec::new();
    let mut blocks = Vec::new();
    loop {
        p.skip(|c| c.is_whitespace() || c == ';');
        if p.peek().is_none() {
            break;
        }
        if p.peek() == Some('#') {
            p.skip(|c| c != '\n');
            continue;
        }
        let command = p.command()?;
        match command.name {
            '{' => blocks.push(commands.len()),
            '}' => {
                let open = blocks.pop().ok_or_else(|| p.error("unexpected `}'"))?;
                let end = commands.len();
                if let Some(c) = commands.get_mut(open) {
                    c.what = What::Block(end);
                }
            }
            _ => {}
        }
        commands.push(command);
    }
    if !blocks.is_empty() {
        return Err((0, "unmatched `{'".to_owned()));
    }
    for command in &commands {
        if let What::Jump(label) = &command.what
            && !label.is_empty()
            && !commands.iter().any(|c| c.name == ':' && matches!(&c.what, What::Text(t) if t == label))
        {
            return Err((p.at, format!("can't find label for jump to `{label}'")));
        }
    }
    Ok(commands)
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }
    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }
    fn skip(&mut self, keep: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&keep) {
            self.at += 1;
        }
    }
    fn error(&self, text: &str) -> (usize, String) {
        (self.at, text.to_owned())
    }

    fn number(&mut self) -> Option<usize> {
        let start = self.at;
        self.skip(|c| c.is_ascii_digit());
        self.chars.get(start..self.at)?.iter().collect::<String>().parse().ok()
    }

    /// Text up to an unprotected delimiter; `\` before it is taken away, other escapes stay.
    fn delimited(&mut self, delimiter: char, regex: bool, unterminated: &str) -> Parsed<String> {
        let mut out = String::new();
        let mut in_set = false;
        loop {
            let c = self.next().ok_or_else(|| self.error(unterminated))?;
            match c {
                '\\' => match self.next() {
                    Some(n) if n == delimiter && !(regex && "|(){}+?".contains(n)) => out.push(n),
                    Some('n') => out.push_str("\\n"),
                    Some(n) => {
                        out.push('\\');
                        out.push(n);
                    }
                    None => return Err(self.error(unterminated)),
                },
                '[' if regex && !in_set => {
                    in_set = true;
                    out.push('[');
                    if self.peek() == Some('^') {
                        out.extend(self.next());
                    }
                    if self.peek() == Some(']') {
                        out.extend(self.next());
                    }
                }
                ']' if in_set => {
                    in_set = false;
                    out.push(']');
                }
                c if c == delimiter && !in_set => return Ok(out),
                c => out.push(c),
            }
        }
    }

    fn regex(&self, source: &str, ignore_case: bool) -> Parsed<Option<Regex>> {
        if source.is_empty() {
            return Ok(None);
        }
        // Line by line, sed's ^ and $ are those of the pattern space.
        let source = source.replace("\\n", "\n");
        compile(&source, self.syntax, ignore_case).map(Some).map_err(|e| self.error(&e))
    }

    fn address(&mut self) -> Parsed<Option<Address>> {
        Ok(Some(match self.peek() {
            Some('$') => {
                self.at += 1;
                Address::Last
            }
            Some(c) if c.is_ascii_digit() => {
                let line = self.number().unwrap_or(0);
                if self.peek() == Some('~') {
                    self.at += 1;
                    Address::Step(line, self.number().unwrap_or(0))
                } else {
                    Address::Line(line)
                }
            }
            Some('/' | '\\') => {
                let mut delimiter = self.next().unwrap_or('/');
                if delimiter == '\\' {
                    delimiter = self.next().ok_or_else(|| self.error("unexpected `,'"))?;
                }
                let source = self.delimited(delimiter, true, "unterminated address regex")?;
                let fold = self.peek() == Some('I');
                if fold {
                    self.at += 1;
                }
                Address::Match(self.regex(&source, fold)?)
            }
            _ => return Ok(None),
        }))
    }

    fn command(&mut self) -> Parsed<Command> {
        let from = self.address()?;
        let mut to = None;
        self.skip(|c| c == ' ' || c == '\t');
        if from.is_some() && self.peek() == Some(',') {
            self.at += 1;
            self.skip(|c| c == ' ');
            to = if self.peek() == Some('+') {
                self.at += 1;
                self.number().map(Address::Plus)
            } else {
                self.address()?
            };
            if to.is_none() {
                return Err(self.error("unexpected `,'"));
            }
        }
        self.skip(|c| c == ' ' || c == '\t');
        let mut negate = false;
        while self.peek() == Some('!') {
            negate = true;
            self.at += 1;
            self.skip(|c| c == ' ');
        }
        let name = self.next().ok_or_else(|| self.error("missing command"))?;
        let what = self.what(name)?;
        if !matches!(name, '{' | ':' | 'a' | 'i' | 'c' | 'b' | 't' | 'T' | 'r' | 'w') {
            self.skip(|c| c == ' ' || c == '\t');
            match self.peek() {
                None | Some(';' | '\n' | '#' | '}') => {}
                Some(_) if name == 's' => return Err((self.at + 1, "unknown option to `s'".to_owned())),
                Some(_) => return Err((self.at + 1, "extra characters after command".to_owned())),
            }
        }
        Ok(Command { from, to, negate, active: None, name, what })
    }

    fn what(&mut self, name: char) -> Parsed<What> {
        Ok(match name {
            '{' | '}' | 'd' | 'D' | 'g' | 'G' | 'h' | 'H' | 'n' | 'N' | 'p' | 'P' | 'x' | '=' | 'l' | 'F' | 'z' => {
                What::None
            }
            'q' | 'Q' => {
                self.skip(|c| c == ' ');
                What::Exit(self.number().map_or(0, |n| n as i32))
            }
            'a' | 'i' | 'c' => What::Text(self.text()?),
            ':' | 'b' | 't' | 'T' => {
                self.skip(|c| c == ' ');
                let start = self.at;
                self.skip(|c| c != '\n' && (name == ':' || (c != ';' && c != '}' && c != ' ')) && c != ';');
                let label =
                    self.chars.get(start..self.at).unwrap_or(&[]).iter().collect::<String>().trim_end().to_owned();
                if name == ':' { What::Text(label) } else { What::Jump(label) }
            }
            'r' | 'w' => {
                self.skip(|c| c == ' ');
                let start = self.at;
                self.skip(|c| c != '\n');
                What::Text(self.chars.get(start..self.at).unwrap_or(&[]).iter().collect())
            }
            's' => self.substitute()?,
            'y' => {
                let delimiter = self.next().ok_or_else(|| self.error("unterminated `y' command"))?;
                let unescape = |t: String| t.replace("\\n", "\n").replace("\\\\", "\\").chars().collect::<Vec<_>>();
                let from = unescape(self.delimited(delimiter, false, "unterminated `y' command")?);
                let to = unescape(self.delimited(delimiter, false, "unterminated `y' command")?);
                if from.len() != to.len() {
                    return Err(self.error("strings for `y' command are different lengths"));
                }
                What::Translate(from, to)
            }
            other => return Err(self.error(&format!("unknown command: `{other}'"))),
        })
    }

    /// The text of a, i, c: one-line or after `\` and a newline.
    fn text(&mut self) -> Parsed<String> {
        self.skip(|c| c == ' ' || c == '\t');
        if self.peek() == Some('\\') {
            self.at += 1;
            self.skip(|c| c == ' ' || c == '\t');
            if self.peek() == Some('\n') {
                self.at += 1;
            }
        }
        if self.peek().is_none() {
            return Err(self.error("expected \\ after `a', `c' or `i'"));
        }
        let mut out = String::new();
        while let Some(c) = self.next() {
            match c {
                '\\' => out.extend(self.next()),
                '\n' => break,
                c => out.push(c),
            }
        }
        out.push('\n');
        Ok(out)
    }

    fn substitute(&mut self) -> Parsed<What> {
        const OPEN: &str = "unterminated `s' command";
        let delimiter = self.next().ok_or_else(|| self.error(OPEN))?;
        let source = self.delimited(delimiter, true, OPEN)?;
        let replacement = self.replacement(delimiter)?;
        let (mut global, mut nth, mut print, mut fold, mut file) = (false, 0, false, false, None);
        loop {
            match self.peek() {
                Some('g') => global = true,
                Some('p') => print = true,
                Some('i' | 'I') => fold = true,
                Some('m' | 'M') => {}
                Some('w') => {
                    self.at += 1;
                    self.skip(|c| c == ' ');
                    let start = self.at;
                    self.skip(|c| c != '\n');
                    file = Some(self.chars.get(start..self.at).unwrap_or(&[]).iter().collect());
                    break;
                }
                Some(c) if c.is_ascii_digit() => {
                    nth = self.number().unwrap_or(0);
                    if nth == 0 {
                        return Err(self.error("number option to `s' command may not be zero"));
                    }
                    continue;
                }
                _ => break,
            }
            self.at += 1;
        }
        let regex = self.regex(&source, fold)?;
        if let Some(regex) = &regex {
            let highest = replacement
                .iter()
                .filter_map(|p| if let Piece::Group(n) = p { Some(*n) } else { None })
                .max()
                .unwrap_or(0);
            if highest >= regex.captures_len() {
                return Err(self.error(&format!("invalid reference \\{highest} on `s' command's RHS")));
            }
        }
        Ok(What::Substitute { regex, parts: replacement, global, nth, print, file })
    }

    fn replacement(&mut self, delimiter: char) -> Parsed<Vec<Piece>> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let push = |text: &mut String, parts: &mut Vec<Piece>, piece| {
            if !text.is_empty() {
                parts.push(Piece::Text(std::mem::take(text)));
            }
            parts.push(piece);
        };
        loop {
            match self.next().ok_or_else(|| self.error("unterminated `s' command"))? {
                '\\' => match self.next() {
                    Some(d) if d.is_ascii_digit() => {
                        push(&mut text, &mut parts, Piece::Group(d as usize - '0' as usize))
                    }
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(c) if "ULulE".contains(c) => push(&mut text, &mut parts, Piece::Case(c)),
                    Some(c) => text.push(c),
                    None => return Err(self.error("unterminated `s' command")),
                },
                '&' => push(&mut text, &mut parts, Piece::Group(0)),
                c if c == delimiter => break,
                c => text.push(c),
            }
        }
        if !text.is_empty() {
            parts.push(Piece::Text(text));
        }
        Ok(parts)
    }
}
