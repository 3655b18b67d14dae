//! What a rule does with a packet (`-j NAME`): one file and one line of [`REGISTRY`] each. `ACCEPT`, `DROP`, `RETURN` and the jumps
//! to chains are [`crate::rules::Target`] itself.

use crate::matches::How;
use crate::rules::{Cx, IpMatch, Place, Verdict};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

pub use log_line::packet_line;
pub use reject::RejectWith;

/// What comes of a target.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Outcome {
    /// The next rule is asked.
    Continue,
    /// It is decided.
    Verdict(Verdict),
}

/// One kind of target.
trait Extension: Clone + PartialEq + core::fmt::Debug + Sized {
    /// Its options.
    const OPTIONS: &'static [Opt];
    /// The name under which `-L` lists it, if that is another.
    const LISTED: Option<&'static str> = None;

    /// The target before any option was given.
    fn new() -> Self;

    /// Takes an option.
    fn option(&mut self, call: &Call<'_>) -> Done;

    /// The error if the option takes a second word and there is none.
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
    fn may_stand(&self, place: &Place<'_>) -> bool;

    /// Whether connections must be tracked for it.
    fn tracks(&self) -> bool {
        false
    }

    /// The sets that it changes.
    fn sets(&self) -> [Option<&str>; 2] {
        [None; 2]
    }

    /// Does it.
    fn act(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome;

    /// Options that are accepted, made up, with what the rule needs in front.
    fn sample(rng: &mut Rng) -> String;
}

/// What the registry knows of a kind of target.
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it does, for the table of what is supported.
    pub about: &'static str,
    /// Its options.
    pub options: &'static [Opt],
    /// A target without options yet.
    pub make: fn() -> TargetKind,
    /// Made-up words that are accepted: what the rule needs, `-j NAME` and options.
    pub sample: fn(&mut Rng) -> String,
}

mod log_line;
mod nat;
mod rewrite;

impl<T: Extension> Extension for Box<T> {
    const OPTIONS: &'static [Opt] = T::OPTIONS;
    const LISTED: Option<&'static str> = T::LISTED;
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
    fn sets(&self) -> [Option<&str>; 2] {
        (**self).sets()
    }
    fn act(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome {
        (**self).act(skb, cx)
    }
    fn sample(rng: &mut Rng) -> String {
        T::sample(rng)
    }
}

macro_rules! registry {
    ($($name:literal $module:ident $variant:ident($data:ty) $about:literal;)*) => {
        $(mod $module;)*

        /// A target with options.
        #[derive(Clone, PartialEq, Debug)]
        #[non_exhaustive]
        pub enum TargetKind {
            $(#[doc = $about] $variant($data),)*
        }

        /// All kinds of targets.
        pub static REGISTRY: &[Kind] = &[
            $(Kind {
                name: $name,
                about: $about,
                options: <$data as Extension>::OPTIONS,
                make: || TargetKind::$variant(<$data as Extension>::new()),
                sample: <$data as Extension>::sample,
            },)*
        ];

        impl TargetKind {
            /// Its name.
            pub const fn name(&self) -> &'static str {
                match self { $(TargetKind::$variant(_) => $name,)* }
            }

            /// The name under which `iptables -L` lists it.
            pub fn listed(&self) -> &'static str {
                match self { $(TargetKind::$variant(_) => <$data as Extension>::LISTED.unwrap_or($name),)* }
            }

            /// Its options.
            pub const fn options(&self) -> &'static [Opt] {
                match self { $(TargetKind::$variant(_) => <$data as Extension>::OPTIONS,)* }
            }

            pub(crate) fn option(&mut self, call: &Call<'_>) -> Done {
                match self { $(TargetKind::$variant(t) => t.option(call),)* }
            }

            pub(crate) fn wants_second(&self, opt: &Opt) -> Option<&'static str> {
                match self { $(TargetKind::$variant(t) => t.wants_second(opt),)* }
            }

            pub(crate) fn finish(&mut self, seen: u32, ip: &IpMatch) -> Done {
                match self { $(TargetKind::$variant(t) => t.finish(seen, ip),)* }
            }

            /// Writes its options as they are saved, each with a space in front.
            pub fn save(&self, out: &mut String) {
                match self { $(TargetKind::$variant(t) => t.save(out),)* }
            }

            /// Writes it as `iptables -L` lists it, with a space in front.
            pub fn list(&self, out: &mut String, how: &How<'_>) {
                match self { $(TargetKind::$variant(t) => t.list(out, how),)* }
            }

            pub(crate) fn may_stand(&self, place: &Place<'_>) -> bool {
                match self { $(TargetKind::$variant(t) => t.may_stand(place),)* }
            }

            pub(crate) fn tracks(&self) -> bool {
                match self { $(TargetKind::$variant(t) => t.tracks(),)* }
            }

            pub(crate) fn sets(&self) -> [Option<&str>; 2] {
                match self { $(TargetKind::$variant(t) => t.sets(),)* }
            }

            pub(crate) fn act(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome {
                match self { $(TargetKind::$variant(t) => t.act(skb, cx),)* }
            }
        }
    };
}

/// The kind of target of that name.
pub fn find(name: &str) -> Option<&'static Kind> {
    REGISTRY.iter().find(|kind| kind.name == name)
}

/// Targets of iptables that are not built here: no chain may have their names.
static ABSENT: &[&str] =
    &["CLUSTERIP", "DNPT", "HL", "IDLETIMER", "LED", "RATEEST", "SECMARK", "SNPT", "SYNPROXY", "TPROXY", "ULOG"];

/// Whether it is a target of iptables that is not built here.
pub fn is_absent(name: &str) -> bool {
    ABSENT.contains(&name)
}

registry! {
    "AUDIT" audit Audit(audit::Audit) "A record for the audit daemon, if there is one.";
    "CHECKSUM" checksum Checksum(checksum::Checksum) "The checksum is filled in.";
    "CLASSIFY" classify Classify(classify::Classify) "The class of a queueing discipline.";
    "CONNMARK" connmark Connmark(connmark::Connmark) "Another mark for the connection.";
    "CONNSECMARK" connsecmark Connsecmark(connsecmark::Connsecmark) "The security mark of the connection, if there is one.";
    "CT" ct Ct(ct::Ct) "What connection tracking shall do with the packet.";
    "DNAT" dnat Dnat(dnat::Dnat) "Another destination for the connection.";
    "DSCP" dscp Dscp(dscp::Dscp) "Another class of service.";
    "ECN" ecn Ecn(ecn::Ecn) "No notification of congestion.";
    "HMARK" hmark Hmark(Box<hmark::Hmark>) "A mark from a hash of addresses and ports.";
    "LOG" log Log(Box<log::Log>) "A line in the kernel's log.";
    "MARK" mark Mark(mark::Mark) "Another mark for the packet.";
    "MASQUERADE" masquerade Masquerade(masquerade::Masquerade) "The link's address as source of the connection.";
    "NETMAP" netmap Netmap(netmap::Netmap) "Another network for the connection, the same host in it.";
    "NFLOG" nflog Nflog(Box<nflog::Nflog>) "The packet is told to whoever listens.";
    "NFQUEUE" nfqueue Nfqueue(nfqueue::Nfqueue) "A program decides; there is none.";
    "NOTRACK" notrack Notrack(notrack::Notrack) "The packet's connection is not tracked.";
    "REDIRECT" redirect Redirect(redirect::Redirect) "This host as destination of the connection.";
    "REJECT" reject Reject(reject::Reject) "The packet ends here, and its sender is told.";
    "SET" set SetTo(Box<set::SetTo>) "A part of the packet goes into a set, or out of it.";
    "SNAT" snat Snat(snat::Snat) "Another source for the connection.";
    "TCPMSS" tcpmss Tcpmss(tcpmss::Tcpmss) "A smaller largest segment of TCP.";
    "TCPOPTSTRIP" tcpoptstrip Tcpoptstrip(Box<tcpoptstrip::Tcpoptstrip>) "Options of TCP are taken out.";
    "TEE" tee Tee(Box<tee::Tee>) "A copy goes to another host.";
    "TOS" tos Tos(tos::Tos) "Another type of service.";
    "TRACE" trace Trace(trace::Trace) "Each rule that the packet matches is told.";
    "TTL" ttl Ttl(ttl::Ttl) "Another time to live.";
}
