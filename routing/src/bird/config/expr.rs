//! Expressions: terms with operators, in BIRD's order of binding.

use std::net::Ipv4Addr;

use super::Symbol;
use super::lexer::Token;
use super::parser::{Parser, Result};
use crate::bird::filter::ast::{Method, Op};
use crate::bird::filter::value::ENUMS;
use crate::bird::filter::{self, Attr, Expr, Type, Value};
use ipnet::Ipv4Net;

/// Operators with how tightly they bind.
const OPERATORS: &[(&str, Op, u8)] = &[
    ("&&", Op::And, 1),
    ("||", Op::Or, 1),
    ("=", Op::Equal, 2),
    ("!=", Op::NotEqual, 2),
    ("<=", Op::LessEqual, 2),
    (">=", Op::GreaterEqual, 2),
    ("<", Op::Less, 2),
    (">", Op::Greater, 2),
    ("~", Op::In, 2),
    ("!~", Op::NotIn, 2),
    ("+", Op::Add, 3),
    ("-", Op::Subtract, 3),
    ("*", Op::Multiply, 4),
    ("/", Op::Divide, 4),
];

impl Parser {
    /// An expression.
    pub(super) fn term(&mut self) -> Result<Expr> {
        self.nested(|p| p.binary(0))
    }

    fn binary(&mut self, least: u8) -> Result<Expr> {
        let above = self.chain;
        let mut left = self.unary()?;
        while let Token::Mark(mark) = self.peek() {
            let Some((_, op, binding)) = OPERATORS.iter().find(|(m, ..)| m == mark) else { break };
            if *binding < least {
                break;
            }
            self.next();
            let left_chain = core::mem::replace(&mut self.chain, above);
            let right = self.nested(|p| p.binary(binding + 1))?;
            // Each operator makes the tree one deeper than the deeper of its sides.
            self.chain = self.chain.max(left_chain);
            self.chained()?;
            left = Expr::Binary(*op, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr> {
        if self.eat_mark("!") {
            return Ok(Expr::Not(Box::new(self.nested(Self::unary)?)));
        }
        let mut value = self.primary()?;
        while self.eat_mark(".") {
            self.chained()?;
            let method = self.method()?;
            let argument = if self.eat_mark("(") {
                let argument = self.term()?;
                self.mark_or_more(")")?;
                Some(Box::new(argument))
            } else {
                None
            };
            value = Expr::Method(Box::new(value), method, argument);
        }
        Ok(value)
    }

    pub(super) fn method(&mut self) -> Result<Method> {
        let method = match self.peek() {
            Token::Key("len") => Method::Len,
            Token::Key("ip") => Method::Ip,
            Token::Key("type") => Method::Type,
            Token::Key("first") => Method::First,
            Token::Key("last") => Method::Last,
            Token::Key("empty") => Method::Empty,
            Token::Key("prepend") => Method::Prepend,
            Token::Key("add") => Method::Add,
            Token::Key("delete") => Method::Delete,
            Token::Key("filter") => Method::Filter,
            Token::Symbol(word) => match &**word {
                "last_nonaggregated" => Method::LastNonaggregated,
                "asn" => Method::Asn,
                "data" => Method::Data,
                "mask" => Method::Mask,
                "is_v4" => Method::IsV4,
                _ => return self.unexpected(),
            },
            _ => return self.unexpected(),
        };
        self.next();
        Ok(method)
    }

    fn primary(&mut self) -> Result<Expr> {
        match self.peek().clone() {
            Token::Number(n) => {
                self.next();
                Ok(Expr::Const(Value::Int(n)))
            }
            Token::Text(text) => {
                self.next();
                Ok(Expr::Const(Value::Text(text.into())))
            }
            Token::Ip(addr) => {
                self.next();
                if self.is_mark("/") && matches!(self.peek_second(), Token::Number(_)) {
                    return Ok(Expr::Const(Value::Prefix(self.prefix_of(addr)?)));
                }
                Ok(Expr::Const(Value::Ip(addr)))
            }
            Token::Ip6(_) => self.error("There is no IPv6 here"),
            Token::Mark("(") => self.parenthesis(),
            Token::Mark("[") => self.set().map(Expr::Const),
            Token::Mark("[=") => self.mask(),
            Token::Mark("+") => {
                // `+empty+`
                self.next();
                self.key("empty")?;
                self.mark("+")?;
                Ok(Expr::Const(Value::empty(Type::Path)))
            }
            Token::Mark("-") => {
                self.next();
                self.key("empty")?;
                self.mark("-")?;
                Ok(Expr::Const(Value::empty(Type::Clist)))
            }
            Token::Key("true") => self.boolean(true),
            Token::Key("false") => self.boolean(false),
            Token::Key("defined") => {
                self.next();
                self.mark("(")?;
                let attr = self.attribute()?;
                self.mark(")")?;
                Ok(Expr::Defined(attr))
            }
            Token::Key(word @ ("prepend" | "add" | "delete" | "filter")) => self.old_method(word),
            Token::Key(word) => match Attr::find(word) {
                Some(attr) => {
                    self.next();
                    Ok(Expr::Attr(attr))
                }
                None => self.unexpected(),
            },
            Token::Symbol(name) => self.named(&name),
            _ => self.unexpected(),
        }
    }

    fn boolean(&mut self, value: bool) -> Result<Expr> {
        self.next();
        Ok(Expr::Const(Value::Bool(value)))
    }

    /// `prepend(path, x)`, `add(list, x)`: the method as a function.
    fn old_method(&mut self, word: &str) -> Result<Expr> {
        let method = match word {
            "prepend" => Method::Prepend,
            "add" => Method::Add,
            "delete" => Method::Delete,
            _ => Method::Filter,
        };
        self.next();
        self.mark("(")?;
        let value = self.term()?;
        self.mark_or_more(",")?;
        let argument = self.term()?;
        self.mark_or_more(")")?;
        Ok(Expr::Method(Box::new(value), method, Some(Box::new(argument))))
    }

    pub(super) fn attribute(&mut self) -> Result<Attr> {
        let name = match self.peek() {
            Token::Key(word) => (*word).to_owned(),
            Token::Symbol(name) => name.clone(),
            _ => return self.unexpected(),
        };
        match Attr::find(&name) {
            Some(attr) => {
                self.next();
                Ok(attr)
            }
            None => self.unexpected(),
        }
    }

    fn named(&mut self, name: &str) -> Result<Expr> {
        if let Some((_, slot, _)) = self.scope.names.iter().rev().find(|(n, ..)| n == name) {
            let slot = *slot;
            self.next();
            return Ok(Expr::Var(slot));
        }
        if let Some(attr) = Attr::find(name) {
            self.next();
            return Ok(Expr::Attr(attr));
        }
        if let Some((_, kind, value)) = ENUMS.iter().find(|(n, ..)| *n == name) {
            self.next();
            return Ok(Expr::Const(Value::Enum(*kind, *value)));
        }
        if let Some((_, params)) = self.scope.function.clone().filter(|(own, _)| own == name) {
            self.next();
            return Ok(Expr::Again(self.arguments(name, params)?));
        }
        match self.config.symbols.get(name).cloned() {
            Some(Symbol::Constant(value)) => {
                self.next();
                Ok(Expr::Const(value))
            }
            Some(Symbol::Function(function)) => {
                self.next();
                let arguments = self.arguments(name, function.params.len())?;
                Ok(Expr::Call(function, arguments))
            }
            _ => self.unexpected(),
        }
    }

    /// What is called by this name is a function.
    pub(super) fn is_function(&self, name: &str) -> bool {
        let itself = self.scope.function.as_ref().is_some_and(|(own, _)| own == name);
        itself || matches!(self.config.symbols.get(name), Some(Symbol::Function(_)))
    }

    /// The arguments of a call: so many.
    fn arguments(&mut self, name: &str, wanted: usize) -> Result<Vec<Expr>> {
        if !self.eat_mark("(") {
            return self.error(format!("Can't get value of symbol {name}"));
        }
        let mut arguments = Vec::new();
        while !self.is_mark(")") {
            arguments.push(self.term()?);
            if !self.eat_mark(",") {
                break;
            }
        }
        if !self.is_mark(")") {
            return self.unexpected();
        }
        let got = arguments.len();
        if wanted != got {
            return self.error(format!("Function '{name}' expects {wanted} arguments, got {got} arguments"));
        }
        self.next();
        Ok(arguments)
    }

    /// `(x)`, `(a, b)`, `(a, b, c)`, `(rt, a, b)`
    fn parenthesis(&mut self) -> Result<Expr> {
        self.next();
        let subtype = match self.peek() {
            Token::Key("rt") => Some(2),
            Token::Key("ro") => Some(3),
            _ => None,
        };
        if let Some(subtype) = subtype {
            self.next();
            self.mark(",")?;
            let key = self.term()?;
            self.mark_or_more(",")?;
            let data = self.term()?;
            self.mark_or_more(")")?;
            return Ok(Expr::Ec(subtype, Box::new(key), Box::new(data)));
        }
        let first = self.term()?;
        if self.eat_mark(")") {
            return Ok(first);
        }
        self.mark_or_more(",")?;
        let second = self.term()?;
        if self.eat_mark(")") {
            return Ok(Expr::Pair(Box::new(first), Box::new(second)));
        }
        self.mark_or_more(",")?;
        let third = self.term()?;
        self.mark_or_more(")")?;
        Ok(Expr::Triple(Box::new([first, second, third])))
    }

    /// What follows an address: `/len`.
    pub(super) fn prefix_of(&mut self, addr: Ipv4Addr) -> Result<Ipv4Net> {
        self.next();
        let Token::Number(len) = *self.peek() else { return self.unexpected() };
        let net = u8::try_from(len).ok().and_then(|len| Ipv4Net::new(addr, len).ok());
        let Some(net) = net else { return self.error(format!("Invalid prefix length {len}")) };
        if net.trunc().network() != addr {
            return self.error(format!("Invalid IPv4 prefix {net}, maybe you wanted {}", net.trunc()));
        }
        self.next();
        Ok(net)
    }

    /// An expression that can be computed now.
    pub(super) fn constant(&mut self) -> Result<Value> {
        let line = self.place().line;
        let expr = self.term()?;
        self.computed(&expr, line)
    }

    /// The same without operators, as in sets, which have no sets in them.
    pub(super) fn constant_term(&mut self) -> Result<Value> {
        if self.is_mark("[") || self.is_mark("[=") {
            return self.unexpected();
        }
        let line = self.place().line;
        let expr = self.primary()?;
        self.computed(&expr, line)
    }

    fn computed(&self, expr: &Expr, line: u32) -> Result<Value> {
        filter::evaluate(expr, line).or_else(|_| self.error("runtime error"))
    }

    /// A number, a constant that is one, or an expression in parentheses.
    pub(super) fn number(&mut self) -> Result<u32> {
        match self.peek() {
            Token::Number(n) => {
                let n = *n;
                self.next();
                return Ok(n);
            }
            Token::Mark("(") => {}
            Token::Symbol(name) if matches!(self.config.symbols.get(name), Some(Symbol::Constant(_))) => {}
            _ => return self.unexpected(),
        }
        match self.constant_term()? {
            Value::Int(n) => Ok(n),
            _ => self.error("Number expected"),
        }
    }

    /// An address or a constant that is one.
    pub(super) fn address(&mut self) -> Result<Ipv4Addr> {
        match self.peek() {
            Token::Ip(addr) => {
                let addr = *addr;
                self.next();
                return Ok(addr);
            }
            Token::Ip6(_) => return self.error("There is no IPv6 here"),
            Token::Symbol(name) if matches!(self.config.symbols.get(name), Some(Symbol::Constant(_))) => {}
            _ => return self.unexpected(),
        }
        match self.constant_term()? {
            Value::Ip(addr) | Value::Quad(addr) => Ok(addr),
            _ => self.error("IP address expected"),
        }
    }
}
