//! awk's interpreter: records in, output and statements' effects out. It never waits; the process around it reads and writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use hopwise_sim_core::Rng;
use indexmap::IndexMap;
use regex::bytes::Regex;

use super::syntax::{Block, Expr, Output, Script, Stmt, regex};
use super::value::Value;
use crate::{Env, Kernel, Open, Sys};

/// Loop rounds and calls in one record (or BEGIN, END): more is taken for endless.
pub(super) const STEPS_MAX: u64 = 5_000_000;
/// How deep functions call each other.
pub(super) const CALLS_MAX: usize = 60;
/// The longest text that is put together, in bytes: more is a program that doubles a variable for ever.
pub(super) const TEXT_MAX: usize = 8 << 20;
/// The highest field: `$100000000` is a mistake.
pub(super) const FIELDS_MAX: usize = 100_000;

/// How statements go on.
#[derive(Clone, Debug)]
pub(super) enum Flow {
    Go,
    Next,
    NextFile,
    Exit,
    Error,
    Break,
    Continue,
    Return(Value),
}

type Array = IndexMap<String, Value>;

/// A variable of a function: a value, or the name of a caller's array.
#[derive(Clone, Debug)]
pub(super) enum Local {
    Value(Value),
    Array(String),
}

#[derive(Clone)]
pub(super) struct Awk {
    pub(super) script: Arc<Script>,
    pub(super) vars: BTreeMap<String, Value>,
    pub(super) arrays: BTreeMap<String, Array>,
    pub(super) frames: Vec<BTreeMap<String, Local>>,
    pub(super) line: String,
    pub(super) fields: Option<Vec<String>>,
    pub(super) nr: f64,
    pub(super) fnr: f64,
    pub(super) ranges: Vec<bool>,
    pub(super) out: Vec<u8>,
    pub(super) files: Vec<(String, Output, Vec<u8>)>,
    pub(super) opened: Vec<String>,
    /// Output for commands: it is handed to them at the end.
    pub(super) pipes: Vec<(String, Vec<u8>)>,
    pub(super) steps: u64,
    pub(super) error: Option<String>,
    pub(super) status: i32,
    pub(super) ending: bool,
    pub(super) rng: Rng,
    pub(super) local_arrays: usize,
    pub(super) separator: Option<(String, Regex)>,
}

impl Awk {
    pub(super) fn new(script: Arc<Script>, operands: &[String]) -> Self {
        let mut vars = BTreeMap::new();
        for (name, value) in [
            ("FS", " "),
            ("OFS", " "),
            ("ORS", "\n"),
            ("RS", "\n"),
            ("SUBSEP", "\x1c"),
            ("CONVFMT", "%.6g"),
            ("OFMT", "%.6g"),
            ("FILENAME", ""),
        ] {
            vars.insert(name.to_owned(), Value::Text(value.to_owned()));
        }
        for name in ["RSTART", "RLENGTH"] {
            vars.insert(name.to_owned(), Value::Number(if name == "RLENGTH" { -1.0 } else { 0.0 }));
        }
        vars.insert("ARGC".to_owned(), Value::Number(operands.len() as f64 + 1.0));
        let argv = std::iter::once("awk".to_owned()).chain(operands.iter().cloned());
        let argv: Array = argv.enumerate().map(|(i, a)| (i.to_string(), Value::Input(a))).collect();
        let ranges = vec![false; script.rules.len()];
        Awk {
            script,
            vars,
            arrays: BTreeMap::from([("ARGV".to_owned(), argv)]),
            frames: Vec::new(),
            line: String::new(),
            fields: None,
            nr: 0.0,
            fnr: 0.0,
            ranges,
            out: Vec::new(),
            files: Vec::new(),
            opened: Vec::new(),
            pipes: Vec::new(),
            steps: 0,
            error: None,
            status: 0,
            ending: false,
            rng: Rng::stream(0, "awk", 0),
            local_arrays: 0,
            separator: None,
        }
    }

    pub(super) fn set_text(&mut self, name: &str, text: String) {
        self.vars.insert(name.to_owned(), Value::Text(text));
    }

    /// `-v name=value` and operands of that form: escapes count.
    pub(super) fn assign_argument(&mut self, name: &str, value: &str) {
        let mut bytes = Vec::new();
        let mut rest = value;
        while let Some((before, after)) = rest.split_once('\\') {
            bytes.extend(before.as_bytes());
            let used = crate::bash::escape(after, &mut bytes);
            rest = after.get(used..).unwrap_or("");
        }
        bytes.extend(rest.as_bytes());
        self.vars.insert(name.to_owned(), Value::Input(String::from_utf8_lossy(&bytes).into_owned()));
    }

    pub(super) fn environment(&mut self, env: &Env) {
        self.arrays
            .insert("ENVIRON".to_owned(), env.iter().map(|(k, v)| (k.clone(), Value::Input(v.clone()))).collect());
    }

    pub(super) fn needs_input(&self) -> bool {
        !self.script.rules.is_empty() || !self.script.end.is_empty()
    }

    pub(super) fn record_separator(&self) -> String {
        self.text_of("RS")
    }

    pub(super) fn text_of(&self, name: &str) -> String {
        self.vars.get(name).map(|v| v.text("%.6g")).unwrap_or_default()
    }

    pub(super) fn begin_file(&mut self, name: &str) {
        self.set_text("FILENAME", name.to_owned());
        self.fnr = 0.0;
    }

    pub(super) fn begin(&mut self) -> Flow {
        let script = self.script.clone();
        self.blocks(&script.begin)
    }

    pub(super) fn end(&mut self) -> Flow {
        let script = self.script.clone();
        match self.blocks(&script.end) {
            Flow::Error => Flow::Error,
            _ => Flow::Exit,
        }
    }

    pub(super) fn blocks(&mut self, blocks: &[Arc<Block>]) -> Flow {
        self.steps = 0;
        for block in blocks {
            match self.block(block) {
                Flow::Go | Flow::Next | Flow::NextFile => {}
                flow => return flow,
            }
        }
        Flow::Go
    }

    pub(super) fn record(&mut self, line: String) -> Flow {
        self.steps = 0;
        self.nr += 1.0;
        self.fnr += 1.0;
        self.line = line;
        self.fields = None;
        let script = self.script.clone();
        for (i, rule) in script.rules.iter().enumerate() {
            let inside = self.ranges.get(i).copied().unwrap_or(false);
            let fits = match (&rule.from, &rule.to) {
                (None, _) => true,
                (Some(from), None) => self.eval(from).truth(),
                (Some(from), Some(to)) => {
                    let fits = inside || self.eval(from).truth();
                    let open = fits && !self.eval(to).truth();
                    if let Some(place) = self.ranges.get_mut(i) {
                        *place = open;
                    }
                    fits
                }
            };
            if self.error.is_some() {
                return Flow::Error;
            }
            if !fits {
                continue;
            }
            let flow = match &rule.body {
                Some(body) => self.block(body),
                None => {
                    let text = format!("{}{}", self.line, self.text_of("ORS"));
                    self.out.extend(text.as_bytes());
                    Flow::Go
                }
            };
            match flow {
                Flow::Go => {}
                Flow::Next => break,
                flow => return flow,
            }
        }
        Flow::Go
    }

    /// Writes what has been produced.
    pub(super) fn deliver<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) {
        sys.out_bytes(&std::mem::take(&mut self.out));
        for (name, how, data) in std::mem::take(&mut self.files) {
            if name == "/dev/stderr" {
                let _ = sys.write(2, &data);
                continue;
            }
            if name == "/dev/stdout" {
                sys.out_bytes(&data);
                continue;
            }
            let first = !self.opened.contains(&name);
            let mode = if first && how == Output::Write { Open::Write } else { Open::Append };
            if first {
                self.opened.push(name.clone());
            }
            match sys.open(&name, mode) {
                Ok(fd) => {
                    let _ = sys.write(fd, &data);
                    sys.close(fd);
                }
                Err(errno) => self.fail(format!("cannot open \"{name}\" for output ({errno})")),
            }
        }
    }

    pub(super) fn finish<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) {
        self.deliver(sys);
        if let Some(error) = self.error.take() {
            sys.err(&format!("awk: {error}\n"));
            self.status = 2;
        }
    }

    pub(super) fn fail(&mut self, message: String) {
        self.error.get_or_insert(message);
    }

    pub(super) fn split_fields(&mut self) -> &mut Vec<String> {
        if self.fields.is_none() {
            let fs = self.text_of("FS");
            let line = self.line.clone();
            let mut fields = self.split(&line, &fs);
            if self.text_of("RS").is_empty() && fs != " " {
                fields = fields.iter().flat_map(|f| f.split('\n')).map(str::to_owned).collect();
            }
            self.fields = Some(fields);
        }
        self.fields.get_or_insert_default()
    }

    pub(super) fn split(&mut self, text: &str, separator: &str) -> Vec<String> {
        if separator == " " {
            return text.split([' ', '\t', '\n']).filter(|f| !f.is_empty()).map(str::to_owned).collect();
        }
        if text.is_empty() {
            return Vec::new();
        }
        let mut chars = separator.chars();
        match (chars.next(), chars.next()) {
            (None, _) => text.chars().map(String::from).collect(),
            (Some(c), None) if !"\\^$.[]|()*+?".contains(c) => text.split(c).map(str::to_owned).collect(),
            _ => {
                let source =
                    if separator.chars().count() == 1 { crate::regexp::fixed(separator) } else { separator.to_owned() };
                if self.separator.as_ref().is_none_or(|(s, _)| *s != source) {
                    match regex(&source) {
                        Ok(compiled) => self.separator = Some((source, compiled)),
                        Err(error) => {
                            self.fail(error);
                            return Vec::new();
                        }
                    }
                }
                let Some((_, compiled)) = &self.separator else { return Vec::new() };
                compiled.split(text.as_bytes()).map(|p| String::from_utf8_lossy(p).into_owned()).collect()
            }
        }
    }

    pub(super) fn field(&mut self, index: f64) -> Value {
        if index < 0.0 || index as usize > FIELDS_MAX {
            self.fail(format!("bad field ${index}"));
            return Value::Unset;
        }
        if index == 0.0 {
            return Value::Input(self.line.clone());
        }
        match self.split_fields().get(index as usize - 1) {
            Some(text) => Value::Input(text.clone()),
            None => Value::Unset,
        }
    }

    pub(super) fn set_field(&mut self, index: f64, text: String) {
        if index < 0.0 || index as usize > FIELDS_MAX {
            return self.fail(format!("bad field ${index}"));
        }
        if index == 0.0 {
            self.line = text;
            self.fields = None;
            return;
        }
        let at = index as usize;
        let fields = self.split_fields();
        if fields.len() < at {
            fields.resize(at, String::new());
        }
        if let Some(place) = fields.get_mut(at - 1) {
            *place = text;
        }
        self.rebuild();
    }

    pub(super) fn rebuild(&mut self) {
        let ofs = self.text_of("OFS");
        self.line = self.split_fields().join(&ofs);
    }

    pub(super) fn get(&mut self, name: &str) -> Value {
        if let Some(Local::Value(value)) = self.frames.last().and_then(|f| f.get(name)) {
            return value.clone();
        }
        match name {
            "NR" => Value::Number(self.nr),
            "FNR" => Value::Number(self.fnr),
            "NF" => Value::Number(self.split_fields().len() as f64),
            _ => self.vars.get(name).cloned().unwrap_or(Value::Unset),
        }
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        if let Some(local) = self.frames.last_mut().and_then(|f| f.get_mut(name)) {
            *local = Local::Value(value);
            return;
        }
        match name {
            "NR" => self.nr = value.number(),
            "FNR" => self.fnr = value.number(),
            "NF" => {
                let count = value.number().clamp(0.0, FIELDS_MAX as f64) as usize;
                self.split_fields().resize(count, String::new());
                self.rebuild();
            }
            _ => {
                self.vars.insert(name.to_owned(), value);
            }
        }
    }

    /// The true name of an array: a function's parameter may stand for the caller's.
    pub(super) fn array_name(&mut self, name: &str) -> String {
        match self.frames.last().and_then(|f| f.get(name)) {
            Some(Local::Array(real)) => real.clone(),
            Some(Local::Value(_)) => {
                self.local_arrays += 1;
                let real = format!("{name} {}", self.local_arrays);
                if let Some(frame) = self.frames.last_mut() {
                    frame.insert(name.to_owned(), Local::Array(real.clone()));
                }
                real
            }
            None => name.to_owned(),
        }
    }

    pub(super) fn array(&mut self, name: &str) -> &mut Array {
        let name = self.array_name(name);
        self.arrays.entry(name).or_default()
    }

    pub(super) fn key(&mut self, index: &[Expr]) -> String {
        let parts: Vec<String> = index.iter().map(|e| self.text(e)).collect();
        parts.join(&self.text_of("SUBSEP"))
    }

    pub(super) fn text(&mut self, expr: &Expr) -> String {
        let value = self.eval(expr);
        value.text(&self.text_of("CONVFMT"))
    }

    pub(super) fn number(&mut self, expr: &Expr) -> f64 {
        self.eval(expr).number()
    }

    pub(super) fn tick(&mut self) -> bool {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            self.fail("stopped: too many steps, this looks endless".to_owned());
        }
        self.error.is_none()
    }

    pub(super) fn block(&mut self, block: &Block) -> Flow {
        for stmt in block {
            let flow = self.stmt(stmt);
            if self.error.is_some() {
                return Flow::Error;
            }
            if !matches!(flow, Flow::Go) {
                return flow;
            }
        }
        Flow::Go
    }

    /// A loop's body; `Some`: the loop ends with this.
    pub(super) fn round(&mut self, body: &Block) -> Option<Flow> {
        if !self.tick() {
            return Some(Flow::Error);
        }
        match self.block(body) {
            Flow::Go | Flow::Continue => None,
            Flow::Break => Some(Flow::Go),
            flow => Some(flow),
        }
    }

    pub(super) fn stmt(&mut self, stmt: &Stmt) -> Flow {
        match stmt {
            Stmt::Expr(expr) => {
                self.eval(expr);
            }
            Stmt::Print(args, output, target) => {
                let format = self.text_of("OFMT");
                let parts: Vec<String> = args.iter().map(|a| self.eval(a).text(&format)).collect();
                let text = if args.is_empty() { self.line.clone() } else { parts.join(&self.text_of("OFS")) };
                let text = text + &self.text_of("ORS");
                self.write(text, *output, target.as_ref());
            }
            Stmt::Printf(args, output, target) => {
                let values: Vec<Value> = args.iter().map(|a| self.eval(a)).collect();
                let text = self.sprintf(&values);
                self.write(text, *output, target.as_ref());
            }
            Stmt::If(condition, yes, no) => {
                let chosen = if self.eval(condition).truth() { yes } else { no };
                return self.block(chosen);
            }
            Stmt::While(condition, body) => {
                while self.eval(condition).truth() {
                    if let Some(flow) = self.round(body) {
                        return flow;
                    }
                }
            }
            Stmt::Do(body, condition) => loop {
                if let Some(flow) = self.round(body) {
                    return flow;
                }
                if !self.eval(condition).truth() {
                    break;
                }
            },
            Stmt::For(init, condition, step, body) => {
                if let Some(init) = init {
                    self.stmt(init);
                }
                while condition.as_ref().is_none_or(|c| self.eval(c).truth()) {
                    if let Some(flow) = self.round(body) {
                        return flow;
                    }
                    if let Some(step) = step {
                        self.stmt(step);
                    }
                }
            }
            Stmt::ForIn(var, array, body) => {
                let keys: Vec<String> = self.array(array).keys().cloned().collect();
                for key in keys {
                    self.set(var, Value::Input(key));
                    if let Some(flow) = self.round(body) {
                        return flow;
                    }
                }
            }
            Stmt::Block(block) => return self.block(block),
            Stmt::Next => return Flow::Next,
            Stmt::NextFile => return Flow::NextFile,
            Stmt::Exit(code) => {
                if let Some(code) = code {
                    self.status = self.number(code) as i32;
                }
                return Flow::Exit;
            }
            Stmt::Return(value) => {
                let value = value.as_ref().map_or(Value::Unset, |v| self.eval(v));
                return Flow::Return(value);
            }
            Stmt::Break => return Flow::Break,
            Stmt::Continue => return Flow::Continue,
            Stmt::Delete(array, index) => {
                if index.is_empty() {
                    self.array(array).clear();
                } else {
                    let key = self.key(index);
                    self.array(array).shift_remove(&key);
                }
            }
        }
        Flow::Go
    }

    pub(super) fn write(&mut self, text: String, output: Output, target: Option<&Expr>) {
        let Some(target) = target else {
            self.out.extend(text.as_bytes());
            return;
        };
        let name = self.text(target);
        if output == Output::Pipe {
            match self.pipes.iter_mut().find(|p| p.0 == name) {
                Some(pipe) => pipe.1.extend(text.as_bytes()),
                None => self.pipes.push((name, text.into_bytes())),
            }
            return;
        }
        match self.files.last_mut().filter(|f| f.0 == name) {
            Some(last) => last.2.extend(text.as_bytes()),
            None => self.files.push((name, output, text.into_bytes())),
        }
    }

    pub(super) fn sprintf(&mut self, values: &[Value]) -> String {
        let convfmt = self.text_of("CONVFMT");
        let Some((format, args)) = values.split_first() else { return String::new() };
        let format = format.text(&convfmt);
        let mut args = args.iter();
        let mut out = String::new();
        let mut rest = format.as_str();
        while let Some(at) = rest.find('%') {
            out.push_str(rest.get(..at).unwrap_or(""));
            rest = rest.get(at..).unwrap_or("");
            if rest.starts_with("%%") {
                out.push('%');
                rest = rest.get(2..).unwrap_or("");
                continue;
            }
            let parsed = crate::format::parse_spec(rest, || args.next().map_or(0, |v| v.number() as i64));
            let Some((spec, conversion, used)) = parsed else { break };
            rest = rest.get(used..).unwrap_or("");
            let arg = args.next().cloned().unwrap_or(Value::Unset);
            match conversion {
                'd' | 'i' | 'o' | 'x' | 'X' | 'u' => {
                    let number = arg.number();
                    out.push_str(&spec.integer(number as i64, conversion));
                }
                'e' | 'E' | 'f' | 'F' | 'g' | 'G' => out.push_str(&spec.float(arg.number(), conversion)),
                'c' => {
                    let text = match &arg {
                        Value::Number(n) => char::from_u32(*n as u32).map(String::from).unwrap_or_default(),
                        other => other.text(&convfmt).chars().take(1).collect(),
                    };
                    out.push_str(&spec.text(&text));
                }
                's' => out.push_str(&spec.text(&arg.text(&convfmt))),
                _ => out.push_str(rest.get(..0).unwrap_or("")),
            }
        }
        out.push_str(rest);
        out
    }
}
