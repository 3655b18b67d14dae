//! awk's grammar: expressions, by falling precedence.

use super::lex::{KEYWORDS, Parsed, Token};
use super::syntax::{DEPTH_MAX, Expr, Parser, regex};

impl Parser {
    pub(super) fn list(&mut self, end: &str) -> Parsed<Vec<Expr>> {
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

    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("expressions nest too deeply".to_owned());
        }
        let expr = self.ternary();
        self.depth -= 1;
        expr
    }

    pub(super) fn ternary(&mut self) -> Parsed<Expr> {
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

    pub(super) fn or(&mut self) -> Parsed<Expr> {
        let mut left = self.and()?;
        while self.eat("||") {
            self.skip_newlines();
            left = Expr::Binary("||", Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    pub(super) fn and(&mut self) -> Parsed<Expr> {
        let mut left = self.membership()?;
        while self.eat("&&") {
            self.skip_newlines();
            left = Expr::Binary("&&", Box::new(left), Box::new(self.membership()?));
        }
        Ok(left)
    }

    pub(super) fn membership(&mut self) -> Parsed<Expr> {
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

    pub(super) fn matching(&mut self) -> Parsed<Expr> {
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

    pub(super) fn comparison(&mut self) -> Parsed<Expr> {
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

    pub(super) fn concatenation(&mut self, target: bool) -> Parsed<Expr> {
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

    pub(super) fn additive(&mut self) -> Parsed<Expr> {
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

    pub(super) fn term(&mut self) -> Parsed<Expr> {
        let mut left = self.unary()?;
        loop {
            let op = ["*", "/", "%"].into_iter().find(|op| self.is(op));
            let Some(op) = op else { return Ok(left) };
            self.at += 1;
            left = Expr::Binary(op, Box::new(left), Box::new(self.unary()?));
        }
    }

    pub(super) fn unary(&mut self) -> Parsed<Expr> {
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

    pub(super) fn power(&mut self) -> Parsed<Expr> {
        let base = self.postfix()?;
        if self.eat("^") || self.eat("**") {
            return Ok(Expr::Binary("^", Box::new(base), Box::new(self.unary()?)));
        }
        Ok(base)
    }

    pub(super) fn postfix(&mut self) -> Parsed<Expr> {
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

    pub(super) fn primary(&mut self) -> Parsed<Expr> {
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
