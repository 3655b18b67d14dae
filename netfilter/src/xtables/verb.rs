//! The commands of `iptables`, and which options go with them.

use super::check::{check_chain_name, problem, rule_number};
use super::read::Reader;
use super::{Done, Given, Refusal};

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

impl<'a> Reader<'a> {
    /// A command (`add_command`), with the words that follow it.
    pub(super) fn verb(&mut self, letter: u8, arg: Option<&'a str>) -> Done {
        let Some(verb) = Verb::of_letter(letter) else { return Ok(()) };
        // Another name for a chain is not looked at, neither the old one nor the new one.
        if verb == Verb::NewChain {
            check_chain_name(arg.unwrap_or_default())?;
        }
        if self.inv {
            return problem("unexpected '!' flag");
        }
        self.add_verb(verb)?;
        if let Some(chain) = arg.or_else(|| if verb.wants_chain() { None } else { self.words.argument() }) {
            self.chain = Some(chain);
        }
        match verb {
            Verb::Delete | Verb::Zero | Verb::List | Verb::ListRules => {
                if let Some(number) = self.words.argument().map(rule_number).transpose()? {
                    self.number = Some(number);
                    match verb {
                        Verb::Delete => self.verb = Some(Verb::DeleteNumber),
                        Verb::Zero => (self.verb, self.and_zero) = (Some(Verb::ZeroNumber), false),
                        _ => {}
                    }
                }
            }
            Verb::Replace => {
                let word = self.words.argument().ok_or_else(|| Refusal::new("-R requires a rule number"))?;
                self.number = Some(rule_number(word)?);
            }
            Verb::Insert => self.number = Some(self.words.argument().map_or(Ok(1), rule_number)?),
            Verb::RenameChain => {
                let text = "-E requires old-chain-name and new-chain-name";
                self.second = Some(self.words.argument().ok_or_else(|| Refusal::new(text))?);
            }
            Verb::SetPolicy => {
                let word = self.words.argument().ok_or_else(|| Refusal::new("-P requires a chain and a policy"))?;
                self.second = Some(word);
            }
            _ => {}
        }
        Ok(())
    }

    /// `-Z` goes with `-L` and `-S`; no other two commands go together.
    fn add_verb(&mut self, verb: Verb) -> Done {
        let lists = |verb| matches!(verb, Verb::List | Verb::ListRules);
        match self.verb {
            None => self.verb = Some(verb),
            Some(first) if lists(first) && verb == Verb::Zero => self.and_zero = true,
            Some(Verb::Zero) if lists(verb) => (self.verb, self.and_zero) = (Some(verb), true),
            Some(first) => {
                return problem(format!("Cannot use -{} with -{}", verb.letter(), first.letter()));
            }
        }
        Ok(())
    }
}
