//! awk's expressions: operators, calls, the built-in functions.

use std::collections::BTreeMap;

use hopwise_sim_core::Rng;
use regex::bytes::Regex;

use super::lex::BUILTINS;
use super::run::{Awk, CALLS_MAX, Flow, Local, TEXT_MAX};
use super::syntax::{Expr, regex};
use super::value::{Value, number_text};

impl Awk {
    pub(super) fn assign(&mut self, target: &Expr, value: Value) -> Value {
        match target {
            Expr::Var(name) => self.set(name, value.clone()),
            Expr::Field(index) => {
                let index = self.number(index);
                let text = value.text(&self.text_of("CONVFMT"));
                self.set_field(index, text);
            }
            Expr::Index(array, index) => {
                let key = self.key(index);
                self.array(array).insert(key, value.clone());
            }
            Expr::Group(inner) => return self.assign(inner, value),
            _ => self.fail("assignment to what is not a variable".to_owned()),
        }
        value
    }

    pub(super) fn regex_of(&mut self, expr: &Expr) -> Option<Regex> {
        if let Expr::Regex(regex) = expr {
            return Some(regex.clone());
        }
        let source = self.text(expr);
        match regex(&source) {
            Ok(regex) => Some(regex),
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    pub(super) fn eval(&mut self, expr: &Expr) -> Value {
        let truth = |b: bool| Value::Number(f64::from(u8::from(b)));
        match expr {
            Expr::Number(n) => Value::Number(*n),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Regex(regex) => truth(regex.is_match(self.line.as_bytes())),
            Expr::Var(name) => self.get(name),
            Expr::Field(index) => {
                let index = self.number(index);
                self.field(index)
            }
            Expr::Index(array, index) => {
                let key = self.key(index);
                self.array(array).entry(key).or_insert(Value::Unset).clone()
            }
            Expr::In(index, array) => {
                let key = self.key(index);
                truth(self.array(array).contains_key(&key))
            }
            Expr::Group(inner) => self.eval(inner),
            Expr::Cond(condition, yes, no) => {
                if self.eval(condition).truth() {
                    self.eval(yes)
                } else {
                    self.eval(no)
                }
            }
            Expr::Assign(target, op, right) => {
                let right = self.eval(right);
                let value = if op.is_empty() {
                    right
                } else {
                    let left = self.eval(target).number();
                    Value::Number(self.arithmetic(op, left, right.number()))
                };
                self.assign(target, value)
            }
            Expr::Step(target, step, before) => {
                let old = self.eval(target).number();
                self.assign(target, Value::Number(old + step));
                Value::Number(if *before { old + step } else { old })
            }
            Expr::Unary('!', inner) => truth(!self.eval(inner).truth()),
            Expr::Unary('-', inner) => Value::Number(-self.number(inner)),
            Expr::Unary(_, inner) => Value::Number(self.number(inner)),
            Expr::Match(negated, left, right) => {
                let text = self.text(left);
                match self.regex_of(right) {
                    Some(regex) => truth(regex.is_match(text.as_bytes()) != *negated),
                    None => Value::Unset,
                }
            }
            Expr::Binary(op, left, right) => self.binary(op, left, right),
            Expr::Call(name, args) => self.call(name, args),
        }
    }

    pub(super) fn binary(&mut self, op: &str, left: &Expr, right: &Expr) -> Value {
        let truth = |b: bool| Value::Number(f64::from(u8::from(b)));
        match op {
            "&&" => truth(self.eval(left).truth() && self.eval(right).truth()),
            "||" => truth(self.eval(left).truth() || self.eval(right).truth()),
            " " => {
                let text = self.text(left) + &self.text(right);
                if text.len() > TEXT_MAX {
                    self.fail(format!("stopped: a text of more than {TEXT_MAX} bytes, this looks endless"));
                    return Value::Unset;
                }
                Value::Text(text)
            }
            "<" | "<=" | "==" | "!=" | ">" | ">=" => {
                let (a, b) = (self.eval(left), self.eval(right));
                let order = a.compare(&b, &self.text_of("CONVFMT"));
                truth(match op {
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    "==" => order.is_eq(),
                    "!=" => order.is_ne(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                })
            }
            _ => {
                let (a, b) = (self.number(left), self.number(right));
                Value::Number(self.arithmetic(op, a, b))
            }
        }
    }

    pub(super) fn arithmetic(&mut self, op: &str, a: f64, b: f64) -> f64 {
        match op {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "/" if b == 0.0 => {
                self.fail("division by zero".to_owned());
                0.0
            }
            "/" => a / b,
            "%" if b == 0.0 => {
                self.fail("division by zero in %".to_owned());
                0.0
            }
            "%" => a % b,
            _ => a.powf(b),
        }
    }

    pub(super) fn call(&mut self, name: &str, args: &[Expr]) -> Value {
        if BUILTINS.contains(&name) {
            return self.builtin(name, args);
        }
        let script = self.script.clone();
        let Some(function) = script.functions.iter().find(|f| f.name == name) else {
            self.fail(format!("function {name} never defined"));
            return Value::Unset;
        };
        if self.frames.len() >= CALLS_MAX {
            self.fail(format!("function {name}: calls nest too deeply"));
            return Value::Unset;
        }
        let mut frame = BTreeMap::new();
        for (i, param) in function.params.iter().enumerate() {
            let local = match args.get(i) {
                None => Local::Value(Value::Unset),
                Some(Expr::Var(var)) if self.is_array(var) => Local::Array(self.array_name(var)),
                Some(expr) => Local::Value(self.eval(expr)),
            };
            frame.insert(param.clone(), local);
        }
        if !self.tick() {
            return Value::Unset;
        }
        self.frames.push(frame);
        let flow = self.block(&function.body);
        self.frames.pop();
        match flow {
            Flow::Return(value) => value,
            Flow::Exit => {
                self.fail(String::new());
                Value::Unset
            }
            _ => Value::Unset,
        }
    }

    pub(super) fn is_array(&self, name: &str) -> bool {
        match self.frames.last().and_then(|f| f.get(name)) {
            Some(Local::Array(_)) => true,
            Some(Local::Value(_)) => false,
            // A name that is not used as a variable yet may become an array in the function.
            None => !self.vars.contains_key(name) && !["NR", "NF", "FNR"].contains(&name),
        }
    }

    pub(super) fn builtin(&mut self, name: &str, args: &[Expr]) -> Value {
        let number = Value::Number;
        match (name, args) {
            ("length", []) => number(self.line.chars().count() as f64),
            ("length", [Expr::Var(var)])
                if self.arrays.contains_key(var)
                    || (self.is_array(var) && self.frames.last().is_some_and(|f| f.contains_key(var))) =>
            {
                number(self.array(var).len() as f64)
            }
            ("length", [text]) => number(self.text(text).chars().count() as f64),
            ("substr", [text, rest @ ..]) if !rest.is_empty() => {
                let chars: Vec<char> = self.text(text).chars().collect();
                let start = rest.first().map_or(1.0, |e| self.number(e)).round();
                let length = rest.get(1).map_or(f64::INFINITY, |e| self.number(e)).round();
                let from = start.max(1.0);
                let to = (start + length).min(chars.len() as f64 + 1.0);
                let text = if to > from {
                    chars.iter().skip(from as usize - 1).take((to - from) as usize).collect()
                } else {
                    String::new()
                };
                Value::Text(text)
            }
            ("index", [text, part]) => {
                let (text, part) = (self.text(text), self.text(part));
                number(text.find(&part).map_or(0.0, |at| text.get(..at).unwrap_or("").chars().count() as f64 + 1.0))
            }
            ("split", [text, Expr::Var(array), rest @ ..]) => {
                let text = self.text(text);
                let parts = match rest.first() {
                    Some(Expr::Regex(regex)) if text.is_empty() => {
                        let _ = regex;
                        Vec::new()
                    }
                    Some(Expr::Regex(regex)) => {
                        regex.split(text.as_bytes()).map(|p| String::from_utf8_lossy(p).into_owned()).collect()
                    }
                    Some(expr) => {
                        let separator = self.text(expr);
                        self.split(&text, &separator)
                    }
                    None => {
                        let separator = self.text_of("FS");
                        self.split(&text, &separator)
                    }
                };
                let count = parts.len() as f64;
                *self.array(array) =
                    parts.into_iter().enumerate().map(|(i, p)| ((i + 1).to_string(), Value::Input(p))).collect();
                number(count)
            }
            ("sub" | "gsub", [pattern, replacement, rest @ ..]) => {
                let Some(regex) = self.regex_of(pattern) else { return Value::Unset };
                let replacement = self.text(replacement);
                let line = Expr::Field(Box::new(Expr::Number(0.0)));
                let target = rest.first().unwrap_or(&line);
                let text = self.text(target);
                let (changed, count) = replace(&regex, &text, &replacement, name == "gsub");
                if count > 0 {
                    self.assign(target, Value::Text(changed));
                }
                number(f64::from(count))
            }
            ("match", [text, pattern]) => {
                let text = self.text(text);
                let Some(regex) = self.regex_of(pattern) else { return Value::Unset };
                let (start, length) = match regex.find(text.as_bytes()) {
                    Some(found) => {
                        let chars = |b: &[u8]| String::from_utf8_lossy(b).chars().count() as f64;
                        (chars(text.as_bytes().get(..found.start()).unwrap_or(&[])) + 1.0, chars(found.as_bytes()))
                    }
                    None => (0.0, -1.0),
                };
                self.set("RSTART", number(start));
                self.set("RLENGTH", number(length));
                number(start)
            }
            ("sprintf", args) => {
                let values: Vec<Value> = args.iter().map(|a| self.eval(a)).collect();
                Value::Text(self.sprintf(&values))
            }
            ("sin", [x]) => number(self.number(x).sin()),
            ("cos", [x]) => number(self.number(x).cos()),
            ("atan2", [y, x]) => {
                let y = self.number(y);
                number(y.atan2(self.number(x)))
            }
            ("exp", [x]) => number(self.number(x).exp()),
            ("log", [x]) => number(self.number(x).ln()),
            ("sqrt", [x]) => number(self.number(x).sqrt()),
            ("int", [x]) => number(self.number(x).trunc()),
            ("rand", []) => number(f64::from(self.rng.next_u32()) / 4_294_967_296.0),
            ("srand", rest) => {
                let seed = rest.first().map_or(0.0, |e| self.number(e));
                self.rng = Rng::stream(seed as i64 as u64, "awk", 0);
                number(0.0)
            }
            ("tolower", [text]) => Value::Text(self.text(text).to_lowercase()),
            ("toupper", [text]) => Value::Text(self.text(text).to_uppercase()),
            ("close" | "fflush", _) => number(0.0),
            ("system", _) => {
                self.fail("system: not supported by hopwise".to_owned());
                Value::Unset
            }
            _ => {
                self.fail(format!("wrong number of arguments in call to {name}"));
                let _ = number_text(0.0, "%d");
                Value::Unset
            }
        }
    }
}

/// `sub` and `gsub`: `&` is what matched, `\\&` an ampersand.
pub(super) fn replace(regex: &Regex, text: &str, replacement: &str, all: bool) -> (String, u32) {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut last = 0;
    let mut count = 0;
    for found in regex.find_iter(bytes) {
        count += 1;
        out.extend(bytes.get(last..found.start()).unwrap_or(&[]));
        let mut chars = replacement.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if matches!(chars.peek(), Some('&' | '\\')) => {
                    out.extend(chars.next().unwrap_or('&').encode_utf8(&mut [0; 4]).as_bytes())
                }
                '&' => out.extend(found.as_bytes()),
                c => out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        last = found.end();
        if !all {
            break;
        }
    }
    out.extend(bytes.get(last..).unwrap_or(&[]));
    (String::from_utf8_lossy(&out).into_owned(), count)
}
