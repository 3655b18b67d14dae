//! sort.

use std::cmp::Ordering;

use super::filter::{Flow, LineFilter, Lines};
use super::opts::{curly, getopt, refuse, try_help};
use crate::files::base_name;
use crate::{Kernel, Program, Sys};

/// A key of -k: fields and characters (from 1), and its own ordering.
#[derive(Clone, Default)]
struct Key {
    from: (usize, usize),
    to: Option<(usize, usize)>,
    order: String,
}

#[derive(Clone)]
struct Sort {
    keys: Vec<Key>,
    order: String,
    separator: Option<u8>,
    unique: bool,
    stable: bool,
    check: bool,
    output: Option<String>,
    lines: Vec<Vec<u8>>,
}

pub(super) fn start<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [
        ("numeric-sort", 'n'),
        ("reverse", 'r'),
        ("unique", 'u'),
        ("key=", 'k'),
        ("field-separator=", 't'),
        ("ignore-case", 'f'),
        ("ignore-leading-blanks", 'b'),
        ("version-sort", 'V'),
        ("human-numeric-sort", 'h'),
        ("general-numeric-sort", 'g'),
        ("stable", 's'),
        ("check?", 'c'),
        ("output=", 'o'),
        ("dictionary-order", 'd'),
    ];
    let opts = match getopt(args, "nruk:t:fbVhgsco:d", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("sort", &error, 2),
    };
    let mut keys = Vec::new();
    for text in opts.values('k') {
        match key(text) {
            Some(key) => keys.push(key),
            None => {
                return refuse(
                    format!("sort: invalid number at field start: invalid count at start of {}\n", curly(text)),
                    2,
                );
            }
        }
    }
    let separator = opts.value('t').map(|t| if t == "\\0" { 0 } else { t.bytes().next().unwrap_or(b'\t') });
    let filter = Sort {
        keys,
        order: opts.flags.iter().map(|f| f.0).filter(|c| "nrfbVhgd".contains(*c)).collect(),
        separator,
        unique: opts.has('u'),
        stable: opts.has('s'),
        check: opts.has('c'),
        output: opts.value('o').map(str::to_owned),
        lines: Vec::new(),
    };
    Box::new(Lines::new("sort", opts.operands, filter).error_status(2))
}

/// `2,3n`, `1.2,1.4`
fn key(text: &str) -> Option<Key> {
    let position = |text: &str| -> Option<((usize, usize), String)> {
        let order: String = text.chars().skip_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let numbers = text.strip_suffix(order.as_str())?;
        let (field, char) = numbers.split_once('.').unwrap_or((numbers, "0"));
        Some(((field.parse().ok()?, char.parse().ok()?), order))
    };
    let (from, to) = text.split_once(',').map_or((text, None), |(a, b)| (a, Some(b)));
    let (from, mut order) = position(from)?;
    if from.0 == 0 {
        return None;
    }
    let to = match to {
        None => None,
        Some(to) => {
            let (to, more) = position(to)?;
            order.push_str(&more);
            Some(to)
        }
    };
    Some(Key { from, to, order })
}

impl Sort {
    /// Where fields begin and end. Without -t a field begins with the blanks before it.
    fn fields(&self, line: &[u8]) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        let mut start = 0;
        match self.separator {
            Some(separator) => {
                for (i, b) in line.iter().enumerate() {
                    if *b == separator {
                        out.push((start, i));
                        start = i + 1;
                    }
                }
            }
            None => {
                let blank = |b: u8| b == b' ' || b == b'\t';
                for (i, pair) in line.windows(2).enumerate() {
                    if !blank(pair[0]) && blank(pair[1]) {
                        out.push((start, i + 1));
                        start = i + 1;
                    }
                }
            }
        }
        out.push((start, line.len()));
        out
    }

    fn part<'l>(&self, line: &'l [u8], key: &Key) -> &'l [u8] {
        let fields = self.fields(line);
        let Some(&(mut from, end)) = fields.get(key.from.0 - 1) else { return &[] };
        let skip_blanks = |mut at: usize| {
            while line.get(at).is_some_and(|b| *b == b' ' || *b == b'\t') {
                at += 1;
            }
            at
        };
        if key.order.contains('b') || self.order.contains('b') {
            from = skip_blanks(from);
        }
        from = (from + key.from.1.saturating_sub(1)).min(end.max(from));
        let to = match key.to {
            None => line.len(),
            Some((field, char)) => match fields.get(field.wrapping_sub(1)) {
                None => line.len(),
                Some(&(_, end)) if char == 0 => end,
                Some(&(start, end)) => (start + char).min(end),
            },
        };
        line.get(from..to.max(from)).unwrap_or(&[])
    }

    fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        if self.keys.is_empty() {
            return compare_as(a, b, &self.order);
        }
        for key in &self.keys {
            let order = if key.order.chars().any(|c| c != 'b') { &key.order } else { &self.order };
            let result = compare_as(self.part(a, key), self.part(b, key), order);
            if result != Ordering::Equal {
                return result;
            }
        }
        Ordering::Equal
    }

    fn compare_whole(&self, a: &[u8], b: &[u8]) -> Ordering {
        let result = self.compare(a, b);
        if result != Ordering::Equal || self.stable || self.unique {
            return result;
        }
        let last = a.cmp(b);
        if self.order.contains('r') { last.reverse() } else { last }
    }
}

fn compare_as(a: &[u8], b: &[u8], order: &str) -> Ordering {
    let text = |t: &[u8]| {
        let mut text = String::from_utf8_lossy(t).into_owned();
        if order.contains('b') {
            text = text.trim_start().to_owned();
        }
        if order.contains('d') {
            text.retain(|c| c.is_alphanumeric() || c.is_whitespace());
        }
        if order.contains('f') { text.to_uppercase() } else { text }
    };
    let result = if order.contains('n') || order.contains('g') {
        let number = |t: &[u8]| crate::format::leading_float(String::from_utf8_lossy(t).trim_start()).0;
        number(a).partial_cmp(&number(b)).unwrap_or(Ordering::Equal)
    } else if order.contains('h') {
        human(a).partial_cmp(&human(b)).unwrap_or(Ordering::Equal)
    } else if order.contains('V') {
        version(&text(a), &text(b))
    } else {
        text(a).cmp(&text(b))
    };
    if order.contains('r') { result.reverse() } else { result }
}

fn human(text: &[u8]) -> f64 {
    let text = String::from_utf8_lossy(text).into_owned();
    let (number, rest) = crate::format::leading_float(&text);
    let power = rest.chars().next().and_then(|c| "KMGTPE".find(c.to_ascii_uppercase())).map_or(0, |p| p as i32 + 1);
    number * 1024f64.powi(power)
}

/// Runs of digits compare as numbers.
fn version(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() && !b.is_empty() {
        let digits = |t: &str| t.find(|c: char| !c.is_ascii_digit()).unwrap_or(t.len());
        let (da, db) = (digits(a), digits(b));
        if da > 0 && db > 0 {
            let (na, nb) = (a[..da].trim_start_matches('0'), b[..db].trim_start_matches('0'));
            let result = na.len().cmp(&nb.len()).then_with(|| na.cmp(nb));
            if result != Ordering::Equal {
                return result;
            }
            (a, b) = (&a[da..], &b[db..]);
            continue;
        }
        let (ca, cb) = (a.chars().next().unwrap_or('\0'), b.chars().next().unwrap_or('\0'));
        if ca != cb {
            return ca.cmp(&cb);
        }
        (a, b) = (&a[ca.len_utf8()..], &b[cb.len_utf8()..]);
    }
    a.len().cmp(&b.len())
}

impl<K: Kernel> LineFilter<K> for Sort {
    fn line(&mut self, _: &mut Sys<'_, K>, line: &[u8], _: bool) -> Flow {
        self.lines.push(line.to_vec());
        Flow::Go
    }

    fn end(&mut self, sys: &mut Sys<'_, K>) -> i32 {
        let mut lines = std::mem::take(&mut self.lines);
        if self.check {
            let wrong = lines.windows(2).position(|w| {
                let order = self.compare_whole(&w[0], &w[1]);
                order == Ordering::Greater || (self.unique && order == Ordering::Equal)
            });
            if let Some(at) = wrong {
                let line = lines.get(at + 1).map(|l| String::from_utf8_lossy(l).into_owned()).unwrap_or_default();
                sys.err(&format!("sort: -:{}: disorder: {line}\n", at + 2));
                return 1;
            }
            return 0;
        }
        lines.sort_by(|a, b| self.compare_whole(a, b));
        if self.unique {
            lines.dedup_by(|a, b| self.compare(a, b) == Ordering::Equal);
        }
        let mut out = Vec::new();
        for line in lines {
            out.extend(line);
            out.push(b'\n');
        }
        match &self.output {
            None => sys.out_bytes(&out),
            Some(file) => {
                if let Err(errno) = sys.write_file(file, &out) {
                    sys.err(&format!("sort: open failed: {}: {errno}\n", base_name(file)));
                    return 2;
                }
            }
        }
        0
    }
}
