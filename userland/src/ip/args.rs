//! The arguments of iproute2's programs: a cursor over the words, abbreviations, numbers and addresses, and the words of
//! its errors (`lib/utils.c`).

use core::net::Ipv4Addr;

use hopwise_stack::NlError;

/// Why a command ended: what goes to standard error, and the exit status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fail {
    /// What is printed, with its line end; empty if all was said.
    pub text: String,
    /// Exit status.
    pub status: i32,
    /// Whether the program ends with it, even in the middle of a batch.
    pub ends: bool,
}

/// How a command ends.
pub type Done<T = ()> = Result<T, Fail>;

impl Fail {
    /// A message (a line end is added) and an exit status.
    pub fn new(status: i32, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.push('\n');
        Fail::as_is(status, text)
    }

    /// A text as it is, and an exit status.
    pub fn as_is(status: i32, text: impl Into<String>) -> Self {
        Fail { text: text.into(), status, ends: false }
    }

    /// The same, but it ends the program: what iproute2 says just before `exit(-1)`.
    pub fn last_word(text: impl Into<String>) -> Self {
        Fail { ends: true, ..Fail::new(255, text) }
    }

    /// The same, but it ends the program.
    #[must_use]
    pub fn ending(self) -> Self {
        Fail { ends: true, ..self }
    }

    /// No message, only the status.
    pub const fn silent(status: i32) -> Self {
        Fail { text: String::new(), status, ends: false }
    }

    /// A usage text, as it is; iproute2 exits with -1.
    pub fn usage(text: &str) -> Self {
        Fail { ends: true, ..Fail::as_is(255, text) }
    }
}

/// Refusals of the kernel: `RTNETLINK answers: ...` or `Error: ...`, status 2.
impl From<NlError> for Fail {
    fn from(error: NlError) -> Self {
        Fail::new(2, error.to_string())
    }
}

/// A word is missing (`incomplete_command`).
pub fn incomplete() -> Fail {
    Fail::last_word("Command line is not complete. Try option \"help\"")
}

/// `invarg`.
pub fn invarg(message: &str, arg: &str) -> Fail {
    Fail::last_word(format!("Error: argument \"{arg}\" is wrong: {message}"))
}

/// `missarg`.
pub fn missarg(key: &str) -> Fail {
    Fail::last_word(format!("Error: argument \"{key}\" is required"))
}

/// `duparg`.
pub fn duparg(key: &str, arg: &str) -> Fail {
    Fail::last_word(format!("Error: duplicate \"{key}\": \"{arg}\" is the second value."))
}

/// `duparg2`.
pub fn duparg2(key: &str, arg: &str) -> Fail {
    Fail::last_word(format!("Error: either \"{key}\" is duplicate, or \"{arg}\" is a garbage."))
}

/// `nodev`: a link that does not exist.
pub fn nodev(name: &str) -> Fail {
    Fail::new(1, format!("Cannot find device \"{name}\""))
}

/// Whether `word` abbreviates `full`: a non-empty beginning of it (`matches`).
pub fn matches(word: &str, full: &str) -> bool {
    !word.is_empty() && full.starts_with(word)
}

/// A cursor over the words of a command.
#[derive(Clone, Debug)]
pub struct Args {
    words: Vec<String>,
    at: usize,
}

impl Args {
    /// The words after the program's name.
    pub fn new(words: Vec<String>) -> Self {
        Args { words, at: 0 }
    }

    /// The next word, which is then used up.
    #[expect(
        clippy::should_implement_trait,
        reason = "as Iterator it would lend its other methods too, which mean nothing here"
    )]
    pub fn next(&mut self) -> Option<String> {
        let word = self.words.get(self.at).cloned()?;
        self.at += 1;
        Some(word)
    }

    /// The next word, which stays.
    pub fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(String::as_str)
    }

    /// The next word, which must be there (`NEXT_ARG`).
    ///
    /// # Errors
    /// `Command line is not complete.`
    pub fn need(&mut self) -> Done<String> {
        self.next().ok_or_else(incomplete)
    }

    /// Goes back one word (`PREV_ARG`).
    pub fn back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    /// True if no word is left.
    pub fn is_empty(&self) -> bool {
        self.at >= self.words.len()
    }

    /// How many words are left.
    pub fn left(&self) -> usize {
        self.words.len().saturating_sub(self.at)
    }

    /// Uses the next word up if it is exactly this one.
    pub fn accept(&mut self, word: &str) -> bool {
        let is = self.peek() == Some(word);
        self.at += usize::from(is);
        is
    }

    /// Uses the next word up if it abbreviates this one.
    pub fn accept_short(&mut self, full: &str) -> bool {
        let is = self.peek().is_some_and(|w| matches(w, full));
        self.at += usize::from(is);
        is
    }

    /// All words that are left.
    pub fn rest(&mut self) -> Vec<String> {
        let rest = self.words.get(self.at..).unwrap_or_default().to_vec();
        self.at = self.words.len();
        rest
    }

    /// The whole command as it was typed, without the program's name.
    pub fn line(&self) -> String {
        self.words.join(" ")
    }

    /// The next word as a number; `message` is what `invarg` says if it is none.
    ///
    /// # Errors
    /// As [`Args::need`], or `argument "..." is wrong`.
    pub fn number<T: TryFrom<u64>>(&mut self, message: &str) -> Done<T> {
        let word = self.need()?;
        unsigned(&word).and_then(|n| T::try_from(n).ok()).ok_or_else(|| invarg(message, &word))
    }

    /// The next word as `on` or `off`; `key` is the option that wants it (`parse_on_off`, `on_off`).
    ///
    /// # Errors
    /// As [`Args::need`], or `must be one of`.
    pub fn on_off(&mut self, key: &str) -> Done<bool> {
        let word = self.need()?;
        match &*word {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(Fail::new(
                234,
                format!("Error: argument of \"{key}\" must be one of \"off\", \"on\", not \"{word}\""),
            )),
        }
    }
}

/// A number as `strtoull` with base 0 reads it: decimal, `0x` hexadecimal, `0` octal.
pub fn unsigned(text: &str) -> Option<u64> {
    let (digits, base) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (text.get(2..)?, 16),
        [b'0', _, ..] => (text.get(1..)?, 8),
        _ => (text, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// An address with a prefix length (`inet_prefix`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    /// The address.
    pub addr: Ipv4Addr,
    /// Length of the prefix, 32 if none was given.
    pub len: u8,
    /// Whether a length was given (`PREFIXLEN_SPECIFIED`).
    pub has_len: bool,
    /// The word was `default`, `any` or `all`.
    pub any: bool,
}

/// Reads an IPv4 address as iproute2's `get_addr_1` does: one to four decimal numbers, missing ones are zero.
pub fn parse_addr(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() > 4 {
        return None;
    }
    for (octet, part) in octets.iter_mut().zip(parts) {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse().ok()?;
    }
    Some(octets.into())
}

/// An IPv4 address.
///
/// # Errors
/// `Error: inet address is expected rather than "..."`, status 1.
pub fn addr(text: &str) -> Done<Ipv4Addr> {
    match text {
        "default" | "any" | "all" => Ok(Ipv4Addr::UNSPECIFIED),
        _ => parse_addr(text)
            .ok_or_else(|| Fail::new(1, format!("Error: inet address is expected rather than \"{text}\".")).ending()),
    }
}

/// An end of a tunnel: an IPv4 address or `any` (`get_addr32`).
///
/// # Errors
/// `Error: an IP address is expected rather than "..."`, status 1.
pub fn addr_or_any(text: &str) -> Done<Ipv4Addr> {
    match text {
        "default" | "any" | "all" => Ok(Ipv4Addr::UNSPECIFIED),
        _ => parse_addr(text)
            .ok_or_else(|| Fail::new(1, format!("Error: an IP address is expected rather than \"{text}\"")).ending()),
    }
}

/// An IPv4 prefix: an address with `/LENGTH` or `/NETMASK`, or without.
///
/// # Errors
/// `Error: inet prefix is expected rather than "..."`, status 1.
pub fn prefix(text: &str) -> Done<Prefix> {
    prefix_or(text, "inet")
}

/// As [`prefix`], with the family that the error names (`inet`, or `any valid` where IPv6 would do as well).
///
/// # Errors
/// `Error: FAMILY prefix is expected rather than "..."`, status 1.
pub fn prefix_or(text: &str, family: &str) -> Done<Prefix> {
    if matches!(text, "default" | "any" | "all") {
        return Ok(Prefix { addr: Ipv4Addr::UNSPECIFIED, len: 0, has_len: true, any: true });
    }
    let wrong = || Fail::new(1, format!("Error: {family} prefix is expected rather than \"{text}\".")).ending();
    let (addr, len) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let addr = parse_addr(addr).ok_or_else(wrong)?;
    match len {
        None => Ok(Prefix { addr, len: 32, has_len: false, any: false }),
        Some(len) => {
            let len = prefix_len(len).ok_or_else(wrong)?;
            Ok(Prefix { addr, len, has_len: true, any: false })
        }
    }
}

/// A prefix length, also as a netmask (`get_netmask`).
fn prefix_len(text: &str) -> Option<u8> {
    if let Some(len) = unsigned(text) {
        return u8::try_from(len).ok().filter(|l| *l <= 32);
    }
    let mask = u32::from(parse_addr(text)?);
    let len = mask.leading_ones();
    (mask.checked_shl(len).unwrap_or(0) == 0).then_some(len as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn abbreviations() {
        assert!(matches("a", "address") && matches("address", "address"));
        assert!(!matches("", "address") && !matches("addresses", "address") && !matches("x", "address"));
    }

    #[test]
    fn numbers_have_bases() {
        assert_eq!(
            [unsigned("10"), unsigned("0x10"), unsigned("010"), unsigned("0")],
            [Some(10), Some(16), Some(8), Some(0)]
        );
        assert_eq!([unsigned(""), unsigned("-1"), unsigned("x"), unsigned("+1"), unsigned("0x")], [None; 5]);
    }

    #[test]
    fn prefixes() {
        let get = |t: &str| prefix(t).map(|p| (p.addr.to_string(), p.len, p.has_len));
        assert_eq!(get("10.0.0.1/24"), Ok(("10.0.0.1".into(), 24, true)));
        assert_eq!(get("10.1"), Ok(("10.1.0.0".into(), 32, false)));
        assert_eq!(get("10.0.0.0/255.255.0.0"), Ok(("10.0.0.0".into(), 16, true)));
        assert_eq!(get("default"), Ok(("0.0.0.0".into(), 0, true)));
        for bad in ["10.0.0.1/33", "x", "10.0.0.256", "1.2.3.4.5", "10..1", "10.0.0.0/255.0.255.0", "", "/8"] {
            let text = format!("Error: inet prefix is expected rather than \"{bad}\".\n");
            assert_eq!(prefix(bad), Err(Fail::as_is(1, text).ending()), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,24}") {
            let _ = (prefix(&text), addr(&text), unsigned(&text));
        }

        #[test]
        fn what_is_printed_is_read(addr: [u8; 4], len in 0u8..=32) {
            let text = format!("{}/{len}", Ipv4Addr::from(addr));
            prop_assert_eq!(prefix(&text), Ok(Prefix { addr: addr.into(), len, has_len: true, any: false }));
        }
    }
}
