//! IPv4 options (RFC 791, section 3.1): a list of one-byte options and of type, length, value.

mod compile;

pub use compile::{
    Host, IPOPT_TS_PRESPEC, IPOPT_TS_TSANDADDR, IPOPT_TS_TSONLY, IpOptions, Refused, build, compile, echo, forward,
};

use super::Malformed;

/// Set in the type of an option that goes into every fragment.
pub const IPOPT_COPY: u8 = 0x80;
/// End of the list.
pub const IPOPT_END: u8 = 0;
/// Filler of one byte.
pub const IPOPT_NOOP: u8 = 1;
/// Record route.
pub const IPOPT_RR: u8 = 7;
/// Timestamp.
pub const IPOPT_TIMESTAMP: u8 = 68;
/// Loose source route.
pub const IPOPT_LSRR: u8 = 131;
/// Strict source route.
pub const IPOPT_SSRR: u8 = 137;
/// Router alert.
pub const IPOPT_RA: u8 = 148;

/// One option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opt<'a> {
    /// Type, `IPOPT_*`.
    pub kind: u8,
    /// Where it begins in the options, in bytes.
    pub offset: usize,
    /// The whole option with its type and length.
    pub bytes: &'a [u8],
}

impl Opt<'_> {
    /// True if the option goes into every fragment. `IPOPT_COPIED`.
    pub const fn is_copied(&self) -> bool {
        self.kind & IPOPT_COPY != 0
    }
}

/// The options of a header, in order; ends at [`IPOPT_END`]. An option that has no sensible length is an error, after
/// which nothing more comes.
///
/// ```
/// use hopwise_protocols::wire::ipv4::{IPOPT_RA, Options};
/// let kinds: Vec<u8> = Options::new(&[1, 148, 4, 0, 0, 0, 1, 1]).map(|o| o.unwrap().kind).collect();
/// assert_eq!(kinds, [1, IPOPT_RA]);
/// ```
#[derive(Clone, Debug)]
pub struct Options<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Options<'a> {
    /// Over the bytes between the fixed header and the payload.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Options { bytes, offset: 0 }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<Opt<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.offset..)?;
        let &kind = rest.first()?;
        let len = match kind {
            IPOPT_END => return None,
            IPOPT_NOOP => 1,
            _ => rest.get(1).copied().map_or(0, usize::from),
        };
        let offset = self.offset;
        match rest.get(..len) {
            Some(bytes) if len >= 2 || kind == IPOPT_NOOP => {
                self.offset += len;
                Some(Ok(Opt { kind, offset, bytes }))
            }
            _ => {
                self.offset = self.bytes.len();
                Some(Err(Malformed::HeaderLength))
            }
        }
    }
}

/// Overwrites with [`IPOPT_NOOP`] what goes only into the first fragment; the length stays. The kernel's
/// `ip_options_fragment`. A list that is malformed is left as it is from the bad option on.
pub fn keep_copied(options: &mut [u8]) {
    let mut offset = 0;
    while let Some(&kind) = options.get(offset) {
        let len = match kind {
            IPOPT_END => return,
            IPOPT_NOOP => 1,
            _ => options.get(offset + 1).copied().map_or(0, usize::from),
        };
        let Some(option) = options.get_mut(offset..offset + len) else { return };
        if len < 2 && kind != IPOPT_NOOP {
            return;
        }
        if kind & IPOPT_COPY == 0 {
            option.fill(IPOPT_NOOP);
        }
        offset += len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fragment_keeps_the_copied_options_only() {
        // Record route (not copied), router alert (copied), end.
        let mut options = [7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 0];
        keep_copied(&mut options);
        assert_eq!(options, [1, 1, 1, 1, 1, 1, 1, 148, 4, 0, 0, 0]);
    }

    #[test]
    fn impossible_lengths_end_the_list() {
        for bad in [&[7u8, 0, 4, 0][..], &[7, 1, 4, 0], &[7, 5, 4, 0], &[1, 1, 1, 7]] {
            let all: Vec<_> = Options::new(bad).collect();
            assert_eq!(all.last(), Some(&Err(Malformed::HeaderLength)), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_was_copied(mut bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0u8..8], 0..40)) {
            let before = bytes.clone();
            let copied: Vec<_> = Options::new(&before).filter(|o| o.is_ok_and(|o| o.is_copied())).collect();
            keep_copied(&mut bytes);
            let after: Vec<_> = Options::new(&bytes).filter(|o| o.is_ok_and(|o| o.kind != IPOPT_NOOP)).collect();
            prop_assert_eq!(copied, after);
        }
    }
}
