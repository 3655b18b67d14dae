//! `-m ipcomp`: the compression parameter index of a compressed packet (`net/netfilter/xt_ipcomp.c`).

use super::spi::{Header, Spi};
use crate::xtables::Opt;

/// A range of indices.
pub(super) type Ipcomp = Spi<Compressed>;

/// RFC 3173, section 3.3: the index has 16 bits.
#[derive(Clone, PartialEq, Debug)]
pub enum Compressed {}

impl Header for Compressed {
    const OPTIONS: &'static [Opt] = {
        static OPTIONS: &[Opt] = &[Opt::arg("ipcompspi", 0).inv(), Opt::flag("compres", 1)];
        OPTIONS
    };
    const PROTOCOL: u8 = 108;
    const NAME: &'static str = "ipcomp";
    const LISTED: &'static str = " comp";
    // libxt_ipcomp begins with zeros: without an option only index 0 fits.
    const LAST: u32 = 0;

    fn index(header: &[u8]) -> Option<u32> {
        let [_, _, a, b] = *header.first_chunk::<4>()?;
        Some(u32::from(u16::from_be_bytes([a, b])))
    }
}
