//! The response: where its body ends (RFC 9112, section 6).

use crate::http::{Head, status_line};

/// How the end of a body is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Body {
    /// So many bytes are to come.
    Length(u64),
    /// Until the connection ends.
    Close,
    /// In chunks: what of the present one is to come; `None` before the next size.
    Chunks(Option<u64>),
    /// It is complete.
    Done,
}

impl Body {
    /// By the head of the response.
    pub(crate) fn of(head: &Head, method: &str) -> Body {
        let code = status_line(&head.first).map_or(0, |(_, code, _)| code);
        if method == "HEAD" || matches!(code, 100..=199 | 204 | 304) {
            return Body::Done;
        }
        if head.field("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            return Body::Chunks(None);
        }
        match head.field("content-length").and_then(|v| v.parse().ok()) {
            Some(0) => Body::Done,
            Some(length) => Body::Length(length),
            None => Body::Close,
        }
    }

    /// Takes what belongs to the body from the front of `input`. `None`: the chunks are malformed.
    pub(crate) fn take(&mut self, input: &mut Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Body::Done => Some(Vec::new()),
            Body::Close => Some(core::mem::take(input)),
            Body::Length(rest) => {
                let count = (input.len() as u64).min(*rest);
                *rest -= count;
                let body = input.drain(..count as usize).collect();
                if *rest == 0 {
                    *self = Body::Done;
                }
                Some(body)
            }
            Body::Chunks(_) => self.take_chunks(input),
        }
    }

    fn take_chunks(&mut self, input: &mut Vec<u8>) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        while let Body::Chunks(state) = self {
            match state {
                Some(rest) => {
                    let count = (input.len() as u64).min(*rest);
                    body.extend(input.drain(..count as usize));
                    *rest -= count;
                    if *rest > 0 {
                        break;
                    }
                    *state = None;
                }
                None => {
                    let from = if input.starts_with(b"\r\n") { 2 } else { 0 };
                    let rest = input.get(from..).unwrap_or_default();
                    let Some(end) = rest.iter().position(|b| *b == b'\n') else { break };
                    let line = core::str::from_utf8(&rest[..end]).ok()?;
                    let size = u64::from_str_radix(line.split([';', '\r']).next()?.trim(), 16).ok()?;
                    input.drain(..from + end + 1);
                    *self = if size == 0 { Body::Done } else { Body::Chunks(Some(size)) };
                }
            }
        }
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(text: &str) -> Head {
        Head::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_end_is_told_in_many_ways() {
        let with = |fields: &str| Body::of(&head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")), "GET");
        assert_eq!(with("Content-Length: 5\r\n"), Body::Length(5));
        assert_eq!(with("Content-Length: 0\r\n"), Body::Done);
        assert_eq!(with(""), Body::Close);
        assert_eq!(with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), Body::Chunks(None));
        assert_eq!(Body::of(&head("HTTP/1.1 204 x\r\n\r\n"), "GET"), Body::Done);
    }

    #[test]
    fn chunks_come_in_pieces() {
        let mut body = Body::Chunks(None);
        let mut got = Vec::new();
        let mut input = Vec::new();
        for byte in b"3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n" {
            input.push(*byte);
            got.extend(body.take(&mut input).unwrap());
        }
        assert_eq!((got.as_slice(), body), (&b"abcde"[..], Body::Done));
    }

    proptest! {
        #[test]
        fn any_chunks_are_borne(mut bytes in proptest::collection::vec(any::<u8>(), 0..100), rest in proptest::option::of(0u64..50)) {
            let len = bytes.len();
            let got = Body::Chunks(rest).take(&mut bytes);
            prop_assert!(got.unwrap_or_default().len() + bytes.len() <= len);
        }
    }
}
