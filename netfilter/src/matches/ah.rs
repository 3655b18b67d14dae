//! `-m ah`: the security parameters index of an authentication header (`net/ipv4/netfilter/ipt_ah.c`).

use super::spi::{Header, Spi};
use crate::xtables::Opt;

/// A range of indices.
pub(super) type Ah = Spi<Authentication>;

/// RFC 4302, section 2: twelve bytes at least.
#[derive(Clone, PartialEq, Debug)]
pub enum Authentication {}

impl Header for Authentication {
    const OPTIONS: &'static [Opt] = {
        static OPTIONS: &[Opt] = &[Opt::arg("ahspi", 0).inv()];
        OPTIONS
    };
    const PROTOCOL: u8 = 51;
    const NAME: &'static str = "ah";
    const LISTED: &'static str = " ah ";
    const LAST: u32 = u32::MAX;

    fn index(header: &[u8]) -> Option<u32> {
        let [_, _, _, _, a, b, c, d, ..] = *header.first_chunk::<12>()?;
        Some(u32::from_be_bytes([a, b, c, d]))
    }
}
