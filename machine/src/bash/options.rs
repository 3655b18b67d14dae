//! `set` and `shopt`: names, letters, state.

/// All options. One field each, so that the interpreter's questions read well; names and letters are in the tables below.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) allexport: bool,
    pub(super) errexit: bool,
    pub(super) errtrace: bool,
    pub(super) functrace: bool,
    pub(super) noclobber: bool,
    pub(super) noexec: bool,
    pub(super) noglob: bool,
    pub(super) nounset: bool,
    pub(super) pipefail: bool,
    pub(super) posix: bool,
    pub(super) verbose: bool,
    pub(super) xtrace: bool,
    pub(super) monitor: bool,
    pub(super) notify: bool,
    pub(super) hashall_off: bool,
    pub(super) braceexpand_off: bool,
    pub(super) dotglob: bool,
    pub(super) expand_aliases: bool,
    pub(super) extglob: bool,
    pub(super) failglob: bool,
    pub(super) globstar: bool,
    pub(super) inherit_errexit: bool,
    pub(super) lastpipe: bool,
    pub(super) nocaseglob: bool,
    pub(super) nocasematch: bool,
    pub(super) nullglob: bool,
    /// `bash -c`: not an option that can be set, but shown like one.
    pub(super) command_text: bool,
    /// Commands come from standard input, likewise.
    pub(super) from_stdin: bool,
}

/// `set -o` names with their letters, in bash's order of listing. `true` as the last: stored inverted.
const SET: [(&str, Option<char>, bool); 16] = [
    ("allexport", Some('a'), false),
    ("braceexpand", Some('B'), true),
    ("errexit", Some('e'), false),
    ("errtrace", Some('E'), false),
    ("functrace", Some('T'), false),
    ("hashall", Some('h'), true),
    ("monitor", Some('m'), false),
    ("noclobber", Some('C'), false),
    ("noexec", Some('n'), false),
    ("noglob", Some('f'), false),
    ("notify", Some('b'), false),
    ("nounset", Some('u'), false),
    ("pipefail", None, false),
    ("posix", None, false),
    ("verbose", Some('v'), false),
    ("xtrace", Some('x'), false),
];

/// `shopt` names.
pub(super) const SHOPT: [&str; 10] = [
    "dotglob",
    "expand_aliases",
    "extglob",
    "failglob",
    "globstar",
    "inherit_errexit",
    "lastpipe",
    "nocaseglob",
    "nocasematch",
    "nullglob",
];

impl Options {
    fn slot(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "allexport" => &mut self.allexport,
            "braceexpand" => &mut self.braceexpand_off,
            "errexit" => &mut self.errexit,
            "errtrace" => &mut self.errtrace,
            "functrace" => &mut self.functrace,
            "hashall" => &mut self.hashall_off,
            "monitor" => &mut self.monitor,
            "noclobber" => &mut self.noclobber,
            "noexec" => &mut self.noexec,
            "noglob" => &mut self.noglob,
            "notify" => &mut self.notify,
            "nounset" => &mut self.nounset,
            "pipefail" => &mut self.pipefail,
            "posix" => &mut self.posix,
            "verbose" => &mut self.verbose,
            "xtrace" => &mut self.xtrace,
            "dotglob" => &mut self.dotglob,
            "expand_aliases" => &mut self.expand_aliases,
            "extglob" => &mut self.extglob,
            "failglob" => &mut self.failglob,
            "globstar" => &mut self.globstar,
            "inherit_errexit" => &mut self.inherit_errexit,
            "lastpipe" => &mut self.lastpipe,
            "nocaseglob" => &mut self.nocaseglob,
            "nocasematch" => &mut self.nocasematch,
            "nullglob" => &mut self.nullglob,
            _ => return None,
        })
    }

    fn row(name: &str) -> Option<&'static (&'static str, Option<char>, bool)> {
        SET.iter().find(|row| row.0 == name)
    }

    /// The name behind a letter of `set -x`.
    pub(super) fn of_letter(letter: char) -> Option<&'static str> {
        SET.iter().find(|row| row.1 == Some(letter)).map(|row| row.0)
    }

    /// Sets an option by name, `set -o` and `shopt` alike. False: there is none of this name.
    pub(super) fn set(&mut self, name: &str, on: bool) -> bool {
        let inverted = Self::row(name).is_some_and(|row| row.2);
        match self.slot(name) {
            Some(slot) => {
                *slot = on != inverted;
                true
            }
            None => false,
        }
    }

    /// Whether an option is on; `None`: there is none of this name.
    pub(super) fn get(&self, name: &str) -> Option<bool> {
        let inverted = Self::row(name).is_some_and(|row| row.2);
        self.clone().slot(name).map(|slot| *slot != inverted)
    }

    /// Whether this is a name of `set -o`.
    pub(super) fn is_set_name(name: &str) -> bool {
        Self::row(name).is_some()
    }

    /// `$-`
    pub(super) fn letters(&self) -> String {
        let mut letters: Vec<char> =
            SET.iter().filter(|row| self.get(row.0) == Some(true)).filter_map(|row| row.1).collect();
        letters.sort_by_key(|c| (c.is_uppercase(), *c));
        letters.extend(self.command_text.then_some('c'));
        letters.extend(self.from_stdin.then_some('s'));
        letters.into_iter().collect()
    }

    /// `$SHELLOPTS`
    pub(super) fn names_on(&self) -> String {
        SET.iter().map(|row| row.0).filter(|name| self.get(name) == Some(true)).collect::<Vec<_>>().join(":")
    }

    /// `set -o` (or, as commands, `set +o`).
    pub(super) fn listing(&self, as_commands: bool) -> String {
        SET.iter()
            .map(|row| match (self.get(row.0) == Some(true), as_commands) {
                (on, false) => format!("{:<15}\t{}\n", row.0, if on { "on" } else { "off" }),
                (true, true) => format!("set -o {}\n", row.0),
                (false, true) => format!("set +o {}\n", row.0),
            })
            .collect()
    }
}
