//! What a link's frames begin with: the kernel's `dev->type`.

/// The hardware type of a link (`ARPHRD_*` of `linux/if_arp.h`, with the kernel's numbers).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum HwType {
    /// Ethernet: frames begin with a header of 14 bytes, addresses have 6.
    Ether = 1,
    /// An IP-in-IP tunnel: packets begin with their IP header, the addresses are the tunnel's ends.
    Tunnel = 768,
    /// The loopback link: Ethernet headers with addresses that mean nothing.
    Loopback = 772,
    /// Neither header nor address: a `tun`.
    None = 0xfffe,
}

impl HwType {
    /// The number in `/sys/class/net/*/type` and in cooked captures.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The word that `ip link` prints after `link/` (`ll_type_n2a`).
    pub const fn name(self) -> &'static str {
        match self {
            HwType::Ether => "ether",
            HwType::Tunnel => "ipip",
            HwType::Loopback => "loopback",
            HwType::None => "none",
        }
    }

    /// Whether frames begin with an Ethernet header.
    #[inline]
    pub const fn has_ethernet(self) -> bool {
        matches!(self, HwType::Ether | HwType::Loopback)
    }

    /// Bytes of link-layer header (`hard_header_len`).
    #[inline]
    pub const fn header_len(self) -> usize {
        if self.has_ethernet() { 14 } else { 0 }
    }
}
