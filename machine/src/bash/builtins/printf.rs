//! printf: bash's formats. The formatting itself is shared with the `printf` program and awk.

use super::Outcome;
use super::basic::echo_escapes;
use crate::bash::expand::TEXT_MAX;
use crate::bash::shell::Shell;
use crate::bash::{quote, word};
use crate::format::{WIDTH_MAX, parse_spec};
use crate::{Kernel, Sys};

impl Shell {
    pub(super) fn builtin_printf<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        let mut variable = None;
        let mut args = args;
        if let Some(own) = args.first().and_then(|a| a.strip_prefix("-v")) {
            let (name, used) = if own.is_empty() { (args.get(1).cloned(), 2) } else { (Some(own.to_owned()), 1) };
            variable = name;
            args = args.get(used..).unwrap_or(&[]);
        }
        let options_end = args.first().is_some_and(|a| a == "--");
        if options_end {
            args = args.get(1..).unwrap_or(&[]);
        }
        let Some((format, rest)) = args.split_first() else {
            sys.err("printf: usage: printf [-v var] format [arguments]\n");
            return Outcome::Status(2);
        };
        if format.starts_with('-') && format.len() > 1 && !options_end {
            return self.usage(
                sys,
                "printf",
                &format.chars().take(2).collect::<String>(),
                "printf [-v var] format [arguments]",
            );
        }
        let mut printer =
            Printer { args: rest, at: 0, out: Vec::new(), errors: Vec::new(), stop: false, now: sys.now() };
        printer.run(format);
        for error in &printer.errors {
            self.complain(sys, &format!("printf: {error}"));
        }
        let failed = i32::from(!printer.errors.is_empty());
        if let Some(name) = variable {
            let text = String::from_utf8_lossy(&printer.out).into_owned();
            let (base, index) = name
                .strip_suffix(']')
                .and_then(|n| n.split_once('['))
                .map_or((name.as_str(), None), |(b, i)| (b, Some(i)));
            let key = index.and_then(|i| word::index(i, self.line).ok()).and_then(|w| {
                let base = base.to_owned();
                self.attempt(sys, &Default::default(), |x| x.key(&base, &w)).ok()
            });
            return match self.vars.set(base, key.as_ref(), text) {
                Ok(()) => Outcome::Status(failed),
                Err(error) => self.fail(sys, &format!("{}: readonly variable", error.0), 1),
            };
        }
        let out = printer.out;
        match self.print(sys, "printf", &out) {
            Outcome::Status(0) => Outcome::Status(failed),
            other => other,
        }
    }
}

struct Printer<'a> {
    args: &'a [String],
    at: usize,
    out: Vec<u8>,
    errors: Vec<String>,
    stop: bool,
    now: hopwise_sim_core::Time,
}

impl Printer<'_> {
    /// The format, again and again while arguments are left.
    fn run(&mut self, format: &str) {
        const ROUNDS_MAX: usize = 1_000_000;
        for _ in 0..ROUNDS_MAX {
            let before = self.at;
            self.once(format);
            if self.stop || self.at >= self.args.len() || self.at == before {
                return;
            }
        }
    }

    fn next(&mut self) -> Option<String> {
        let arg = self.args.get(self.at).cloned();
        if arg.is_some() {
            self.at += 1;
        }
        arg
    }

    fn once(&mut self, format: &str) {
        let mut rest = format;
        while let Some(c) = rest.chars().next() {
            if self.out.len() > TEXT_MAX {
                self.errors.push(format!("stopped: more than {TEXT_MAX} bytes, this looks endless"));
                self.stop = true;
                return;
            }
            match c {
                '\\' => {
                    rest = rest.get(1..).unwrap_or("");
                    if rest.starts_with('"') {
                        self.out.push(b'"');
                        rest = rest.get(1..).unwrap_or("");
                        continue;
                    }
                    if rest.starts_with('c') {
                        self.stop = true;
                        return;
                    }
                    let used = quote::escape(rest, &mut self.out, false);
                    rest = rest.get(used..).unwrap_or("");
                }
                '%' if rest.starts_with("%%") => {
                    self.out.push(b'%');
                    rest = rest.get(2..).unwrap_or("");
                }
                '%' => match self.directive(rest) {
                    Some(used) => rest = rest.get(used..).unwrap_or(""),
                    None => return,
                },
                c => {
                    self.out.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = rest.get(c.len_utf8()..).unwrap_or("");
                }
            }
            if self.stop {
                return;
            }
        }
    }

    /// One `%...`; gives its length. `None`: the rest of the format is given up.
    fn directive(&mut self, text: &str) -> Option<usize> {
        if let Some(inner) = text.get(1..).and_then(|t| t.strip_prefix('(')) {
            let end = inner.find(")T")?;
            let arg = self.next();
            let seconds = match arg.as_deref() {
                None | Some("-1" | "") => (self.now.unix_nanos() / 1_000_000_000) as i64,
                Some("-2") => (hopwise_sim_core::Time::ZERO.unix_nanos() / 1_000_000_000) as i64,
                Some(text) => text.parse().unwrap_or(0),
            };
            let text = crate::clock::strftime(inner.get(..end)?, seconds, 0);
            self.out.extend(text.as_bytes());
            return Some(end + 4);
        }
        let mut stars = Vec::new();
        let parsed = parse_spec(text, || {
            let n = self.args.get(self.at + stars.len()).and_then(|a| a.parse::<i64>().ok()).unwrap_or(0);
            stars.push(n);
            n
        });
        self.at += stars.len();
        let Some((spec, conversion, used)) = parsed else {
            self.errors.push(format!("`{text}': missing format character"));
            return None;
        };
        if spec.width >= WIDTH_MAX || spec.precision.is_some_and(|p| p >= WIDTH_MAX) {
            self.errors.push(format!("`{text}': a width of {WIDTH_MAX} or more is not supported by hopwise"));
            self.stop = true;
            return None;
        }
        // The length of a C type means nothing here, and is skipped.
        let lengths = text.get(used - conversion.len_utf8()..).unwrap_or("");
        let skipped = lengths.len() - lengths.trim_start_matches(['h', 'j', 'l', 'L', 't', 'z']).len();
        let (conversion, used) = match lengths.get(skipped..).and_then(|t| t.chars().next()) {
            Some(after) if skipped > 0 => (after, used + skipped - conversion.len_utf8() + after.len_utf8()),
            None => {
                self.errors.push(format!("`{text}': missing format character"));
                return None;
            }
            Some(_) => (conversion, used),
        };
        match conversion {
            's' => {
                let arg = self.next().unwrap_or_default();
                self.out.extend(spec.text(&arg).as_bytes());
            }
            'b' => {
                let arg = self.next().unwrap_or_default();
                let mut bytes = Vec::new();
                self.stop = echo_escapes(&arg, &mut bytes);
                self.out.extend(if spec.is_plain() {
                    bytes
                } else {
                    spec.text(&String::from_utf8_lossy(&bytes)).into_bytes()
                });
            }
            'q' | 'Q' => {
                let arg = self.next().unwrap_or_default();
                self.out.extend(spec.text(&quote::backslashed(&arg)).as_bytes());
            }
            'c' => {
                let arg = self.next().unwrap_or_default();
                let first: String = arg.chars().take(1).collect();
                self.out.extend(spec.text(&first).as_bytes());
            }
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => {
                let value = self.integer();
                self.out.extend(spec.integer(value, conversion).as_bytes());
            }
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'a' | 'A' => {
                let value = self.float();
                self.out.extend(spec.float(value, conversion).as_bytes());
            }
            'n' => {}
            other => {
                self.errors.push(format!("`{other}': invalid format character"));
                return None;
            }
        }
        Some(used)
    }

    fn integer(&mut self) -> i64 {
        let Some(arg) = self.next() else { return 0 };
        if let Some(c) = arg.strip_prefix(['\'', '"']) {
            return c.chars().next().map_or(0, |c| i64::from(u32::from(c)));
        }
        let (value, rest) = crate::format::leading_integer(&arg);
        if !rest.is_empty() || arg.trim().is_empty() && !arg.is_empty() {
            self.errors.push(format!("{arg}: invalid number"));
        }
        value
    }

    fn float(&mut self) -> f64 {
        let Some(arg) = self.next() else { return 0.0 };
        if let Some(c) = arg.strip_prefix(['\'', '"']) {
            return c.chars().next().map_or(0.0, |c| f64::from(u32::from(c)));
        }
        let (value, rest) = crate::format::leading_float(&arg);
        if !rest.is_empty() {
            self.errors.push(format!("{arg}: invalid number"));
        }
        value
    }
}
