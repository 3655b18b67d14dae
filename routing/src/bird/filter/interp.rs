//! The interpreter of filters. Bounded: by the size of the filter, the depth of calls and a number of steps.

use std::sync::Arc;

use super::ast::{Attr, Expr, Filter, Function, MaskPart, Method, Op, Stmt, StmtKind};
use super::methods;
use super::set::{self, MaskItem, mask_matches};
use super::value::{Type, Value};
use crate::attrs::{Community, ExtendedCommunity, LargeCommunity};
use crate::bird::route::Route;

/// How deep functions may call each other.
const MAX_DEPTH: usize = 64;
/// How deep statements and values may stand in each other, over all functions that call each other now.
const MAX_TREE: usize = 450;
/// How many statements and calls one run may take: functions may call themselves.
const MAX_STEPS: u32 = 1 << 20;

/// Why a filter could not go on; the route is rejected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuntimeError {
    /// Its line in the configuration.
    pub line: u32,
    /// What is wrong.
    pub text: String,
}

/// What a run says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// The route is accepted.
    pub accepted: bool,
    /// The lines that were printed.
    pub printed: Vec<String>,
}

enum Flow {
    Next,
    Return(Value),
    End(bool),
}

type Result<T> = core::result::Result<T, RuntimeError>;

/// Asks a filter about a route, which it may change.
///
/// # Errors
/// What only shows when it runs: values of the wrong type.
pub fn run(filter: &Filter, route: &mut Route) -> Result<Outcome> {
    let mut machine = Machine {
        route: Some(route),
        printed: Vec::new(),
        line: String::new(),
        steps: 0,
        deep: 0,
        at: 0,
        current: None,
    };
    let flow = machine.body(&filter.body, Vec::new(), 0)?;
    if !machine.line.is_empty() {
        let line = core::mem::take(&mut machine.line);
        machine.printed.push(line);
    }
    match flow {
        Flow::End(accepted) => Ok(Outcome { accepted, printed: machine.printed }),
        Flow::Return(Value::Bool(accepted)) => Ok(Outcome { accepted, printed: machine.printed }),
        _ => {
            let name = filter.name.as_deref().unwrap_or("(unnamed)");
            machine.fail(format!("Filter {name} did not return accept nor reject. Make up your mind"))
        }
    }
}

/// The value of an expression outside of any route: `eval`, `define`.
///
/// # Errors
/// As [`run`].
pub fn evaluate(expr: &Expr, line: u32) -> Result<Value> {
    let mut machine =
        Machine { route: None, printed: Vec::new(), line: String::new(), steps: 0, deep: 0, at: line, current: None };
    machine.value(expr, &mut [], 0)
}

struct Machine<'a> {
    route: Option<&'a mut Route>,
    printed: Vec<String>,
    /// What `printn` has begun.
    line: String,
    steps: u32,
    /// How many statements and values are being computed.
    deep: usize,
    at: u32,
    /// The function that runs.
    current: Option<Arc<Function>>,
}

impl Machine<'_> {
    fn fail<T>(&self, text: impl Into<String>) -> Result<T> {
        Err(RuntimeError { line: self.at, text: text.into() })
    }

    fn body(&mut self, function: &Arc<Function>, arguments: Vec<Value>, depth: usize) -> Result<Flow> {
        let mut frame: Vec<Value> = function.vars.iter().map(|kind| Value::empty(*kind)).collect();
        for (slot, argument) in frame.iter_mut().zip(arguments) {
            *slot = argument;
        }
        let outer = self.current.replace(function.clone());
        let flow = self.block(&function.body, &mut frame, depth);
        self.current = outer;
        flow
    }

    fn block(&mut self, body: &[Stmt], frame: &mut [Value], depth: usize) -> Result<Flow> {
        for statement in body {
            match self.statement(statement, frame, depth)? {
                Flow::Next => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS { self.fail("Filter runs too long") } else { Ok(()) }
    }

    /// One level deeper in the tree.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.deep >= MAX_TREE {
            return self.fail("Filter is nested too deep");
        }
        self.deep += 1;
        let done = inner(self);
        self.deep -= 1;
        done
    }

    fn statement(&mut self, statement: &Stmt, frame: &mut [Value], depth: usize) -> Result<Flow> {
        self.deeper(|m| m.statement_inner(statement, frame, depth))
    }

    fn statement_inner(&mut self, statement: &Stmt, frame: &mut [Value], depth: usize) -> Result<Flow> {
        self.step()?;
        self.at = statement.line;
        match &statement.kind {
            StmtKind::If(condition, then, otherwise) => match self.value(condition, frame, depth)? {
                Value::Bool(true) => self.statement(then, frame, depth),
                Value::Bool(false) => otherwise.as_ref().map_or(Ok(Flow::Next), |s| self.statement(s, frame, depth)),
                other => self.wrong(1, "CONDITION", Type::Bool, &other),
            },
            StmtKind::Case(what, arms) => {
                let value = self.value(what, frame, depth)?;
                let key = set::key(&value);
                let fits = |arm: &Option<Arc<set::Set>>| match (arm, key) {
                    (None, _) => true,
                    (Some(set), Some(key)) => set.contains(key),
                    (Some(_), None) => false,
                };
                match arms.iter().find(|(arm, _)| fits(arm)) {
                    Some((_, body)) => self.block(body, frame, depth),
                    None => Ok(Flow::Next),
                }
            }
            StmtKind::Block(body) => self.block(body, frame, depth),
            StmtKind::Assign(slot, expr) => {
                let value = self.value(expr, frame, depth)?;
                if let Some(place) = frame.get_mut(*slot) {
                    *place = value;
                }
                Ok(Flow::Next)
            }
            StmtKind::Set(attr, expr) => {
                let value = self.value(expr, frame, depth)?;
                self.store(*attr, value)
            }
            StmtKind::Unset(attr) => self.store(*attr, Value::Void),
            StmtKind::Change(attr, method, argument) => {
                let argument = argument.as_ref().map(|a| self.value(a, frame, depth)).transpose()?;
                let old = self.attr(*attr)?;
                let old = if old == Value::Void { Value::empty(attr.kind()) } else { old };
                match methods::apply(&old, *method, argument.as_ref()) {
                    Ok(value) => self.store(*attr, value),
                    Err(text) => self.fail(text),
                }
            }
            StmtKind::Print(parts, ends) => {
                self.print(parts, *ends, frame, depth)?;
                Ok(Flow::Next)
            }
            StmtKind::End(accepted, parts) => {
                if !parts.is_empty() {
                    self.print(parts, true, frame, depth)?;
                }
                Ok(Flow::End(*accepted))
            }
            StmtKind::Return(expr) => Ok(Flow::Return(self.value(expr, frame, depth)?)),
            StmtKind::Call(expr) => {
                let flow = self.called(expr, frame, depth)?;
                Ok(if let Flow::End(accepted) = flow { Flow::End(accepted) } else { Flow::Next })
            }
        }
    }

    fn print(&mut self, parts: &[Expr], ends: bool, frame: &mut [Value], depth: usize) -> Result<()> {
        for part in parts {
            let value = self.value(part, frame, depth)?;
            self.line.push_str(&value.to_string());
        }
        // What is printed ends up in the log, a line each.
        if ends || self.line.len() > 4096 {
            let line = core::mem::take(&mut self.line);
            self.printed.push(line);
        }
        Ok(())
    }

    fn store(&mut self, attr: Attr, value: Value) -> Result<Flow> {
        let Some(route) = self.route.as_deref_mut() else { return self.fail("No route to access") };
        match route.set(attr, value) {
            Ok(()) => Ok(Flow::Next),
            Err(text) => self.fail(text),
        }
    }

    fn attr(&self, attr: Attr) -> Result<Value> {
        match self.route.as_deref() {
            Some(route) => Ok(route.get(attr)),
            None => self.fail("No route to access"),
        }
    }

    /// Where a call has led. What is no call has a value that nobody wants.
    fn called(&mut self, expr: &Expr, frame: &mut [Value], depth: usize) -> Result<Flow> {
        match expr {
            Expr::Call(function, arguments) => self.call(function, arguments, frame, depth),
            Expr::Again(arguments) => match self.current.clone() {
                Some(function) => self.call(&function, arguments, frame, depth),
                None => self.fail("There is no function to call again"),
            },
            _ => self.value(expr, frame, depth).map(|_| Flow::Next),
        }
    }

    fn call(
        &mut self,
        function: &Arc<Function>,
        arguments: &[Expr],
        frame: &mut [Value],
        depth: usize,
    ) -> Result<Flow> {
        self.step()?;
        if depth >= MAX_DEPTH {
            return self.fail("Call stack overflow");
        }
        let arguments = arguments.iter().map(|a| self.value(a, frame, depth)).collect::<Result<Vec<_>>>()?;
        let at = self.at;
        for (i, (value, kind)) in arguments.iter().zip(&function.params).enumerate() {
            if value.kind() != *kind && !matches!(kind, Type::Set | Type::Enum) {
                return self.wrong(i + 1, &function.name, *kind, value);
            }
        }
        let flow = self.body(function, arguments, depth + 1)?;
        self.at = at;
        Ok(flow)
    }

    fn wrong<T>(&self, argument: usize, of: &str, wanted: Type, got: &Value) -> Result<T> {
        let (wanted, got) = (wanted.name(), got.kind().name());
        self.fail(format!("Argument {argument} of {of} must be of type {wanted}, got type {got}"))
    }

    fn value(&mut self, expr: &Expr, frame: &mut [Value], depth: usize) -> Result<Value> {
        self.deeper(|m| m.value_inner(expr, frame, depth))
    }

    fn value_inner(&mut self, expr: &Expr, frame: &mut [Value], depth: usize) -> Result<Value> {
        Ok(match expr {
            Expr::Const(value) => value.clone(),
            Expr::Var(slot) => frame.get(*slot).cloned().unwrap_or(Value::Void),
            Expr::Attr(attr) => match self.attr(*attr)? {
                // What is a list is empty when it is not there.
                Value::Void if matches!(attr.kind(), Type::Clist | Type::Eclist | Type::Lclist | Type::Path) => {
                    Value::empty(attr.kind())
                }
                value => value,
            },
            Expr::Defined(attr) => Value::Bool(self.attr(*attr)? != Value::Void),
            Expr::Not(inner) => match self.value(inner, frame, depth)? {
                Value::Bool(value) => Value::Bool(!value),
                other => return self.wrong(1, "NOT", Type::Bool, &other),
            },
            Expr::Binary(op, left, right) => return self.binary(*op, left, right, frame, depth),
            Expr::Method(inner, method, argument) => {
                let value = self.value(inner, frame, depth)?;
                let argument = argument.as_ref().map(|a| self.value(a, frame, depth)).transpose()?;
                return self.method(&value, *method, argument.as_ref());
            }
            Expr::Pair(left, right) => {
                let (a, b) = (self.number(left, frame, depth)?, self.number(right, frame, depth)?);
                if a > 0xffff || b > 0xffff {
                    return self.fail("Can't operate with value of non-integer type in pair constructor");
                }
                Value::Pair(a << 16 | b)
            }
            Expr::Triple(parts) => {
                let [asn, first, second] = &**parts;
                let asn = self.number(asn, frame, depth)?;
                let (first, second) = (self.number(first, frame, depth)?, self.number(second, frame, depth)?);
                Value::Lc(LargeCommunity { asn, first, second })
            }
            Expr::Ec(subtype, key, data) => {
                let (key, data) = (self.value(key, frame, depth)?, self.number(data, frame, depth)?);
                match methods::extended(*subtype, &key, data) {
                    Ok(value) => value,
                    Err(text) => return self.fail(text),
                }
            }
            Expr::Call(..) | Expr::Again(_) => return self.returned(expr, frame, depth),
            Expr::Mask(parts) => return self.mask(parts, frame, depth),
        })
    }

    fn mask(&mut self, parts: &[MaskPart], frame: &mut [Value], depth: usize) -> Result<Value> {
        let mut mask = Vec::new();
        for part in parts {
            mask.push(match part {
                MaskPart::Item(item) => item.clone(),
                MaskPart::Expr(expr) => {
                    let n = self.number(expr, frame, depth)?;
                    MaskItem::Range(n, n)
                }
            });
        }
        Ok(Value::Mask(Arc::new(mask)))
    }

    /// What a call is worth.
    fn returned(&mut self, expr: &Expr, frame: &mut [Value], depth: usize) -> Result<Value> {
        match self.called(expr, frame, depth)? {
            Flow::Return(value) => Ok(value),
            Flow::Next => Ok(Value::Void),
            Flow::End(_) => self.fail("Can't return from filter inside an expression"),
        }
    }

    fn method(&self, value: &Value, method: Method, argument: Option<&Value>) -> Result<Value> {
        methods::apply(value, method, argument).or_else(|text| self.fail(text))
    }

    fn number(&mut self, expr: &Expr, frame: &mut [Value], depth: usize) -> Result<u32> {
        match self.value(expr, frame, depth)? {
            Value::Int(n) => Ok(n),
            Value::Ip(a) | Value::Quad(a) => Ok(a.into()),
            _ => self.fail("Can't operate with value of non-integer type in pair constructor"),
        }
    }

    fn binary(&mut self, op: Op, left: &Expr, right: &Expr, frame: &mut [Value], depth: usize) -> Result<Value> {
        let a = self.value(left, frame, depth)?;
        if matches!(op, Op::And | Op::Or) {
            let name = if op == Op::And { "AND" } else { "OR" };
            let Value::Bool(first) = a else { return self.wrong(1, name, Type::Bool, &a) };
            if first == (op == Op::Or) {
                return Ok(Value::Bool(first));
            }
            return match self.value(right, frame, depth)? {
                Value::Bool(second) => Ok(Value::Bool(second)),
                other => self.wrong(2, name, Type::Bool, &other),
            };
        }
        let b = self.value(right, frame, depth)?;
        match op {
            Op::Equal => Ok(Value::Bool(same(&a, &b))),
            Op::NotEqual => Ok(Value::Bool(!same(&a, &b))),
            Op::In | Op::NotIn => match contains(&a, &b) {
                Some(found) => Ok(Value::Bool(found == (op == Op::In))),
                None => self.fail("~ applied on unknown type pair"),
            },
            Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => match methods::order(&a, &b) {
                Some(order) => Ok(Value::Bool(match op {
                    Op::Less => order.is_lt(),
                    Op::LessEqual => order.is_le(),
                    Op::Greater => order.is_gt(),
                    _ => order.is_ge(),
                })),
                None => self.fail("Can't compare values of incompatible types"),
            },
            Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::And | Op::Or => self.arithmetic(op, &a, &b),
        }
    }

    fn arithmetic(&self, op: Op, a: &Value, b: &Value) -> Result<Value> {
        let name = match op {
            Op::Add => "ADD",
            Op::Subtract => "SUBTRACT",
            Op::Multiply => "MULTIPLY",
            _ => "DIVIDE",
        };
        let Value::Int(x) = *a else { return self.wrong(1, name, Type::Int, a) };
        let Value::Int(y) = *b else { return self.wrong(2, name, Type::Int, b) };
        Ok(Value::Int(match op {
            Op::Add => x.wrapping_add(y),
            Op::Subtract => x.wrapping_sub(y),
            Op::Multiply => x.wrapping_mul(y),
            _ if y == 0 => return self.fail("Mother told me not to divide by 0"),
            _ => x / y,
        }))
    }
}

/// Whether two values are the same; values of different types never are, but for addresses and quads.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Ip(a) | Value::Quad(a), Value::Ip(b) | Value::Quad(b)) => a == b,
        (Value::Path(path), Value::Mask(mask)) | (Value::Mask(mask), Value::Path(path)) => mask_matches(mask, path),
        _ => a == b,
    }
}

/// `a ~ b`; `None` if these types are never in each other.
fn contains(a: &Value, b: &Value) -> Option<bool> {
    let key = set::key;
    Some(match (a, b) {
        (Value::Prefix(net), Value::PrefixSet(set)) => set.contains(*net),
        (Value::Ip(addr), Value::PrefixSet(set)) => set.contains((*addr).into()),
        (Value::Ip(addr), Value::Prefix(net)) => net.contains(addr),
        (Value::Prefix(inner), Value::Prefix(net)) => net.contains(inner),
        (Value::Path(path), Value::Mask(mask)) => mask_matches(mask, path),
        (Value::Int(asn), Value::Path(path)) => path.numbers().any(|n| n == *asn),
        (Value::Path(path), Value::Set(set)) => path.numbers().any(|n| set.contains((0, n, 0, 0))),
        (Value::Pair(pair), Value::Clist(list)) => list.contains(&Community(*pair)),
        (Value::Ip(addr) | Value::Quad(addr), Value::Clist(list)) => list.contains(&Community(u32::from(*addr))),
        (Value::Ec(ec), Value::Eclist(list)) => list.contains(ec),
        (Value::Lc(lc), Value::Lclist(list)) => list.contains(lc),
        (Value::Clist(list), Value::Set(set)) => list.iter().any(|c| set.contains((3, c.0, 0, 0))),
        (Value::Eclist(list), Value::Set(set)) => list.iter().any(|c| set.contains(ec_key(*c))),
        (Value::Lclist(list), Value::Set(set)) => list.iter().any(|c| set.contains((5, c.asn, c.first, c.second))),
        (Value::Text(text), Value::Text(pattern)) => crate::bird::pattern::matches(pattern, text),
        (value, Value::Set(set)) => set.contains(key(value)?),
        _ => return None,
    })
}

fn ec_key(ec: ExtendedCommunity) -> set::Key {
    (4, (ec.0 >> 32) as u32, ec.0 as u32, 0)
}
