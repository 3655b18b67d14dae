//! NOTIFICATION: the last message of a session (RFC 4271 section 4.5).

use core::fmt::Write as _;

use super::Reader;
use crate::bgp::error::ErrorCode;

/// Why a session ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    /// The error.
    pub code: ErrorCode,
    /// What the code says about it: usually the bytes that were wrong.
    pub data: Vec<u8>,
}

/// The longest text of a shutdown (RFC 9003 section 2).
const MESSAGE_LIMIT: usize = 255;

impl Notification {
    /// An error with its data.
    pub fn new(code: ErrorCode, data: &[u8]) -> Self {
        Notification { code, data: data.to_vec() }
    }

    /// An end that was ordered, with a text for the neighbour's log (RFC 9003). A text that is too long is cut at a character.
    pub fn with_message(code: ErrorCode, message: &str) -> Self {
        if message.is_empty() {
            return code.into();
        }
        let end = (0..=MESSAGE_LIMIT.min(message.len())).rev().find(|i| message.is_char_boundary(*i)).unwrap_or(0);
        let text = &message.as_bytes()[..end];
        Notification { code, data: [&[text.len() as u8], text].concat() }
    }

    /// The text of a shutdown. `None` if this is another error or there is no valid text.
    pub fn message(&self) -> Option<&str> {
        let mut reader = Reader(self.code.has_message().then_some(&self.data)?);
        let text = reader.short()?;
        (!text.is_empty()).then(|| core::str::from_utf8(text).ok())?
    }

    /// What BIRD's log shows behind the error: the text of a shutdown, else its data in hexadecimal digits.
    pub fn argument(&self) -> String {
        if let Some(message) = self.message() {
            // A neighbour must not write lines into the log.
            let clean: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            return format!(": \"{clean}\"");
        }
        let shown = &self.data[..self.data.len().min(16)];
        let mut text = if shown.is_empty() { String::new() } else { ": ".to_owned() };
        shown.iter().for_each(|b| _ = write!(text, "{b:02x}"));
        text
    }
}

impl From<ErrorCode> for Notification {
    fn from(code: ErrorCode) -> Self {
        Notification { code, data: Vec::new() }
    }
}

/// Reads a body.
pub(super) fn decode(body: &[u8]) -> Option<Notification> {
    let mut reader = Reader(body);
    let code = ErrorCode::new(reader.u8()?, reader.u8()?);
    Some(Notification::new(code, reader.0))
}

/// Writes a body of at most `limit` octets.
pub(super) fn encode(notification: &Notification, limit: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&[notification.code.code, notification.code.subcode]);
    out.extend_from_slice(&notification.data[..notification.data.len().min(limit - 2)]);
}
