//! The recogniser's `[[ ... ]]`.

use super::diagnose::{Token, Walk, Walked, Wrong};

impl Walk<'_> {
    /// `[[ ... ]]`, whose errors bash tells in sentences of their own (`parse_cond_command` in parse.y).
    pub(super) fn condition(&mut self) -> Walked {
        self.advance()?;
        self.newlines()?;
        self.condition_or()?;
        if self.is_word("]]") {
            self.advance()?;
            return self.redirections();
        }
        Err(match &self.token {
            Token::End => self.no_condition_end(),
            Token::Newline if self.at >= self.text.len() => self.no_condition_end(),
            Token::Op(op) => {
                self.in_condition(&format!("syntax error in conditional expression: unexpected token `{op}'"))
            }
            _ => self.in_condition("syntax error in conditional expression"),
        })
    }

    pub(super) fn no_condition_end(&self) -> Wrong {
        Wrong::Unclosed("]]", self.token_line)
    }

    pub(super) fn in_condition(&self, message: &str) -> Wrong {
        Wrong::Condition(message.to_owned(), self.token_line)
    }

    pub(super) fn condition_or(&mut self) -> Walked {
        loop {
            self.condition_term()?;
            if !matches!(self.token, Token::Op("&&" | "||")) {
                return Ok(());
            }
            self.advance()?;
            self.newlines()?;
        }
    }

    pub(super) fn condition_term(&mut self) -> Walked {
        while self.is_word("!") {
            self.advance()?;
        }
        if self.token == Token::Op("(") {
            self.enter()?;
            self.advance()?;
            self.condition_or()?;
            self.depth -= 1;
            if self.token != Token::Op(")") {
                let shown = self.shown();
                return Err(self.in_condition(&format!("unexpected token `{shown}', expected `)'")));
            }
            return self.advance();
        }
        let Token::Word { text, quoted } = self.token.clone() else {
            return Err(if self.token == Token::End || self.at >= self.text.len() {
                self.no_condition_end()
            } else {
                self.in_condition("syntax error in conditional expression")
            });
        };
        if text == "]]" {
            return Err(self.in_condition("syntax error in conditional expression"));
        }
        self.advance()?;
        if !quoted && text.len() == 2 && text.starts_with('-') && !self.is_condition_end() {
            return self.operand("unary");
        }
        if !quoted && text.len() == 2 && text.starts_with('-') && self.is_word("]]") {
            return self.operand("unary");
        }
        match &self.token {
            Token::Op("<" | ">") => {
                self.advance()?;
                self.operand("binary")
            }
            _ if self.is_condition_end() => Ok(()),
            Token::Word { text, .. } if text == "=~" => self.regex(),
            Token::Word { text, .. } if ["=", "==", "!="].contains(&text.as_str()) || text.starts_with('-') => {
                self.advance()?;
                self.operand("binary")
            }
            _ => Err(self.in_condition("conditional binary operator expected")),
        }
    }

    pub(super) fn is_condition_end(&self) -> bool {
        self.is_word("]]") || matches!(self.token, Token::Op("&&" | "||" | ")") | Token::Newline | Token::End)
    }

    pub(super) fn shown(&self) -> String {
        match &self.token {
            Token::Word { text, .. } => text.clone(),
            Token::Op(op) => (*op).to_owned(),
            Token::Newline | Token::End => "newline".to_owned(),
        }
    }

    pub(super) fn operand(&mut self, kind: &str) -> Walked {
        if matches!(self.token, Token::Word { .. }) && !self.is_word("]]") {
            return self.advance();
        }
        let shown = self.shown();
        Err(self.in_condition(&format!("unexpected argument `{shown}' to conditional {kind} operator")))
    }

    /// The operand of `=~`: one word, in which brackets protect blanks.
    pub(super) fn regex(&mut self) -> Walked {
        while matches!(self.byte(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let line = self.line;
        let mut depth = 0usize;
        while let Some(b) = self.byte(0) {
            match b {
                b' ' | b'\t' | b'\n' | b';' if depth == 0 => break,
                b'\\' | b'\'' | b'"' | b'`' => {
                    self.quoted()?;
                    continue;
                }
                b'$' => {
                    self.dollar()?;
                    continue;
                }
                b'(' => depth += 1,
                b')' if depth == 0 => break,
                b')' => depth -= 1,
                _ => {}
            }
            self.step();
        }
        if depth > 0 {
            return Err(Wrong::OpenRegex(line, self.last_line()));
        }
        self.advance()
    }
}
