//! The recogniser's words: quotes, brackets and expansions up to their ends.

use super::diagnose::{Token, Walk, Walked, Wrong};
use super::scan;

/// Constructs nest this deep at most: the recogniser recurses.
const DEPTH_MAX: usize = 100;

impl Walk<'_> {
    pub(super) fn read_word(&mut self) -> Walked {
        let start = self.at;
        let mut quoted = false;
        while let Some(b) = self.byte(0) {
            match b {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')' => break,
                b'<' | b'>' if self.byte(1) == Some(b'(') => {
                    self.at += 2;
                    self.substitution()?;
                }
                b'<' | b'>' => break,
                b'(' => {
                    let before = self.text.get(start..self.at).unwrap_or("");
                    if before.ends_with('=') && before.len() > 1 {
                        self.array()?;
                    } else if before.ends_with(['@', '?', '*', '+', '!']) {
                        self.closing(b'(', b')', ")")?;
                    } else {
                        break;
                    }
                }
                b'\\' | b'\'' | b'"' | b'`' => {
                    quoted = true;
                    self.quoted()?;
                }
                b'$' => self.dollar()?,
                _ => self.step(),
            }
        }
        let text = self.text.get(start..self.at).unwrap_or("").to_owned();
        self.token = Token::Word { text, quoted };
        Ok(())
    }

    /// A quoted piece, from its quote to after its partner.
    pub(super) fn quoted(&mut self) -> Walked {
        let line = self.line;
        let quote = self.byte(0);
        self.at += 1;
        match quote {
            Some(b'\\') => {
                if self.at >= self.text.len() && !self.lenient {
                    return Err(Wrong::Continued);
                }
                self.skip_char();
                Ok(())
            }
            Some(b'\'') => self.until(b'\'', "'", line, false),
            Some(b'`') => self.until(b'`', "`", line, true),
            _ => self.double(line),
        }
    }

    pub(super) fn skip_char(&mut self) {
        let length = self.text.get(self.at..).and_then(|r| r.chars().next()).map_or(1, char::len_utf8);
        if self.byte(0) == Some(b'\n') {
            self.line += 1;
        }
        self.at += length;
    }

    pub(super) fn until(&mut self, end: u8, name: &'static str, line: usize, escapes: bool) -> Walked {
        loop {
            match self.byte(0) {
                None => return Err(Wrong::Unclosed(name, line)),
                Some(b'\\') if escapes => {
                    self.at += 1;
                    self.skip_char();
                }
                Some(b) => {
                    self.step();
                    if b == end {
                        return Ok(());
                    }
                }
            }
        }
    }

    pub(super) fn double(&mut self, line: usize) -> Walked {
        loop {
            match self.byte(0) {
                None => return Err(Wrong::Unclosed("\"", line)),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.skip_char();
                }
                Some(b'`') => self.quoted()?,
                Some(b'$') if self.byte(1).is_some_and(|b| b == b'(' || b == b'{') => self.dollar()?,
                Some(_) => self.step(),
            }
        }
    }

    /// `$...`: expansions and `$'...'`.
    pub(super) fn dollar(&mut self) -> Walked {
        let line = self.line;
        match (self.byte(1), self.byte(2)) {
            (Some(b'\''), _) => {
                self.at += 2;
                self.until(b'\'', "'", line, true)
            }
            (Some(b'('), Some(b'(')) if scan::arithmetic_end(self.text, self.at + 3).is_some() => {
                let end = scan::arithmetic_end(self.text, self.at + 3).unwrap_or(self.at) + 2;
                while self.at < end {
                    self.step();
                }
                Ok(())
            }
            (Some(b'('), Some(b'(')) if self.text.get(self.at..).is_some_and(|r| !r.contains(')')) => {
                Err(Wrong::Unclosed(")", line))
            }
            (Some(b'('), _) => {
                self.at += 2;
                self.substitution()
            }
            (Some(b'{'), _) => {
                self.at += 1;
                self.closing(b'{', b'}', "}")
            }
            _ => {
                self.at += 1;
                Ok(())
            }
        }
    }

    /// From an opening bracket to after its partner; quotes and expansions inside are skipped.
    pub(super) fn closing(&mut self, open: u8, close: u8, name: &'static str) -> Walked {
        let line = self.line;
        let mut depth = 0usize;
        loop {
            match self.byte(0) {
                None => return Err(Wrong::Unclosed(name, line)),
                Some(b'\\' | b'\'' | b'"' | b'`') => self.quoted()?,
                Some(b'$') => {
                    self.enter()?;
                    self.dollar()?;
                    self.depth -= 1;
                }
                Some(b) => {
                    self.step();
                    if b == open {
                        depth += 1;
                    } else if b == close {
                        depth = depth.saturating_sub(1);
                        if depth == 0 {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    pub(super) fn enter(&mut self) -> Walked {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(Wrong::Deep) } else { Ok(()) }
    }

    /// The words of `name=( ... )`.
    pub(super) fn array(&mut self) -> Walked {
        let line = self.line;
        let outer = self.token.clone();
        self.enter()?;
        self.at += 1;
        loop {
            self.token = Token::Op("(");
            self.advance()?;
            match self.token {
                Token::Op(")") => break,
                Token::Word { .. } => {}
                Token::Newline if self.at < self.text.len() => {}
                Token::Newline | Token::End => return Err(Wrong::Unclosed(")", line)),
                Token::Op(_) => return Err(self.unexpected()),
            }
        }
        self.depth -= 1;
        self.token = outer;
        Ok(())
    }

    /// The commands of a `$(...)`, up to after its `)`.
    pub(super) fn substitution(&mut self) -> Walked {
        let outer = self.token.clone();
        self.enter()?;
        self.substitutions += 1;
        self.token = Token::Op("(");
        self.advance()?;
        self.list(&[")"], true)?;
        self.substitutions -= 1;
        match self.token {
            Token::Op(")") => {}
            Token::End => return Err(Wrong::Unclosed(")", self.last_line())),
            _ => return Err(self.unexpected()),
        }
        self.depth -= 1;
        self.token = outer;
        Ok(())
    }
}
