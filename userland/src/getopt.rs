//! Reading of options as glibc's `getopt_long(3)` does it: clusters, operands between options, abbreviated long names,
//! and the same error texts.

/// Whether a long option takes an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Argument {
    /// Never.
    No,
    /// Always: `--name=value` or the next word.
    Required,
    /// Only as `--name=value`.
    Optional,
}

/// A long option, and the key by which the program knows it: the short option that means the same, or any other
/// character.
pub type Long = (&'static str, Argument, char);

/// One option that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opt {
    /// The short option, or the long one's key.
    pub key: char,
    /// Its argument, if it has one.
    pub value: Option<String>,
}

impl Opt {
    /// The argument; empty if there is none.
    pub fn text(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }
}

/// What a command line consists of.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Parsed {
    /// The options in order, up to the first mistake. A mistake is told in glibc's words, without the program's name.
    pub options: Vec<Result<Opt, String>>,
    /// The words that are no options.
    pub operands: Vec<String>,
}

/// Reads `args` by `spec`, a `getopt(3)` string: `x` plain, `x:` with an argument, `x::` with an optional one. A
/// leading `+` ends the options at the first operand.
///
/// ```
/// use hopwise_userland::getopt::{Opt, parse};
/// let args = ["-qc", "3", "host", "-n"].map(String::from);
/// let parsed = parse(&args, "c:nq", &[]);
/// assert_eq!(parsed.operands, ["host"]);
/// assert_eq!(parsed.options[1], Ok(Opt { key: 'c', value: Some("3".into()) }));
/// assert_eq!(parse(&["-x".into()], "c:", &[]).options, [Err("invalid option -- 'x'".into())]);
/// ```
pub fn parse(args: &[String], spec: &str, long: &[Long]) -> Parsed {
    let in_order = spec.starts_with('+');
    let mut parsed = Parsed::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        } else if let Some(text) = word.strip_prefix("--") {
            parsed.options.push(long_option(text, long, &mut words));
        } else if let Some(cluster) = word.strip_prefix('-').filter(|c| !c.is_empty()) {
            short_options(cluster, spec, &mut words, &mut parsed.options);
        } else {
            parsed.operands.push(word.clone());
            if in_order {
                break;
            }
        }
        if parsed.options.last().is_some_and(Result::is_err) {
            break;
        }
    }
    parsed.operands.extend(words.cloned());
    parsed
}

fn short_options<'a>(
    cluster: &str,
    spec: &str,
    words: &mut impl Iterator<Item = &'a String>,
    found: &mut Vec<Result<Opt, String>>,
) {
    let mut rest = cluster.chars();
    while let Some(key) = rest.next() {
        let after = spec.find(key).filter(|_| !matches!(key, ':' | '+')).map(|at| &spec[at + key.len_utf8()..]);
        let Some(after) = after else {
            found.push(Err(format!("invalid option -- '{key}'")));
            return;
        };
        if !after.starts_with(':') {
            found.push(Ok(Opt { key, value: None }));
            continue;
        }
        let attached = Some(rest.as_str()).filter(|r| !r.is_empty()).map(str::to_owned);
        let value = if after.starts_with("::") { attached } else { attached.or_else(|| words.next().cloned()) };
        found.push(match value {
            None if !after.starts_with("::") => Err(format!("option requires an argument -- '{key}'")),
            value => Ok(Opt { key, value }),
        });
        return;
    }
}

fn long_option<'a>(text: &str, long: &[Long], words: &mut impl Iterator<Item = &'a String>) -> Result<Opt, String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    let mut candidates: Vec<&Long> = long.iter().filter(|row| row.0.starts_with(name)).collect();
    if let Some(exact) = candidates.iter().find(|row| row.0 == name) {
        candidates = vec![exact];
    }
    // Several names of the same meaning are no ambiguity.
    candidates.dedup_by_key(|row| (row.1, row.2));
    let &[&(full, argument, key)] = candidates.as_slice() else {
        if candidates.is_empty() {
            return Err(format!("unrecognized option '--{name}'"));
        }
        let names: String = candidates.iter().map(|row| format!(" '--{}'", row.0)).collect();
        return Err(format!("option '--{text}' is ambiguous; possibilities:{names}"));
    };
    match (argument, value) {
        (Argument::No, Some(_)) => Err(format!("option '--{full}' doesn't allow an argument")),
        (Argument::Required, None) => match words.next() {
            Some(value) => Ok(Opt { key, value: Some(value.clone()) }),
            None => Err(format!("option '--{full}' requires an argument")),
        },
        (_, value) => Ok(Opt { key, value }),
    }
}

/// What `strtol` reads in base 10 from a whole text: leading blanks and a sign are allowed, nothing may follow.
/// `None`: it is no number; the value is clamped to the range of `i64`.
pub fn strtol(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse::<i64>().unwrap_or(i64::MAX);
    Some(if negative { -value } else { value })
}

/// What `strtod` reads: the number at the beginning, and the text after it.
pub fn strtod(text: &str) -> (f64, &str) {
    let start = text.len() - text.trim_start().len();
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = start + usize::from(matches!(bytes.get(start), Some(b'+' | b'-')));
    let whole = digits(end);
    end += whole;
    let mut any = whole > 0;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if any || fraction > 0 {
            end += 1 + fraction;
            any = true;
        }
    }
    if !any {
        return (0.0, text);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + signed);
        if exponent > 0 {
            end += 1 + signed + exponent;
        }
    }
    (text.get(start..end).and_then(|number| number.parse().ok()).unwrap_or(0.0), text.get(end..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &[Long] = &[
        ("net", Argument::Optional, 'n'),
        ("number", Argument::No, '#'),
        ("target", Argument::Required, 't'),
        ("version", Argument::No, 'V'),
    ];

    type Found = Result<(char, String), String>;

    fn keys(args: &[&str], spec: &str) -> (Vec<Found>, Vec<String>) {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let parsed = parse(&args, spec, LONG);
        let plain = |o: Result<Opt, String>| o.map(|o| (o.key, o.text().to_owned()));
        (parsed.options.into_iter().map(plain).collect(), parsed.operands)
    }

    #[test]
    fn long_options_as_glibc_reads_them() {
        let ok = |key, text: &str| Ok((key, text.to_owned()));
        assert_eq!(keys(&["--net=/x", "--tar", "5", "--ver"], "").0, [ok('n', "/x"), ok('t', "5"), ok('V', "")]);
        assert_eq!(keys(&["--n"], "").0, [Err("option '--n' is ambiguous; possibilities: '--net' '--number'".into())]);
        assert_eq!(keys(&["--foo"], "").0, [Err("unrecognized option '--foo'".into())]);
        assert_eq!(keys(&["--version=1"], "").0, [Err("option '--version' doesn't allow an argument".into())]);
        assert_eq!(keys(&["--target"], "").0, [Err("option '--target' requires an argument".into())]);
    }

    #[test]
    fn operands_may_come_first_unless_order_counts() {
        assert_eq!(keys(&["a", "-x", "b"], "x"), (vec![Ok(('x', String::new()))], vec!["a".into(), "b".into()]));
        assert_eq!(keys(&["a", "-x", "b"], "+x"), (vec![], vec!["a".into(), "-x".into(), "b".into()]));
        assert_eq!(keys(&["--", "-x"], "x"), (vec![], vec!["-x".into()]));
        assert_eq!(keys(&["-n/y", "-n", "z"], "n::").0, [Ok(('n', "/y".into())), Ok(('n', String::new()))]);
        assert_eq!(keys(&["-c"], "c:").0, [Err("option requires an argument -- 'c'".into())]);
    }

    #[test]
    fn numbers_as_the_c_library_reads_them() {
        assert_eq!(
            (strtol(" -5"), strtol("5x"), strtol(""), strtol("99999999999999999999")),
            (Some(-5), None, None, Some(i64::MAX))
        );
        assert_eq!(
            (strtod("0.5"), strtod("x"), strtod("2s"), strtod(".5e1-")),
            ((0.5, ""), (0.0, "x"), (2.0, "s"), (5.0, "-"))
        );
    }
}
