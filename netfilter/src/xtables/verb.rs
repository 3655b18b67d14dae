//! The commands of `iptables`, and which options go with them.

use super::{Done, Refusal};
use crate::xtables::Given;

/// What shall be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    /// `-A`.
    Append,
    /// `-C`.
    Check,
    /// `-D CHAIN RULE`.
    Delete,
    /// `-D CHAIN NUMBER`.
    DeleteNumber,
    /// `-R`.
    Replace,
    /// `-I`.
    Insert,
    /// `-L`.
    List,
    /// `-S`.
    ListRules,
    /// `-F`.
    Flush,
    /// `-Z`.
    Zero,
    /// `-Z CHAIN NUMBER`.
    ZeroNumber,
    /// `-N`.
    NewChain,
    /// `-X`.
    DeleteChain,
    /// `-E`.
    RenameChain,
    /// `-P`.
    SetPolicy,
}

use Verb::*;

/// Each command with its letter.
static LETTERS: &[(Verb, u8)] = &[
    (Append, b'A'),
    (Check, b'C'),
    (Delete, b'D'),
    (Replace, b'R'),
    (Insert, b'I'),
    (List, b'L'),
    (ListRules, b'S'),
    (Flush, b'F'),
    (Zero, b'Z'),
    (NewChain, b'N'),
    (DeleteChain, b'X'),
    (RenameChain, b'E'),
    (SetPolicy, b'P'),
    (DeleteNumber, b'D'),
    (ZeroNumber, b'Z'),
];

impl Verb {
    pub(super) fn of_letter(letter: u8) -> Option<Verb> {
        LETTERS.iter().find(|row| row.1 == letter).map(|row| row.0)
    }

    pub(super) fn letter(self) -> char {
        LETTERS.iter().find(|row| row.0 == self).map_or('?', |row| char::from(row.1))
    }

    /// Whether its option takes the chain as argument; else the chain may follow or be left out.
    pub(super) const fn wants_chain(self) -> bool {
        !matches!(self, List | ListRules | Flush | Zero | ZeroNumber | DeleteChain)
    }

    /// Whether it is about a rule that is spelt out.
    pub const fn has_rule(self) -> bool {
        matches!(self, Append | Check | Delete | Replace | Insert)
    }

    /// Options that must not be given with it (`commands_v_options`).
    const fn forbidden(self) -> Given {
        let listing = Given::NUMERIC.union(Given::EXACT).union(Given::LINE_NUMBERS);
        match self {
            Append | Insert | Replace => listing,
            Check | Delete => listing.union(Given::COUNTERS),
            List => Given::all().difference(listing.union(Given::VERBOSE)),
            SetPolicy => Given::all().difference(Given::VERBOSE.union(Given::COUNTERS)),
            _ => Given::all().difference(Given::VERBOSE),
        }
    }

    /// Refuses options that do not go with it (`generic_opt_check`).
    pub(super) fn check(self, given: Given) -> Done {
        match (given & self.forbidden()).iter().next() {
            None => Ok(()),
            Some(one) => Err(Refusal::new(format!("Illegal option `-{}' with this command", one.letter()))),
        }
    }
}
