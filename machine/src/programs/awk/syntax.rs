//! awk's grammar: text into a tree.

use std::sync::Arc;

use regex::bytes::Regex;

use crate::regexp::{Syntax, compile};

/// How deep expressions nest.
const DEPTH_MAX: usize = 60;

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

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Number(f64),
    Text(String),
    Regex(String),
    Name(String),
    /// A name directly followed by `(`.
    FuncName(String),
    Op(&'static str),
    Newline,
    End,
}

const OPERATORS: [&str; 44] = [
    "**=", "&&", "||", "==", "<=", ">=", "!=", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "!~", ">>", "**", "{",
    "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", "<", ">", "|", "?", ":", "~", "$", "=", "&",
    "@", "\\",
];

pub(super) const BUILTINS: [&str; 22] = [
    "length", "substr", "index", "split", "sub", "gsub", "match", "sprintf", "sin", "cos", "atan2", "exp", "log",
    "sqrt", "int", "rand", "srand", "tolower", "toupper", "system", "close", "fflush",
];

type Parsed<T> = Result<T, String>;

fn lex(text: &str) -> Parsed<Vec<(Token, usize)>> {
    let chars: Vec<char> = text.chars().collect();
    let mut out: Vec<(Token, usize)> = Vec::new();
    let mut i = 0;
    let mut line = 1;
    while let Some(&c) = chars.get(i) {
        match c {
            ' ' | '\t' | '\r' => i += 1,
            '\\' if chars.get(i + 1) == Some(&'\n') => {
                i += 2;
                line += 1;
            }
            '\n' => {
                out.push((Token::Newline, line));
                i += 1;
                line += 1;
            }
            '#' => {
                while chars.get(i).is_some_and(|c| *c != '\n') {
                    i += 1;
                }
            }
            '"' => {
                let (text, end) = string(&chars, i + 1).ok_or(format!("line {line}: runaway string constant"))?;
                out.push((Token::Text(text), line));
                i = end;
            }
            c if c.is_ascii_digit() || (c == '.' && chars.get(i + 1).is_some_and(char::is_ascii_digit)) => {
                let rest: String = chars.get(i..).unwrap_or(&[]).iter().take(60).collect();
                let (value, left) = if let Some(hex) = rest.strip_prefix("0x") {
                    let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
                    (i64::from_str_radix(&hex[..end], 16).unwrap_or(0) as f64, &hex[end..])
                } else {
                    crate::format::leading_float(&rest)
                };
                i += (rest.len() - left.len()).max(1);
                out.push((Token::Number(value), line));
            }
            c if c == '_' || c.is_ascii_alphabetic() => {
                let start = i;
                while chars.get(i).is_some_and(|c| *c == '_' || c.is_ascii_alphanumeric()) {
                    i += 1;
                }
                let name: String = chars.get(start..i).unwrap_or(&[]).iter().collect();
                let call = chars.get(i) == Some(&'(') && !KEYWORDS.contains(&name.as_str());
                out.push((if call { Token::FuncName(name) } else { Token::Name(name) }, line));
            }
            '/' if regex_allowed(out.last().map(|t| &t.0)) => {
                let (source, end) =
                    regex_text(&chars, i + 1).ok_or(format!("line {line}: regular expression not terminated"))?;
                out.push((Token::Regex(source), line));
                i = end;
            }
            _ => {
                let op = OPERATORS.iter().find(|op| op.chars().enumerate().all(|(n, o)| chars.get(i + n) == Some(&o)));
                let op = op.ok_or(format!("line {line}: syntax error at or near {c}"))?;
                out.push((Token::Op(op), line));
                i += op.len();
            }
        }
    }
    out.push((Token::Newline, line));
    out.push((Token::End, line));
    Ok(out)
}

const KEYWORDS: [&str; 19] = [
    "BEGIN", "END", "function", "func", "if", "else", "while", "for", "do", "break", "continue", "next", "nextfile",
    "exit", "return", "delete", "in", "print", "printf",
];

fn regex_allowed(last: Option<&Token>) -> bool {
    match last {
        Some(Token::Number(_) | Token::Text(_) | Token::Regex(_) | Token::Op(")" | "]" | "$" | "++" | "--")) => false,
        Some(Token::Name(name)) => KEYWORDS.contains(&name.as_str()),
        _ => true,
    }
}

fn string(chars: &[char], mut i: usize) -> Option<(String, usize)> {
    let mut out = String::new();
    loop {
        match chars.get(i)? {
            '"' => return Some((out, i + 1)),
            '\n' => return None,
            '\\' => {
                let rest: String = chars.get(i + 1..)?.iter().take(4).collect();
                match chars.get(i + 1)? {
                    '"' | '/' => {
                        out.push(*chars.get(i + 1)?);
                        i += 2;
                    }
                    '\n' => i += 2,
                    'x' => {
                        out.push_str("\\x");
                        i += 2;
                    }
                    _ => {
                        let mut bytes = Vec::new();
                        let used = crate::bash::escape(&rest, &mut bytes);
                        out.push_str(&String::from_utf8_lossy(&bytes));
                        i += 1 + used.max(1);
                    }
                }
            }
            c => {
                out.push(*c);
                i += 1;
            }
        }
    }
}

fn regex_text(chars: &[char], mut i: usize) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut in_set = false;
    loop {
        match chars.get(i)? {
            '/' if !in_set => return Some((out, i + 1)),
            '\n' => return None,
            '\\' if chars.get(i + 1) == Some(&'/') => {
                out.push('/');
                i += 2;
            }
            '\\' => {
                out.push('\\');
                out.push(*chars.get(i + 1)?);
                i += 2;
            }
            c => {
                match c {
                    '[' => in_set = true,
                    ']' => in_set = false,
                    _ => {}
                }
                out.push(*c);
                i += 1;
            }
        }
    }
}

/// Compiles a dynamic or literal expression.
pub(super) fn regex(source: &str) -> Parsed<Regex> {
    compile(source, Syntax::Extended, false).map_err(|e| format!("regular expression compile failed ({e})\n{source}"))
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    /// Inside `print > file` and `for (x in`: these operators end an expression.
    no_in: bool,
    no_greater: bool,
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
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |t| &t.0)
    }

    fn error<T>(&self) -> Parsed<T> {
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

    fn is(&self, op: &str) -> bool {
        matches!(self.peek(), Token::Op(o) if *o == op)
    }

    fn eat(&mut self, op: &str) -> bool {
        let found = self.is(op);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, op: &str) -> Parsed<()> {
        if self.eat(op) { Ok(()) } else { self.error() }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Name(n) if n == word)
    }

    fn skip_newlines(&mut self) {
        while *self.peek() == Token::Newline {
            self.at += 1;
        }
    }

    fn skip_ends(&mut self) {
        while *self.peek() == Token::Newline || self.is(";") {
            self.at += 1;
        }
    }

    fn name(&mut self) -> Parsed<String> {
        match self.peek().clone() {
            Token::Name(name) | Token::FuncName(name) => {
                self.at += 1;
                Ok(name)
            }
            _ => self.error(),
        }
    }

    fn function(&mut self) -> Parsed<Function> {
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

    fn rule(&mut self) -> Parsed<Rule> {
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

    fn block(&mut self) -> Parsed<Block> {
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
    fn body(&mut self) -> Parsed<Block> {
        self.skip_newlines();
        if self.is("{") {
            return self.block();
        }
        if self.eat(";") {
            return Ok(Vec::new());
        }
        Ok(vec![self.stmt()?])
    }

    fn end_of_stmt(&mut self) -> Parsed<()> {
        match self.peek() {
            Token::Newline | Token::Op(";") => {
                self.at += 1;
                Ok(())
            }
            Token::Op("}") | Token::End => Ok(()),
            _ => self.error(),
        }
    }

    fn stmt(&mut self) -> Parsed<Stmt> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("statements nest too deeply".to_owned());
        }
        let stmt = self.stmt_inner();
        self.depth -= 1;
        stmt
    }

    fn stmt_inner(&mut self) -> Parsed<Stmt> {
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

    fn for_stmt(&mut self) -> Parsed<Stmt> {
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

    fn optional(&mut self) -> Parsed<Option<Expr>> {
        match self.peek() {
            Token::Newline | Token::Op(";" | "}") | Token::End => Ok(None),
            _ => self.expr().map(Some),
        }
    }

    fn simple(&mut self) -> Parsed<Stmt> {
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

    fn print(&mut self, formatted: bool) -> Parsed<Stmt> {
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

    fn list(&mut self, end: &str) -> Parsed<Vec<Expr>> {
        let mut out = Vec::new();
        if !end.is_empty() && self.is(end) {
            return Ok(out);
        }
        loop {
            self.skip_newlines();
            out.push(self.expr()?);
            if !self.eat(",") {
                return Ok(out);
            }
        }
    }

    fn expr(&mut self) -> Parsed<Expr> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("expressions nest too deeply".to_owned());
        }
        let expr = self.ternary();
        self.depth -= 1;
        expr
    }

    fn ternary(&mut self) -> Parsed<Expr> {
        let left = self.or()?;
        if self.eat("?") {
            self.skip_newlines();
            let yes = self.expr()?;
            self.skip_newlines();
            self.expect(":")?;
            self.skip_newlines();
            let no = self.expr()?;
            return Ok(Expr::Cond(Box::new(left), Box::new(yes), Box::new(no)));
        }
        if matches!(left, Expr::Var(_) | Expr::Field(_) | Expr::Index(..)) {
            for op in ["=", "+=", "-=", "*=", "/=", "%=", "^=", "**="] {
                if self.eat(op) {
                    self.skip_newlines();
                    let right = self.expr()?;
                    let op = if op == "**=" { "^" } else { op.trim_end_matches('=') };
                    return Ok(Expr::Assign(Box::new(left), op, Box::new(right)));
                }
            }
        }
        Ok(left)
    }

    fn or(&mut self) -> Parsed<Expr> {
        let mut left = self.and()?;
        while self.eat("||") {
            self.skip_newlines();
            left = Expr::Binary("||", Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expr> {
        let mut left = self.membership()?;
        while self.eat("&&") {
            self.skip_newlines();
            left = Expr::Binary("&&", Box::new(left), Box::new(self.membership()?));
        }
        Ok(left)
    }

    fn membership(&mut self) -> Parsed<Expr> {
        let mut left = self.matching()?;
        while !self.no_in && self.is_word("in") {
            self.at += 1;
            let array = self.name()?;
            let index = match left {
                Expr::Call(name, list) if name == "(" => list,
                other => vec![other],
            };
            left = Expr::In(index, array);
        }
        Ok(left)
    }

    fn matching(&mut self) -> Parsed<Expr> {
        let mut left = self.comparison()?;
        loop {
            let negated = self.is("!~");
            if !negated && !self.is("~") {
                return Ok(left);
            }
            self.at += 1;
            left = Expr::Match(negated, Box::new(left), Box::new(self.comparison()?));
        }
    }

    fn comparison(&mut self) -> Parsed<Expr> {
        let left = self.concatenation(false)?;
        for op in ["<=", ">=", "==", "!=", "<", ">"] {
            if op == ">" && self.no_greater {
                continue;
            }
            if self.eat(op) {
                return Ok(Expr::Binary(op, Box::new(left), Box::new(self.concatenation(false)?)));
            }
        }
        if self.is("|") && matches!(self.tokens.get(self.at + 1), Some((Token::Name(n), _)) if n == "getline") {
            return Err("cmd | getline: not supported by hopwise".to_owned());
        }
        Ok(left)
    }

    fn concatenation(&mut self, target: bool) -> Parsed<Expr> {
        let mut left = self.additive()?;
        loop {
            let starts = match self.peek() {
                Token::Number(_)
                | Token::Text(_)
                | Token::Regex(_)
                | Token::FuncName(_)
                | Token::Op("$" | "!" | "(" | "-" | "+" | "++" | "--") => true,
                Token::Name(name) => !KEYWORDS.contains(&name.as_str()) && name != "getline",
                _ => false,
            };
            if !starts || (target && self.is("(")) {
                return Ok(left);
            }
            left = Expr::Binary(" ", Box::new(left), Box::new(self.additive()?));
        }
    }

    fn additive(&mut self) -> Parsed<Expr> {
        let mut left = self.term()?;
        loop {
            let op = if self.is("+") {
                "+"
            } else if self.is("-") {
                "-"
            } else {
                return Ok(left);
            };
            self.at += 1;
            left = Expr::Binary(op, Box::new(left), Box::new(self.term()?));
        }
    }

    fn term(&mut self) -> Parsed<Expr> {
        let mut left = self.unary()?;
        loop {
            let op = ["*", "/", "%"].into_iter().find(|op| self.is(op));
            let Some(op) = op else { return Ok(left) };
            self.at += 1;
            left = Expr::Binary(op, Box::new(left), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("expressions nest too deeply".to_owned());
        }
        let sign = ['!', '-', '+'].into_iter().find(|c| self.is(&c.to_string()));
        let result = match sign {
            Some(sign) => {
                self.at += 1;
                self.unary().map(|e| Expr::Unary(sign, Box::new(e)))
            }
            None => self.power(),
        };
        self.depth -= 1;
        result
    }

    fn power(&mut self) -> Parsed<Expr> {
        let base = self.postfix()?;
        if self.eat("^") || self.eat("**") {
            return Ok(Expr::Binary("^", Box::new(base), Box::new(self.unary()?)));
        }
        Ok(base)
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let expr = self.primary()?;
        if matches!(expr, Expr::Var(_) | Expr::Field(_) | Expr::Index(..)) {
            for (op, step) in [("++", 1.0), ("--", -1.0)] {
                if self.eat(op) {
                    return Ok(Expr::Step(Box::new(expr), step, false));
                }
            }
        }
        Ok(expr)
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let token = self.peek().clone();
        self.at += 1;
        match token {
            Token::Number(n) => Ok(Expr::Number(n)),
            Token::Text(t) => Ok(Expr::Text(t)),
            Token::Regex(source) => Ok(Expr::Regex(regex(&source)?)),
            Token::Op("$") => {
                let inner =
                    if self.is("++") || self.is("--") || self.is("-") { self.unary()? } else { self.primary()? };
                Ok(Expr::Field(Box::new(inner)))
            }
            Token::Op(op @ ("++" | "--")) => {
                let target = self.primary()?;
                Ok(Expr::Step(Box::new(target), if op == "++" { 1.0 } else { -1.0 }, true))
            }
            Token::Op("(") => {
                let outer = (std::mem::take(&mut self.no_greater), std::mem::take(&mut self.no_in));
                let mut list = self.list(")")?;
                self.skip_newlines();
                self.expect(")")?;
                (self.no_greater, self.no_in) = outer;
                if list.len() == 1 {
                    return Ok(Expr::Group(Box::new(list.remove(0))));
                }
                // A list in brackets: an index for `in`, or print's arguments.
                Ok(Expr::Call("(".to_owned(), list))
            }
            Token::FuncName(name) => {
                self.expect("(")?;
                let outer = std::mem::take(&mut self.no_greater);
                let args = self.list(")")?;
                self.skip_newlines();
                self.expect(")")?;
                self.no_greater = outer;
                Ok(Expr::Call(name, args))
            }
            Token::Name(name) if name == "getline" => Err("getline: not supported by hopwise".to_owned()),
            Token::Name(name) if name == "length" => Ok(Expr::Call(name, Vec::new())),
            Token::Name(name) if !KEYWORDS.contains(&name.as_str()) => {
                if self.eat("[") {
                    let outer = std::mem::take(&mut self.no_greater);
                    let index = self.list("]")?;
                    self.expect("]")?;
                    self.no_greater = outer;
                    return Ok(Expr::Index(name, index));
                }
                Ok(Expr::Var(name))
            }
            _ => {
                self.at -= 1;
                self.error()
            }
        }
    }
}
