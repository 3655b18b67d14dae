//! Messages and their bytes (RFC 4271 section 4).
//!
//! The codec is our own. `netgauze-bgp-pkt` and `bgpkit-parser` can both write what BIRD writes, but a speaker needs more of
//! what it reads: the error code, subcode and data of the NOTIFICATION to answer with (RFC 4271 section 6), and UPDATEs of
//! which one attribute is malformed, whose prefixes are then withdrawn (RFC 7606). The first one gives up at some malformed
//! attributes and guesses where the next one begins at others, and drops the bytes that the NOTIFICATION has to quote; the
//! second one answers with free texts and lets a broken marker pass. Both build everything anew for each message; here the
//! attributes of an UPDATE come shared, as the table keeps them. `netgauze-bgp-pkt` is the second opinion of the tests.

mod attributes;
mod encode;
mod nlri;
mod notification;
mod open;
mod path;
mod refresh;
mod update;

#[cfg(test)]
mod tests;

pub use attributes::AttributeFault;
pub use encode::encode_attributes;
pub use nlri::{encoded_len, put_prefix};
pub use notification::Notification;
pub use open::{Capability, Family, GracefulFamily, LongLivedFamily, Open, RestartFlags};
pub use refresh::{Refresh, RouteRefresh};
pub use update::Update;

use super::error::ErrorCode;

/// Octets of a header: marker, length, type.
pub const HEADER_LEN: usize = 19;
/// The longest message.
pub const MAX_LEN: usize = 4096;
/// The longest message among neighbours who agreed on extended messages (RFC 8654).
pub const MAX_EXTENDED_LEN: usize = 65535;
/// The AS number that stands for one of four octets where only two fit (RFC 6793).
pub const AS_TRANS: u16 = 23456;

/// What both neighbours agreed on and what changes the bytes of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// AS numbers have four octets (RFC 6793).
    pub as4: bool,
    /// Messages may have 65535 octets (RFC 8654).
    pub extended: bool,
    /// ROUTE-REFRESH has a subtype (RFC 7313).
    pub enhanced_refresh: bool,
}

impl Options {
    /// The longest message.
    pub const fn max_len(self) -> usize {
        if self.extended { MAX_EXTENDED_LEN } else { MAX_LEN }
    }
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// RFC 4271 section 4.2.
    Open(Open),
    /// RFC 4271 section 4.3.
    Update(Update),
    /// RFC 4271 section 4.5.
    Notification(Notification),
    /// RFC 4271 section 4.4.
    Keepalive,
    /// RFC 2918.
    RouteRefresh(RouteRefresh),
}

/// The type octet of a header.
mod kind {
    pub(super) const OPEN: u8 = 1;
    pub(super) const UPDATE: u8 = 2;
    pub(super) const NOTIFICATION: u8 = 3;
    pub(super) const KEEPALIVE: u8 = 4;
    pub(super) const ROUTE_REFRESH: u8 = 5;
}

/// The length of the message at the front of what a connection brought; `None` while its header is not complete. Checks the
/// header as RFC 4271 section 6.1 says.
pub fn frame(bytes: &[u8], options: Options) -> Result<Option<usize>, Notification> {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else { return Ok(None) };
    if header[..16] != [0xff; 16] {
        return Err(ErrorCode::NOT_SYNCHRONIZED.into());
    }
    let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
    if !(HEADER_LEN..=options.max_len()).contains(&length) {
        return Err(Notification::new(ErrorCode::BAD_LENGTH, &header[16..18]));
    }
    Ok(Some(length))
}

/// Reads one whole message: what [`frame`] measured. The error is the NOTIFICATION to answer with.
pub fn decode(message: &[u8], options: Options) -> Result<Message, Notification> {
    let bad_length = || Notification::new(ErrorCode::BAD_LENGTH, message.get(16..18).unwrap_or_default());
    if frame(message, options)? != Some(message.len()) {
        return Err(bad_length());
    }
    let (kind, body) = (message[18], &message[HEADER_LEN..]);
    match kind {
        kind::OPEN => open::decode(body, bad_length).map(Message::Open),
        kind::UPDATE => update::decode(body, options, bad_length).map(Message::Update),
        kind::NOTIFICATION => notification::decode(body).map(Message::Notification).ok_or_else(bad_length),
        kind::KEEPALIVE if body.is_empty() => Ok(Message::Keepalive),
        kind::KEEPALIVE => Err(bad_length()),
        kind::ROUTE_REFRESH => refresh::decode(message, options, bad_length).map(Message::RouteRefresh),
        other => Err(Notification::new(ErrorCode::BAD_TYPE, &[other])),
    }
}

/// Appends a message. `None`, with nothing appended, for one that is too long.
#[must_use]
pub fn encode(message: &Message, options: Options, out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    let limit = match message {
        Message::Open(_) => MAX_LEN,
        _ => options.max_len(),
    };
    let kind = match message {
        Message::Open(_) => kind::OPEN,
        Message::Update(_) => kind::UPDATE,
        Message::Notification(_) => kind::NOTIFICATION,
        Message::Keepalive => kind::KEEPALIVE,
        Message::RouteRefresh(_) => kind::ROUTE_REFRESH,
    };
    begin(kind, out);
    let fits = match message {
        Message::Open(open) => open::encode(open, out),
        Message::Update(update) => update::encode(update, options, out),
        Message::Notification(notification) => {
            notification::encode(notification, limit - HEADER_LEN, out);
            Some(())
        }
        Message::Keepalive => Some(()),
        Message::RouteRefresh(refresh) => {
            refresh::encode(refresh, out);
            Some(())
        }
    };
    if fits.is_none() || out.len() - start > limit {
        out.truncate(start);
        return None;
    }
    finish(start, out);
    Some(())
}

/// Appends the header of an UPDATE; [`finish`] writes its length.
pub(super) fn begin_update(out: &mut Vec<u8>) {
    begin(kind::UPDATE, out);
}

fn begin(kind: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xff; 18]);
    out.push(kind);
}

/// Writes the length of the message that began at `start`.
pub(super) fn finish(start: usize, out: &mut [u8]) {
    let length = (out.len() - start) as u16;
    out[start + 16..start + 18].copy_from_slice(&length.to_be_bytes());
}

/// Takes bytes from the front of a slice.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*front)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Octets behind their number: one octet.
    fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    /// Octets behind their number: two octets.
    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }

    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
