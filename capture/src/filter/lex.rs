//! Words of the filter language. Where several kinds of word could begin, the longest wins, as in libpcap's scanner.

use std::net::Ipv6Addr;

use winnow::Parser;
use winnow::combinator::repeat;
use winnow::token::{literal, one_of, take_while};

use super::FilterError;
use super::names::NUMBERS;

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A number, or the name of one (`tcp-syn`).
    Number(u32),
    /// Digits and dots: an IPv4 address or the beginning of one.
    Dotted(String),
    /// An IPv6 address.
    Ip6(Ipv6Addr, String),
    /// A link-layer address.
    Mac([u8; 6]),
    /// A word that may be a keyword.
    Word(String),
    /// A word that is a name even if it looks like a keyword (`\tcp`).
    Name(String),
    /// An operator or bracket, in its shortest spelling.
    Symbol(&'static str),
    /// Not a word at all, and what libpcap says about it.
    Bad(FilterError),
}

/// Operators with their spellings, longer ones first.
const SYMBOLS: &[(&str, &str)] = &[
    ("&&", "and"),
    ("||", "or"),
    ("<<", "<<"),
    (">>", ">>"),
    (">=", ">="),
    ("<=", "<="),
    ("!=", "!="),
    ("==", "="),
    ("!", "not"),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
    ("(", "("),
    (")", ")"),
    ("[", "["),
    ("]", "]"),
    ("+", "+"),
    ("-", "-"),
    ("*", "*"),
    ("/", "/"),
    ("%", "%"),
    ("&", "&"),
    ("|", "|"),
    ("^", "^"),
    (":", ":"),
];

/// More words than any filter a person or a program writes; keeps recursion over an expression shallow.
const MAX_TOKENS: usize = 2000;

/// Splits a text into words.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut input = text;
    let mut tokens = Vec::new();
    loop {
        input = input.trim_start_matches([' ', '\t', '\r', '\n']);
        if input.is_empty() {
            return Ok(tokens);
        }
        if tokens.len() == MAX_TOKENS {
            return Err(FilterError::meaning("filter expression too long"));
        }
        let token = token(&mut input).unwrap_or_else(Token::Bad);
        let last = matches!(token, Token::Bad(_));
        tokens.push(token);
        if last {
            return Ok(tokens);
        }
    }
}

fn token(input: &mut &str) -> Result<Token, FilterError> {
    if let Some(token) = address(input) {
        return Ok(token);
    }
    if let Ok(word) = word.parse_next(input) {
        return classify(word);
    }
    if let Ok(name) = escaped.parse_next(input) {
        return Ok(Token::Name(name.to_owned()));
    }
    for (spelling, symbol) in SYMBOLS {
        if literal::<_, _, ()>(*spelling).parse_next(input).is_ok() {
            return Ok(Token::Symbol(symbol));
        }
    }
    Err(FilterError::Syntax)
}

type Scan<'a, T> = winnow::ModalResult<T, ()>;

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Letters, digits and `-_.`, beginning with a letter or digit and ending with one or a dot.
fn word<'a>(input: &mut &'a str) -> Scan<'a, &'a str> {
    let all: &str =
        (one_of(|c: char| c.is_ascii_alphanumeric()), take_while(0.., is_word)).take().parse_peek(*input)?.1;
    let kept = all.trim_end_matches(['-', '_']);
    literal(kept).parse_next(input)
}

/// A backslash before a word that would be a keyword.
fn escaped<'a>(input: &mut &'a str) -> Scan<'a, &'a str> {
    ('\\', take_while(1.., |c: char| !matches!(c, ' ' | '!' | '(' | ')' | '\n' | '\t')))
        .map(|pair| pair.1)
        .parse_next(input)
}

/// An IPv6 or link-layer address, when the digits and separators that follow are one as a whole.
fn address(input: &mut &str) -> Option<Token> {
    let run: &str =
        repeat::<_, _, (), (), _>(1.., one_of(|c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '-')))
            .take()
            .parse_peek(*input)
            .ok()?
            .1;
    let token = mac(run).map(Token::Mac).or_else(|| {
        let address = run.contains(':').then(|| run.parse().ok()).flatten()?;
        Some(Token::Ip6(address, run.to_owned()))
    })?;
    // A longer word (`10-20-30-40-50-60x`) is a name.
    if word.parse_peek(*input).is_ok_and(|(_, word)| word.len() > run.len()) {
        return None;
    }
    *input = input.get(run.len()..)?;
    Some(token)
}

/// `aa:bb:cc:dd:ee:ff`, the same with `-` or `.`, `aabb.ccdd.eeff`, `aabbccddeeff`.
fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    for separator in [':', '-', '.'] {
        let parts: Vec<&str> = text.split(separator).collect();
        if parts.len() == 6 && parts.iter().all(|part| matches!(part.len(), 1 | 2)) {
            for (byte, part) in bytes.iter_mut().zip(&parts) {
                *byte = u8::from_str_radix(part, 16).ok()?;
            }
            return Some(bytes);
        }
    }
    let parts: Vec<&str> = text.split('.').collect();
    let digits = match parts.as_slice() {
        [one] if one.len() == 12 => (*one).to_owned(),
        [a, b, c] if [a, b, c].iter().all(|part| part.len() == 4) => [*a, *b, *c].concat(),
        _ => return None,
    };
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn classify(word: &str) -> Result<Token, FilterError> {
    if let Some((_, value)) = NUMBERS.iter().find(|row| row.0 == word) {
        return Ok(Token::Number(*value));
    }
    if is_number(word) {
        return number(word).map(Token::Number);
    }
    let parts: Vec<&str> = word.split('.').collect();
    Ok(if (2..=4).contains(&parts.len()) && parts.iter().all(|part| is_number(part)) {
        Token::Dotted(word.to_owned())
    } else {
        Token::Word(word.to_owned())
    })
}

fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    match digits {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// A number as C writes it: decimal, `0x` hexadecimal, `0` octal.
pub(super) fn number(word: &str) -> Result<u32, FilterError> {
    let (digits, radix) = match (word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")), word.strip_prefix('0')) {
        (Some(hex), _) => (hex, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (word, 10),
    };
    u32::from_str_radix(digits, radix).map_err(|error| match error.kind() {
        std::num::IntErrorKind::PosOverflow => FilterError::meaning(format!("number {word} overflows 32 bits")),
        _ => FilterError::meaning(format!("number {word} contains non-octal digit")),
    })
}

/// Any of the spellings of a keyword that is not a protocol.
pub(super) fn keyword(word: &str) -> Option<&'static str> {
    const KEYWORDS: &[&str] = &[
        "src",
        "dst",
        "host",
        "net",
        "mask",
        "port",
        "portrange",
        "proto",
        "protochain",
        "gateway",
        "less",
        "greater",
        "byte",
        "broadcast",
        "multicast",
        "and",
        "or",
        "not",
        "len",
        "inbound",
        "outbound",
        "ifindex",
        "vlan",
        "mpls",
        "pppoed",
        "pppoes",
        "geneve",
        "llc",
    ];
    match word {
        "length" => Some("len"),
        _ => KEYWORDS.iter().copied().find(|keyword| *keyword == word),
    }
}

/// Whether a name needs a backslash to be read as one.
pub(super) fn needs_escape(name: &str) -> bool {
    let plain = matches!(tokens(name).as_deref(), Ok([Token::Word(word)]) if word == name);
    !plain
        || keyword(name).is_some()
        || super::names::foreign(name).is_some()
        || super::names::Protocol::named(name).is_some()
}
