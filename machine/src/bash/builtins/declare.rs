//! declare, typeset, local, export, readonly.

use super::Outcome;
use super::basic::is_name;
use crate::bash::expand::{Memo, Stop};
use crate::bash::quote;
use crate::bash::shell::Shell;
use crate::bash::simple::{Place, Ready, ReadyValue, Value1};
use crate::bash::vars::{Value, Var};
use crate::{Kernel, Sys};

/// What the options ask for.
#[derive(Default)]
struct Wanted {
    on: String,
    off: String,
    print: bool,
    functions: bool,
    names_only: bool,
    global: bool,
}

/// `declare -- x="1"`, as `declare -p` prints it.
pub(in crate::bash) fn declaration(name: &str, var: &Var) -> String {
    let flags = var.flags();
    let flags = if flags.is_empty() { "-".to_owned() } else { flags };
    match value_text(var) {
        Some(value) => format!("declare -{flags} {name}={value}"),
        None => format!("declare -{flags} {name}"),
    }
}

/// `${x@A}`
pub(in crate::bash) fn assignment_text(name: &str, var: &Var) -> String {
    match &var.value {
        Value::Scalar(text) if var.flags().is_empty() => format!("{name}={}", quote::single_quoted(text)),
        _ => declaration(name, var),
    }
}

fn value_text(var: &Var) -> Option<String> {
    Some(match &var.value {
        Value::Unset => return None,
        Value::Scalar(text) => quote::double_quoted(text),
        Value::Indexed(map) => {
            let items: Vec<String> = map.iter().map(|(k, v)| format!("[{k}]={}", quote::double_quoted(v))).collect();
            format!("({})", items.join(" "))
        }
        Value::Assoc(map) => {
            let key = |k: &str| {
                if k.chars().all(|c| c.is_alphanumeric() || "_-./:".contains(c)) && !k.is_empty() {
                    k.to_owned()
                } else {
                    quote::double_quoted(k)
                }
            };
            let items: String =
                map.iter().map(|(k, v)| format!("[{}]={} ", key(&k.key), quote::double_quoted(v))).collect();
            format!("({items})")
        }
    })
}

impl Shell {
    pub(super) fn builtin_declare<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, args: &[Value1]) -> Outcome {
        if name == "local" && !self.frames.iter().any(|f| matches!(f.kind, crate::bash::frame::Kind::Call { .. })) {
            return self.fail(sys, "local: can only be used in a function", 1);
        }
        let mut wanted = Wanted::default();
        let mut rest = args.get(1..).unwrap_or(&[]);
        while let Some(Value1::Word(option)) = rest.first() {
            if option == "--" {
                rest = rest.get(1..).unwrap_or(&[]);
                break;
            }
            let Some(letters) = option.strip_prefix(['-', '+']).filter(|l| !l.is_empty()) else { break };
            for letter in letters.chars() {
                match (letter, name) {
                    ('p', _) => wanted.print = true,
                    ('f', _) => wanted.functions = true,
                    ('F', _) => {
                        wanted.functions = true;
                        wanted.names_only = true;
                    }
                    ('g', "declare" | "typeset") => wanted.global = true,
                    ('n', "export") => wanted.off.push('x'),
                    ('a' | 'A' | 'i' | 'l' | 'n' | 'r' | 'u' | 'x', _) if option.starts_with('-') => {
                        wanted.on.push(letter)
                    }
                    ('a' | 'A' | 'i' | 'l' | 'n' | 'r' | 'u' | 'x', _) => wanted.off.push(letter),
                    ('t' | 'I', _) => {}
                    _ => {
                        let usage = match name {
                            "export" => "export [-fn] [name[=value] ...] or export -p",
                            "readonly" => "readonly [-aAf] [name[=value] ...] or readonly -p",
                            "local" => "local [option] name[=value] ...",
                            _ => "declare [-aAfFgiIlnrtux] [name[=value] ...] or declare -p [-aAfFilnrtux] [name ...]",
                        };
                        return self.usage(sys, name, &format!("-{letter}"), usage);
                    }
                }
            }
            rest = rest.get(1..).unwrap_or(&[]);
        }
        match name {
            "export" if !wanted.off.contains('x') => wanted.on.push('x'),
            "readonly" => wanted.on.push('r'),
            _ => {}
        }
        if wanted.functions {
            return self.declare_functions(sys, name, &wanted, rest);
        }
        if rest.is_empty() {
            return self.list_variables(sys, name, &wanted);
        }
        if wanted.print {
            return self.print_variables(sys, name, rest);
        }
        let mut status = 0;
        for arg in rest {
            if !self.declare_one(sys, name, &wanted, arg) {
                status = 1;
            }
        }
        Outcome::Status(status)
    }

    fn declare_functions<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        name: &str,
        wanted: &Wanted,
        names: &[Value1],
    ) -> Outcome {
        let mut status = 0;
        let mut out = String::new();
        let chosen: Vec<String> = if names.is_empty() {
            self.functions.keys().cloned().collect()
        } else {
            names.iter().map(Value1::text).collect()
        };
        for function in chosen {
            match self.functions.get(&function) {
                None => status = 1,
                Some(_) if name == "export" || name == "readonly" => {}
                Some(_) if wanted.names_only && names.is_empty() => out.push_str(&format!("declare -f {function}\n")),
                Some(_) if wanted.names_only => out.push_str(&format!("{function}\n")),
                Some(body) => out.push_str(&format!("{}\n", body.text)),
            }
        }
        sys.out(&out);
        Outcome::Status(status)
    }

    fn list_variables<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, wanted: &Wanted) -> Outcome {
        let mut out = String::new();
        for variable in self.vars.names() {
            let Some(var) = self.vars.get_raw(&variable) else { continue };
            let flags = var.flags();
            if wanted.on.chars().any(|c| !flags.contains(c)) || (name == "local" && !self.vars.is_local(&variable)) {
                continue;
            }
            if wanted.on.is_empty() && !wanted.print {
                if let Some(value) = var.scalar() {
                    out.push_str(&format!("{variable}={}\n", quote::traced(value)));
                }
            } else {
                out.push_str(&format!("{}\n", declaration(&variable, var)));
            }
        }
        self.print(sys, name, out.as_bytes())
    }

    fn print_variables<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, args: &[Value1]) -> Outcome {
        let mut status = 0;
        for arg in args.iter().map(Value1::text) {
            match self.vars.get_raw(&arg) {
                Some(var) => {
                    let line = format!("{}\n", declaration(&arg, var));
                    sys.out(&line);
                }
                None => {
                    self.complain(sys, &format!("{name}: {arg}: not found"));
                    status = 1;
                }
            }
        }
        Outcome::Status(status)
    }

    fn declare_one<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, builtin: &str, wanted: &Wanted, arg: &Value1) -> bool {
        let ready = match arg {
            Value1::Assign(ready) => Some(ready.clone()),
            Value1::Word(text) => split_assignment(text),
        };
        let name = ready.as_ref().map_or_else(|| arg.text(), |r| r.name.clone());
        if !is_name(&name) {
            self.complain(sys, &format!("{builtin}: `{}': not a valid identifier", arg.text()));
            return false;
        }
        let in_function = self.frames.iter().any(|f| matches!(f.kind, crate::bash::frame::Kind::Call { .. }));
        let place = match builtin {
            "export" | "readonly" => Place::Visible,
            "declare" | "typeset" if wanted.global => Place::Global,
            "declare" | "typeset" if !in_function => Place::Visible,
            _ => Place::Local,
        };
        let place = if place == Place::Local && !self.vars.in_function() { Place::Visible } else { place };
        let readonly_now = self.vars.get_raw(&name).is_some_and(|v| v.readonly);
        if readonly_now && (ready.is_some() || wanted.off.contains('r')) {
            self.complain(sys, &format!("{name}: readonly variable"));
            return false;
        }
        let nameref = wanted.on.contains('n');
        let attributes = |var: &mut Var| {
            for (letters, on) in [(&wanted.on, true), (&wanted.off, false)] {
                for letter in letters.chars() {
                    match letter {
                        'i' => var.integer = on,
                        'l' => (var.lower, var.upper) = (on, var.upper && !on),
                        'u' => (var.upper, var.lower) = (on, var.lower && !on),
                        'x' => var.exported = on,
                        'n' => var.nameref = on,
                        'a' if on && !matches!(var.value, Value::Indexed(_)) => {
                            let old = std::mem::replace(&mut var.value, Value::Indexed(Default::default()));
                            if let (Value::Scalar(text), Value::Indexed(map)) = (old, &mut var.value) {
                                map.insert(0, text);
                            }
                        }
                        'A' if on && !matches!(var.value, Value::Assoc(_)) => {
                            var.value = Value::Assoc(Default::default())
                        }
                        _ => {}
                    }
                }
            }
        };
        match place {
            Place::Visible if nameref => self.vars.change_local(&name, attributes),
            Place::Visible => self.vars.change(&name, attributes),
            Place::Local => self.vars.change_local(&name, attributes),
            Place::Global => self.vars.change_global(&name, attributes),
        }
        if let Some(ready) = ready {
            let result = if nameref {
                let text = if let ReadyValue::Scalar(text) = &ready.value { text.clone() } else { String::new() };
                self.vars.change_local(&name, |v| v.value = Value::Scalar(text));
                Ok(())
            } else {
                self.attempt(sys, &Memo::default(), |x| x.assign(&ready, place))
            };
            if let Err(Stop::Error { message, .. }) = result {
                self.complain(sys, &message);
                return false;
            }
        }
        if wanted.on.contains('r') {
            let make = |v: &mut Var| v.readonly = true;
            if place == Place::Local { self.vars.change_local(&name, make) } else { self.vars.change(&name, make) }
        }
        true
    }
}

/// `name=value` or `name+=value` that only became one by expansion.
fn split_assignment(text: &str) -> Option<Ready> {
    let (name, value) = text.split_once('=')?;
    let (name, append) = name.strip_suffix('+').map_or((name, false), |n| (n, true));
    Some(Ready { name: name.to_owned(), index: None, append, value: ReadyValue::Scalar(value.to_owned()) })
}
