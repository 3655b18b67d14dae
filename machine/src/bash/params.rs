//! `$name` and `${...}`: where values come from, and what the operators make of them.

use super::ast::{Index, Op, Param, Part, Word};
use super::expand::{Expand, Stop, TEXT_MAX, Values};
use super::pattern::Pattern;
use super::vars::{Key, Value, Var};
use super::{quote, word};
use crate::Kernel;

impl<K: Kernel> Expand<'_, '_, K> {
    /// A variable's scalar value, the ones bash computes included.
    pub(super) fn variable(&mut self, name: &str) -> Option<String> {
        match name {
            "RANDOM" => return Some(self.sh.vars.next_random().to_string()),
            "SRANDOM" => return Some(self.sys.random_u32().to_string()),
            "SECONDS" => return Some(self.sh.seconds(self.sys.now()).to_string()),
            "LINENO" => return Some(self.sh.line.to_string()),
            "EPOCHSECONDS" => return Some((self.sys.now().unix_nanos() / 1_000_000_000).to_string()),
            "EPOCHREALTIME" => {
                let micros = self.sys.now().unix_nanos() / 1000;
                return Some(format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
            }
            "BASHPID" => return Some(self.sys.pid().number.to_string()),
            "PPID" => return Some(self.sys.parent().to_string()),
            "UID" | "EUID" => return Some("0".to_owned()),
            "HOSTNAME" if self.sh.vars.get(name).is_none() => return Some(self.sys.hostname().to_owned()),
            "BASH_SUBSHELL" => return Some(self.sh.subshell_level.to_string()),
            "FUNCNAME" => return self.sh.call_names().into_iter().next(),
            "PIPESTATUS" => return self.sh.pipe_status.first().map(i32::to_string),
            "_" => return Some(self.sh.last_arg.clone()),
            "SHELLOPTS" => return Some(self.sh.options.names_on()),
            _ => {}
        }
        self.sh.vars.scalar(name).map(str::to_owned)
    }

    /// The elements of an array that bash computes.
    fn special_array(&self, name: &str) -> Option<Vec<String>> {
        match name {
            "FUNCNAME" => Some(self.sh.call_names()),
            "PIPESTATUS" => Some(self.sh.pipe_status.iter().map(i32::to_string).collect()),
            "GROUPS" => Some(vec!["0".to_owned()]),
            "DIRSTACK" => {
                let mut all = vec![self.sys.cwd()];
                all.extend(self.sh.dir_stack.iter().rev().cloned());
                Some(all)
            }
            "BASH_SOURCE" => Some(vec![self.sh.name.clone()]),
            _ => None,
        }
    }

    /// The value before any operator.
    fn base(&mut self, param: &Param) -> Result<Values, Stop> {
        let name = param.name.as_str();
        match name {
            "@" | "*" => return Ok(Values::Many(self.sh.args.clone(), name == "*")),
            "#" => return Ok(Values::One(Some(self.sh.args.len().to_string()))),
            "?" => return Ok(Values::One(Some(self.sh.status.to_string()))),
            "-" => return Ok(Values::One(Some(self.sh.options.letters()))),
            "$" => return Ok(Values::One(Some(self.sh.shell_pid.to_string()))),
            "!" => return Ok(Values::One(self.sh.last_background.map(|p| p.to_string()))),
            "0" => return Ok(Values::One(Some(self.sh.name.clone()))),
            _ => {}
        }
        if let Ok(number) = name.parse::<usize>() {
            return Ok(Values::One(number.checked_sub(1).and_then(|n| self.sh.args.get(n).cloned())));
        }
        match &param.index {
            None => Ok(Values::One(self.variable(name))),
            Some(index @ (Index::All | Index::Star)) => {
                let special = self.special_array(name);
                let list = special.unwrap_or_else(|| self.sh.vars.get(name).map(Var::elements).unwrap_or_default());
                Ok(Values::Many(list, matches!(index, Index::Star)))
            }
            Some(Index::Expr(index)) => {
                let key = match self.key(name, index) {
                    // Reading from before the array's beginning is told, and gives nothing.
                    Err(Stop::Error { message, fatal: false }) if message.ends_with("]: bad array subscript") => {
                        self.sh.complain(self.sys, &format!("{name}: bad array subscript"));
                        return Ok(Values::One(None));
                    }
                    key => key?,
                };
                if let (Some(list), Key::Number(n)) = (self.special_array(name), &key) {
                    return Ok(Values::One(usize::try_from(*n).ok().and_then(|n| list.get(n).cloned())));
                }
                Ok(Values::One(self.sh.vars.get(name).and_then(|v| v.element(Some(&key))).map(str::to_owned)))
            }
        }
    }

    /// The parameter that `${!x...}` means.
    fn dereference(&mut self, param: &Param) -> Result<Param, Stop> {
        if self.sh.vars.get_raw(&param.name).is_some_and(|v| v.nameref) && param.index.is_none() {
            // For a nameref, ${!x} is the name it refers to.
            let target =
                self.sh.vars.get_raw(&param.name).and_then(|v| v.scalar().map(str::to_owned)).unwrap_or_default();
            let literal = Op::Default('+', false, Word::literal(&target));
            return Ok(Param { indirect: false, op: literal, name: "?".to_owned(), ..param.clone() });
        }
        let Values::One(Some(target)) = self.base(&Param { indirect: false, op: Op::None, ..param.clone() })? else {
            return Err(Stop::error(format!("{}: invalid indirect expansion", param.name)));
        };
        let parsed = word::word(&format!("${{{target}}}"), self.sh.line);
        match parsed.as_ref().map(|w| w.parts.as_slice()) {
            Ok([Part::Param(found)]) if matches!(found.op, Op::None) && !found.indirect => {
                Ok(Param { op: param.op.clone(), source: param.source.clone(), ..(**found).clone() })
            }
            _ => Err(Stop::error(format!("{target}: invalid variable name"))),
        }
    }

    fn display_name(param: &Param) -> String {
        match &param.index {
            Some(Index::Expr(_)) => {
                let inner = param.source.strip_prefix("${").and_then(|s| s.split_inclusive(']').next());
                inner.unwrap_or(&param.name).to_owned()
            }
            _ if param.name.parse::<u64>().is_ok() => format!("${}", param.name),
            _ => param.name.clone(),
        }
    }

    fn unbound(param: &Param) -> Stop {
        Stop::fatal(format!("{}: unbound variable", Self::display_name(param)))
    }

    /// For `${x-word}` and its relatives: the word, if it is used. It is expanded in the place of the parameter.
    pub(super) fn alternative(&mut self, param: &Param) -> Result<Option<Word>, Stop> {
        let Op::Default(kind, colon, word) = &param.op else { return Ok(None) };
        let target = if param.indirect { self.dereference(param)? } else { param.clone() };
        if !matches!(target.op, Op::Default(..)) || (param.indirect && target.name == "?") {
            return Ok(None);
        }
        let present = match self.base(&target)? {
            Values::One(value) => value.is_some_and(|v| !colon || !v.is_empty()),
            Values::Many(list, _) => !list.is_empty() && (!colon || list.iter().any(|v| !v.is_empty())),
        };
        match (kind, present) {
            ('+', true) | ('-', false) => Ok(Some(word.clone())),
            ('=', false) => {
                let text = self.text(word)?;
                if target.name.parse::<u64>().is_ok() || "@*#?-$!".contains(target.name.as_str()) {
                    return Err(Stop::error(format!("${}: cannot assign in this way", target.name)));
                }
                let key = match &target.index {
                    Some(Index::Expr(index)) => Some(self.key(&target.name, index)?),
                    _ => None,
                };
                self.sh
                    .vars
                    .set(&target.name, key.as_ref(), text)
                    .map_err(|e| Stop::error(format!("{}: readonly variable", e.0)))?;
                Ok(None)
            }
            ('?', false) => {
                let text = self.text(word)?;
                let text = match (text.is_empty(), colon) {
                    (false, _) => text,
                    (true, true) => "parameter null or not set".to_owned(),
                    (true, false) => "parameter not set".to_owned(),
                };
                Err(Stop::fatal(format!("{}: {text}", target.name)))
            }
            _ => Ok(None),
        }
    }

    /// The parameter with its operator applied ([`Self::alternative`] was asked before).
    pub(super) fn parameter(&mut self, param: &Param) -> Result<Values, Stop> {
        let target;
        let param = if param.indirect {
            target = self.dereference(param)?;
            if let (true, Op::Default('+', false, word)) = (target.name == "?", &target.op) {
                return Ok(Values::One(Some(self.text(word)?)));
            }
            &target
        } else {
            param
        };
        match &param.op {
            Op::Bad => return Err(Stop::error(format!("{}: bad substitution", param.source))),
            Op::Names(star) => {
                let names = self.sh.vars.names().into_iter().filter(|n| n.starts_with(&param.name)).collect();
                return Ok(Values::Many(names, *star));
            }
            Op::Keys(star) => {
                let count = self.special_array(&param.name).map(|l| (0..l.len()).map(|i| i.to_string()).collect());
                let keys = count.unwrap_or_else(|| self.sh.vars.get(&param.name).map(Var::keys).unwrap_or_default());
                return Ok(Values::Many(keys, *star));
            }
            Op::Default('+', ..) => return Ok(Values::One(None)),
            Op::Transform(kind @ ('A' | 'a' | 'K' | 'k')) => return Ok(self.describe(param, *kind)),
            _ => {}
        }
        let base = self.base(param)?;
        let missing = matches!(base, Values::One(None));
        if missing && self.sh.options.nounset && !matches!(param.op, Op::Default(..)) {
            return Err(Self::unbound(param));
        }
        match &param.op {
            Op::Length => Ok(Values::One(Some(
                match base {
                    Values::One(value) => value.unwrap_or_default().chars().count(),
                    Values::Many(list, _) => list.len(),
                }
                .to_string(),
            ))),
            Op::Substring(offset, length) => self.substring(param, base, offset, length.as_ref()),
            op => {
                let mapper = self.mapper(op)?;
                self.sys.charge(match &base {
                    Values::One(value) => value.as_ref().map_or(0, String::len) as u64 / 4,
                    Values::Many(list, _) => list.iter().map(|v| 1 + v.len() as u64 / 4).sum(),
                });
                Ok(match base {
                    Values::One(value) => Values::One(value.map(|v| mapper.apply(&v))),
                    Values::Many(list, star) => Values::Many(list.iter().map(|v| mapper.apply(v)).collect(), star),
                })
            }
        }
    }

    fn mapper(&mut self, op: &Op) -> Result<Mapper, Stop> {
        Ok(match op {
            Op::Trim(side, longest, pattern) => Mapper::Trim(*side, *longest, Pattern::new(&self.pattern(pattern)?)),
            Op::Replace(place, pattern, replacement) => {
                let source = self.pattern(pattern)?;
                Mapper::Replace(*place, source.is_empty(), Pattern::new(&source), self.text(replacement)?)
            }
            Op::Case(kind, all, pattern) => {
                let source = self.pattern(pattern)?;
                Mapper::Case(*kind, *all, Pattern::new(if source.is_empty() { "?" } else { &source }))
            }
            Op::Transform(kind) => Mapper::Transform(*kind),
            _ => Mapper::Same,
        })
    }

    fn substring(&mut self, param: &Param, base: Values, offset: &Word, length: Option<&Word>) -> Result<Values, Stop> {
        let offset = self.arithmetic(offset)?;
        let length = length.map(|l| self.arithmetic(l)).transpose()?;
        match base {
            Values::One(None) => Ok(Values::One(None)),
            Values::One(Some(text)) => {
                let chars: Vec<char> = text.chars().collect();
                let size = chars.len() as i64;
                let start = if offset < 0 { size + offset } else { offset };
                if start < 0 || start > size {
                    return Ok(Values::One(Some(String::new())));
                }
                let end = match length {
                    None => size,
                    Some(n) if n < 0 => size + n,
                    Some(n) => start.saturating_add(n).min(size),
                };
                if end < start {
                    return Err(Stop::error(format!("{}: substring expression < 0", end - size)));
                }
                Ok(Values::One(Some(chars.into_iter().skip(start as usize).take((end - start) as usize).collect())))
            }
            Values::Many(list, star) => {
                if length.is_some_and(|n| n < 0) {
                    return Err(Stop::error(format!("{}: substring expression < 0", length.unwrap_or(0))));
                }
                let positional = param.name == "@" || param.name == "*";
                let mut indexed: Vec<(i64, String)> = if positional {
                    std::iter::once(self.sh.name.clone()).chain(list).enumerate().map(|(i, v)| (i as i64, v)).collect()
                } else if let Some(Value::Indexed(map)) = self.sh.vars.get(&param.name).map(|v| &v.value) {
                    map.iter().map(|(k, v)| (*k as i64, v.clone())).collect()
                } else {
                    list.into_iter().enumerate().map(|(i, v)| (i as i64, v)).collect()
                };
                let end = indexed.last().map_or(0, |last| last.0 + 1);
                let start = if offset < 0 { end + offset } else { offset };
                if start < 0 {
                    return Ok(Values::Many(Vec::new(), star));
                }
                indexed.retain(|(i, _)| *i >= start);
                let count = length.map_or(usize::MAX, |n| n as usize);
                Ok(Values::Many(indexed.into_iter().take(count).map(|(_, v)| v).collect(), star))
            }
        }
    }

    /// `${x@A}`, `${x@a}`, `${x@K}`, `${x@k}`
    fn describe(&mut self, param: &Param, kind: char) -> Values {
        let Some(var) = self.sh.vars.get(&param.name) else { return Values::One(None) };
        match kind {
            'a' => Values::One(Some(var.flags())),
            'A' => Values::One(Some(super::builtins::declare::assignment_text(&param.name, var))),
            'k' => {
                let pairs = var.keys().into_iter().zip(var.elements()).flat_map(|(k, v)| [k, v]);
                Values::Many(pairs.collect(), false)
            }
            _ => {
                let pairs = var
                    .keys()
                    .into_iter()
                    .zip(var.elements())
                    .map(|(k, v)| format!("{k} {}", quote::double_quoted(&v)));
                Values::One(Some(pairs.collect::<Vec<_>>().join(" ")))
            }
        }
    }
}

/// An operator with its operands expanded, to be applied to each value.
enum Mapper {
    Same,
    Trim(char, bool, Pattern),
    Replace(char, bool, Pattern, String),
    Case(char, bool, Pattern),
    Transform(char),
}

impl Mapper {
    fn apply(&self, value: &str) -> String {
        let chars: Vec<char> = value.chars().collect();
        match self {
            Mapper::Same => value.to_owned(),
            Mapper::Trim('#', longest, pattern) => {
                let end = pattern.match_at(&chars, 0, *longest).unwrap_or(0);
                chars.iter().skip(end).collect()
            }
            Mapper::Trim(_, longest, pattern) => {
                let matches = |start: &usize| pattern.match_at(&chars, *start, true) == Some(chars.len());
                let start =
                    if *longest { (0..=chars.len()).find(matches) } else { (0..=chars.len()).rev().find(matches) };
                chars.iter().take(start.unwrap_or(chars.len())).collect()
            }
            Mapper::Replace(place, empty, pattern, replacement) => {
                replace(&chars, *place, *empty, pattern, replacement)
            }
            Mapper::Case(kind, all, pattern) => {
                let change = |(i, c): (usize, &char)| -> String {
                    if (i > 0 && !all) || !pattern.matches(&c.to_string()) {
                        c.to_string()
                    } else if *kind == '^' {
                        c.to_uppercase().collect()
                    } else {
                        c.to_lowercase().collect()
                    }
                };
                chars.iter().enumerate().map(change).collect()
            }
            Mapper::Transform(kind) => transform(*kind, value),
        }
    }
}

fn replace(chars: &[char], place: char, empty: bool, pattern: &Pattern, replacement: &str) -> String {
    let text: String = chars.iter().collect();
    match place {
        '#' if empty => return format!("{replacement}{text}"),
        '%' if empty => return format!("{text}{replacement}"),
        _ if empty => return text,
        '#' => {
            return match pattern.match_at(chars, 0, true) {
                Some(end) => replacement.chars().chain(chars.iter().skip(end).copied()).collect(),
                None => text,
            };
        }
        '%' => {
            let start = (0..=chars.len()).find(|s| pattern.match_at(chars, *s, true) == Some(chars.len()));
            return match start {
                Some(start) => chars.iter().take(start).copied().chain(replacement.chars()).collect(),
                None => text,
            };
        }
        _ => {}
    }
    let mut out = String::new();
    let mut i = 0;
    // What is longer is refused by the expansion that this is a part of.
    while i < chars.len() && out.len() <= TEXT_MAX {
        match pattern.match_at(chars, i, true) {
            Some(end) if end > i => {
                out.push_str(replacement);
                i = end;
                if place != '/' {
                    break;
                }
            }
            _ => {
                out.extend(chars.get(i));
                i += 1;
            }
        }
    }
    out.extend(chars.iter().skip(i));
    out
}

fn transform(kind: char, value: &str) -> String {
    match kind {
        'U' => value.to_uppercase(),
        'L' => value.to_lowercase(),
        'u' => {
            let mut chars = value.chars();
            chars.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default() + chars.as_str()
        }
        'Q' => quote::single_quoted(value),
        'E' => quote::ansi_c(value).0,
        _ => value.to_owned(),
    }
}
