//! How the options of matches and targets are read: what libxtables does for its extensions (`xtoptions.c`), with its words.

mod answer;
mod check;
pub mod command;
mod getopt;
mod given;
mod help;
mod hosts;
pub mod kept;
mod known;
mod list;
mod load;
pub mod number;
mod read;
pub mod restore;
mod save;
mod text;
mod verb;

use core::fmt;
use core::net::Ipv4Addr;

pub use answer::{Answer, Tool, VERSION};
pub use read::{Given, Parsed, Reading, Verb, Wish, read};
pub use save::{ORDER, save, save_table};
pub use text::{put_string, quoted, split};

/// Names of chains and extensions are shorter than this (`XT_EXTENSION_MAXNAMELEN`).
const MAX_NAME: usize = 29;

use crate::names::Names;
use crate::rules::IpMatch;

/// Why words are no rule: `iptables` ends with status 2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Printed after the program's name and version, and before the hint at its help.
    Problem(String),
    /// A word that is no option, printed without the name.
    BadArgument(String),
    /// `-6`: only the hint is printed.
    Hint,
}

impl Refusal {
    /// A problem.
    pub fn new(text: impl Into<String>) -> Self {
        Refusal::Problem(text.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Problem(text) => f.write_str(text),
            Refusal::BadArgument(word) => write!(f, "Bad argument `{word}'"),
            Refusal::Hint => Ok(()),
        }
    }
}

impl core::error::Error for Refusal {}

/// Whether something went well.
pub type Done<T = ()> = Result<T, Refusal>;

/// An option of an extension (`struct xt_option_entry`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opt {
    /// The name without dashes.
    pub name: &'static str,
    /// Its bit in the flags of what was seen. Options that mean the same share one.
    pub bit: u8,
    /// Whether it takes an argument.
    pub arg: bool,
    /// Whether `!` may stand before it.
    pub inv: bool,
    /// Whether it may be given more than once.
    pub multi: bool,
    /// Whether it must be given.
    pub must: bool,
    /// Bits of options that cannot be given together with it.
    pub excl: u32,
    /// Bits of options that it needs.
    pub also: u32,
}

impl Opt {
    /// An option with an argument, once, without `!`.
    pub const fn arg(name: &'static str, bit: u8) -> Opt {
        Opt { name, bit, arg: true, inv: false, multi: false, must: false, excl: 0, also: 0 }
    }

    /// An option without an argument.
    pub const fn flag(name: &'static str, bit: u8) -> Opt {
        Opt { arg: false, ..Opt::arg(name, bit) }
    }

    /// `!` may stand before it.
    pub const fn inv(self) -> Opt {
        Opt { inv: true, ..self }
    }

    /// It may be repeated.
    pub const fn multi(self) -> Opt {
        Opt { multi: true, ..self }
    }

    /// It must be given.
    pub const fn must(self) -> Opt {
        Opt { must: true, ..self }
    }

    /// Not together with those.
    pub const fn excl(self, bits: u32) -> Opt {
        Opt { excl: bits, ..self }
    }

    /// Only together with those.
    pub const fn also(self, bits: u32) -> Opt {
        Opt { also: bits, ..self }
    }
}

/// One option that was found on the command line, for the extension it belongs to (`struct xt_option_call`).
pub struct Call<'a> {
    /// The extension.
    pub ext: &'static str,
    /// The option.
    pub opt: &'static Opt,
    /// Its argument; empty if it takes none.
    pub arg: &'a str,
    /// The word behind the argument, if the option takes one.
    pub second: &'a str,
    /// Whether `!` stood before it.
    pub inv: bool,
    /// Bits of the options seen before.
    pub seen: u32,
    /// The rest of the rule so far.
    pub ip: &'a IpMatch,
    /// Names.
    pub names: &'a dyn Names,
}

impl Call<'_> {
    /// What every option is asked first (`xtables_option_parse`).
    fn admit(&self) -> Done {
        if self.seen & (1 << self.opt.bit) != 0 && !self.opt.multi {
            return Err(Refusal::new(format!("{}: option \"--{}\" can only be used once.\n", self.ext, self.opt.name)));
        }
        if self.inv && !self.opt.inv {
            return Err(Refusal::new(format!("{}: option \"--{}\" cannot be inverted.\n", self.ext, self.opt.name)));
        }
        Ok(())
    }

    /// A number from `min` to `max`.
    ///
    /// # Errors
    /// If it is none.
    pub fn number(&self, min: u64, max: u64) -> Done<u64> {
        number::within(self.arg, min, max).ok_or_else(|| self.bad_value(min, max))
    }

    /// The error of a number that is none.
    pub fn bad_value(&self, min: u64, max: u64) -> Refusal {
        Refusal::new(format!(
            "{}: bad value for option \"--{}\", or out of range ({min}-{max}).\n",
            self.ext, self.opt.name
        ))
    }

    /// `FROM[:TO]`, each of them optional; a single number is both ends unless it is followed by a colon.
    ///
    /// # Errors
    /// If one of them is none.
    pub fn range(&self, max: u64) -> Done<(u64, u64)> {
        let bad = |near: &str| {
            let (ext, name) = (self.ext, self.opt.name);
            Refusal::new(format!(
                "{ext}: bad value for option \"--{name}\" near \"{near}\", or out of range (0-{max}).\n"
            ))
        };
        let number = |text| match number::strtoul(text) {
            Some((value, rest)) if value <= max => Ok((value, rest)),
            _ => Err(bad(text)),
        };
        let more = |near: &str| {
            let (ext, name) = (self.ext, self.opt.name);
            Refusal::new(format!("{ext}: Argument to \"--{name}\" has unexpected characters near \"{near}\".\n"))
        };
        let (from, behind) = if self.arg.starts_with(':') { (0, self.arg) } else { number(self.arg)? };
        if behind.is_empty() {
            return Ok((from, from));
        }
        let rest = behind.strip_prefix(':');
        let Some(rest) = rest else { return Err(more(behind)) };
        if rest.is_empty() {
            return Ok((from, max));
        }
        let (to, rest) = number(rest)?;
        if rest.is_empty() { Ok((from, to)) } else { Err(more(rest)) }
    }

    /// `VALUE[/MASK]`.
    ///
    /// # Errors
    /// If it is none.
    pub fn marked(&self) -> Done<(u32, u32)> {
        number::marked(self.arg).ok_or_else(|| self.bad_integer())
    }

    /// The same, or one of a few names (`XTTYPE_MARKMASK32` with `xtables_lmap`).
    ///
    /// # Errors
    /// If it is none.
    pub fn named_mark(&self, names: &[(&str, u32)]) -> Done<(u32, u32)> {
        if let Some(row) = names.iter().find(|row| row.0 == self.arg) {
            return Ok((row.1, u32::MAX));
        }
        let none = || {
            let (ext, name, word) = (self.ext, self.opt.name, self.arg);
            Refusal::new(format!("{ext}: could not map name {word} to an integer value for option \"--{name}\".\n"))
        };
        number::marked(self.arg).ok_or_else(none)
    }

    /// A 32-bit number without a mask.
    ///
    /// # Errors
    /// If it is none.
    pub fn integer(&self) -> Done<u32> {
        number::within(self.arg, 0, u32::MAX.into()).map(|n| n as u32).ok_or_else(|| self.bad_integer())
    }

    fn bad_integer(&self) -> Refusal {
        Refusal::new(format!("{}: bad integer value for option \"--{}\", or out of range.\n", self.ext, self.opt.name))
    }

    /// The address of one host, by number or name.
    ///
    /// # Errors
    /// If there is none.
    pub fn host(&self) -> Done<Ipv4Addr> {
        host_of(self.names, self.arg).first().copied().ok_or_else(|| self.no_host(self.arg))
    }

    fn no_host(&self, word: &str) -> Refusal {
        let (ext, name) = (self.ext, self.opt.name);
        Refusal::new(format!("{ext}: Bad value for \"--{name}\" option: \"{word}\""))
    }

    /// An address with a mask, which is full if it is not given.
    ///
    /// # Errors
    /// If there is no such host, or the mask is none.
    pub fn host_mask(&self) -> Done<(u32, u32)> {
        let (host, mask) = self.arg.split_once('/').map_or((self.arg, None), |(host, mask)| (host, Some(mask)));
        let mask = match mask {
            Some(word) => mask_of(word).ok_or_else(|| self.no_host(self.arg))?,
            None => u32::MAX,
        };
        let addr = host_of(self.names, host).first().copied().ok_or_else(|| self.no_host(host))?;
        Ok((addr.to_bits(), mask))
    }

    /// A port or a range of ports, `FROM[:TO]`, by number or name (`XTTYPE_PORTRC`): the words of UDP, DCCP and conntrack.
    ///
    /// # Errors
    /// If it is none.
    pub fn ports(&self) -> Done<(u16, u16)> {
        let one = |word: &str| {
            // A number too large is cut to 16 bits, as getaddrinfo(3) does it.
            port_of(self.names, word, None)
                .or_else(|| word.parse::<u64>().ok().filter(|_| !word.starts_with('+')).map(|n| n as u16))
                .ok_or_else(|| Refusal::new(format!("Port \"{word}\" does not resolve to anything.\n")))
        };
        let Some((from, to)) = self.arg.split_once(':') else {
            let port = one(self.arg)?;
            return Ok((port, port));
        };
        let from = if from.is_empty() { 0 } else { one(from)? };
        Ok((from, if to.is_empty() { 65535 } else { one(to)? }))
    }
}

/// A port by number or name.
pub fn port_of(names: &dyn Names, word: &str, protocol: Option<u8>) -> Option<u16> {
    match number::within(word, 0, 65535) {
        Some(port) => Some(port as u16),
        None => names.port_of(word, protocol),
    }
}

/// The words of TCP, SCTP and multiport for a port that is none (`xtables_parse_port`).
pub fn service_port(names: &dyn Names, word: &str, protocol: Option<u8>) -> Done<u16> {
    port_of(names, word, protocol).ok_or_else(|| Refusal::new(format!("invalid port/service `{word}' specified")))
}

/// An address in dotted form; zeros fill up what is missing (`xtables_numeric_to_ipaddr`).
pub fn dotted(word: &str) -> Option<Ipv4Addr> {
    // The usual form is read at once; that with hexadecimal or octal numbers, or with fewer than four, part by part.
    if let Ok(addr) = word.parse() {
        return Some(addr);
    }
    let mut octets = [0; 4];
    let mut places = octets.iter_mut();
    for part in word.split('.') {
        *places.next()? = number::within(part, 0, 255)? as u8;
    }
    Some(octets.into())
}

/// The addresses of a host: a number in dotted form, else a name.
pub fn host_of(names: &dyn Names, word: &str) -> Vec<Ipv4Addr> {
    match dotted(word) {
        Some(addr) => vec![addr],
        None => names.addrs_of(word),
    }
}

/// A network mask: a length, or in dotted form.
pub fn mask_of(word: &str) -> Option<u32> {
    if let Ok(mask) = word.parse::<Ipv4Addr>() {
        return Some(mask.to_bits());
    }
    let len = number::within(word, 0, 32)?;
    Some(u32::MAX.checked_shl(32 - len as u32).unwrap_or(0))
}

/// The length of a mask whose ones stand at the front.
pub const fn mask_len(mask: u32) -> Option<u32> {
    let len = mask.leading_ones();
    if len == 32 || mask << len == 0 { Some(len) } else { None }
}

/// What all options of an extension are asked at the end (`xtables_options_fcheck`).
pub(crate) fn check_together(ext: &str, options: &'static [Opt], seen: u32) -> Done {
    for opt in options {
        let given = seen & (1 << opt.bit) != 0;
        if opt.must && !given {
            return Err(Refusal::new(format!("{ext}: option \"--{}\" must be specified\n", opt.name)));
        }
        if !given {
            continue;
        }
        for other in options.iter().filter(|o| o.bit != opt.bit) {
            if opt.also & (1 << other.bit) & !seen != 0 {
                let (a, b) = (opt.name, other.name);
                return Err(Refusal::new(format!("{ext}: option \"--{a}\" also requires \"--{b}\".\n")));
            }
            if opt.excl & (1 << other.bit) & seen != 0 {
                let (a, b) = (opt.name, other.name);
                return Err(Refusal::new(format!("{ext}: option \"--{a}\" cannot be used together with \"--{b}\".\n")));
            }
        }
    }
    Ok(())
}
