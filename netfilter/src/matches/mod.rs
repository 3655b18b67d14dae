//! What a rule may ask of a packet (`-m NAME`): one file and one line of [`REGISTRY`] each.

use crate::extension::{Extension, extensions};
use crate::rules::{Cx, Place, SharedName};
use crate::skb::Skb;

pub use crate::extension::How;

/// What a match is beside an [`Extension`].
trait Asks: Extension {
    /// Whether asking it changes nothing: it remembers nothing, draws no random number, changes no set.
    const PURE: bool = true;

    /// Whether the kernel lets it stand there (`checkentry`).
    fn may_stand(&self, _place: &Place<'_>) -> bool {
        true
    }

    /// The set that it asks.
    fn set(&self) -> Option<&str> {
        None
    }

    /// What rules share that it refers to.
    fn shared(&self) -> Option<SharedName<'_>> {
        None
    }

    /// Whether it remembers packets, each in its namespace: [`Asks::fits_and_remember`] has to be asked then.
    fn remembers(&self) -> bool {
        false
    }

    /// Whether the packet fits; what remembers answers as if it were the first one.
    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool;

    /// Whether the packet fits, which is remembered.
    fn fits_and_remember(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        self.fits(skb, cx)
    }

    /// The one destination port it demands, if it demands one of packets of the rule's protocol.
    fn only_dport(&self) -> Option<u16> {
        None
    }
}

impl<T: Asks> Asks for Box<T> {
    const PURE: bool = T::PURE;
    fn may_stand(&self, place: &Place<'_>) -> bool {
        (**self).may_stand(place)
    }
    fn set(&self) -> Option<&str> {
        (**self).set()
    }
    fn shared(&self) -> Option<SharedName<'_>> {
        (**self).shared()
    }
    fn remembers(&self) -> bool {
        (**self).remembers()
    }
    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        (**self).fits(skb, cx)
    }
    fn fits_and_remember(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        (**self).fits_and_remember(skb, cx)
    }
    fn only_dport(&self) -> Option<u16> {
        (**self).only_dport()
    }
}

mod marked;
mod ports;
mod rate;
mod spi;

pub(crate) use dscp::class_of;
pub use hashlimit::HashLimits;
pub(crate) use icmp::TYPES as ICMP_TYPES;
pub use recent::RecentList;
pub(crate) use set::SetRef;
pub(crate) use tcpmss::place as mss_place;
pub(crate) use tos::{name_of as tos_name, parse as tos_value};

macro_rules! registry {
    ($($name:literal $module:ident $variant:ident($data:ty) $about:literal;)*) => {
        extensions! {
            /// A match of a rule.
            Match: $($name $module $variant($data) $about;)*
        }

        impl Match {
            /// Whether asking it changes nothing.
            pub const fn is_pure(&self) -> bool {
                match self { $(Match::$variant(_) => <$data as Asks>::PURE,)* }
            }

            pub(crate) fn may_stand(&self, place: &Place<'_>) -> bool {
                match self { $(Match::$variant(m) => m.may_stand(place),)* }
            }

            pub(crate) fn set(&self) -> Option<&str> {
                match self { $(Match::$variant(m) => m.set(),)* }
            }

            pub(crate) fn shared(&self) -> Option<SharedName<'_>> {
                match self { $(Match::$variant(m) => m.shared(),)* }
            }

            #[inline]
            pub(crate) fn remembers(&self) -> bool {
                match self { $(Match::$variant(m) => m.remembers(),)* }
            }

            #[inline]
            pub(crate) fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
                match self { $(Match::$variant(m) => m.fits(skb, cx),)* }
            }

            pub(crate) fn fits_and_remember(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
                match self { $(Match::$variant(m) => m.fits_and_remember(skb, cx),)* }
            }

            pub(crate) fn only_dport(&self) -> Option<u16> {
                match self { $(Match::$variant(m) => m.only_dport(),)* }
            }
        }
    };
}

impl Match {
    /// Takes up what another match of ports and flags demands, if the two are told as one: `-m tcp --dport 1 -m tcp --sport 2`.
    pub(crate) fn absorb(&mut self, other: &Match) -> bool {
        match (self, other) {
            (Match::Tcp(this), Match::Tcp(other)) => this.absorb(other),
            (Match::Udp(this), Match::Udp(other)) => this.absorb(other),
            _ => false,
        }
    }
}

registry! {
    "addrtype" addrtype Addrtype(addrtype::Addrtype) "Kinds of addresses.";
    "ah" ah Ah(ah::Ah) "The index of an authentication header.";
    "cluster" cluster Cluster(cluster::Cluster) "Whether this node of a cluster answers.";
    "comment" comment Comment(comment::Comment) "Nothing: a remark.";
    "connbytes" connbytes Connbytes(Box<connbytes::Connbytes>) "How much the connection carried.";
    "connlimit" connlimit Connlimit(Box<connlimit::Connlimit>) "How many connections there are at once.";
    "connmark" connmark Connmark(connmark::Connmark) "The mark of the connection.";
    "conntrack" conntrack Conntrack(Box<conntrack::Conntrack>) "The packet's connection.";
    "cpu" cpu Cpu(cpu::Cpu) "The processor that handles the packet.";
    "dccp" dccp Dccp(dccp::Dccp) "Ports, types and options of DCCP.";
    "devgroup" devgroup Devgroup(Box<devgroup::Devgroup>) "The groups of the links.";
    "dscp" dscp Dscp(dscp::Dscp) "The class of service.";
    "ecn" ecn Ecn(ecn::Ecn) "Explicit congestion notification.";
    "esp" esp Esp(esp::Esp) "The index of an encrypted packet.";
    "hashlimit" hashlimit Hashlimit(Box<hashlimit::Hashlimit>) "So much in a time for each address or port.";
    "helper" helper Helper(Box<helper::Helper>) "Which helper expected the connection.";
    "icmp" icmp Icmp(icmp::Icmp) "Type and code of ICMP.";
    "ipcomp" ipcomp Ipcomp(ipcomp::Ipcomp) "The index of a compressed packet.";
    "iprange" iprange Iprange(Box<iprange::Iprange>) "Ranges of addresses.";
    "length" length Length(length::Length) "The packet's length.";
    "limit" limit Limit(Box<limit::Limit>) "So many packets in a time.";
    "mac" mac Mac(mac::Mac) "The hardware address that the frame came from.";
    "mark" mark Mark(mark::Mark) "The packet's mark.";
    "multiport" multiport Multiport(Box<multiport::Multiport>) "Up to 15 ports and ranges of ports.";
    "owner" owner Owner(Box<owner::Owner>) "Whose socket made the packet.";
    "physdev" physdev Physdev(Box<physdev::Physdev>) "The ports of a bridge that the packet passes.";
    "pkttype" pkttype Pkttype(pkttype::Pkttype) "To whom the frame was addressed.";
    "policy" policy Policy(Box<policy::Policy>) "Transformations of IPsec.";
    "quota" quota Quota(quota::Quota) "So many bytes and no more.";
    "realm" realm Realm(realm::Realm) "The realm of the route.";
    "recent" recent Recent(Box<recent::Recent>) "Addresses that were seen a while ago.";
    "rpfilter" rpfilter Rpfilter(rpfilter::Rpfilter) "Would an answer leave by the link the packet came in by?";
    "sctp" sctp Sctp(Box<sctp::Sctp>) "Ports and chunks of SCTP.";
    "set" set SetOf(Box<set::SetOf>) "Whether a part of the packet is in a set.";
    "socket" socket Socket(socket::Socket) "Whether a socket of this host is there for it.";
    "state" state StateOf(state::StateOf) "The state of the packet's connection.";
    "statistic" statistic Statistic(Box<statistic::Statistic>) "Chance, or every nth packet.";
    "string" string Text(Box<string::Text>) "A text somewhere in the packet.";
    "tcp" tcp Tcp(tcp::Tcp) "Ports, flags and options of TCP.";
    "tcpmss" tcpmss Tcpmss(tcpmss::Tcpmss) "The largest segment that a SYN names.";
    "time" time When(Box<time::When>) "Dates, days and times of day.";
    "tos" tos Tos(tos::Tos) "The type of service.";
    "ttl" ttl Ttl(ttl::Ttl) "The time to live.";
    "u32" u32 Numbers(Box<u32::Numbers>) "Numbers anywhere in the packet.";
    "udp" udp Udp(udp::Udp) "Ports of UDP.";
}
