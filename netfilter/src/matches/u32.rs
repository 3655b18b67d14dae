//! `-m u32`: numbers anywhere in the packet (`net/netfilter/xt_u32.c`).

use super::{Asks, Extension, How};
use crate::rules::Cx;
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number};
use hopwise_sim_core::Rng;

/// One step from a number read to the next.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Step {
    And(u32),
    Left(u32),
    Right(u32),
    /// Read anew, so far behind the place that the number before tells.
    At(u32),
}

/// A number that is read, and the ranges of which one must fit.
#[derive(Clone, PartialEq, Debug)]
struct Test {
    from: u32,
    steps: Vec<Step>,
    ranges: Vec<(u32, u32)>,
}

/// Tests that must all hold.
#[derive(Clone, PartialEq, Debug)]
pub struct Numbers {
    tests: Vec<Test>,
    inv: bool,
}

/// So many tests, steps and ranges there may be (`XT_U32_MAXSIZE`).
const MAX: usize = 10;

static OPTIONS: &[Opt] = &[Opt::arg("u32", 0).inv().must()];

/// Reads the language of tests.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
    }

    /// The same problem at the place that was reached.
    fn at(&self, what: &str) -> Refusal {
        Refusal::new(format!("u32: at char {}: {what}", self.text.len() - self.rest.len()))
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.rest.strip_prefix(word);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn number(&mut self) -> Done<u32> {
        let from = self.rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
        match number::strtoul(from).and_then(|(value, rest)| Some((u32::try_from(value).ok()?, rest))) {
            Some((value, rest)) => {
                self.rest = rest;
                Ok(value)
            }
            None => Err(self.at("not a number or out of range")),
        }
    }

    fn test(&mut self) -> Done<Test> {
        let mut test = Test { from: self.number()?, steps: Vec::new(), ranges: Vec::new() };
        loop {
            self.skip_blanks();
            if self.rest.is_empty() {
                return Err(Refusal::new("u32: abrupt end of input after location specifier"));
            }
            let step = if self.takes("&") {
                Step::And
            } else if self.takes("<") {
                if !self.takes("<") {
                    return Err(self.at("a second '<' was expected"));
                }
                Step::Left
            } else if self.takes(">") {
                if !self.takes(">") {
                    return Err(self.at("a second '>' was expected"));
                }
                Step::Right
            } else if self.takes("@") {
                Step::At
            } else if self.takes("=") {
                break;
            } else {
                return Err(self.at("operator expected"));
            };
            if test.steps.len() + 1 >= MAX {
                return Err(self.at("too many operators"));
            }
            test.steps.push(step(self.number()?));
        }
        loop {
            let from = self.number()?;
            self.skip_blanks();
            let to = if self.takes(":") { self.number()? } else { from };
            if test.ranges.len() >= MAX {
                return Err(self.at("too many \",\"s"));
            }
            test.ranges.push((from, to));
            self.skip_blanks();
            if !self.takes(",") {
                return Ok(test);
            }
        }
    }
}

fn parse(text: &str) -> Done<Vec<Test>> {
    let mut reader = Reader { text, rest: text };
    let mut tests = vec![reader.test()?];
    while !reader.rest.is_empty() {
        if !reader.takes("&&") {
            return Err(reader.at("expected \",\" or \"&&\""));
        }
        if tests.len() >= MAX {
            return Err(reader.at("too many \"&&\"s"));
        }
        tests.push(reader.test()?);
    }
    Ok(tests)
}

impl Test {
    fn put(&self, out: &mut String) {
        out.push_str(&format!("{:#x}", self.from));
        for step in &self.steps {
            out.push_str(&match step {
                Step::And(n) => format!("&{n:#x}"),
                Step::Left(n) => format!("<<{n:#x}"),
                Step::Right(n) => format!(">>{n:#x}"),
                Step::At(n) => format!("@{n:#x}"),
            });
        }
        for (i, (from, to)) in self.ranges.iter().enumerate() {
            out.push(if i == 0 { '=' } else { ',' });
            out.push_str(&format!("{from:#x}"));
            if from != to {
                out.push_str(&format!(":{to:#x}"));
            }
        }
    }

    /// `None`: it reads beyond the packet (`u32_match_it`).
    fn holds(&self, data: &[u8]) -> Option<bool> {
        let read = |at: u32, from: u32| {
            let place = (at as usize).checked_add(from as usize)?;
            data.get(place..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word))
        };
        let mut at = 0;
        let mut value = read(at, self.from)?;
        for step in &self.steps {
            value = match *step {
                Step::And(n) => value & n,
                Step::Left(n) => value.wrapping_shl(n),
                Step::Right(n) => value.wrapping_shr(n),
                Step::At(n) => {
                    at = u32::checked_add(at, value)?;
                    read(at, n)?
                }
            };
        }
        Some(self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&value)))
    }
}

impl Numbers {
    fn text(&self) -> String {
        let mut out = String::new();
        for (i, test) in self.tests.iter().enumerate() {
            out.push_str(if i == 0 { "" } else { "&&" });
            test.put(&mut out);
        }
        out
    }
}

impl Extension for Numbers {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Numbers { tests: Vec::new(), inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        *self = Numbers { tests: parse(call.arg)?, inv: call.inv };
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!("{} --u32 \"{}\"", if self.inv { " !" } else { "" }, self.text()));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" u32 {}\"{}\"", if self.inv { "! " } else { "" }, self.text()));
    }

    fn sample(rng: &mut Rng) -> String {
        let not = if rng.below(3) == 0 { "! " } else { "" };
        let text = ["6&0xFF=6", "0>>22&0x3C@0>>16=0:50,80", "4=0:0xff&&16&0xff=1,2"];
        match rng.below(4) {
            3 => format!("-m u32 {not}--u32 \"8 & 0xff = {}:0x7fff\"", rng.below(20)),
            n => format!("-m u32 {not}--u32 \"{}\"", text[n as usize]),
        }
    }
}

impl Asks for Numbers {
    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let data = skb.packet.data();
        self.tests.iter().all(|test| test.holds(data) == Some(true)) != self.inv
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_and_beyond_the_packet_there_are_none() {
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([0, 53, 0x80, 0, 0, 8, 0, 0]);
        let holds = |text: &str| parse(text).unwrap()[0].holds(&packet);
        assert_eq!(holds("6&0xFF=17"), Some(true));
        assert_eq!(holds("0>>22&0x3C@0>>16=53"), Some(true));
        assert_eq!(holds("0>>22&0x3C@0>>16=1:52,54"), Some(false));
        assert_eq!(holds("24=0x80000"), Some(true));
        assert_eq!((holds("25=0"), holds("4294967295=0"), holds("12@0=0")), (None, None, None));
    }

    #[test]
    fn what_is_no_test_is_refused_in_words() {
        let said = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(said("6"), "u32: abrupt end of input after location specifier");
        assert_eq!(said("6=5="), "u32: at char 3: expected \",\" or \"&&\"");
        assert_eq!(said("0xFFFFFFFFFF=1"), "u32: at char 0: not a number or out of range");
    }
}
