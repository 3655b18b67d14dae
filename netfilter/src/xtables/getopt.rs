//! Options as `getopt_long(3)` finds them: in any order, short ones in clusters, long ones cut short where that is clear. The options
//! of matches and targets join when those are named.

use super::Opt;

/// Whether an option takes an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Takes {
    /// None.
    Nothing,
    /// One, in the same word or the next one.
    One,
    /// One if it stands in the same word.
    Perhaps,
}

use Takes::{Nothing, One, Perhaps};

/// The options of `iptables` itself: long name, letter, argument.
static MAIN: &[(&str, u8, Takes)] = &[
    ("append", b'A', One),
    ("delete", b'D', One),
    ("check", b'C', One),
    ("insert", b'I', One),
    ("replace", b'R', One),
    ("list", b'L', Perhaps),
    ("list-rules", b'S', Perhaps),
    ("flush", b'F', Perhaps),
    ("zero", b'Z', Perhaps),
    ("new-chain", b'N', One),
    ("delete-chain", b'X', Perhaps),
    ("rename-chain", b'E', One),
    ("policy", b'P', One),
    ("source", b's', One),
    ("destination", b'd', One),
    ("src", b's', One),
    ("dst", b'd', One),
    ("protocol", b'p', One),
    ("in-interface", b'i', One),
    ("jump", b'j', One),
    ("table", b't', One),
    ("match", b'm', One),
    ("numeric", b'n', Nothing),
    ("out-interface", b'o', One),
    ("verbose", b'v', Nothing),
    ("wait", b'w', Perhaps),
    ("wait-interval", b'W', Perhaps),
    ("exact", b'x', Nothing),
    ("fragments", b'f', Nothing),
    ("version", b'V', Nothing),
    ("help", b'h', Perhaps),
    ("line-numbers", b'0', Nothing),
    ("modprobe", b'M', One),
    ("set-counters", b'c', One),
    ("goto", b'g', One),
    ("ipv4", b'4', Nothing),
    ("ipv6", b'6', Nothing),
];

fn short(letter: u8) -> Option<Takes> {
    MAIN.iter().find(|row| row.1 == letter && letter != b'0').map(|row| row.2)
}

/// What stands next on the command line.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Token<'a> {
    /// An option of `iptables` itself, by its letter.
    Main(u8, Option<&'a str>),
    /// An option of an extension: its place among those that were given to [`Words::next`].
    Ext(usize, &'static Opt, Option<&'a str>),
    /// A word that is no option.
    Bare(&'a str),
    /// An option that nobody knows, or that could be several.
    Unknown(&'a str),
    /// An option whose argument is missing.
    Missing(&'a str),
}

/// The words of a command line.
pub(super) struct Words<'a> {
    words: &'a [&'a str],
    /// The next word, or the one whose cluster of letters is being read.
    at: usize,
    /// How far into a cluster; 0: at the beginning of a word.
    within: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(words: &'a [&'a str]) -> Self {
        Words { words, at: 0, within: 0 }
    }

    /// Where the next token begins.
    pub(super) fn place(&self) -> (usize, usize) {
        (self.at, self.within)
    }

    /// Goes back to a place.
    pub(super) fn back(&mut self, (at, within): (usize, usize)) {
        (self.at, self.within) = (at, within);
    }

    /// The next word, if it looks like an argument (`xs_has_arg`).
    pub(super) fn argument(&mut self) -> Option<&'a str> {
        let word = *self.words.get(self.at)?;
        if self.within != 0 || word.starts_with(['-', '!']) {
            return None;
        }
        self.at += 1;
        Some(word)
    }

    /// The last word that was read.
    pub(super) fn last(&self) -> &'a str {
        self.at.checked_sub(1).and_then(|at| self.words.get(at)).copied().unwrap_or_default()
    }

    /// Whether words are left behind a `--`.
    pub(super) fn is_left(&self) -> bool {
        self.at < self.words.len()
    }

    /// The next token. `exts` are the options of the extensions, the newest last.
    pub(super) fn next(&mut self, exts: &[&'static [Opt]]) -> Option<Token<'a>> {
        let word = *self.words.get(self.at)?;
        if self.within == 0 {
            if let Some(name) = word.strip_prefix("--") {
                self.at += 1;
                return if name.is_empty() { None } else { Some(self.long(word, name, exts)) };
            }
            if word.len() < 2 || !word.starts_with('-') {
                self.at += 1;
                return Some(Token::Bare(word));
            }
            self.within = 1;
        }
        Some(self.letter(word))
    }

    fn letter(&mut self, word: &'a str) -> Token<'a> {
        let mut rest = word[self.within..].chars();
        let letter = rest.next().unwrap_or('?');
        let rest = rest.as_str();
        if rest.is_empty() {
            (self.at, self.within) = (self.at + 1, 0);
        } else {
            self.within = word.len() - rest.len();
        }
        let code = u8::try_from(letter).unwrap_or(0);
        let takes = match short(code) {
            None => return Token::Unknown(&word[word.len() - rest.len() - letter.len_utf8()..word.len() - rest.len()]),
            Some(Nothing) => return Token::Main(code, None),
            Some(takes) => takes,
        };
        if !rest.is_empty() {
            (self.at, self.within) = (self.at + 1, 0);
            return Token::Main(code, Some(rest));
        }
        if takes == Perhaps {
            return Token::Main(code, None);
        }
        match self.words.get(self.at) {
            Some(arg) => {
                self.at += 1;
                Token::Main(code, Some(arg))
            }
            None => Token::Missing(word),
        }
    }

    fn long(&mut self, word: &'a str, name: &'a str, exts: &[&'static [Opt]]) -> Token<'a> {
        let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
        let Some((found, takes)) = find(name, exts) else { return Token::Unknown(word) };
        let arg = match (takes, value) {
            (Nothing, Some(_)) => return Token::Unknown(word),
            (Nothing | Perhaps, value) => value,
            (One, Some(value)) => Some(value),
            (One, None) => match self.words.get(self.at) {
                Some(arg) => {
                    self.at += 1;
                    Some(*arg)
                }
                None => return Token::Missing(word),
            },
        };
        match found {
            Found::Main(code) => Token::Main(code, arg),
            Found::Ext(place, opt) => Token::Ext(place, opt, arg),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Found {
    Main(u8),
    Ext(usize, &'static Opt),
}

fn takes(opt: &Opt) -> Takes {
    if opt.arg { One } else { Nothing }
}

/// The option of a name: first who has exactly it, else the only one that begins so. Options that mean the same are one.
fn find(name: &str, exts: &[&'static [Opt]]) -> Option<(Found, Takes)> {
    if let Some(row) = MAIN.iter().find(|row| row.0 == name) {
        return Some((Found::Main(row.1), row.2));
    }
    for (place, options) in exts.iter().enumerate().rev() {
        if let Some(opt) = options.iter().find(|opt| opt.name == name) {
            return Some((Found::Ext(place, opt), takes(opt)));
        }
    }
    let main = MAIN.iter().map(|row| (row.0, Found::Main(row.1), row.2));
    let ext = exts
        .iter()
        .enumerate()
        .rev()
        .flat_map(|(place, options)| options.iter().map(move |opt| (opt.name, Found::Ext(place, opt), takes(opt))));
    let mut found: Option<(Found, Takes)> = None;
    for (_, other, takes) in main.chain(ext).filter(|row| row.0.starts_with(name)) {
        match &found {
            None => found = Some((other, takes)),
            Some((first, _)) if is_same(*first, other) => {}
            Some(_) => return None,
        }
    }
    found
}

fn is_same(a: Found, b: Found) -> bool {
    match (a, b) {
        (Found::Main(a), Found::Main(b)) => a == b,
        (Found::Ext(p, a), Found::Ext(q, b)) => p == q && a.bit == b.bit,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static OPTIONS: &[Opt] = &[Opt::arg("dport", 0), Opt::arg("destination-port", 0), Opt::flag("syn", 1)];

    fn all<'a>(words: &'a [&'a str]) -> Vec<Token<'a>> {
        let mut words = Words::new(words);
        core::iter::from_fn(|| words.next(&[OPTIONS])).collect()
    }

    #[test]
    fn clusters_and_long_options() {
        assert_eq!(
            all(&["-nvL", "-tnat"]),
            [Token::Main(b'n', None), Token::Main(b'v', None), Token::Main(b'L', None), Token::Main(b't', Some("nat")),]
        );
        assert_eq!(
            all(&["--dpo=5", "!", "--syn"]),
            [Token::Ext(0, &OPTIONS[0], Some("5")), Token::Bare("!"), Token::Ext(0, &OPTIONS[2], None)]
        );
        assert_eq!(all(&["--line", "--app"]), [Token::Main(b'0', None), Token::Missing("--app")]);
        assert_eq!(all(&["-z", "--de", "--so"]), [Token::Unknown("z"), Token::Unknown("--de"), Token::Missing("--so")]);
    }
}
