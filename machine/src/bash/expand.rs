//! Word expansion: tilde, parameters, commands, arithmetic, splitting, file names.
//!
//! Expansion never waits. When it needs the output of a `$(...)` that is not known yet, it stops and names it; the interpreter runs it, notes the
//! output, and repeats the expansion from its beginning, with the variables as they were. So an expansion is a pure function of shell
//! and known outputs, and its effects (`${x:=1}`, `$((i++))`) happen once.

use std::sync::Arc;

use super::arith;
use super::ast::{Part, Substitution, Word};
use super::pattern::{self, Pattern};
use super::shell::Shell;
use super::vars::Key;
use crate::files::FileKind;
use crate::{Kernel, Sys};

/// Why an expansion stopped.
pub(super) enum Stop {
    /// This output is needed first.
    Substitution(Arc<Substitution>),
    /// It failed: what bash prints, and whether a script ends with it.
    Error { message: String, fatal: bool },
}

impl Stop {
    pub(super) fn error(message: impl Into<String>) -> Stop {
        Stop::Error { message: message.into(), fatal: false }
    }
    pub(super) fn fatal(message: impl Into<String>) -> Stop {
        Stop::Error { message: message.into(), fatal: true }
    }
}

/// The outputs of command substitutions that are known, in the order of their place in the expansion.
#[derive(Clone, Default, Debug)]
pub(super) struct Memo {
    pub(super) outputs: Vec<String>,
}

/// One expansion under way.
pub(super) struct Expand<'s, 'a, K: Kernel> {
    pub(super) sh: &'s mut Shell,
    pub(super) sys: &'s mut Sys<'a, K>,
    memo: &'s Memo,
    used: usize,
}

/// A field being built: its text, and its text as a pattern (what was quoted is protected).
#[derive(Clone, Default)]
struct Field {
    text: String,
    pattern: String,
}

/// The longest text that a word may become, in bytes: more is a script that doubles a variable for ever.
pub(super) const TEXT_MAX: usize = 8 << 20;

/// Collects parts into fields.
struct Builder {
    fields: Vec<Field>,
    current: Option<Field>,
    /// Split by these characters; `None`: never.
    ifs: Option<String>,
    /// The last field ended at white space: a separator right after belongs to it.
    after_blank: bool,
    /// Bytes so far.
    size: usize,
}

impl Builder {
    fn new(ifs: Option<String>) -> Self {
        Builder { fields: Vec::new(), current: None, ifs, after_blank: false, size: 0 }
    }

    fn quoted(&mut self, text: &str) {
        self.size += text.len();
        let field = self.current.get_or_insert_default();
        field.text.push_str(text);
        field.pattern.push_str(&pattern::escape(text));
    }

    fn literal(&mut self, text: &str) {
        self.size += text.len();
        let field = self.current.get_or_insert_default();
        field.text.push_str(text);
        field.pattern.push_str(text);
    }

    /// Ends the field, if one has begun.
    fn finish(&mut self) {
        // What a field costs beside its text.
        self.size += 16;
        self.fields.extend(self.current.take());
    }

    /// An unquoted expansion's result.
    fn expanded(&mut self, text: &str) {
        let Some(ifs) = self.ifs.clone() else {
            if !text.is_empty() {
                self.literal(text);
            }
            return;
        };
        for c in text.chars() {
            if !ifs.contains(c) {
                self.after_blank = false;
                let mut buffer = [0; 4];
                self.literal(c.encode_utf8(&mut buffer));
            } else if c == ' ' || c == '\t' || c == '\n' {
                if self.current.is_some() {
                    self.finish();
                    self.after_blank = true;
                }
            } else if self.current.is_some() {
                self.finish();
                self.after_blank = false;
            } else if self.after_blank {
                self.after_blank = false;
            } else {
                self.fields.push(Field::default());
            }
        }
    }
}

/// A parameter's value: one text, or a list (`$@`, `${a[*]}`).
pub(super) enum Values {
    One(Option<String>),
    /// With `true`: joined when quoted (`*`).
    Many(Vec<String>, bool),
}

impl Shell {
    /// Runs an expansion; its changes stay only if it got through.
    pub(super) fn attempt<K: Kernel, T>(
        &mut self,
        sys: &mut Sys<'_, K>,
        memo: &Memo,
        expansion: impl FnOnce(&mut Expand<'_, '_, K>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        self.vars.begin();
        let result = expansion(&mut Expand { sh: self, sys, memo, used: 0 });
        if matches!(result, Err(Stop::Substitution(_))) {
            // The commands see what the expansion has changed so far; this shell will change it again.
            self.substitution_vars = self.vars.has_changes().then(|| Box::new(self.vars.clone()));
            self.vars.rollback();
        } else {
            self.vars.commit();
        }
        result
    }
}

impl<K: Kernel> Expand<'_, '_, K> {
    /// A command's word: any number of arguments.
    pub(super) fn fields(&mut self, word: &Word, out: &mut Vec<String>) -> Result<(), Stop> {
        if let Some(text) = word.plain()
            && !pattern::is_pattern(text)
        {
            out.push(text.to_owned());
            return Ok(());
        }
        let mut builder = Builder::new(Some(self.ifs()));
        self.parts(&word.parts, false, &mut builder)?;
        builder.finish();
        for field in builder.fields {
            if self.sh.options.noglob || !pattern::is_pattern(&field.pattern) {
                out.push(field.text);
                continue;
            }
            let mut found = self.glob(&field.pattern);
            if !found.is_empty() {
                out.append(&mut found);
            } else if self.sh.options.failglob {
                return Err(Stop::error(format!("no match: {}", field.text)));
            } else if !self.sh.options.nullglob {
                out.push(field.text);
            }
        }
        Ok(())
    }

    /// A word as one text: assignments, here-documents, `case` words.
    pub(super) fn text(&mut self, word: &Word) -> Result<String, Stop> {
        Ok(self.single(word)?.text)
    }

    /// A word as a pattern's source.
    pub(super) fn pattern(&mut self, word: &Word) -> Result<String, Stop> {
        Ok(self.single(word)?.pattern)
    }

    fn single(&mut self, word: &Word) -> Result<Field, Stop> {
        let mut builder = Builder::new(None);
        self.parts(&word.parts, false, &mut builder)?;
        builder.finish();
        let mut all = Field::default();
        for (i, field) in builder.fields.into_iter().enumerate() {
            if i > 0 {
                all.text.push(' ');
                all.pattern.push(' ');
            }
            all.text.push_str(&field.text);
            all.pattern.push_str(&field.pattern);
        }
        Ok(all)
    }

    /// An arithmetic expression's value.
    pub(super) fn arithmetic(&mut self, word: &Word) -> Result<i64, Stop> {
        let text = self.text(word)?;
        self.evaluate(&text)
    }

    /// Evaluates text as arithmetic.
    pub(super) fn evaluate(&mut self, text: &str) -> Result<i64, Stop> {
        let mut names = Names { expand: self, stop: None };
        let result = arith::evaluate(text, &mut names);
        match (names.stop.take(), result) {
            (Some(stop), _) => Err(stop),
            (None, Ok(value)) => Ok(value),
            (None, Err(message)) => Err(Stop::error(message)),
        }
    }

    /// `$IFS`
    pub(super) fn ifs(&self) -> String {
        self.sh.vars.get("IFS").map_or_else(|| " \t\n".to_owned(), |v| v.scalar().unwrap_or(" \t\n").to_owned())
    }

    /// What joins the elements of `"$*"`.
    pub(super) fn joiner(&self) -> String {
        self.ifs().chars().next().map(String::from).unwrap_or_default()
    }

    fn parts(&mut self, parts: &[Part], quoted: bool, builder: &mut Builder) -> Result<(), Stop> {
        for part in parts {
            match part {
                Part::Text(text) if !quoted => builder.literal(text),
                Part::Text(text) | Part::Quoted(text) => builder.quoted(text),
                Part::Double(inner) => self.double(inner, builder)?,
                Part::Tilde(user) => {
                    let home = self.tilde(user);
                    builder.quoted(&home);
                }
                Part::Refused(message) => return Err(Stop::error(message.clone())),
                Part::Arith(word) => {
                    let value = self.arithmetic(word)?.to_string();
                    if quoted { builder.quoted(&value) } else { builder.expanded(&value) }
                }
                Part::Command(substitution) => {
                    let Some(output) = self.memo.outputs.get(self.used) else {
                        return Err(Stop::Substitution(substitution.clone()));
                    };
                    self.used += 1;
                    if quoted { builder.quoted(output) } else { builder.expanded(output) }
                }
                Part::Param(param) => {
                    if let Some(word) = self.alternative(param)? {
                        // ${x:-word}: the word's own quotes decide what is split.
                        self.parts(&word.parts, quoted, builder)?;
                        continue;
                    }
                    let values = self.parameter(param)?;
                    self.place(values, quoted, builder);
                }
            }
        }
        self.fits(builder)
    }

    /// Refuses what only a script that doubles a variable for ever would make.
    fn fits(&mut self, builder: &Builder) -> Result<(), Stop> {
        self.sys.charge(builder.size as u64 / 16);
        if builder.size <= TEXT_MAX {
            return Ok(());
        }
        Err(Stop::fatal(format!("stopped: a text of more than {TEXT_MAX} bytes, this looks endless")))
    }

    fn double(&mut self, inner: &[Part], builder: &mut Builder) -> Result<(), Stop> {
        let before = builder.fields.len();
        self.parts(inner, true, builder)?;
        // `""` is an empty argument, `"$@"` without arguments is none.
        let only_list =
            matches!(inner, [Part::Param(p)] if p.name == "@" || matches!(p.index, Some(super::ast::Index::All)));
        if builder.current.is_none() && builder.fields.len() == before && !only_list {
            builder.quoted("");
        }
        Ok(())
    }

    fn place(&mut self, values: Values, quoted: bool, builder: &mut Builder) {
        match values {
            Values::One(None) => {
                if quoted {
                    builder.quoted("");
                }
            }
            Values::One(Some(text)) if quoted => builder.quoted(&text),
            Values::One(Some(text)) => builder.expanded(&text),
            Values::Many(list, true) if quoted => builder.quoted(&list.join(&self.joiner())),
            Values::Many(list, _) if quoted => {
                for (i, text) in list.iter().enumerate() {
                    if i > 0 {
                        builder.finish();
                    }
                    builder.quoted(text);
                }
            }
            Values::Many(list, star) => {
                if builder.ifs.is_none() {
                    let joiner = if star { self.joiner() } else { " ".to_owned() };
                    return builder.expanded(&list.join(&joiner));
                }
                for (i, text) in list.iter().enumerate() {
                    if i > 0 {
                        builder.finish();
                    }
                    builder.expanded(text);
                }
            }
        }
    }

    fn tilde(&self, user: &str) -> String {
        let variable = |name: &str| self.sh.vars.scalar(name).map(str::to_owned);
        match user {
            "" => variable("HOME").unwrap_or_else(|| "/root".to_owned()),
            "+" => variable("PWD").unwrap_or_else(|| self.sys.cwd()),
            "-" => variable("OLDPWD").unwrap_or_else(|| "~-".to_owned()),
            "root" => "/root".to_owned(),
            "nobody" => "/nonexistent".to_owned(),
            other => format!("~{other}"),
        }
    }

    /// An array subscript's value for this variable.
    pub(super) fn key(&mut self, name: &str, index: &Word) -> Result<Key, Stop> {
        if matches!(self.sh.vars.get(name).map(|v| &v.value), Some(super::vars::Value::Assoc(_))) {
            return Ok(Key::Name(self.text(index)?));
        }
        let number = self.arithmetic(index)?;
        self.index(name, number)
    }

    /// A numeric subscript; negative ones count from the end.
    pub(super) fn index(&mut self, name: &str, number: i64) -> Result<Key, Stop> {
        if let Ok(number) = u64::try_from(number) {
            return Ok(Key::Number(number));
        }
        let end = match self.sh.vars.get(name).map(|v| &v.value) {
            Some(super::vars::Value::Indexed(map)) => map.keys().next_back().map_or(0, |last| last + 1),
            Some(super::vars::Value::Scalar(_)) => 1,
            _ => 0,
        };
        match end.checked_sub(number.unsigned_abs()) {
            Some(number) => Ok(Key::Number(number)),
            None => Err(Stop::error(format!("{name}[{number}]: bad array subscript"))),
        }
    }

    /// The files that a pattern's source matches, in order; empty if none does.
    pub(super) fn glob(&mut self, source: &str) -> Vec<String> {
        let absolute = source.starts_with('/');
        let mut found: Vec<String> = vec![if absolute { "/".to_owned() } else { String::new() }];
        let components: Vec<&str> = source.split('/').filter(|c| !c.is_empty()).collect();
        let dirs_only = source.ends_with('/');
        for (i, component) in components.iter().enumerate() {
            let last = i + 1 == components.len();
            found = found.into_iter().flat_map(|base| self.glob_step(&base, component, last && !dirs_only)).collect();
            if found.len() > 100_000 {
                break;
            }
        }
        if dirs_only {
            found.iter_mut().for_each(|f| f.push('/'));
        }
        found.sort();
        found
    }

    fn glob_step(&mut self, base: &str, component: &str, last: bool) -> Vec<String> {
        let join = |name: &str| {
            if base.is_empty() || base.ends_with('/') { format!("{base}{name}") } else { format!("{base}/{name}") }
        };
        if !pattern::is_pattern(component) {
            let path = join(&pattern::unescape(component));
            return if self.sys.stat(&path, false).is_ok() { vec![path] } else { Vec::new() };
        }
        let folder = if base.is_empty() { "." } else { base };
        if component == "**" && self.sh.options.globstar {
            return self.glob_deep(base, last);
        }
        let pattern = Pattern::new(component);
        let hidden = self.sh.options.dotglob || pattern.begins_with_dot();
        let fold = self.sh.options.nocaseglob;
        let pattern = if fold { Pattern::new(&component.to_lowercase()) } else { pattern };
        let entries = self.sys.list(folder).unwrap_or_default();
        let mut out = Vec::new();
        for entry in entries {
            let name = if fold { entry.name.to_lowercase() } else { entry.name.clone() };
            if (entry.name.starts_with('.') && !hidden) || !pattern.matches(&name) {
                continue;
            }
            let path = join(&entry.name);
            let is_dir = last
                || entry.kind == FileKind::Dir
                || self.sys.stat(&path, true).is_ok_and(|s| s.kind == FileKind::Dir);
            if is_dir {
                out.push(path);
            }
        }
        out
    }

    /// `**`: this folder and all below it; files too, if it is the last component.
    fn glob_deep(&mut self, base: &str, last: bool) -> Vec<String> {
        let mut out = if last { Vec::new() } else { vec![base.to_owned()] };
        let mut todo = vec![base.to_owned()];
        while let Some(dir) = todo.pop() {
            for entry in self.sys.list(if dir.is_empty() { "." } else { &dir }).unwrap_or_default() {
                if entry.name.starts_with('.') && !self.sh.options.dotglob {
                    continue;
                }
                let path = if dir.is_empty() || dir.ends_with('/') {
                    format!("{dir}{}", entry.name)
                } else {
                    format!("{dir}/{}", entry.name)
                };
                if entry.kind == FileKind::Dir {
                    todo.push(path.clone());
                    out.push(path);
                } else if last {
                    out.push(path);
                }
            }
        }
        out
    }
}

/// The shell's variables for arithmetic. A stop inside (an unbound variable) is kept aside, as arithmetic knows texts only.
struct Names<'n, 's, 'a, K: Kernel> {
    expand: &'n mut Expand<'s, 'a, K>,
    stop: Option<Stop>,
}

impl<K: Kernel> Names<'_, '_, '_, K> {
    fn key(&mut self, name: &str, index: Option<&str>, depth: usize) -> Result<Option<Key>, String> {
        let Some(index) = index else { return Ok(None) };
        if matches!(self.expand.sh.vars.get(name).map(|v| &v.value), Some(super::vars::Value::Assoc(_))) {
            return Ok(Some(Key::Name(index.to_owned())));
        }
        let number = arith::evaluate_at(index, self, depth + 1)?;
        match self.expand.index(name, number) {
            Ok(key) => Ok(Some(key)),
            Err(Stop::Error { message, .. }) => Err(message),
            Err(stop) => {
                self.stop = Some(stop);
                Err(String::new())
            }
        }
    }
}

impl<K: Kernel> arith::Names for Names<'_, '_, '_, K> {
    fn get(&mut self, name: &str, index: Option<&str>, depth: usize) -> Result<Option<String>, String> {
        let key = self.key(name, index, depth)?;
        let value = match key {
            None => self.expand.variable(name),
            Some(key) => self.expand.sh.vars.get(name).and_then(|v| v.element(Some(&key))).map(str::to_owned),
        };
        if value.is_none() && self.expand.sh.options.nounset {
            self.stop = Some(Stop::fatal(format!("{name}: unbound variable")));
            return Err(String::new());
        }
        Ok(value)
    }

    fn set(&mut self, name: &str, index: Option<&str>, value: i64, depth: usize) -> Result<(), String> {
        let key = self.key(name, index, depth)?;
        self.expand
            .sh
            .vars
            .set(name, key.as_ref(), value.to_string())
            .map_err(|e| format!("{}: readonly variable", e.0))
    }
}
