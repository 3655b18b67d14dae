//! test, [ and [[ ]].

use super::Outcome;
use crate::bash::ast::TestExpr;
use crate::bash::expand::{Expand, Stop};
use crate::bash::pattern::Pattern;
use crate::bash::shell::Shell;
use crate::bash::vars::Value;
use crate::files::{FileKind, Stat};
use crate::{Kernel, Sys};

const UNARY: &str = "abcdefghknoprstuvwxzGLNORS";
const BINARY: [&str; 14] = ["=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"];

/// A condition that cannot be evaluated: what bash says.
type Wrong = String;

impl Shell {
    pub(super) fn builtin_test<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, args: &[String]) -> Outcome {
        let mut args = args;
        if name == "[" {
            match args.split_last() {
                Some((last, rest)) if last == "]" => args = rest,
                _ => return self.fail(sys, "[: missing `]'", 2),
            }
        }
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        match self.test_words(sys, &words) {
            Ok(truth) => Outcome::Status(i32::from(!truth)),
            Err(message) => self.fail(sys, &format!("{name}: {message}"), 2),
        }
    }

    /// POSIX's rules by the number of arguments, then the general grammar.
    fn test_words<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, words: &[&str]) -> Result<bool, Wrong> {
        match words {
            [] => Ok(false),
            [one] => Ok(!one.is_empty()),
            ["!", one] => Ok(one.is_empty()),
            [op, operand] => match unary_letter(op) {
                Some(letter) => self.unary_test(sys, letter, operand),
                None => Err(format!("{op}: unary operator expected")),
            },
            [left, op, right] if BINARY.contains(op) => self.binary_test(sys, op, left, right),
            [left, "-a", right] => Ok(!left.is_empty() && !right.is_empty()),
            [left, "-o", right] => Ok(!left.is_empty() || !right.is_empty()),
            ["!", a, b] => Ok(!self.test_words(sys, &[a, b])?),
            ["(", one, ")"] => Ok(!one.is_empty()),
            [_, op, _] => Err(format!("{op}: binary operator expected")),
            ["!", rest @ ..] if rest.len() == 3 => Ok(!self.test_words(sys, rest)?),
            _ => {
                let mut at = 0;
                let truth = self.test_or(sys, words, &mut at, 0)?;
                if at < words.len() { Err("too many arguments".to_owned()) } else { Ok(truth) }
            }
        }
    }

    fn test_or<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        words: &[&str],
        at: &mut usize,
        depth: usize,
    ) -> Result<bool, Wrong> {
        let mut truth = self.test_and(sys, words, at, depth)?;
        while words.get(*at) == Some(&"-o") {
            *at += 1;
            truth |= self.test_and(sys, words, at, depth)?;
        }
        Ok(truth)
    }

    fn test_and<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        words: &[&str],
        at: &mut usize,
        depth: usize,
    ) -> Result<bool, Wrong> {
        let mut truth = self.test_primary(sys, words, at, depth)?;
        while words.get(*at) == Some(&"-a") {
            *at += 1;
            truth &= self.test_primary(sys, words, at, depth)?;
        }
        Ok(truth)
    }

    fn test_primary<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        words: &[&str],
        at: &mut usize,
        depth: usize,
    ) -> Result<bool, Wrong> {
        let rest = words.get(*at..).unwrap_or(&[]);
        if depth > 50 {
            return Err("too many arguments".to_owned());
        }
        match rest {
            [] => Err("argument expected".to_owned()),
            [left, op, right, ..] if BINARY.contains(op) => {
                *at += 3;
                self.binary_test(sys, op, left, right)
            }
            ["!", ..] => {
                *at += 1;
                Ok(!self.test_primary(sys, words, at, depth + 1)?)
            }
            ["(", ..] => {
                *at += 1;
                let truth = self.test_or(sys, words, at, depth + 1)?;
                if words.get(*at) != Some(&")") {
                    return Err("`)' expected".to_owned());
                }
                *at += 1;
                Ok(truth)
            }
            [op, operand, ..] if unary_letter(op).is_some() => {
                *at += 2;
                self.unary_test(sys, unary_letter(op).unwrap_or('n'), operand)
            }
            [one, ..] => {
                *at += 1;
                Ok(!one.is_empty())
            }
        }
    }

    fn unary_test<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, letter: char, operand: &str) -> Result<bool, Wrong> {
        Ok(match letter {
            'n' => !operand.is_empty(),
            'z' => operand.is_empty(),
            'o' => self.options.get(operand).unwrap_or(false),
            't' => match operand.trim().parse::<u32>() {
                Ok(_) => false,
                Err(_) => return Err(format!("{operand}: integer expression expected")),
            },
            'v' => self.is_set(sys, operand),
            'R' => self.vars.get_raw(operand).is_some_and(|v| v.nameref),
            _ => file_test(sys, letter, operand),
        })
    }

    fn is_set<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, operand: &str) -> bool {
        if let Ok(number) = operand.parse::<usize>() {
            return number == 0 || number <= self.args.len();
        }
        let Some((name, index)) = operand.strip_suffix(']').and_then(|o| o.split_once('[')) else {
            return self.vars.get(operand).is_some_and(|v| v.scalar().is_some());
        };
        if index == "@" || index == "*" {
            return self.vars.get(name).is_some_and(|v| !v.elements().is_empty());
        }
        let Ok(word) = crate::bash::word::index(index, self.line) else { return false };
        let key = self.attempt(sys, &Default::default(), |x| x.key(name, &word));
        key.is_ok_and(|key| self.vars.get(name).is_some_and(|v| v.is_set() && v.element(Some(&key)).is_some()))
    }

    fn binary_test<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        op: &str,
        left: &str,
        right: &str,
    ) -> Result<bool, Wrong> {
        Ok(match op {
            "=" | "==" => left == right,
            "!=" => left != right,
            "<" => left < right,
            ">" => left > right,
            "-nt" | "-ot" | "-ef" => compare_files(sys, op, left, right),
            _ => {
                let number =
                    |text: &str| text.trim().parse::<i64>().map_err(|_| format!("{text}: integer expression expected"));
                compare(op, number(left)?, number(right)?)
            }
        })
    }
}

fn unary_letter(op: &str) -> Option<char> {
    let mut chars = op.strip_prefix('-')?.chars();
    let letter = chars.next()?;
    (chars.next().is_none() && UNARY.contains(letter)).then_some(letter)
}

fn compare(op: &str, a: i64, b: i64) -> bool {
    match op {
        "-eq" => a == b,
        "-ne" => a != b,
        "-lt" => a < b,
        "-le" => a <= b,
        "-gt" => a > b,
        _ => a >= b,
    }
}

fn compare_files<K: Kernel>(sys: &mut Sys<'_, K>, op: &str, left: &str, right: &str) -> bool {
    if op == "-ef" {
        return sys.same_file(left, right);
    }
    let time = |stat: Result<Stat, _>| stat.ok().map(|s| s.mtime);
    let (a, b) = (time(sys.stat(left, true)), time(sys.stat(right, true)));
    match (a, b) {
        (Some(a), Some(b)) => {
            if op == "-nt" {
                a > b
            } else {
                a < b
            }
        }
        (Some(_), None) => op == "-nt",
        (None, Some(_)) => op == "-ot",
        (None, None) => false,
    }
}

fn file_test<K: Kernel>(sys: &mut Sys<'_, K>, letter: char, path: &str) -> bool {
    let Ok(stat) = sys.stat(path, !matches!(letter, 'h' | 'L')) else { return false };
    match letter {
        'a' | 'e' | 'G' | 'O' => true,
        'f' => stat.kind == FileKind::File,
        'd' => stat.kind == FileKind::Dir,
        'h' | 'L' => stat.kind == FileKind::Symlink,
        'c' => stat.kind == FileKind::CharDevice,
        'p' => stat.kind == FileKind::Pipe,
        's' => stat.size > 0,
        'r' => true,
        'w' => stat.ino != 0 || stat.mode & 0o222 != 0,
        'x' => stat.mode & 0o111 != 0,
        'g' => stat.mode & 0o2000 != 0,
        'u' => stat.mode & 0o4000 != 0,
        'k' => stat.mode & 0o1000 != 0,
        'N' => true,
        _ => false,
    }
}

impl<K: Kernel> Expand<'_, '_, K> {
    /// `[[ ... ]]`
    pub(in crate::bash) fn test_expression(&mut self, expression: &TestExpr) -> Result<bool, Stop> {
        match expression {
            TestExpr::And(a, b) => Ok(self.test_expression(a)? && self.test_expression(b)?),
            TestExpr::Or(a, b) => Ok(self.test_expression(a)? || self.test_expression(b)?),
            TestExpr::Not(inner) => Ok(!self.test_expression(inner)?),
            TestExpr::Unary(letter, word) => {
                let text = self.text(word)?;
                self.trace_test(&format!("-{letter} {}", crate::bash::quote::traced(&text)));
                self.sh.unary_test(self.sys, *letter, &text).map_err(Stop::error)
            }
            TestExpr::Binary(op, left, right) => {
                let left = self.text(left)?;
                match *op {
                    "==" | "!=" => {
                        let source = self.pattern(right)?;
                        self.trace_test(&format!(
                            "{} {op} {}",
                            crate::bash::quote::traced(&left),
                            crate::bash::quote::traced(&source)
                        ));
                        let (source, subject) = if self.sh.options.nocasematch {
                            (source.to_lowercase(), left.to_lowercase())
                        } else {
                            (source, left)
                        };
                        Ok(Pattern::new(&source).matches(&subject) == (*op == "=="))
                    }
                    "=~" => {
                        let source = self.pattern(right)?;
                        self.regex_test(&left, &source)
                    }
                    "<" | ">" => {
                        let right = self.text(right)?;
                        Ok(if *op == "<" { left < right } else { left > right })
                    }
                    "-nt" | "-ot" | "-ef" => {
                        let right = self.text(right)?;
                        Ok(compare_files(self.sys, op, &left, &right))
                    }
                    op => {
                        let right = self.text(right)?;
                        self.trace_test(&format!("{left} {op} {right}"));
                        let (a, b) = (self.evaluate(&left)?, self.evaluate(&right)?);
                        Ok(compare(op, a, b))
                    }
                }
            }
        }
    }

    fn trace_test(&mut self, text: &str) {
        if self.sh.options.xtrace {
            self.sys.err(&format!("{}[[ {text} ]]\n", "+".repeat(self.sh.trace_level + 1) + " "));
        }
    }

    fn regex_test(&mut self, subject: &str, source: &str) -> Result<bool, Stop> {
        let Ok(regex) = crate::regexp::compile(source, crate::regexp::Syntax::Extended, self.sh.options.nocasematch)
        else {
            return Err(Stop::error(format!("{source}: invalid regular expression")));
        };
        let found = regex.captures(subject.as_bytes());
        let groups = match &found {
            None => Vec::new(),
            Some(captures) => captures
                .iter()
                .map(|g| g.map_or(String::new(), |g| String::from_utf8_lossy(g.as_bytes()).into_owned()))
                .collect(),
        };
        let map = groups.into_iter().enumerate().map(|(i, v)| (i as u64, v)).collect();
        self.sh.vars.change("BASH_REMATCH", |v| v.value = Value::Indexed(map));
        Ok(found.is_some())
    }
}
