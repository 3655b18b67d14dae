//! Protocols of text lines: HTTP, RTSP, FTP, SMTP, SSH.

use super::cx::{Bytes, Cx, Done, put};
use super::registry::Ports;

const HTTP_METHODS: &[&str] = &[
    "GET",
    "PUT",
    "COPY",
    "HEAD",
    "LOCK",
    "MOVE",
    "POLL",
    "POST",
    "BCOPY",
    "BMOVE",
    "MKCOL",
    "TRACE",
    "LABEL",
    "MERGE",
    "DELETE",
    "SEARCH",
    "UNLOCK",
    "REPORT",
    "UPDATE",
    "NOTIFY",
    "BDELETE",
    "CONNECT",
    "OPTIONS",
    "CHECKIN",
    "PROPFIND",
    "CHECKOUT",
    "CCM_POST",
    "SUBSCRIBE",
    "PROPPATCH",
    "BPROPFIND",
    "BPROPPATCH",
    "UNCHECKOUT",
    "MKACTIVITY",
    "MKWORKSPACE",
    "UNSUBSCRIBE",
    "RPC_CONNECT",
    "VERSION-CONTROL",
    "BASELINE-CONTROL",
];

const RTSP_METHODS: &[&str] = &[
    "OPTIONS",
    "DESCRIBE",
    "ANNOUNCE",
    "SETUP",
    "PLAY",
    "PAUSE",
    "TEARDOWN",
    "GET_PARAMETER",
    "SET_PARAMETER",
    "REDIRECT",
    "RECORD",
];

pub(super) fn http(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    lines(cx, bp, length, "http", Some(HTTP_METHODS));
    Ok(())
}

pub(super) fn rtsp(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    lines(cx, bp, length, "rtsp", Some(RTSP_METHODS));
    Ok(())
}

pub(super) fn ftp(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    lines(cx, bp, length, "ftp", None);
    Ok(())
}

pub(super) fn smtp(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    lines(cx, bp, length, "smtp", None);
    Ok(())
}

pub(super) fn whois(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    lines(cx, bp, length, "whois", None);
    Ok(())
}

/// The version exchange in the clear; the rest is ciphertext.
pub(super) fn ssh(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    cx.protocol = "ssh";
    let data = bp.upto(length);
    let printable = data.iter().position(|&b| !(b.is_ascii_graphic() || b == b' ')).unwrap_or(data.len());
    let ended = matches!(data.from(printable), [b'\n', ..] | [b'\r', b'\n', ..]);
    if ended && printable > 0 {
        put!(cx, ": SSH: {}", String::from_utf8_lossy(data.upto(printable)));
    }
    Ok(())
}

/// The first line, or with `-v` all lines; the length alone where this is the middle of something.
fn lines(cx: &mut Cx<'_>, bp: &[u8], length: usize, protocol: &'static str, methods: Option<&[&str]>) {
    cx.protocol = protocol;
    put!(cx, ": {}", protocol.to_uppercase());
    if methods.is_some_and(|methods| !begins_message(bp, length, methods)) {
        return;
    }
    if cx.opts.verbose == 0 {
        print_line(cx, ": ", bp, 0, length);
        return;
    }
    put!(cx, ", length: {length}");
    let mut at = 0;
    while at < length {
        match print_line(cx, "\n\t", bp, at, length) {
            Some(next) => at = next,
            None => break,
        }
    }
}

/// Whether the text begins with a method, or its second word is a status.
fn begins_message(bp: &[u8], length: usize, methods: &[&str]) -> bool {
    let Some((first, rest)) = token(bp, 0, length) else { return false };
    if methods.iter().any(|method| method.as_bytes().eq_ignore_ascii_case(first)) {
        return true;
    }
    let Some((second, _)) = token(bp, rest, length) else { return false };
    matches!(second, [a, b, c, rest @ ..]
        if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) && rest.first().is_none_or(|b| !b.is_ascii_graphic()))
}

/// A word and where the next one begins.
fn token(bp: &[u8], at: usize, length: usize) -> Option<(&[u8], usize)> {
    const LONGEST: usize = 126;
    let limit = length.min(bp.len());
    let text = bp.upto(limit).from(at);
    let len = text.iter().position(u8::is_ascii_whitespace);
    if len.is_none() && length > bp.len() {
        return None; // the word goes on beyond the capture
    }
    let word = text.upto(len.unwrap_or(text.len()));
    if word.is_empty() || word.len() > LONGEST || !word.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let gap = text.from(word.len()).iter().take_while(|&&b| b == b' ').count();
    Some((word, at + word.len() + gap))
}

/// Prints the line at `at`; gives where the next begins, or nothing where the text ends or is not text.
fn print_line(cx: &mut Cx<'_>, prefix: &str, bp: &[u8], start: usize, length: usize) -> Option<usize> {
    let mut at = start;
    let next = loop {
        if at >= length {
            break None;
        }
        match bp.get(at) {
            None => {
                cx.trunc(); // the capture ends within the line
                return None;
            }
            Some(b'\n') => break Some(at + 1),
            Some(b'\r') => {
                if at + 1 >= length {
                    return None;
                }
                match bp.get(at + 1) {
                    None => {
                        cx.trunc();
                        return None;
                    }
                    Some(b'\n') => break Some(at + 2),
                    Some(_) => return None,
                }
            }
            Some(&byte) if byte == b'\t' || byte == b' ' || byte.is_ascii_graphic() => at += 1,
            Some(_) => return None,
        }
    };
    put!(cx, "{prefix}{}", String::from_utf8_lossy(bp.upto(at).from(start)));
    if next.is_none() {
        cx.trunc();
    }
    next
}
