//! Compiling a filter and running it over the inputs, with jq 1.6's messages.

use std::cell::Cell;

use jaq_core::data::{DataT, HasLut};
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::native::{Fun, bome, run as native, v};
use jaq_core::{Compiler, Ctx, Lut, Vars, compile, unwrap_valr};
use jaq_json::{Map, Val, read};
use jaq_std::input::{HasInputs, Inputs, RcIter};

use super::{Wanted, input, print};
use crate::{Kernel, Sys};

/// Rounds of `range`, `recurse`, `repeat`, `while`, `until` of one run: more is taken for an endless filter.
const STEPS_MAX: u64 = 50_000;
/// Outputs of one run, in bytes.
const OUTPUT_MAX: usize = 16 << 20;
/// Brackets and keywords of a filter nest this deep at most.
const NESTING_MAX: usize = 100;
/// Functions of `jaq` that would ask the real system, or end it.
const FOREIGN: [&str; 7] = ["env", "now", "localtime", "strflocaltime", "mktime", "stderr_empty", "debug_empty"];

/// A native function in `jaq`, which other definitions build upon.
const RANGE: &str =
    "def range(from; to; by): from as $from | to as $to | by as $by | __range($from; $to; $by) | __step;";
/// The definitions whose loops are counted, in the place of those that `jaq` has.
const COUNTED: &str = r#"
    def repeat(f): def rec: __step | ., (f | rec); rec;
    def recurse(f): def rec: ., (f | __step | rec); rec;
    def while(cond; update): def rec: if cond then ., (update | __step | rec) else empty end; rec;
    def until(cond; update): def rec: if cond then . else update | __step | rec end; rec;
    def todate: strftime("%Y-%m-%dT%H:%M:%SZ"); def halt: halt(0);
    def ascii: [.] | implode;
    def finites: select(isinfinite or isnan | not);
    def leaf_paths: paths(scalars);
    def __only(what): error("\(type) (\(tojson)) cannot be \(what)-formatted, only array");
    def __replaced(a; b): split(a) | join(b);
    def @csv: if isarray then [.[] | if isstring then "\"" + __replaced("\""; "\"\"") + "\"" elif . == null then ""
        else tostring end] | join(",") else __only("csv") end;
    def @tsv: if isarray then [.[] | if isstring then __replaced("\\"; "\\\\") | __replaced("\t"; "\\t")
        | __replaced("\n"; "\\n") | __replaced("\r"; "\\r") elif . == null then ""
        else tostring end] | join("\t") else __only("tsv") end;
"#;

/// What the functions of a filter may ask.
struct Host {
    env: Val,
    now: f64,
    steps: Cell<u64>,
}

/// Our kind of data for `jaq`.
struct Kind;

#[derive(Clone)]
struct Data<'a> {
    lut: &'a Lut<Kind>,
    host: &'a Host,
    inputs: Inputs<'a, Val>,
}

impl DataT for Kind {
    type V<'a> = Val;
    type Data<'a> = Data<'a>;
}

impl<'a> HasLut<'a, Kind> for Data<'a> {
    fn lut(&self) -> &'a Lut<Kind> {
        self.lut
    }
}

impl<'a> HasInputs<'a, Val> for Data<'a> {
    fn inputs(&self) -> Inputs<'a, Val> {
        self.inputs
    }
}

/// The functions: `jaq`'s without those that leave the simulation, and ours in their place.
fn functions() -> impl Iterator<Item = Fun<Kind>> {
    let theirs = jaq_core::funs::<Kind>().chain(jaq_std::funs()).chain(jaq_json::funs());
    let theirs =
        theirs.filter(|f| !FOREIGN.contains(&f.0)).map(|f| if f.0 == "range" { ("__range", f.1, f.2) } else { f });
    let ours: Box<[jaq_core::native::Filter<jaq_core::RunPtr<Kind>>]> = Box::new([
        ("env", v(0), |cv| bome(Ok(cv.0.data().host.env.clone()))),
        ("now", v(0), |cv| bome(Ok(Val::from(cv.0.data().host.now)))),
        // What jq writes to standard error for debugging has no place here.
        ("debug_empty", v(0), |_| Box::new(std::iter::empty())),
        ("stderr_empty", v(0), |_| Box::new(std::iter::empty())),
        ("__step", v(0), |cv| {
            let steps = &cv.0.data().host.steps;
            steps.set(steps.get() + 1);
            bome(if steps.get() > STEPS_MAX {
                Err(jaq_core::Error::str("stopped: too many rounds, this looks endless"))
            } else {
                Ok(cv.1)
            })
        }),
    ]);
    theirs
        .chain(jaq_std::input::funs::<Kind>().into_vec().into_iter().map(|f| native::<Kind>(f)))
        .chain(ours.into_vec().into_iter().map(|f| native::<Kind>(f)))
}

/// The definitions: `jaq`'s, with the counted loops in their places, and what jq has besides.
fn definitions() -> impl Iterator<Item = load::parse::Def<&'static str>> {
    let parse = |text| load::parse(text, |p| p.defs()).unwrap_or_default();
    let mut mine = parse(COUNTED);
    let mut all = parse(RANGE);
    for def in jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()) {
        match mine.iter().position(|d| d.name == def.name && d.args.len() == def.args.len()) {
            Some(at) => all.push(mine.remove(at)),
            None => all.push(def),
        }
    }
    all.into_iter().chain(mine)
}

/// Runs the filter; gives the exit status.
pub(super) fn run<K: Kernel>(sys: &mut Sys<'_, K>, wanted: &Wanted, text: &[u8]) -> i32 {
    if let Some(refused) = refused(&wanted.filter) {
        sys.err(&format!("jq: error: {refused}\n"));
        return 3;
    }
    let mut names: Vec<String> = wanted.named.iter().map(|(name, _)| format!("${name}")).collect();
    names.extend(["$ENV", "$ARGS", "$__loc__"].map(str::to_owned));
    let arena = Arena::default();
    let modules = Loader::new(definitions()).load(&arena, File { code: wanted.filter.as_str(), path: () });
    let compiled = modules.map_err(|e| syntax_errors(&wanted.filter, e)).and_then(|modules| {
        let compiler = Compiler::default().with_funs(functions()).with_global_vars(names.iter().map(String::as_str));
        compiler.compile(modules).map_err(|e| undefined(&wanted.filter, e))
    });
    let filter = match compiled {
        Ok(filter) => filter,
        Err(message) => {
            sys.err(&message);
            return 3;
        }
    };
    let host = Host {
        env: object(sys.env_all().iter().map(|(k, v)| (k.as_str(), Val::from(v.clone())))),
        now: sys.now().unix_nanos() as f64 / 1e9,
        steps: Cell::new(0),
    };
    let (values, mistake) = inputs(wanted, text);
    let line = Cell::new(None);
    let line_seen = &line;
    let ended = mistake.as_ref().map(|m| format!("{m} (while parsing)"));
    let stream = values.into_iter().map(|(value, at)| {
        line_seen.set(Some(at));
        Ok(value)
    });
    let stream = RcIter::new(stream.chain(ended.into_iter().map(Err)));
    let mut running = Running { wanted, line: &line, written: 0, last: None, failed: false };
    let mut main_input = &stream as Inputs<'_, Val>;
    loop {
        let value = if wanted.null_input {
            Val::Null
        } else {
            match main_input.next() {
                Some(Ok(value)) => value,
                _ => break,
            }
        };
        let data = Data { lut: &filter.lut, host: &host, inputs: &stream };
        let ctx = Ctx::<Kind>::new(data, Vars::new(variables(wanted, &host)));
        let outputs = filter.id.run((ctx, value)).map(unwrap_valr);
        if !running.drain(sys, outputs) || wanted.null_input {
            break;
        }
    }
    if let Some(mistake) = mistake.filter(|_| !wanted.null_input) {
        sys.err(&format!("parse error: {mistake}\n"));
        // Debian's jq 1.6 ends with 4 here, not with the 2 of its manual.
        return 4;
    }
    running.status()
}

/// The values of the global variables, in the order of their names.
fn variables(wanted: &Wanted, host: &Host) -> Vec<Val> {
    let parsed = |text: &str| read::parse_single(text.trim().as_bytes()).unwrap_or_default();
    let mut values: Vec<Val> = wanted.named.iter().map(|(_, text)| parsed(text)).collect();
    values.push(host.env.clone());
    let named = object(wanted.named.iter().map(|(name, text)| (name.as_str(), parsed(text))));
    let positional: Val = wanted.positional.iter().map(|p| Val::from(p.clone())).collect();
    values.push(object([("positional", positional), ("named", named)].into_iter()));
    values.push(object([("file", Val::from("<top-level>".to_owned())), ("line", Val::from(1_isize))].into_iter()));
    values
}

fn object<'k>(pairs: impl Iterator<Item = (&'k str, Val)>) -> Val {
    Val::obj(pairs.map(|(k, v)| (Val::from(k.to_owned()), v)).collect::<Map>())
}

/// The inputs as the options want them, and what is wrong after them.
fn inputs(wanted: &Wanted, text: &[u8]) -> (Vec<input::Input>, Option<String>) {
    let lines = text.iter().filter(|b| **b == b'\n').count();
    if wanted.raw_input {
        let text = String::from_utf8_lossy(text).into_owned();
        if wanted.slurp {
            return (vec![(Val::from(text), lines)], None);
        }
        let each = text.lines().enumerate().map(|(i, line)| (Val::from(line.to_owned()), i + 1));
        return (each.collect(), None);
    }
    match input::read(text) {
        Ok(values) if wanted.slurp => (vec![(values.into_iter().map(|v| v.0).collect(), lines)], None),
        Ok(values) => (values, None),
        Err((_, mistake)) if wanted.slurp => (Vec::new(), Some(mistake)),
        Err((values, mistake)) => (values, Some(mistake)),
    }
}

/// What has come of a run so far.
struct Running<'a> {
    wanted: &'a Wanted,
    line: &'a Cell<Option<usize>>,
    written: usize,
    last: Option<bool>,
    failed: bool,
}

impl Running<'_> {
    /// Prints one input's outputs. False: jq is to end.
    fn drain<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        outputs: impl Iterator<Item = Result<Val, jaq_core::Error<Val>>>,
    ) -> bool {
        for result in outputs {
            match result {
                Ok(value) => {
                    let bytes = print::output(&value, &self.wanted.style);
                    self.written += bytes.len();
                    if self.written > OUTPUT_MAX {
                        sys.err("jq: error: stopped: too much output, this looks endless\n");
                        self.failed = true;
                        return false;
                    }
                    self.last = Some(!matches!(value, Val::Null | Val::Bool(false)));
                    sys.out_bytes(&bytes);
                }
                Err(error) => {
                    self.failed = true;
                    let place = self.line.get().map_or("<unknown>".to_owned(), |n| format!("<stdin>:{n}"));
                    let text = match print::text_of(&error.clone().into_val()) {
                        Some(text) => format!("jq: error (at {place}): {}\n", wording(&text)),
                        None => {
                            let shown = print::compact(&error.into_val());
                            format!("jq: error (at {place}) (not a string): {shown}\n")
                        }
                    };
                    sys.err(&text);
                    return true;
                }
            }
        }
        true
    }

    fn status(&self) -> i32 {
        match (self.failed, self.wanted.exit_status, self.last) {
            (true, ..) => 5,
            (_, false, _) | (_, _, Some(true)) => 0,
            (_, _, Some(false)) => 1,
            (_, _, None) => 4,
        }
    }
}

/// A type's name and a value's beginning, as jq's errors show them: `number (5)`.
fn shown(value: &Val) -> String {
    let mut text = print::compact(value);
    // jq writes into a buffer of 15 bytes, its end among them.
    if text.len() > 14 {
        let end = (0..=11).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    format!("{} ({text})", kind(value))
}

fn kind(value: &Val) -> &'static str {
    match value {
        Val::Null => "null",
        Val::Bool(_) => "boolean",
        Val::Num(_) => "number",
        Val::TStr(_) | Val::BStr(_) => "string",
        Val::Arr(_) => "array",
        Val::Obj(_) => "object",
    }
}

/// An error of `jaq` in jq's words, where both know it.
fn wording(text: &str) -> String {
    let value = |text: &str| read::parse_single(text.as_bytes()).ok();
    if let Some(left) = text.strip_prefix("cannot use ").and_then(|t| t.split_once(" as iterable")) {
        return value(left.0).map_or(text.to_owned(), |v| format!("Cannot iterate over {}", shown(&v)));
    }
    // The values stand in the text; the separator may stand in a value too.
    let split = |text: &str, separator: &str| {
        let places: Vec<usize> = text.match_indices(separator).map(|m| m.0).collect();
        places.into_iter().find_map(|at| Some((value(text.get(..at)?)?, value(text.get(at + separator.len()..)?)?)))
    };
    if let Some((left, right)) = text.strip_prefix("cannot index ").and_then(|t| split(t, " with ")) {
        return match print::text_of(&right) {
            Some(key) => format!("Cannot index {} with string \"{key}\"", kind(&left)),
            None => format!("Cannot index {} with {}", kind(&left), kind(&right)),
        };
    }
    let verbs =
        [(" + ", "added"), (" - ", "subtracted"), (" * ", "multiplied"), (" / ", "divided"), (" % ", "divided")];
    if let Some(rest) = text.strip_prefix("cannot calculate ") {
        for (operator, verb) in verbs {
            if let Some((left, right)) = split(rest, operator) {
                return format!("{} and {} cannot be {verb}", shown(&left), shown(&right));
            }
        }
    }
    text.to_owned()
}

/// Filters that would harm: too deep for the parser, or recursive without an end that could be seen.
fn refused(filter: &str) -> Option<String> {
    let (mut depth, mut most) = (0_usize, 0_usize);
    let mut words: Vec<&str> = Vec::new();
    for word in filter.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_') {
        let (name, last) = match word.char_indices().last() {
            Some((at, c)) if !c.is_alphanumeric() && c != '_' => (word.get(..at).unwrap_or(""), Some(c)),
            _ => (word, None),
        };
        match name {
            "if" | "reduce" | "foreach" | "try" | "def" | "as" | "label" => depth += 1,
            "end" => depth = depth.saturating_sub(1),
            _ => {}
        }
        match last {
            Some('(' | '[' | '{') => depth += 1,
            Some(')' | ']' | '}') => depth = depth.saturating_sub(1),
            Some('-' | '.') => most = most.max(depth),
            _ => {}
        }
        most = most.max(depth);
        words.extend((!name.is_empty()).then_some(name));
    }
    if most > NESTING_MAX || filter.len() > 20_000 {
        return Some("the filter nests too deeply for hopwise".to_owned());
    }
    let defined = words.windows(2).filter(|w| w.first() == Some(&"def")).filter_map(|w| w.get(1));
    for name in defined {
        // Its definition names it once; a second time before the last use may be a call of itself.
        let body = filter.split_once(&format!("def {name}")).map_or("", |(_, rest)| rest);
        let body = body.split_once(';').map_or(body, |(own, _)| own);
        let head = body.find(':').unwrap_or(0);
        let calls = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == *name);
        if calls(body.get(head..).unwrap_or("")) {
            return Some(format!("{name}: recursive definitions are not supported by hopwise"));
        }
    }
    None
}

/// jq's report of one error in the filter.
fn report(filter: &str, what: &str) -> String {
    format!("jq: error: {what} at <top-level>, line 1:\n{filter}\njq: 1 compile error\n")
}

fn syntax_errors(filter: &str, errors: load::Errors<&str, ()>) -> String {
    let unexpected = errors.into_iter().find_map(|(_, error)| match error {
        load::Error::Io(_) => None,
        load::Error::Lex(list) => list.into_iter().next().map(|(_, found)| found.to_owned()),
        load::Error::Parse(list) => list.into_iter().next().map(|(_, found)| found.to_owned()),
    });
    let found = unexpected.unwrap_or_default();
    let token = match found.trim_start().chars().next() {
        None => "$end".to_owned(),
        Some(c) if c.is_alphabetic() || c == '_' => "IDENT".to_owned(),
        Some('"' | '(' | '[' | '{') if !found.ends_with(['"', ')', ']', '}']) => "$end".to_owned(),
        Some(c) if c.is_ascii_digit() => "LITERAL".to_owned(),
        Some('}' | ']' | ')') => "INVALID_CHARACTER".to_owned(),
        Some(c) => format!("'{c}'"),
    };
    report(filter, &format!("syntax error, unexpected {token} (Unix shell quoting issues?)"))
}

fn undefined(filter: &str, errors: compile::Errors<&str, ()>) -> String {
    let first = errors.into_iter().flat_map(|(_, list)| list).next();
    let what = match first {
        Some((name, compile::Undefined::Filter(arity))) => format!("{name}/{arity} is not defined"),
        Some((name, _)) => format!("{name} is not defined"),
        None => "syntax error".to_owned(),
    };
    report(filter, &what)
}
