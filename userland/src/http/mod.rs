//! HTTP/1: the heads of requests and responses, and the server that comes with Python.

mod pages;
mod server;

pub(crate) use pages::{http_date, log_date};
pub use server::start;

/// The most bytes that the head of a message may have.
pub const MAX_HEAD: usize = 100 << 10;

/// The head of a message: its first line and its fields.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Head {
    /// The first line.
    pub first: String,
    /// Names and values, in their order.
    pub fields: Vec<(String, String)>,
    /// How many bytes it takes, with the empty line behind it.
    pub len: usize,
}

impl Head {
    /// Reads a head from the beginning of `bytes`; `None` if its end is not there yet.
    pub fn parse(bytes: &[u8]) -> Option<Head> {
        let mut head = Head::default();
        let mut lines = 0;
        loop {
            let rest = bytes.get(head.len..)?;
            let end = rest.iter().position(|b| *b == b'\n')?;
            let line = rest.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            head.len += end + 1;
            if line.is_empty() && lines > 0 {
                return Some(head);
            }
            let text = latin1(line);
            if lines == 0 {
                head.first = text;
            } else if let Some((name, value)) = text.split_once(':') {
                head.fields.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            lines += 1;
        }
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

/// Bytes as characters of the same number: what is no UTF-8 must not get lost.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

/// The first line of a response: version (`1.0`), status, reason.
pub fn status_line(first: &str) -> Option<(&str, u16, &str)> {
    let rest = first.strip_prefix("HTTP/")?;
    let (version, rest) = rest.split_once(' ')?;
    let (code, reason) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
    let code = code.parse().ok().filter(|code| (100..1000).contains(code))?;
    Some((version, code, reason))
}

/// Undoes `%XX` (`urllib.parse.unquote` to bytes).
pub fn unquote(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).filter(|_| byte == b'%').and_then(|h| core::str::from_utf8(h).ok());
        let hex = hex.filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|h| u8::from_str_radix(h, 16).ok());
        out.push(hex.unwrap_or(byte));
        at += if hex.is_some() { 3 } else { 1 };
    }
    out
}

/// `%XX` for all but letters, digits and `_.-~/` (`urllib.parse.quote`).
pub fn quote(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-~/".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn heads_end_with_an_empty_line() {
        let head = Head::parse(b"GET / HTTP/1.1\r\nHost: a\r\nX:b \n\r\nbody").unwrap();
        assert_eq!((head.first.as_str(), head.len), ("GET / HTTP/1.1", 32));
        assert_eq!((head.field("host"), head.field("x"), head.field("y")), (Some("a"), Some("b"), None));
        assert_eq!(Head::parse(b"GET / HTTP/1.1\r\nHost: a\r\n"), None);
    }

    #[test]
    fn status_lines() {
        assert_eq!(status_line("HTTP/1.0 404 File not found"), Some(("1.0", 404, "File not found")));
        assert_eq!(status_line("HTTP/1.1 204"), Some(("1.1", 204, "")));
        assert_eq!((status_line("HTTP/1.0 x"), status_line("SSH-2.0")), (None, None));
    }

    #[test]
    fn names_are_quoted_and_back() {
        assert_eq!(quote("a b&.html"), "a%20b%26.html");
        assert_eq!(unquote("a%20b%2"), b"a b%2");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(head) = Head::parse(&bytes) {
                prop_assert!(head.len <= bytes.len());
                let _ = status_line(&head.first);
                let _ = unquote(&head.first);
            }
        }

        #[test]
        fn what_is_quoted_comes_back(text: String) {
            prop_assert_eq!(unquote(&quote(&text)), text.as_bytes());
        }
    }
}
