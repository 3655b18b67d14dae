//! The command line, as docopt takes it: long options with `=` or a blank, short ones with their value behind them.

/// An option: its long name, its letter (or `\0`), whether it has a value.
pub(super) type Spec = &'static [(&'static str, char, bool)];

/// What was said.
#[derive(Default)]
pub(super) struct Options {
    given: Vec<(&'static str, String)>,
    /// The other words.
    pub(super) words: Vec<String>,
    /// What `-f -` means.
    pub(super) input: String,
}

impl Options {
    /// Reads the words behind a command. `None`: they do not fit.
    pub(super) fn parse(args: &[String], spec: Spec) -> Option<Self> {
        let mut options = Options::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let (found, attached) = match arg.strip_prefix("--") {
                Some(_) => {
                    let (name, value) = arg.split_once('=').map_or((&**arg, None), |(name, value)| (name, Some(value)));
                    (spec.iter().find(|row| row.0 == name)?, value)
                }
                None if arg.len() > 1 && arg.starts_with('-') => {
                    let letter = arg[1..].chars().next()?;
                    let rest = &arg[1 + letter.len_utf8()..];
                    let rest = rest.strip_prefix('=').unwrap_or(rest);
                    (spec.iter().find(|row| row.1 == letter)?, Some(rest).filter(|rest| !rest.is_empty()))
                }
                None => {
                    options.words.push(arg.clone());
                    continue;
                }
            };
            let value = match (found.2, attached) {
                (true, Some(value)) => value.to_owned(),
                (true, None) => args.next()?.clone(),
                (false, None) => String::new(),
                (false, Some(_)) => return None,
            };
            options.given.push((found.0, value));
        }
        Some(options)
    }

    /// The value of an option.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.given.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| &**value)
    }

    /// Whether an option was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
}
