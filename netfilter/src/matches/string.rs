//! `-m string`: a text somewhere in the packet (`net/netfilter/xt_string.c`).

use super::{Asks, Extension, How};
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// What is looked for, and where.
#[derive(Clone, PartialEq, Debug)]
pub struct Text {
    pattern: Vec<u8>,
    algorithm: Box<str>,
    from: u16,
    to: u16,
    icase: bool,
    inv: bool,
}

/// The longest text (`XT_STRING_MAX_PATTERN_SIZE`).
const MAX: usize = 128;

static OPTIONS: &[Opt] = &[
    Opt::arg("from", 0),
    Opt::arg("to", 1),
    Opt::arg("algo", 2).must(),
    Opt::arg("string", 3).inv().excl(1 << 4),
    Opt::arg("hex-string", 4).inv().excl(1 << 3),
    Opt::flag("icase", 5),
];

/// Text with bytes in hexadecimal between bars; a backslash takes the next character as it is.
fn hex(word: &str) -> Done<Vec<u8>> {
    let (mut bytes, mut in_hex) = (Vec::new(), false);
    let mut rest = word.bytes().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'|' => in_hex = !in_hex,
            b' ' | b'\t' if in_hex => {}
            _ if in_hex => {
                let digit = |byte: u8| {
                    let value = char::from(byte).to_digit(16);
                    value.ok_or_else(|| Refusal::new(format!("Invalid hex char '{}'", char::from(byte))))
                };
                let high = digit(byte)?;
                let low = rest.next().ok_or_else(|| Refusal::new("Odd number of hex digits"))?;
                bytes.push((high << 4 | digit(low)?) as u8);
            }
            b'\\' => bytes.push(rest.next().ok_or_else(|| Refusal::new("Bad literal placement at end of string"))?),
            _ => bytes.push(byte),
        }
    }
    if in_hex { Err(Refusal::new("Invalid hex block")) } else { Ok(bytes) }
}

impl Text {
    /// As a word of the saved form: in hexadecimal if not all of it can be printed and read back.
    fn word(&self) -> (bool, String) {
        let plain = self.pattern.iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b'\\');
        if plain {
            let text: String = self.pattern.iter().map(|byte| char::from(*byte)).collect();
            return (false, format!("\"{}\"", text.replace('"', "\\\"")));
        }
        let digits: String = self.pattern.iter().map(|byte| format!("{byte:02x}")).collect();
        (true, format!("\"|{digits}|\""))
    }

    fn is_at(&self, bytes: &[u8]) -> bool {
        if self.icase { bytes.eq_ignore_ascii_case(&self.pattern) } else { bytes == self.pattern }
    }
}

impl Extension for Text {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Text { pattern: Vec::new(), algorithm: Box::default(), from: 0, to: u16::MAX, icase: false, inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.name {
            "from" => self.from = call.number(0, 65535)? as u16,
            "to" => self.to = call.number(0, 65535)? as u16,
            "algo" => self.algorithm = call.arg.into(),
            "icase" => self.icase = true,
            name => {
                self.pattern = if name == "string" { call.arg.as_bytes().to_vec() } else { hex(call.arg)? };
                self.inv = call.inv;
                if self.pattern.is_empty() || self.pattern.len() > MAX {
                    return Err(Refusal::new(format!("string: Bad value for \"--{name}\" option: \"{}\"", call.arg)));
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        match seen & 0b11000 {
            0 => Err(Refusal::new("STRING match: You must specify `--string' or `--hex-string'")),
            _ => Ok(()),
        }
    }

    fn save(&self, out: &mut String) {
        let (hex, word) = self.word();
        let option = if hex { "--hex-string" } else { "--string" };
        out.push_str(&format!("{} {option} {word} --algo {}", if self.inv { " !" } else { "" }, self.algorithm));
        if self.from != 0 {
            out.push_str(&format!(" --from {}", self.from));
        }
        if self.to != u16::MAX {
            out.push_str(&format!(" --to {}", self.to));
        }
        out.push_str(if self.icase { " --icase" } else { "" });
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        let (_, word) = self.word();
        out.push_str(&format!(" STRING match {} {word} ALGO name {}", if self.inv { "!" } else { "" }, self.algorithm));
        if self.from != 0 {
            out.push_str(&format!(" FROM {}", self.from));
        }
        if self.to != u16::MAX {
            out.push_str(&format!(" TO {}", self.to));
        }
        out.push_str(if self.icase { " ICASE" } else { "" });
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        let text = ["--string \"GET /\"", "--string a\\\"b", "--hex-string \"|0a00|\"", "--string x --icase"];
        let range = ["", " --from 20", " --to 60", " --from 5 --to 25"];
        format!("-m string --algo bm {inv}{}{}", text[rng.below(4) as usize], range[rng.below(4) as usize])
    }
}

impl Asks for Text {
    fn may_stand(&self, _: &Place<'_>) -> bool {
        self.from <= self.to && matches!(&*self.algorithm, "bm" | "kmp" | "fsm")
    }

    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let bytes = skb.packet.data().get(usize::from(self.from)..).unwrap_or_default();
        let places = bytes.windows(self.pattern.len()).take(usize::from(self.to - self.from) + 1);
        places.into_iter().any(|window| self.is_at(window)) != self.inv
    }
}
