//! Which options of `iptables` itself were given.

use bitflags::bitflags;

use crate::rules::Inverted;

bitflags! {
    /// Options that were given (`OPT_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Given: u16 {
        /// `-n`.
        const NUMERIC = 1 << 0;
        /// `-s`.
        const SOURCE = 1 << 1;
        /// `-d`.
        const DESTINATION = 1 << 2;
        /// `-p`.
        const PROTOCOL = 1 << 3;
        /// `-j`, `-g`.
        const JUMP = 1 << 4;
        /// `-v`.
        const VERBOSE = 1 << 5;
        /// `-x`.
        const EXACT = 1 << 6;
        /// `-i`.
        const INPUT = 1 << 7;
        /// `-o`.
        const OUTPUT = 1 << 8;
        /// `--line-numbers`.
        const LINE_NUMBERS = 1 << 9;
        /// `-c`.
        const COUNTERS = 1 << 10;
        /// `-f`.
        const FRAGMENT = 1 << 11;
    }
}

impl Given {
    /// The letter of one option.
    pub(super) fn letter(self) -> char {
        char::from(b"nsdpjvxio0cf"[self.bits().trailing_zeros() as usize])
    }

    pub(super) fn of(letter: u8) -> Given {
        Given::all().iter().find(|one| one.letter() as u8 == letter).unwrap_or_default()
    }

    /// What of a rule an option negates.
    pub(super) fn inverted(self) -> Option<Inverted> {
        Some(match self {
            Given::SOURCE => Inverted::SRC,
            Given::DESTINATION => Inverted::DST,
            Given::PROTOCOL => Inverted::PROTOCOL,
            Given::INPUT => Inverted::INPUT,
            Given::OUTPUT => Inverted::OUTPUT,
            Given::FRAGMENT => Inverted::FRAGMENT,
            _ => return None,
        })
    }
}
