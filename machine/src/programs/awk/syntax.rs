//! awk's grammar: text into a tree.

use std::sync::Arc;

use regex::bytes::Regex;

use super::lex::{Parsed, Token, lex};
use crate::regexp::{Syntax, compile};

/// How deep expressions nest.
pub(super) const DEPTH_MAX: usize = 60;

#[derive(Debug)]
pub(super) struct Script {
    pub(super) begin: Vec<Arc<Block>>,
    pub(super) end: Vec<Arc<Block>>,
    pub(super) rules: Vec<Rule>,
    pub(super) functions: Vec<Function>,
}

pub(super) type Block = Vec<Stmt>;

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) from: Option<Expr>,
    pub(super) to: Option<Expr>,
    /// `None`: print the line.
    pub(super) body: Option<Arc<Block>>,
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) params: Vec<String>,
    pub(super) body: Arc<Block>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Output {
    Stdout,
    Write,
    Append,
    Pipe,
}

#[derive(Debug)]
pub(super) enum Stmt {
    Expr(Expr),
    Print(Vec<Expr>, Output, Option<Expr>),
    Printf(Vec<Expr>, Output, Option<Expr>),
    If(Expr, Block, Block),
    While(Expr, Block),
    Do(Block, Expr),
    For(Option<Box<Stmt>>, Option<Expr>, Option<Box<Stmt>>, Block),
    ForIn(String, String, Block),
    Block(Block),
    Next,
    NextFile,
    Exit(Option<Expr>),
    Return(Option<Expr>),
    Break,
    Continue,
    Delete(String, Vec<Expr>),
}

#[derive(Clone, Debug)]
pub(super) enum Expr {
    Number(f64),
    Text(String),
    Regex(Regex),
    Var(String),
    Field(Box<Expr>),
    Index(String, Vec<Expr>),
    In(Vec<Expr>, String),
    Assign(Box<Expr>, &'static str, Box<Expr>),
    Step(Box<Expr>, f64, bool),
    Unary(char, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Match(bool, Box<Expr>, Box<Expr>),
    Cond(Box<Expr>, Box<Expr>, Box<Expr>),
    Call(String, Vec<Expr>),
    Group(Box<Expr>),
}

/// Compiles a dynamic or literal expression.
pub(super) fn regex(source: &str) -> Parsed<Regex> {
    compile(source, Syntax::Extended, false).map_err(|e| format!("regular expression compile failed ({e})\n{source}"))
}

pub(super) struct Parser {
    pub(super) tokens: Vec<(Token, usize)>,
    pub(super) at: usize,
    pub(super) depth: usize,
    /// Inside `print > file` and `for (x in`: these operators end an expression.
    pub(super) no_in: bool,
    pub(super) no_greater: bool,
}

/// Parses a whole program.
pub(super) fn parse(text: &str) -> Parsed<Script> {
    let mut p = Parser { tokens: lex(text)?, at: 0, depth: 0, no_in: false, no_greater: false };
    let mut script = Script { begin: Vec::new(), end: Vec::new(), rules: Vec::new(), functions: Vec::new() };
    loop {
        p.skip_newlines();
        match p.peek().clone() {
            Token::End => break,
            Token::Op(";") => p.at += 1,
            Token::Name(name) if name == "BEGIN" || name == "END" => {
                p.at += 1;
                p.skip_newlines();
                let block = Arc::new(p.block()?);
                if name == "BEGIN" { script.begin.push(block) } else { script.end.push(block) }
            }
            Token::Name(name) if name == "function" || name == "func" => {
                p.at += 1;
                script.functions.push(p.function()?);
            }
            _ => script.rules.push(p.rule()?),
        }
    }
    Ok(script)
}

impl Parser {
    pub(super) fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |t| &t.0)
    }

    pub(super) fn error<T>(&self) -> Parsed<T> {
        let line = self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |t| t.1);
        let near = match self.peek() {
            Token::Number(n) => n.to_string(),
            Token::Text(t) => format!("\"{t}\""),
            Token::Regex(r) => format!("/{r}/"),
            Token::Name(n) | Token::FuncName(n) => n.clone(),
            Token::Op(op) => (*op).to_owned(),
            Token::Newline | Token::End => "end of file".to_owned(),
        };
        Err(format!("line {line}: syntax error at or near {near}"))
    }

    pub(super) fn is(&self, op: &str) -> bool {
        matches!(self.peek(), Token::Op(o) if *o == op)
    }

    pub(super) fn eat(&mut self, op: &str) -> bool {
        let found = self.is(op);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, op: &str) -> Parsed<()> {
        if self.eat(op) { Ok(()) } else { self.error() }
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Name(n) if n == word)
    }

    pub(super) fn skip_newlines(&mut self) {
        while *self.peek() == Token::Newline {
            self.at += 1;
        }
    }

    pub(super) fn skip_ends(&mut self) {
        while *self.peek() == Token::Newline || self.is(";") {
            self.at += 1;
        }
    }

    pub(super) fn name(&mut self) -> Parsed<String> {
        match self.peek().clone() {
            Token::Name(name) | Token::FuncName(name) => {
                self.at += 1;
                Ok(name)
            }
            _ => self.error(),
        }
    }

    pub(super) fn function(&mut self) -> Parsed<Function> {
        let name = self.name()?;
        self.expect("(")?;
        let mut params = Vec::new();
        while !self.is(")") {
            params.push(self.name()?);
            if !self.eat(",") {
                break;
            }
            self.skip_newlines();
        }
        self.expect(")")?;
        self.skip_newlines();
        Ok(Function { name, params, body: Arc::new(self.block()?) })
    }

    pub(super) fn rule(&mut self) -> Parsed<Rule> {
        let mut rule = Rule { from: None, to: None, body: None };
        if !self.is("{") {
            rule.from = Some(self.expr()?);
            if self.eat(",") {
                self.skip_newlines();
                rule.to = Some(self.expr()?);
            }
        }
        if self.is("{") {
            rule.body = Some(Arc::new(self.block()?));
        }
        Ok(rule)
    }

    pub(super) fn block(&mut self) -> Parsed<Block> {
        self.expect("{")?;
        let mut out = Vec::new();
        loop {
            self.skip_ends();
            if self.eat("}") {
                return Ok(out);
            }
            out.push(self.stmt()?);
        }
    }

    /// The body of `if`, `while`, `for`: a block, a statement or nothing.
    pub(super) fn body(&mut self) -> Parsed<Block> {
        self.skip_newlines();
        if self.is("{") {
            return self.block();
        }
        if self.eat(";") {
            return Ok(Vec::new());
        }
        Ok(vec![self.stmt()?])
    }

    pub(super) fn end_of_stmt(&mut self) -> Parsed<()> {
        match self.peek() {
            Token::Newline | Token::Op(";") => {
                self.at += 1;
                Ok(())
            }
            Token::Op("}") | Token::End => Ok(()),
            _ => self.error(),
        }
    }

    pub(super) fn stmt(&mut self) -> Parsed<Stmt> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("statements nest too deeply".to_owned());
        }
        let stmt = self.stmt_inner();
        self.depth -= 1;
        stmt
    }

    pub(super) fn stmt_inner(&mut self) -> Parsed<Stmt> {
        if self.is("{") {
            return Ok(Stmt::Block(self.block()?));
        }
        let word = match self.peek() {
            Token::Name(name) => name.clone(),
            _ => String::new(),
        };
        match word.as_str() {
            "if" => {
                self.at += 1;
                self.expect("(")?;
                let condition = self.expr()?;
                self.expect(")")?;
                let yes = self.body()?;
                let before = self.at;
                self.skip_ends();
                if !self.is_word("else") {
                    self.at = before;
                    return Ok(Stmt::If(condition, yes, Vec::new()));
                }
                self.at += 1;
                Ok(Stmt::If(condition, yes, self.body()?))
            }
            "while" => {
                self.at += 1;
                self.expect("(")?;
                let condition = self.expr()?;
                self.expect(")")?;
                Ok(Stmt::While(condition, self.body()?))
            }
            "do" => {
                self.at += 1;
                let body = self.body()?;
                self.skip_ends();
                if !self.is_word("while") {
                    return self.error();
                }
                self.at += 1;
                self.expect("(")?;
                let condition = self.expr()?;
                self.expect(")")?;
                self.end_of_stmt()?;
                Ok(Stmt::Do(body, condition))
            }
            "for" => self.for_stmt(),
            _ => {
                let stmt = self.simple()?;
                self.end_of_stmt()?;
                Ok(stmt)
            }
        }
    }

    pub(super) fn for_stmt(&mut self) -> Parsed<Stmt> {
        self.at += 1;
        self.expect("(")?;
        let names: Vec<&Token> = (0..4).filter_map(|n| self.tokens.get(self.at + n).map(|t| &t.0)).collect();
        if let [Token::Name(var), Token::Name(word), Token::Name(array), Token::Op(")")] = names.as_slice()
            && word == "in"
        {
            let (var, array) = (var.clone(), array.clone());
            self.at += 4;
            return Ok(Stmt::ForIn(var, array, self.body()?));
        }
        let init = if self.is(";") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(";")?;
        self.skip_newlines();
        let condition = if self.is(";") { None } else { Some(self.expr()?) };
        self.expect(";")?;
        self.skip_newlines();
        let step = if self.is(")") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(")")?;
        Ok(Stmt::For(init, condition, step, self.body()?))
    }

    pub(super) fn optional(&mut self) -> Parsed<Option<Expr>> {
        match self.peek() {
            Token::Newline | Token::Op(";" | "}") | Token::End => Ok(None),
            _ => self.expr().map(Some),
        }
    }

    pub(super) fn simple(&mut self) -> Parsed<Stmt> {
        let word = match self.peek() {
            Token::Name(name) => name.clone(),
            _ => String::new(),
        };
        let simple = match word.as_str() {
            "next" => Stmt::Next,
            "nextfile" => Stmt::NextFile,
            "break" => Stmt::Break,
            "continue" => Stmt::Continue,
            "exit" => {
                self.at += 1;
                return Ok(Stmt::Exit(self.optional()?));
            }
            "return" => {
                self.at += 1;
                return Ok(Stmt::Return(self.optional()?));
            }
            "delete" => {
                self.at += 1;
                let name = self.name()?;
                let mut index = Vec::new();
                if self.eat("[") {
                    index = self.list("]")?;
                    self.expect("]")?;
                }
                return Ok(Stmt::Delete(name, index));
            }
            "print" | "printf" => return self.print(word == "printf"),
            _ => return Ok(Stmt::Expr(self.expr()?)),
        };
        self.at += 1;
        Ok(simple)
    }

    pub(super) fn print(&mut self, formatted: bool) -> Parsed<Stmt> {
        self.at += 1;
        let outer = std::mem::replace(&mut self.no_greater, true);
        let mut args = Vec::new();
        if !matches!(self.peek(), Token::Newline | Token::Op(";" | "}" | ">" | ">>" | "|") | Token::End) {
            args = self.list("")?;
        }
        // `print (a, b)`
        if let [Expr::Call(name, list)] = args.as_mut_slice()
            && name == "("
        {
            args = std::mem::take(list);
        }
        self.no_greater = outer;
        let output = match self.peek() {
            Token::Op(">") => Output::Write,
            Token::Op(">>") => Output::Append,
            Token::Op("|") => Output::Pipe,
            _ => Output::Stdout,
        };
        let mut target = None;
        if output != Output::Stdout {
            self.at += 1;
            target = Some(self.concatenation(true)?);
        }
        Ok(if formatted { Stmt::Printf(args, output, target) } else { Stmt::Print(args, output, target) })
    }
}
