//! Variables: scalars, arrays, attributes, scopes of functions. Changes made during a word expansion can be taken back, because an
//! expansion is repeated from its beginning when the output of a `$(...)` has become known.

use std::collections::BTreeMap;

use crate::Env;

/// A variable's value.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    /// Declared, but without a value.
    Unset,
    Scalar(String),
    Indexed(BTreeMap<u64, String>),
    /// Associative; kept in bash's order, see [`assoc_order`].
    Assoc(BTreeMap<AssocKey, String>),
}

/// An associative array's key behind its place in bash's hash table, so that iterating gives bash's order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct AssocKey {
    bucket: u32,
    /// Newer entries come first within a bucket.
    age: std::cmp::Reverse<u32>,
    pub(super) key: String,
}

/// bash's hash (FNV-1, 32 bits) over 1,024 buckets (hashlib.c, `ASSOC_HASH_BUCKETS`).
fn bucket(key: &str) -> u32 {
    key.bytes().fold(0x811c_9dc5_u32, |h, b| h.wrapping_mul(16_777_619) ^ u32::from(b)) & 1023
}

/// A variable with its attributes.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Var {
    pub(super) value: Value,
    pub(super) exported: bool,
    pub(super) readonly: bool,
    pub(super) integer: bool,
    pub(super) lower: bool,
    pub(super) upper: bool,
    pub(super) nameref: bool,
}

impl Var {
    pub(super) fn new(value: Value) -> Self {
        Var { value, exported: false, readonly: false, integer: false, lower: false, upper: false, nameref: false }
    }

    /// The value `$x` has: element 0 of an array.
    pub(super) fn scalar(&self) -> Option<&str> {
        self.element(None)
    }

    /// An element; `None` as index is element 0.
    pub(super) fn element(&self, index: Option<&Key>) -> Option<&str> {
        match (&self.value, index) {
            (Value::Scalar(text), None | Some(Key::Number(0))) => Some(text),
            (Value::Indexed(map), None) => map.get(&0).map(String::as_str),
            (Value::Indexed(map), Some(Key::Number(n))) => map.get(n).map(String::as_str),
            (Value::Assoc(_), None) => self.assoc("0"),
            (Value::Assoc(_), Some(Key::Name(name))) => self.assoc(name),
            _ => None,
        }
    }

    fn assoc(&self, name: &str) -> Option<&str> {
        let Value::Assoc(map) = &self.value else { return None };
        let b = bucket(name);
        let first = AssocKey { bucket: b, age: std::cmp::Reverse(u32::MAX), key: String::new() };
        map.range(first..).take_while(|(k, _)| k.bucket == b).find(|(k, _)| k.key == name).map(|(_, v)| v.as_str())
    }

    /// All elements in order.
    pub(super) fn elements(&self) -> Vec<String> {
        match &self.value {
            Value::Unset => Vec::new(),
            Value::Scalar(text) => vec![text.clone()],
            Value::Indexed(map) => map.values().cloned().collect(),
            Value::Assoc(map) => map.values().cloned().collect(),
        }
    }

    /// All indices in order.
    pub(super) fn keys(&self) -> Vec<String> {
        match &self.value {
            Value::Unset => Vec::new(),
            Value::Scalar(_) => vec!["0".to_owned()],
            Value::Indexed(map) => map.keys().map(u64::to_string).collect(),
            Value::Assoc(map) => map.keys().map(|k| k.key.clone()).collect(),
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.value != Value::Unset
    }

    /// Puts an element, turning a scalar into an array if an index needs it.
    fn put(&mut self, index: Option<&Key>, text: String) {
        match (&mut self.value, index) {
            (Value::Assoc(map), index) => {
                let key = match index {
                    Some(Key::Name(name)) => name.clone(),
                    Some(Key::Number(n)) => n.to_string(),
                    None => "0".to_owned(),
                };
                let b = bucket(&key);
                let old = map.keys().find(|k| k.bucket == b && k.key == key).cloned();
                let age = std::cmp::Reverse(map.keys().map(|k| k.age.0 + 1).max().unwrap_or(0));
                map.insert(old.unwrap_or(AssocKey { bucket: b, age, key }), text);
            }
            (Value::Indexed(map), index) => {
                map.insert(if let Some(Key::Number(n)) = index { *n } else { 0 }, text);
            }
            (value, None) => *value = Value::Scalar(text),
            (value, Some(Key::Number(n))) => {
                let mut map = BTreeMap::new();
                if let Value::Scalar(old) = value {
                    map.insert(0, std::mem::take(old));
                }
                map.insert(*n, text);
                *value = Value::Indexed(map);
            }
            (value, Some(Key::Name(_))) => *value = Value::Scalar(text),
        }
    }

    /// Removes an element.
    pub(super) fn remove(&mut self, index: &Key) {
        match (&mut self.value, index) {
            (Value::Indexed(map), Key::Number(n)) => {
                map.remove(n);
            }
            (Value::Assoc(map), Key::Name(name)) => map.retain(|k, _| k.key != *name),
            _ => {}
        }
    }

    /// The letters `declare -p` and `${x@a}` show.
    pub(super) fn flags(&self) -> String {
        let kind = match &self.value {
            Value::Indexed(_) => "a",
            Value::Assoc(_) => "A",
            _ => "",
        };
        let mut out = kind.to_owned();
        let letters = [
            (self.integer, 'i'),
            (self.lower, 'l'),
            (self.nameref, 'n'),
            (self.readonly, 'r'),
            (self.upper, 'u'),
            (self.exported, 'x'),
        ];
        out.extend(letters.iter().filter(|(on, _)| *on).map(|(_, c)| *c));
        out
    }
}

/// An evaluated array index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Key {
    Number(u64),
    Name(String),
}

type Scope = BTreeMap<String, Var>;

/// All variables of a shell.
#[derive(Clone, Debug, Default)]
pub(super) struct Vars {
    globals: Scope,
    locals: Vec<Scope>,
    /// While an expansion runs: the former state of what it changed.
    journal: Option<Vec<(usize, String, Option<Var>)>>,
    /// The environment made from the exported variables, until one changes.
    env: Option<Env>,
    /// The state of `$RANDOM`'s generator, and the last value it gave.
    random: (u32, u32),
    saved_random: (u32, u32),
}

/// How deep namerefs lead.
const NAMEREFS_MAX: usize = 8;

impl Vars {
    pub(super) fn from_env(env: &Env) -> Self {
        let mut vars = Vars::default();
        for (name, value) in env.iter() {
            let var = Var { exported: true, ..Var::new(Value::Scalar(value.clone())) };
            vars.globals.insert(name.clone(), var);
        }
        vars
    }

    /// Begins an expansion whose changes may be taken back.
    pub(super) fn begin(&mut self) {
        self.journal = Some(Vec::new());
        self.saved_random = self.random;
    }

    /// The expansion is complete: its changes stay.
    pub(super) fn commit(&mut self) {
        self.journal = None;
    }

    /// Whether the expansion under way has changed anything.
    pub(super) fn has_changes(&self) -> bool {
        self.journal.as_ref().is_some_and(|j| !j.is_empty())
    }

    /// The expansion will be repeated: its changes are undone.
    pub(super) fn rollback(&mut self) {
        self.random = self.saved_random;
        for (scope, name, old) in self.journal.take().unwrap_or_default().into_iter().rev() {
            let Some(scope) = self.scope_mut(scope) else { continue };
            match old {
                Some(var) => scope.insert(name, var),
                None => scope.remove(&name),
            };
        }
        self.env = None;
    }

    /// Scope 0 is the global one.
    fn scope_mut(&mut self, number: usize) -> Option<&mut Scope> {
        if number == 0 { Some(&mut self.globals) } else { self.locals.get_mut(number - 1) }
    }

    fn scope_of(&self, name: &str) -> Option<usize> {
        let local = self.locals.iter().rposition(|s| s.contains_key(name)).map(|n| n + 1);
        local.or_else(|| self.globals.contains_key(name).then_some(0))
    }

    fn raw(&self, name: &str) -> Option<&Var> {
        self.locals.iter().rev().find_map(|s| s.get(name)).or_else(|| self.globals.get(name))
    }

    /// The name that a nameref leads to.
    pub(super) fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        let mut name = name;
        for _ in 0..NAMEREFS_MAX {
            match self.raw(name) {
                Some(var) if var.nameref => match var.scalar() {
                    Some(target) if !target.is_empty() => name = target,
                    _ => break,
                },
                _ => break,
            }
        }
        name
    }

    /// A variable, namerefs followed.
    pub(super) fn get(&self, name: &str) -> Option<&Var> {
        self.raw(self.resolve(name))
    }

    /// A variable itself, even if it is a nameref.
    pub(super) fn get_raw(&self, name: &str) -> Option<&Var> {
        self.raw(name)
    }

    pub(super) fn scalar(&self, name: &str) -> Option<&str> {
        self.get(name)?.scalar()
    }

    /// Notes what a variable was before the first change of an attempt.
    fn remember(&mut self, scope: usize, name: &str) {
        if self.journal.as_ref().is_some_and(|j| j.iter().any(|(s, n, _)| *s == scope && n == name)) {
            return;
        }
        let old = if self.journal.is_some() { self.scope_mut(scope).and_then(|s| s.get(name).cloned()) } else { None };
        if let Some(journal) = &mut self.journal {
            journal.push((scope, name.to_owned(), old));
        }
    }

    /// Changes a variable where it is visible, or makes a global one.
    pub(super) fn change<T>(&mut self, name: &str, change: impl FnOnce(&mut Var) -> T) -> T {
        let name = self.resolve(name).to_owned();
        let scope = self.scope_of(&name).unwrap_or(0);
        self.change_in(scope, &name, change)
    }

    /// Changes a variable of the innermost function (of the shell, outside of functions).
    pub(super) fn change_local<T>(&mut self, name: &str, change: impl FnOnce(&mut Var) -> T) -> T {
        self.change_in(self.locals.len(), name, change)
    }

    /// Changes a variable of the shell itself (`declare -g`).
    pub(super) fn change_global<T>(&mut self, name: &str, change: impl FnOnce(&mut Var) -> T) -> T {
        self.change_in(0, name, change)
    }

    fn change_in<T>(&mut self, scope: usize, name: &str, change: impl FnOnce(&mut Var) -> T) -> T {
        self.remember(scope, name);
        let scope = match scope.checked_sub(1).and_then(|n| self.locals.get_mut(n)) {
            Some(local) => local,
            None => &mut self.globals,
        };
        let var = scope.entry(name.to_owned()).or_insert_with(|| Var::new(Value::Unset));
        let was_exported = var.exported;
        let result = change(var);
        if was_exported || var.exported {
            self.env = None;
        }
        result
    }

    /// Whether the innermost function has a variable of this name.
    pub(super) fn is_local(&self, name: &str) -> bool {
        self.locals.last().is_some_and(|s| s.contains_key(name))
    }

    /// Assigns text. Error: the variable is readonly.
    pub(super) fn set(&mut self, name: &str, index: Option<&Key>, text: String) -> Result<(), ReadOnly> {
        if name == "RANDOM" && index.is_none() {
            self.random = (text.parse::<i64>().unwrap_or(0) as u32, 0);
            return Ok(());
        }
        self.change(name, |var| assign(var, index, text)).map_err(|()| ReadOnly(name.to_owned()))
    }

    /// Assigns text to a variable of the innermost function.
    pub(super) fn set_local(&mut self, name: &str, text: String) -> Result<(), ReadOnly> {
        self.change_local(name, |var| assign(var, None, text)).map_err(|()| ReadOnly(name.to_owned()))
    }

    /// Removes the visible variable.
    pub(super) fn unset(&mut self, name: &str) -> Result<(), ReadOnly> {
        let name = self.resolve(name).to_owned();
        let Some(scope) = self.scope_of(&name) else { return Ok(()) };
        if self.raw(&name).is_some_and(|v| v.readonly) {
            return Err(ReadOnly(name));
        }
        self.remember(scope, &name);
        self.env = None;
        if scope > 0 {
            // A local variable stays local (and without value) until its function returns.
            self.change_in(scope, &name, |var| *var = Var::new(Value::Unset));
        } else {
            self.globals.remove(&name);
        }
        Ok(())
    }

    /// A function begins.
    pub(super) fn push_scope(&mut self) {
        self.locals.push(Scope::new());
    }

    /// A function ends.
    pub(super) fn pop_scope(&mut self) {
        if self.locals.pop().is_some_and(|s| s.values().any(|v| v.exported)) {
            self.env = None;
        }
    }

    pub(super) fn in_function(&self) -> bool {
        !self.locals.is_empty()
    }

    /// All visible names in order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.globals.keys().chain(self.locals.iter().flat_map(BTreeMap::keys)).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// The environment for programs.
    pub(super) fn environment(&mut self) -> Env {
        if let Some(env) = &self.env {
            return env.clone();
        }
        let exported = |name: &String| {
            let var = self.raw(name)?;
            var.exported.then(|| var.scalar().map(|v| (name.clone(), v.to_owned())))?
        };
        // In the order of bash's hash table, as `env` shows it.
        let mut names = self.names();
        names.sort_by_cached_key(|name| bucket(name));
        let env: Env = std::sync::Arc::new(names.iter().filter_map(exported).collect());
        self.env = Some(env.clone());
        env
    }

    pub(super) fn seed_random(&mut self, seed: u32) {
        self.random = (seed, 0);
    }

    /// The next `$RANDOM`: bash's own generator (lib/sh/random.c), so that `RANDOM=42` gives bash's numbers.
    pub(super) fn next_random(&mut self) -> u32 {
        loop {
            let x = if self.random.0 == 0 { 123_459_876 } else { self.random.0 as i32 };
            let (h, l) = (x / 127_773, x % 127_773);
            let t = 16807_i32.wrapping_mul(l).wrapping_sub(2836_i32.wrapping_mul(h));
            self.random.0 = if t < 0 { t.wrapping_add(0x7fff_ffff) } else { t } as u32;
            let value = ((self.random.0 >> 16) ^ (self.random.0 & 0xffff)) & 0x7fff;
            if value != self.random.1 {
                self.random.1 = value;
                return value;
            }
        }
    }
}

/// The variable must not change.
#[derive(Clone, Debug)]
pub(super) struct ReadOnly(pub(super) String);

fn assign(var: &mut Var, index: Option<&Key>, text: String) -> Result<(), ()> {
    if var.readonly {
        return Err(());
    }
    let text = if var.upper {
        text.to_uppercase()
    } else if var.lower {
        text.to_lowercase()
    } else {
        text
    };
    var.put(index, text);
    Ok(())
}
