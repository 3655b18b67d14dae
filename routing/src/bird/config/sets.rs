//! Sets in brackets, path masks, and expressions that are typed at a running daemon.

use std::sync::Arc;

use super::lexer::{self, Token};
use super::parser::{Parser, Result};
use super::{Config, Error};
use crate::bird::filter::ast::MaskPart;
use crate::bird::filter::set::{Key, MaskItem, PrefixPattern, PrefixSet, Set, key};
use crate::bird::filter::{Expr, Value};

/// The most elements of a set.
const MAX_ELEMENTS: usize = 1 << 20;

impl Parser {
    /// `[ 1, 2..5 ]`, `[ 10.0.0.0/8+, 192.168.0.0/16{24,28} ]`
    pub(super) fn set(&mut self) -> Result<Value> {
        self.next();
        if self.eat_mark("]") {
            return Ok(Value::Set(Arc::default()));
        }
        let prefixes = match (self.peek(), self.peek_second()) {
            (Token::Ip(_), Token::Mark("/")) => true,
            (Token::Symbol(name), _) => {
                matches!(self.config.symbols.get(name), Some(super::Symbol::Constant(Value::Prefix(_))))
            }
            _ => false,
        };
        let value = if prefixes {
            Value::PrefixSet(Arc::new(PrefixSet { patterns: self.prefix_patterns()? }))
        } else {
            Value::Set(Arc::new(Set::new(self.ranges()?)))
        };
        self.mark_or_more("]")?;
        Ok(value)
    }

    fn prefix_patterns(&mut self) -> Result<Vec<PrefixPattern>> {
        let mut patterns = Vec::new();
        loop {
            let Value::Prefix(net) = self.constant_term()? else { return self.error("Prefix expected") };
            let len = net.prefix_len();
            let (low, high) = if self.eat_mark("+") {
                (len, 32)
            } else if self.eat_mark("-") {
                (0, len)
            } else if self.eat_mark("{") {
                let low = self.plain_number()?;
                self.mark(",")?;
                let high = self.plain_number()?;
                if low > high || high > 32 {
                    return self.error(format!("Invalid prefix pattern range: {{{low}, {high}}}"));
                }
                self.mark("}")?;
                (low as u8, high as u8)
            } else {
                (len, len)
            };
            patterns.push(PrefixPattern { net, low, high });
            if !self.eat_mark(",") || patterns.len() >= MAX_ELEMENTS {
                return Ok(patterns);
            }
        }
    }

    /// A number that is written as one: no constant is allowed here.
    fn plain_number(&mut self) -> Result<u32> {
        match *self.peek() {
            Token::Number(n) => {
                self.next();
                Ok(n)
            }
            _ => self.unexpected_but("NUM"),
        }
    }

    /// The alternatives before a colon.
    pub(super) fn case_set(&mut self) -> Result<Set> {
        Ok(Set::new(self.ranges()?))
    }

    fn ranges(&mut self) -> Result<Vec<(Key, Key)>> {
        let mut ranges: Vec<(Key, Key)> = Vec::new();
        loop {
            let (low, high) = self.element()?;
            let range = if self.eat_mark("..") { (low, self.element()?.1) } else { (low, high) };
            if range.0.0 != range.1.0 || ranges.first().is_some_and(|(first, _)| first.0 != range.0.0) {
                return self.error("Incompatible value in set");
            }
            ranges.push(range);
            if !self.eat_mark(",") || ranges.len() >= MAX_ELEMENTS {
                return Ok(ranges);
            }
        }
    }

    /// An element, as a range: communities may have parts that are `*` or ranges themselves.
    fn element(&mut self) -> Result<(Key, Key)> {
        if !self.is_mark("(") {
            let value = self.constant_term()?;
            return match key(&value) {
                Some(key) => Ok((key, key)),
                None => self.error("Incompatible value in set"),
            };
        }
        self.next();
        let subtype = match self.peek() {
            Token::Key("rt") => Some(2u32),
            Token::Key("ro") => Some(3),
            _ => None,
        };
        if subtype.is_some() {
            self.next();
            self.mark(",")?;
        }
        let mut parts = Vec::new();
        loop {
            parts.push(self.part()?);
            if !self.eat_mark(",") {
                break;
            }
        }
        self.mark_or_more(")")?;
        match (subtype, parts.as_slice()) {
            (None, [single]) => Ok(((0, single.0, 0, 0), (0, single.1, 0, 0))),
            (None, [a, b]) if a.0 <= 0xffff && b.0 <= 0xffff => {
                let low = (3, a.0 << 16 | b.0, 0, 0);
                Ok((low, (3, a.1.min(0xffff) << 16 | b.1.min(0xffff), 0, 0)))
            }
            (None, [a, b, c]) => Ok(((5, a.0, b.0, c.0), (5, a.1, b.1, c.1))),
            (Some(subtype), [a, b]) => {
                let wide = if a.0 > 0xffff { 0x0200u32 } else { 0 };
                let at = |asn: u32, data: u32| {
                    let value = if wide == 0 {
                        u64::from(asn) << 32 | u64::from(data)
                    } else {
                        u64::from(asn) << 16 | u64::from(data & 0xffff)
                    };
                    let value = u64::from(wide | subtype) << 48 | value;
                    (4, (value >> 32) as u32, value as u32, 0)
                };
                Ok((at(a.0, b.0), at(a.1.min(if wide == 0 { 0xffff } else { u32::MAX }), b.1)))
            }
            _ => self.error("Incompatible value in set"),
        }
    }

    fn part(&mut self) -> Result<(u32, u32)> {
        if self.eat_mark("*") {
            return Ok((0, u32::MAX));
        }
        let low = self.number()?;
        Ok(if self.eat_mark("..") { (low, self.number()?) } else { (low, low) })
    }

    /// `[= 65000 * ? [1, 2..3] =]`
    pub(super) fn mask(&mut self) -> Result<Expr> {
        self.next();
        let mut parts = Vec::new();
        while !self.eat_mark("=]") {
            if parts.len() > 4096 {
                return self.error("memory exhausted");
            }
            parts.push(self.mask_part()?);
        }
        if parts.iter().all(|part| matches!(part, MaskPart::Item(_))) {
            let items = parts.into_iter().filter_map(|part| match part {
                MaskPart::Item(item) => Some(item),
                MaskPart::Expr(_) => None,
            });
            return Ok(Expr::Const(Value::Mask(Arc::new(items.collect()))));
        }
        Ok(Expr::Mask(parts))
    }

    fn mask_part(&mut self) -> Result<MaskPart> {
        let item = match self.peek().clone() {
            Token::Mark("*") => {
                self.next();
                MaskItem::Star
            }
            Token::Mark("?") => {
                self.next();
                MaskItem::Any
            }
            Token::Number(low) => {
                self.next();
                let high = if self.eat_mark("..") { self.number()? } else { low };
                MaskItem::Range(low, high)
            }
            Token::Mark("[") => {
                let Value::Set(set) = self.set()? else { return self.error("Number expected") };
                if set.ranges.iter().any(|(low, _)| low.0 != 0) {
                    return self.error("Number expected");
                }
                MaskItem::Set(set.ranges.iter().map(|(low, high)| (low.1, high.1)).collect())
            }
            Token::Mark("(") => {
                self.next();
                let expr = self.term()?;
                self.mark_or_more(")")?;
                return Ok(MaskPart::Expr(expr));
            }
            Token::Symbol(_) => match self.constant_term()? {
                Value::Int(n) => MaskItem::Range(n, n),
                _ => return self.error("Number expected"),
            },
            _ => return self.unexpected(),
        };
        Ok(MaskPart::Item(item))
    }
}

/// What is typed at a running daemon behind `eval`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_expression(config: &Config, text: &str) -> core::result::Result<Expr, Error> {
    let mut parser = Parser::with_names(lexer::lex("", text, &mut |_| Err(String::new()))?, config);
    let expr = parser.term()?;
    if *parser.peek() == Token::End { Ok(expr) } else { parser.unexpected() }
}
