//! `-m esp`: the security parameters index of an encrypted packet (`net/netfilter/xt_esp.c`).

use super::spi::{Header, Spi};
use crate::xtables::Opt;

/// A range of indices.
pub(super) type Esp = Spi<Encrypted>;

/// RFC 4303, section 2: index and sequence number stand first.
#[derive(Clone, PartialEq, Debug)]
pub enum Encrypted {}

impl Header for Encrypted {
    const OPTIONS: &'static [Opt] = {
        static OPTIONS: &[Opt] = &[Opt::arg("espspi", 0).inv()];
        OPTIONS
    };
    const PROTOCOL: u8 = 50;
    const NAME: &'static str = "esp";
    const LISTED: &'static str = " esp";
    const LAST: u32 = u32::MAX;

    fn index(header: &[u8]) -> Option<u32> {
        let [a, b, c, d, ..] = *header.first_chunk::<8>()?;
        Some(u32::from_be_bytes([a, b, c, d]))
    }
}
