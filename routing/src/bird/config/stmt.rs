//! Statements and declarations of filters and functions.

use super::lexer::Token;
use super::parser::{Parser, Result};
use super::{Symbol, keywords};
use crate::bird::filter::ast::{Method, StmtKind};
use crate::bird::filter::{Attr, Expr, Stmt, Type, Value};

impl Parser {
    /// Declarations before the block: `int a; ip b;`
    pub(super) fn declarations(&mut self) -> Result<()> {
        while !self.is_mark("{") {
            self.declaration()?;
            self.mark(";")?;
        }
        Ok(())
    }

    /// `int a`, `prefix set b`
    pub(super) fn declaration(&mut self) -> Result<()> {
        let Some(mut kind) = self.type_word() else { return self.unexpected() };
        self.next();
        if self.eat("set") {
            kind = match kind {
                Type::Prefix => Type::PrefixSet,
                Type::Int | Type::Pair | Type::Quad | Type::Ip | Type::Ec | Type::Lc => Type::Set,
                _ => return self.error("You can't make set of that"),
            };
        }
        let name = match self.peek().clone() {
            Token::Symbol(name) if Attr::find(&name).is_none() && !keywords::is_reserved(&name) => name,
            _ => return self.unexpected(),
        };
        self.next();
        if self.scope.names.iter().skip(self.scope.begin).any(|(n, ..)| *n == name) {
            return self.error(format!("Symbol '{name}' already defined"));
        }
        self.scope.names.push((name, self.scope.vars.len(), kind));
        self.scope.vars.push(kind);
        Ok(())
    }

    fn type_word(&self) -> Option<Type> {
        Some(match self.peek() {
            Token::Key("bool") => Type::Bool,
            Token::Key("int") => Type::Int,
            Token::Key("ip") => Type::Ip,
            Token::Key("prefix") => Type::Prefix,
            Token::Key("pair") => Type::Pair,
            Token::Key("quad") => Type::Quad,
            Token::Key("ec") => Type::Ec,
            Token::Key("lc") => Type::Lc,
            Token::Key("string") => Type::String,
            Token::Key("clist") => Type::Clist,
            Token::Key("eclist") => Type::Eclist,
            Token::Key("lclist") => Type::Lclist,
            Token::Symbol(word) if word == "bgpmask" => Type::Mask,
            Token::Symbol(word) if word == "bgppath" => Type::Path,
            _ => return None,
        })
    }

    /// `{ statements }`, with names of its own.
    fn block(&mut self) -> Result<Vec<Stmt>> {
        self.scoped(Self::body)
    }

    fn scoped<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let seen = self.scope.names.len();
        let outer = core::mem::replace(&mut self.scope.begin, seen);
        let done = inner(self);
        self.scope.names.truncate(seen);
        self.scope.begin = outer;
        done
    }

    /// `{ statements }` of a filter or function: its names stand beside the arguments.
    pub(super) fn body(&mut self) -> Result<Vec<Stmt>> {
        self.mark_or_more("{")?;
        let mut body = Vec::new();
        while !self.eat_mark("}") {
            if self.type_word().is_some() {
                self.local_variable(&mut body)?;
            } else if !self.eat_mark(";") {
                body.push(self.statement()?);
            }
        }
        Ok(body)
    }

    /// `{ statements }` of a route by hand, which declare nothing.
    pub(super) fn statements(&mut self) -> Result<Vec<Stmt>> {
        self.mark_or_more("{")?;
        let mut body = Vec::new();
        while !self.eat_mark("}") {
            if !self.eat_mark(";") {
                body.push(self.statement()?);
            }
        }
        Ok(body)
    }

    /// `int a = 5;` inside of a block.
    fn local_variable(&mut self, body: &mut Vec<Stmt>) -> Result<()> {
        let line = self.place().line;
        self.declaration()?;
        if self.eat_mark("=") {
            let value = self.term()?;
            body.push(Stmt { line, kind: StmtKind::Assign(self.scope.vars.len() - 1, value) });
        }
        self.mark_or_more(";")
    }

    fn statement(&mut self) -> Result<Stmt> {
        // Statements beside each other make nothing deeper.
        let chain = self.chain;
        let statement = self.nested(Self::statement_inner);
        self.chain = chain;
        statement
    }

    fn statement_inner(&mut self) -> Result<Stmt> {
        let line = self.place().line;
        let kind = match self.peek().clone() {
            Token::Mark("{") => StmtKind::Block(self.block()?),
            Token::Key("if") => return self.conditional(),
            Token::Key("case") => self.case()?,
            _ => {
                let kind = self.plain_statement()?;
                self.mark_or_more(";")?;
                kind
            }
        };
        Ok(Stmt { line, kind })
    }

    /// `if c then s else if d then t else u`: the chain is read in a loop and joined from its end.
    fn conditional(&mut self) -> Result<Stmt> {
        let mut chain = Vec::new();
        let mut last = loop {
            let line = self.place().line;
            self.next();
            let above = self.chain;
            let condition = self.term()?;
            self.chain = above;
            self.chained()?;
            self.key_or_more("then")?;
            chain.push((line, condition, Box::new(self.statement()?)));
            if !self.eat("else") {
                break None;
            }
            if !self.is_key("if") {
                break Some(self.statement()?);
            }
        };
        while let Some((line, condition, then)) = chain.pop() {
            last = Some(Stmt { line, kind: StmtKind::If(condition, then, last.map(Box::new)) });
        }
        last.map_or_else(|| self.unexpected(), Ok)
    }

    fn key_or_more(&mut self, key: &str) -> Result<()> {
        if self.eat(key) { Ok(()) } else { self.unexpected() }
    }

    fn plain_statement(&mut self) -> Result<StmtKind> {
        match self.peek().clone() {
            Token::Key(word @ ("accept" | "reject")) => {
                self.next();
                let parts = if self.is_mark(";") { Vec::new() } else { self.print_parts()? };
                Ok(StmtKind::End(word == "accept", parts))
            }
            Token::Key(word @ ("print" | "printn")) => {
                self.next();
                Ok(StmtKind::Print(self.print_parts()?, word == "print"))
            }
            Token::Key("return") => {
                self.next();
                Ok(StmtKind::Return(self.term()?))
            }
            Token::Key("unset") => {
                self.next();
                self.mark("(")?;
                let attr = self.attribute()?;
                self.mark(")")?;
                Ok(StmtKind::Unset(attr))
            }
            Token::Symbol(name) => match self.scope.names.iter().rev().find(|(n, ..)| *n == name) {
                Some((_, slot, kind)) => {
                    let (slot, kind) = (*slot, *kind);
                    self.next();
                    self.mark_or_more("=")?;
                    let value = self.term()?;
                    self.check_type("VAR_SET", kind, &value)?;
                    Ok(StmtKind::Assign(slot, value))
                }
                None if Attr::find(&name).is_some() => self.attribute_statement(),
                None if self.is_function(&name) => Ok(StmtKind::Call(self.term()?)),
                None => self.unexpected(),
            },
            Token::Key(word) if Attr::find(word).is_some() => self.attribute_statement(),
            _ => self.unexpected(),
        }
    }

    fn print_parts(&mut self) -> Result<Vec<Expr>> {
        let mut parts = vec![self.term()?];
        while self.eat_mark(",") {
            parts.push(self.term()?);
        }
        Ok(parts)
    }

    /// `bgp_med = 5`, `bgp_path.prepend(65000)`, `bgp_community.empty`
    fn attribute_statement(&mut self) -> Result<StmtKind> {
        let attr = self.attribute()?;
        if self.eat_mark(".") {
            let method = self.method()?;
            let argument = if method == Method::Empty {
                None
            } else {
                self.mark("(")?;
                let argument = self.term()?;
                self.mark_or_more(")")?;
                Some(argument)
            };
            if !matches!(method, Method::Empty | Method::Prepend | Method::Add | Method::Delete | Method::Filter) {
                return self.unexpected();
            }
            return Ok(StmtKind::Change(attr, method, argument));
        }
        self.mark_or_more("=")?;
        if !attr.is_writable() {
            return self.error("This static attribute is read-only.");
        }
        let value = self.term()?;
        self.check_type("EA_SET", attr.kind(), &value)?;
        Ok(StmtKind::Set(attr, value))
    }

    /// What can be said of a value's type before it is computed.
    fn check_type(&self, of: &str, wanted: Type, value: &Expr) -> Result<()> {
        let Expr::Const(value) = value else { return Ok(()) };
        let got = value.kind();
        let fits = got == wanted
            || matches!((wanted, value), (Type::Quad, Value::Ip(_)) | (Type::Enum, Value::Enum(..)))
            || (wanted == Type::PrefixSet && matches!(value, Value::Set(s) if s.ranges.is_empty()));
        if fits {
            return Ok(());
        }
        let (wanted, got) = (wanted.name(), got.name());
        self.error(format!("Argument 1 of {of} must be of type {wanted}, got type {got}"))
    }

    /// `case x { 1, 2..5: statements; else: statements; }`
    fn case(&mut self) -> Result<StmtKind> {
        self.next();
        let what = self.term()?;
        self.mark_or_more("{")?;
        let mut arms = Vec::new();
        while !self.eat_mark("}") {
            let set = if self.eat("else") { None } else { Some(std::sync::Arc::new(self.case_set()?)) };
            self.mark_or_more(":")?;
            arms.push((set, self.scoped(Self::arm)?));
        }
        // Whatever its place, `else` is asked last.
        arms.sort_by_key(|(set, _)| set.is_none());
        Ok(StmtKind::Case(what, arms))
    }

    fn arm(&mut self) -> Result<Vec<Stmt>> {
        let mut body = Vec::new();
        while !self.is_mark("}") && !self.begins_arm() {
            if self.type_word().is_some() {
                self.local_variable(&mut body)?;
            } else {
                body.push(self.statement()?);
            }
        }
        Ok(body)
    }

    fn begins_arm(&self) -> bool {
        match self.peek() {
            Token::Key("else") | Token::Number(_) | Token::Ip(_) | Token::Mark("(") => true,
            Token::Symbol(name) => {
                let constant = matches!(self.config.symbols.get(name), Some(Symbol::Constant(_)));
                constant || crate::bird::filter::value::ENUMS.iter().any(|(n, ..)| n == name)
            }
            _ => false,
        }
    }
}
