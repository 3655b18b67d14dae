//! UPDATE: routes that are gone and routes that are there (RFC 4271 section 4.3).

use std::sync::Arc;

use ipnet::Ipv4Net;

use super::attributes::{self, AttributeFault};
use super::encode::encode_attributes;
use super::{Notification, Options, Reader, nlri};
use crate::attrs::{Attrs, code};
use crate::bgp::error::ErrorCode;

/// An UPDATE. Without any routes it is the end-of-RIB marker (RFC 4724 section 2).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Update {
    /// Routes that are gone.
    pub withdrawn: Vec<Ipv4Net>,
    /// The attributes of the routes that are there; `None` if there are none or they are faulty.
    pub attrs: Option<Arc<Attrs>>,
    /// Routes that are there.
    pub nlri: Vec<Ipv4Net>,
    /// What is wrong with the attributes. `nlri` is then to be treated as withdrawn (RFC 7606).
    pub fault: Option<AttributeFault>,
}

impl Update {
    /// Says "these were all": the end-of-RIB marker.
    pub fn is_end_of_rib(&self) -> bool {
        self.withdrawn.is_empty() && self.nlri.is_empty() && self.attrs.is_none() && self.fault.is_none()
    }
}

/// Reads a body, as RFC 4271 section 6.3 and RFC 7606 say.
pub(super) fn decode(
    body: &[u8],
    options: Options,
    bad_length: impl Fn() -> Notification,
) -> Result<Update, Notification> {
    if body.len() < 4 {
        return Err(bad_length());
    }
    let malformed = || Notification::from(ErrorCode::MALFORMED_LIST);
    let bad_network = || Notification::from(ErrorCode::BAD_NETWORK);
    let mut reader = Reader(body);
    let withdrawn = reader.long().ok_or_else(malformed)?;
    let list = reader.long().ok_or_else(malformed)?;
    let mut withdrawn = nlri::decode(withdrawn).ok_or_else(bad_network)?;
    let nlri = nlri::decode(reader.0).ok_or_else(bad_network)?;
    let (parsed, fault) = attributes::decode(list, options);
    let fault = fault.or_else(|| missing(&parsed.attrs, !nlri.is_empty() || !parsed.reach.is_empty()));
    if fault.is_some() && nlri.is_empty() && parsed.reach.is_empty() {
        // RFC 7606 section 5.2: nobody knows which routes are meant.
        return Err(malformed());
    }
    withdrawn.extend(parsed.unreach);
    let nlri = [nlri, parsed.reach].concat();
    let has_attrs = !nlri.is_empty() || parsed.attrs != Attrs::default();
    let attrs = (fault.is_none() && has_attrs).then(|| Arc::new(parsed.attrs));
    Ok(Update { withdrawn, attrs, nlri, fault })
}

/// The first mandatory attribute that is missing.
fn missing(attrs: &Attrs, has_routes: bool) -> Option<AttributeFault> {
    let mandatory = [
        (attrs.origin.is_none(), code::ORIGIN),
        (attrs.as_path.is_none(), code::AS_PATH),
        (attrs.next_hop.is_none(), code::NEXT_HOP),
    ];
    let first = mandatory.into_iter().find(|(is_missing, _)| *is_missing)?;
    has_routes.then_some(AttributeFault::Missing(first.1))
}

/// Writes a body. `None` if a part is too long for its length field; the caller checks the whole.
pub(super) fn encode(update: &Update, options: Options, out: &mut Vec<u8>) -> Option<()> {
    with_length(out, |out| update.withdrawn.iter().for_each(|p| nlri::put_prefix(*p, out)))?;
    with_length(out, |out| {
        if let Some(attrs) = &update.attrs {
            encode_attributes(attrs, options, out);
        }
    })?;
    update.nlri.iter().for_each(|p| nlri::put_prefix(*p, out));
    Some(())
}

fn with_length(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) -> Option<()> {
    let start = out.len();
    out.extend_from_slice(&[0, 0]);
    fill(out);
    let length = u16::try_from(out.len() - start - 2).ok()?;
    out[start..start + 2].copy_from_slice(&length.to_be_bytes());
    Some(())
}
