//! ROUTE-REFRESH: asks for all routes again (RFC 2918), with a beginning and an end (RFC 7313).

use super::open::Family;
use super::{HEADER_LEN, Notification, Options, Reader};
use crate::bgp::error::ErrorCode;

/// What a ROUTE-REFRESH says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresh {
    /// Send all routes again.
    Request,
    /// All routes follow.
    Begin,
    /// All routes have been sent; what was not among them is gone.
    End,
    /// A subtype that is not known; to be ignored.
    Other(u8),
}

impl Refresh {
    const fn from_number(number: u8) -> Self {
        match number {
            0 => Refresh::Request,
            1 => Refresh::Begin,
            2 => Refresh::End,
            other => Refresh::Other(other),
        }
    }

    const fn number(self) -> u8 {
        match self {
            Refresh::Request => 0,
            Refresh::Begin => 1,
            Refresh::End => 2,
            Refresh::Other(other) => other,
        }
    }
}

/// A ROUTE-REFRESH.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteRefresh {
    /// The routes that are meant.
    pub family: Family,
    /// What is said about them.
    pub refresh: Refresh,
}

/// Reads a message. Without enhanced refresh the subtype is reserved and means nothing.
pub(super) fn decode(
    message: &[u8],
    options: Options,
    bad_length: impl Fn() -> Notification,
) -> Result<RouteRefresh, Notification> {
    let mut reader = Reader(&message[HEADER_LEN..]);
    let fields = (|| Some((reader.u16()?, reader.u8()?, reader.u8()?)))();
    let (afi, subtype, safi) = fields.ok_or_else(bad_length)?;
    let refresh = if options.enhanced_refresh { Refresh::from_number(subtype) } else { Refresh::Request };
    if !reader.is_empty() && options.enhanced_refresh && !matches!(refresh, Refresh::Other(_)) {
        // RFC 7313 section 5: the whole message is quoted.
        return Err(Notification::new(ErrorCode::BAD_REFRESH_LENGTH, message));
    }
    Ok(RouteRefresh { family: Family { afi, safi }, refresh })
}

/// Writes a body.
pub(super) fn encode(refresh: &RouteRefresh, out: &mut Vec<u8>) {
    out.extend_from_slice(&refresh.family.afi.to_be_bytes());
    out.extend_from_slice(&[refresh.refresh.number(), refresh.family.safi]);
}
