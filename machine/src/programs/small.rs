//! The small programs: seq, yes, basename, dirname, date, id, whoami, uname, hostname, printenv, nproc, tty, which, clear, expr, mktemp, sums.

use hopwise_sim_core::{Duration, Time};

use super::filter::{Flow, LineFilter, Lines};
use super::opts::{curly, getopt, refuse, try_help};
use crate::clock::{days_from_civil, strftime};
use crate::files::{base_name, parent_name};
use crate::{KERNEL_RELEASE, Kernel, Program, Step, Sys, Wait, once};

#[derive(Clone)]
struct Sleep {
    span: Duration,
    until: Option<Time>,
}

/// `1.5`, `2s`, `3m`, `1h`, `1d`
pub(super) fn span(text: &str) -> Option<Duration> {
    // `xstrtod` takes what strtod takes, and that knows infinity.
    if matches!(text.to_ascii_lowercase().as_str(), "inf" | "infinity") {
        return Some(Duration::from_secs(u64::from(u32::MAX)));
    }
    let (value, rest) = crate::format::leading_float(text);
    let unit = match rest {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    if rest.len() == text.len() || value < 0.0 {
        return None;
    }
    if value.is_infinite() {
        return Some(Duration::from_secs(u64::from(u32::MAX)));
    }
    Duration::try_from_secs_f64(value * unit).ok()
}

pub(super) fn sleep<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let opts = match getopt(args, "", &[]) {
        Ok(opts) => opts,
        Err(error) => return try_help("sleep", &error, 1),
    };
    if opts.operands.is_empty() {
        return try_help("sleep", "missing operand", 1);
    }
    let mut total = Duration::ZERO;
    for text in &opts.operands {
        match span(text) {
            Some(span) => total = total.saturating_add(span),
            None => return try_help("sleep", &format!("invalid time interval {}", curly(text)), 1),
        }
    }
    Box::new(Sleep { span: total, until: None })
}

impl<K: Kernel> Program<K> for Sleep {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let until = *self.until.get_or_insert(sys.now() + self.span);
        if sys.now() >= until { Step::Exit(0) } else { Step::Block(Wait::until(until)) }
    }
}

#[derive(Clone)]
struct Seq {
    next: f64,
    step: f64,
    last: f64,
    decimals: usize,
    width: usize,
    separator: String,
    format: Option<String>,
    first: bool,
    count: f64,
    from: f64,
}

pub(super) fn seq<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    // Negative numbers are no options.
    let is_number =
        |a: &String| a.strip_prefix('-').is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit() || c == '.'));
    let mut options = Vec::new();
    let mut numbers = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if is_number(arg) || !arg.starts_with('-') {
            numbers.push(arg.clone());
        } else {
            options.push(arg.clone());
            if ["-s", "-f"].contains(&arg.as_str()) {
                options.extend(rest.next().cloned());
            }
        }
    }
    let opts = match getopt(&options, "s:f:w", &[("separator=", 's'), ("format=", 'f'), ("equal-width", 'w')]) {
        Ok(opts) => opts,
        Err(error) => return try_help("seq", &error, 1),
    };
    let mut values = Vec::new();
    for text in &numbers {
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => values.push(value),
            _ => return try_help("seq", &format!("invalid floating point argument: {}", curly(text)), 1),
        }
    }
    let (from, step, last) = match values.as_slice() {
        [last] => (1.0, 1.0, *last),
        [from, last] => (*from, 1.0, *last),
        [from, step, last] => (*from, *step, *last),
        [] => return try_help("seq", "missing operand", 1),
        _ => {
            return try_help("seq", &format!("extra operand {}", curly(numbers.get(3).map_or("", String::as_str))), 1);
        }
    };
    if step == 0.0 {
        return try_help("seq", &format!("invalid Zero increment value: {}", curly("0")), 1);
    }
    let decimals = numbers.iter().map(|n| n.split_once('.').map_or(0, |(_, d)| d.len())).max().unwrap_or(0);
    let wide = |v: f64| format!("{v:.decimals$}").len();
    let width = if opts.has('w') { wide(from).max(wide(last)) } else { 0 };
    Box::new(Seq {
        next: from,
        step,
        last,
        decimals,
        width,
        separator: opts.value('s').unwrap_or("\n").to_owned(),
        format: opts.value('f').map(str::to_owned),
        first: true,
        count: 0.0,
        from,
    })
}

impl<K: Kernel> Program<K> for Seq {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let mut out = String::new();
        while out.len() < 32_768 {
            let over = self.last + self.step.abs() * 1e-9;
            if (self.step > 0.0 && self.next > over)
                || (self.step < 0.0 && self.next < self.last - self.step.abs() * 1e-9)
            {
                if !self.first {
                    out.push('\n');
                }
                sys.out(&out);
                return Step::Exit(0);
            }
            if !std::mem::take(&mut self.first) {
                out.push_str(&self.separator);
            }
            let (width, decimals) = (self.width, self.decimals);
            match &self.format {
                None => out.push_str(&format!("{:0width$.decimals$}", self.next)),
                Some(format) => match format
                    .find('%')
                    .and_then(|at| Some((at, crate::format::parse_spec(format.get(at..)?, || 0)?)))
                {
                    Some((at, (spec, conversion, used))) => {
                        out.push_str(format.get(..at).unwrap_or(""));
                        out.push_str(&spec.float(self.next, conversion));
                        out.push_str(format.get(at + used..).unwrap_or(""));
                    }
                    None => out.push_str(format),
                },
            }
            self.count += 1.0;
            self.next = self.from + self.count * self.step;
        }
        sys.out(&out);
        Step::Again
    }
}

#[derive(Clone)]
struct Yes(String);

pub(super) fn yes<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let text = if args.is_empty() { "y".to_owned() } else { args.join(" ") };
    Box::new(Yes(format!("{text}\n").repeat(4096 / (text.len() + 1) + 1)))
}

impl<K: Kernel> Program<K> for Yes {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        match sys.write(1, self.0.as_bytes()) {
            Ok(()) => Step::Again,
            Err(errno) => {
                sys.err(&format!("yes: standard output: {errno}\n"));
                Step::Exit(1)
            }
        }
    }
}

pub(super) fn basename<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let opts = match getopt(args, "+as:z", &[("multiple", 'a'), ("suffix=", 's')]) {
        Ok(opts) => opts,
        Err(error) => return try_help("basename", &error, 1),
    };
    let (names, suffix) = match opts.operands.as_slice() {
        [] => return try_help("basename", "missing operand", 1),
        all if opts.has('a') || opts.has('s') => (all.to_vec(), opts.value('s').unwrap_or("").to_owned()),
        [name] => (vec![name.clone()], String::new()),
        [name, suffix] => (vec![name.clone()], suffix.clone()),
        [_, _, extra, ..] => return try_help("basename", &format!("extra operand {}", curly(extra)), 1),
    };
    once(move |sys: &mut Sys<'_, K>| {
        for name in &names {
            let base = base_name(name);
            let short = base.strip_suffix(suffix.as_str()).filter(|s| !s.is_empty()).unwrap_or(base);
            sys.out(&format!("{short}\n"));
        }
        0
    })
}

pub(super) fn dirname<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    match getopt(args, "", &[]) {
        Ok(opts) if opts.operands.is_empty() => try_help("dirname", "missing operand", 1),
        Ok(opts) => once(move |sys: &mut Sys<'_, K>| {
            let text: String = opts.operands.iter().map(|o| format!("{}\n", parent_name(o))).collect();
            sys.out(&text);
            0
        }),
        Err(error) => try_help("dirname", &error, 1),
    }
}

/// `2025-01-02 03:04:05`, `@seconds`, `now`
fn parse_date(text: &str, now: i64) -> Option<i64> {
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().ok();
    }
    if text == "now" || text.is_empty() {
        return Some(now);
    }
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
    let mut parts = date.split('-').map(str::parse::<i64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let mut clock = time.trim_end_matches(['Z']).split(':').map(|p| p.parse::<i64>().unwrap_or(-1));
    let (hour, minute, second) = (clock.next()?, clock.next().unwrap_or(0), clock.next().unwrap_or(0));
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || !(0..24).contains(&hour)
        || !(0..60).contains(&minute)
        || !(0..61).contains(&second)
    {
        return None;
    }
    Some(days_from_civil(year, month as u32, day as u32) * 86_400 + hour * 3600 + minute * 60 + second)
}

pub(super) fn date<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long =
        [("utc", 'u'), ("universal", 'u'), ("date=", 'd'), ("iso-8601?", 'I'), ("rfc-3339=", '3'), ("rfc-email", 'R')];
    let opts = match getopt(args, "ud:I::R", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("date", &error, 1),
    };
    if let Some(extra) = opts.operands.iter().find(|o| !o.starts_with('+')) {
        return refuse(format!("date: cannot set date: Operation not permitted\n{}\n", extra), 1);
    }
    once(move |sys: &mut Sys<'_, K>| {
        let unix = sys.now().unix_nanos();
        let (mut seconds, mut nanos) = ((unix / 1_000_000_000) as i64, (unix % 1_000_000_000) as u32);
        if let Some(text) = opts.value('d') {
            match parse_date(text, seconds) {
                Some(parsed) => (seconds, nanos) = (parsed, 0),
                None => {
                    sys.err(&format!("date: invalid date {}\n", curly(text)));
                    return 1;
                }
            }
        }
        let format = match opts.operands.first().and_then(|o| o.strip_prefix('+')) {
            Some(format) => format.to_owned(),
            None if opts.has('R') => "%a, %d %b %Y %H:%M:%S +0000".to_owned(),
            None if opts.has('I') => match opts.value('I') {
                Some("s" | "seconds") => "%Y-%m-%dT%H:%M:%S+00:00".to_owned(),
                Some("ns") => "%Y-%m-%dT%H:%M:%S,%N+00:00".to_owned(),
                _ => "%Y-%m-%d".to_owned(),
            },
            None => "%a %b %e %H:%M:%S UTC %Y".to_owned(),
        };
        sys.out(&format!("{}\n", strftime(&format, seconds, nanos)));
        0
    })
}

pub(super) fn id<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let opts =
        match getopt(args, "ugnGr", &[("user", 'u'), ("group", 'g'), ("name", 'n'), ("groups", 'G'), ("real", 'r')]) {
            Ok(opts) => opts,
            Err(error) => return try_help("id", &error, 1),
        };
    if let Some(user) = opts.operands.first().filter(|u| *u != "root") {
        return refuse(format!("id: {}: no such user\n", curly(user)), 1);
    }
    let text = match (opts.has('u') || opts.has('g') || opts.has('G'), opts.has('n')) {
        (true, true) => "root\n",
        (true, false) => "0\n",
        _ => "uid=0(root) gid=0(root) groups=0(root)\n",
    };
    once(move |sys: &mut Sys<'_, K>| {
        sys.out(text);
        0
    })
}

/// Programs that print a constant.
fn constant<K: Kernel>(name: &'static str, args: &[String], text: &'static str, status: i32) -> Box<dyn Program<K>> {
    if let Some(arg) = args.first() {
        return try_help(name, &format!("extra operand {}", curly(arg)), 1);
    }
    once(move |sys: &mut Sys<'_, K>| {
        sys.out(text);
        status
    })
}

pub(super) fn whoami<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    constant("whoami", args, "root\n", 0)
}

pub(super) fn nproc<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    constant("nproc", args, "1\n", 0)
}

pub(super) fn tty<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    constant("tty", args, "not a tty\n", 1)
}

pub(super) fn clear<K: Kernel>(_: &[String]) -> Box<dyn Program<K>> {
    once(|sys: &mut Sys<'_, K>| {
        sys.out("\x1b[H\x1b[2J\x1b[3J");
        0
    })
}

pub(super) fn uname<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [
        ("all", 'a'),
        ("kernel-name", 's'),
        ("nodename", 'n'),
        ("kernel-release", 'r'),
        ("kernel-version", 'v'),
        ("machine", 'm'),
        ("operating-system", 'o'),
    ];
    let opts = match getopt(args, "asnrvmpio", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("uname", &error, 1),
    };
    once(move |sys: &mut Sys<'_, K>| {
        let host = sys.hostname().to_owned();
        let rows = [
            ('s', "Linux"),
            ('n', host.as_str()),
            ('r', KERNEL_RELEASE),
            ('v', "#1 SMP PREEMPT_DYNAMIC"),
            ('m', "x86_64"),
            ('o', "GNU/Linux"),
        ];
        let all = opts.has('a');
        let mut chosen: Vec<&str> = rows.iter().filter(|(c, _)| all || opts.has(*c)).map(|r| r.1).collect();
        if opts.flags.is_empty() {
            chosen.push("Linux");
        }
        if !all && (opts.has('p') || opts.has('i')) {
            chosen.push("unknown");
        }
        sys.out(&format!("{}\n", chosen.join(" ")));
        0
    })
}

pub(super) fn hostname<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let opts = match getopt(args, "sfiId", &[("short", 's'), ("fqdn", 'f')]) {
        Ok(opts) => opts,
        Err(error) => return refuse(format!("hostname: {error}\nUsage: hostname [-b] {{hostname|-F file}}\n"), 255),
    };
    if let Some(letter) = ["i", "I"].iter().find(|l| opts.has(l.chars().next().unwrap_or('i'))) {
        return refuse(format!("hostname: option -{letter} is not supported by hopwise\n"), 1);
    }
    once(move |sys: &mut Sys<'_, K>| {
        match opts.operands.first() {
            Some(name) => sys.set_hostname(name),
            None => {
                let name = sys.hostname().to_owned();
                let shown = if opts.has('s') {
                    name.split('.').next().unwrap_or(&name)
                } else if opts.has('d') {
                    ""
                } else {
                    &name
                };
                sys.out(&format!("{shown}\n"));
            }
        }
        0
    })
}

pub(super) fn printenv<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let names = args.to_vec();
    once(move |sys: &mut Sys<'_, K>| {
        if names.is_empty() {
            let text: String = sys.env_all().iter().map(|(k, v)| format!("{k}={v}\n")).collect();
            sys.out(&text);
            return 0;
        }
        let mut status = 0;
        for name in &names {
            match sys.env(name) {
                Some(value) => sys.out(&format!("{value}\n")),
                None => status = 1,
            }
        }
        status
    })
}

pub(super) fn which<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let names: Vec<String> = args.iter().filter(|a| *a != "-a").cloned().collect();
    once(move |sys: &mut Sys<'_, K>| {
        let mut status = i32::from(names.is_empty());
        for name in &names {
            match sys.find_program(name) {
                Ok(path) => sys.out(&format!("{path}\n")),
                Err(_) => status = 1,
            }
        }
        status
    })
}

pub(super) fn mktemp<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [("directory", 'd'), ("dry-run", 'u'), ("quiet", 'q'), ("tmpdir?", 'p'), ("suffix=", 's')];
    let opts = match getopt(args, "duqp:t", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("mktemp", &error, 1),
    };
    once(move |sys: &mut Sys<'_, K>| {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let template = opts.operands.first().cloned().unwrap_or_else(|| "tmp.XXXXXXXXXX".to_owned());
        let stem = template.trim_end_matches('X');
        let count = template.len() - stem.len();
        if count < 3 {
            sys.err(&format!("mktemp: too few X's in template {}\n", curly(&template)));
            return 1;
        }
        let random: String = (0..count)
            .map(|_| LETTERS.get(sys.random_u32() as usize % LETTERS.len()).map_or('x', |b| char::from(*b)))
            .collect();
        let name = format!("{stem}{random}{}", opts.value('s').unwrap_or(""));
        let in_tmp = opts.operands.is_empty() || opts.has('p') || opts.has('t');
        let path = if in_tmp && !name.starts_with('/') {
            format!("{}/{name}", opts.value('p').unwrap_or("/tmp"))
        } else {
            name
        };
        let made = match (opts.has('u'), opts.has('d')) {
            (true, _) => Ok(()),
            (_, true) => sys.mkdir(&path, 0o700),
            _ => sys.write_file(&path, b"").and_then(|()| sys.chmod(&path, 0o600)),
        };
        match made {
            Ok(()) => {
                sys.out(&format!("{path}\n"));
                0
            }
            Err(errno) => {
                let kind = if opts.has('d') { "directory" } else { "file" };
                sys.err(&format!("mktemp: failed to create {kind} via template {}: {errno}\n", curly(&template)));
                1
            }
        }
    })
}

pub(super) fn expr<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let args = args.to_vec();
    once(move |sys: &mut Sys<'_, K>| {
        let mut at = 0;
        if args.is_empty() {
            sys.err("expr: missing operand\nTry 'expr --help' for more information.\n");
            return 2;
        }
        match expr_level(&args, &mut at, 0, 0) {
            Ok(value) if at == args.len() => {
                sys.out(&format!("{value}\n"));
                i32::from(value.is_empty() || value == "0")
            }
            Ok(_) => {
                sys.err(&format!(
                    "expr: syntax error: unexpected argument {}\n",
                    curly(args.get(at).map_or("", String::as_str))
                ));
                2
            }
            Err(error) => {
                sys.err(&format!("expr: {error}\n"));
                2
            }
        }
    })
}

const EXPR_LEVELS: [&[&str]; 6] =
    [&["|"], &["&"], &["<", "<=", "=", "==", "!=", ">=", ">"], &["+", "-"], &["*", "/", "%"], &[":"]];

fn expr_level(args: &[String], at: &mut usize, level: usize, depth: usize) -> Result<String, String> {
    if depth > 200 {
        return Err("syntax error: nested too deeply".to_owned());
    }
    let Some(operators) = EXPR_LEVELS.get(level) else { return expr_primary(args, at, depth) };
    let mut left = expr_level(args, at, level + 1, depth + 1)?;
    while let Some(op) = args.get(*at).filter(|a| operators.contains(&a.as_str())) {
        *at += 1;
        let right = expr_level(args, at, level + 1, depth + 1)?;
        left = expr_apply(op, &left, &right)?;
    }
    Ok(left)
}

fn expr_apply(op: &str, left: &str, right: &str) -> Result<String, String> {
    let null = |t: &str| t.is_empty() || t == "0";
    let numbers = left.parse::<i64>().ok().zip(right.parse::<i64>().ok());
    let truth = |b: bool| i64::from(b).to_string();
    let order = numbers.map_or_else(|| left.cmp(right), |(a, b)| a.cmp(&b));
    Ok(match op {
        "|" => if null(left) { right } else { left }.to_owned(),
        "&" => if null(left) || null(right) { "0" } else { left }.to_owned(),
        "<" => truth(order.is_lt()),
        "<=" => truth(order.is_le()),
        "=" | "==" => truth(order.is_eq()),
        "!=" => truth(order.is_ne()),
        ">=" => truth(order.is_ge()),
        ">" => truth(order.is_gt()),
        ":" => {
            let regex = crate::regexp::compile(&format!("^{right}"), crate::regexp::Syntax::Basic, false)?;
            let found = regex.captures(left.as_bytes());
            let text = |g: regex::bytes::Match<'_>| String::from_utf8_lossy(g.as_bytes()).into_owned();
            match (regex.captures_len() > 1, found) {
                (true, Some(c)) => c.get(1).map(text).unwrap_or_default(),
                (true, None) => String::new(),
                (false, Some(c)) => c.get(0).map(text).unwrap_or_default().chars().count().to_string(),
                (false, None) => "0".to_owned(),
            }
        }
        _ => {
            let (a, b) = numbers.ok_or("non-integer argument")?;
            match op {
                "+" => a.wrapping_add(b),
                "-" => a.wrapping_sub(b),
                "*" => a.wrapping_mul(b),
                _ if b == 0 => return Err("division by zero".to_owned()),
                "/" => a.wrapping_div(b),
                _ => a.wrapping_rem(b),
            }
            .to_string()
        }
    })
}

fn expr_primary(args: &[String], at: &mut usize, depth: usize) -> Result<String, String> {
    let missing = || format!("syntax error: missing argument after {}", curly(args.last().map_or("", String::as_str)));
    let word = args.get(*at).ok_or_else(missing)?;
    *at += 1;
    let mut next = || expr_level(args, at, 5, depth + 1);
    match word.as_str() {
        "(" => {
            let value = expr_level(args, at, 0, depth + 1)?;
            if args.get(*at).map(String::as_str) != Some(")") {
                return Err("syntax error: expecting ')'".to_owned());
            }
            *at += 1;
            Ok(value)
        }
        "length" => Ok(next()?.chars().count().to_string()),
        "substr" => {
            let (text, from, count) = (next()?, next()?, next()?);
            let (from, count) = (from.parse::<usize>().unwrap_or(0), count.parse::<usize>().unwrap_or(0));
            Ok(if from == 0 { String::new() } else { text.chars().skip(from - 1).take(count).collect() })
        }
        "index" => {
            let (text, chars) = (next()?, next()?);
            Ok(text.chars().position(|c| chars.contains(c)).map_or(0, |p| p + 1).to_string())
        }
        "match" => {
            let (text, pattern) = (next()?, next()?);
            expr_apply(":", &text, &pattern)
        }
        _ => Ok(word.clone()),
    }
}

/// `column -t`
#[derive(Clone)]
struct Column {
    separator: Option<String>,
    output: String,
    rows: Vec<Vec<String>>,
    table: bool,
}

pub(super) fn column<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [("table", 't'), ("separator=", 's'), ("output-separator=", 'o')];
    match getopt(args, "ts:o:", &long) {
        Ok(opts) => {
            let filter = Column {
                separator: opts.value('s').map(str::to_owned),
                output: opts.value('o').unwrap_or("  ").to_owned(),
                rows: Vec::new(),
                table: opts.has('t'),
            };
            Box::new(Lines::new("column", opts.operands, filter))
        }
        Err(error) => try_help("column", &error, 1),
    }
}

impl<K: Kernel> LineFilter<K> for Column {
    fn line(&mut self, _: &mut Sys<'_, K>, line: &[u8], _: bool) -> Flow {
        let text = String::from_utf8_lossy(line).into_owned();
        let row: Vec<String> = match (&self.separator, self.table) {
            (_, false) => vec![text],
            (None, _) => text.split_whitespace().map(str::to_owned).collect(),
            (Some(chars), _) => text.split(|c| chars.contains(c)).map(str::to_owned).collect(),
        };
        if row.iter().any(|c| !c.is_empty()) {
            self.rows.push(row);
        }
        Flow::Go
    }
    fn end(&mut self, sys: &mut Sys<'_, K>) -> i32 {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| self.rows.iter().filter_map(|r| r.get(c)).map(|t| t.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            for (i, cell) in row.iter().enumerate() {
                out.push_str(cell);
                if i + 1 < row.len() {
                    out.push_str(&" ".repeat(widths.get(i).copied().unwrap_or(0).saturating_sub(cell.chars().count())));
                    out.push_str(&self.output);
                }
            }
            out.push('\n');
        }
        sys.out(&out);
        0
    }
}
