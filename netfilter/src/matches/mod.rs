//! What a rule may ask of a packet (`-m NAME`): one file and one line of [`REGISTRY`] each.

use crate::names::Names;
use crate::rules::{Cx, IpMatch, Place, SharedName};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// How `iptables -L` prints.
pub struct How<'a> {
    /// `-n`: numbers instead of names.
    pub numeric: bool,
    /// The rule's other demands: ports have names by protocol.
    pub ip: &'a IpMatch,
    /// Names.
    pub names: &'a dyn Names,
}

impl How<'_> {
    /// A port, by name unless numbers are wanted.
    pub fn port(&self, port: u16, protocol: u8) -> String {
        let name = if self.numeric { None } else { self.names.port_name(port, protocol) };
        name.unwrap_or_else(|| port.to_string())
    }
}

/// One kind of match.
trait Extension: Clone + PartialEq + core::fmt::Debug + Sized {
    /// Its options.
    const OPTIONS: &'static [Opt];
    /// Whether asking it changes nothing: it remembers nothing, draws no random number, changes no set.
    const PURE: bool = true;

    /// The match before any option was given.
    fn new() -> Self;

    /// Takes an option.
    fn option(&mut self, call: &Call<'_>) -> Done;

    /// Takes the word behind the argument of an option that has two (`--tcp-flags MASK COMPARED`), if it wants one.
    fn wants_second(&self, _opt: &Opt) -> Option<&'static str> {
        None
    }

    /// All options were given.
    fn finish(&mut self, _seen: u32, _ip: &IpMatch) -> Done {
        Ok(())
    }

    /// Writes its options as they are saved, each with a space in front.
    fn save(&self, out: &mut String);

    /// Writes it as `-L` lists it, with a space in front.
    fn list(&self, out: &mut String, how: &How<'_>);

    /// Whether the kernel lets it stand there (`checkentry`).
    fn may_stand(&self, _place: &Place<'_>) -> bool {
        true
    }

    /// Whether connections must be tracked for it.
    fn tracks(&self) -> bool {
        false
    }

    /// The set that it asks.
    fn set(&self) -> Option<&str> {
        None
    }

    /// What rules share that it refers to.
    fn shared(&self) -> Option<SharedName<'_>> {
        None
    }

    /// Whether the packet fits.
    fn fits(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool;

    /// The one destination port it demands, if it demands one of packets of the rule's protocol.
    fn only_dport(&self) -> Option<u16> {
        None
    }

    /// Options that are accepted, made up: for property tests and fuzzing. They begin with those that the rule needs (`-p tcp`).
    fn sample(rng: &mut Rng) -> String;
}

impl<T: Extension> Extension for Box<T> {
    const OPTIONS: &'static [Opt] = T::OPTIONS;
    const PURE: bool = T::PURE;
    fn new() -> Self {
        Box::new(T::new())
    }
    fn option(&mut self, call: &Call<'_>) -> Done {
        (**self).option(call)
    }
    fn wants_second(&self, opt: &Opt) -> Option<&'static str> {
        (**self).wants_second(opt)
    }
    fn finish(&mut self, seen: u32, ip: &IpMatch) -> Done {
        (**self).finish(seen, ip)
    }
    fn save(&self, out: &mut String) {
        (**self).save(out);
    }
    fn list(&self, out: &mut String, how: &How<'_>) {
        (**self).list(out, how);
    }
    fn may_stand(&self, place: &Place<'_>) -> bool {
        (**self).may_stand(place)
    }
    fn tracks(&self) -> bool {
        (**self).tracks()
    }
    fn set(&self) -> Option<&str> {
        (**self).set()
    }
    fn shared(&self) -> Option<SharedName<'_>> {
        (**self).shared()
    }
    fn fits(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        (**self).fits(skb, cx)
    }
    fn only_dport(&self) -> Option<u16> {
        (**self).only_dport()
    }
    fn sample(rng: &mut Rng) -> String {
        T::sample(rng)
    }
}

/// What the registry knows of a kind of match.
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it asks for, for the table of what is supported.
    pub about: &'static str,
    /// Its options.
    pub options: &'static [Opt],
    /// A match without options yet.
    pub make: fn() -> Match,
    /// Made-up options that are accepted.
    pub sample: fn(&mut Rng) -> String,
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
        $(mod $module;)*

        /// A match of a rule.
        #[derive(Clone, PartialEq, Debug)]
        #[non_exhaustive]
        pub enum Match {
            $(#[doc = $about] $variant($data),)*
        }

        /// All kinds of matches.
        pub static REGISTRY: &[Kind] = &[
            $(Kind {
                name: $name,
                about: $about,
                options: <$data as Extension>::OPTIONS,
                make: || Match::$variant(<$data as Extension>::new()),
                sample: <$data as Extension>::sample,
            },)*
        ];

        impl Match {
            /// Its name.
            pub const fn name(&self) -> &'static str {
                match self { $(Match::$variant(_) => $name,)* }
            }

            /// Its options.
            pub const fn options(&self) -> &'static [Opt] {
                match self { $(Match::$variant(_) => <$data as Extension>::OPTIONS,)* }
            }

            /// Whether asking it changes nothing.
            pub const fn is_pure(&self) -> bool {
                match self { $(Match::$variant(_) => <$data as Extension>::PURE,)* }
            }

            pub(crate) fn option(&mut self, call: &Call<'_>) -> Done {
                match self { $(Match::$variant(m) => m.option(call),)* }
            }

            pub(crate) fn wants_second(&self, opt: &Opt) -> Option<&'static str> {
                match self { $(Match::$variant(m) => m.wants_second(opt),)* }
            }

            pub(crate) fn finish(&mut self, seen: u32, ip: &IpMatch) -> Done {
                match self { $(Match::$variant(m) => m.finish(seen, ip),)* }
            }

            /// Writes its options as they are saved, each with a space in front.
            pub fn save(&self, out: &mut String) {
                match self { $(Match::$variant(m) => m.save(out),)* }
            }

            /// Writes it as `iptables -L` lists it, with a space in front.
            pub fn list(&self, out: &mut String, how: &How<'_>) {
                match self { $(Match::$variant(m) => m.list(out, how),)* }
            }

            pub(crate) fn may_stand(&self, place: &Place<'_>) -> bool {
                match self { $(Match::$variant(m) => m.may_stand(place),)* }
            }

            pub(crate) fn tracks(&self) -> bool {
                match self { $(Match::$variant(m) => m.tracks(),)* }
            }

            pub(crate) fn set(&self) -> Option<&str> {
                match self { $(Match::$variant(m) => m.set(),)* }
            }

            pub(crate) fn shared(&self) -> Option<SharedName<'_>> {
                match self { $(Match::$variant(m) => m.shared(),)* }
            }

            #[inline]
            pub(crate) fn fits(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
                match self { $(Match::$variant(m) => m.fits(skb, cx),)* }
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

/// The kind of match of that name.
pub fn find(name: &str) -> Option<&'static Kind> {
    REGISTRY.iter().find(|kind| kind.name == name)
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
