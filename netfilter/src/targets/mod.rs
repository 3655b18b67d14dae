//! What a rule does with a packet (`-j NAME`): one file and one line of [`REGISTRY`] each. `ACCEPT`, `DROP`, `RETURN` and the jumps
//! to chains are [`crate::rules::Target`] itself.

use crate::extension::{Extension, extensions};
use crate::rules::{Cx, Place, Verdict};
use crate::skb::Skb;

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

/// What a target is beside an [`Extension`].
trait Acts: Extension {
    /// The name under which `-L` lists it, if that is another.
    const LISTED: Option<&'static str> = None;

    /// Whether the kernel lets it stand there (`checkentry`).
    fn may_stand(&self, place: &Place<'_>) -> bool;

    /// The sets that it changes.
    fn sets(&self) -> [Option<&str>; 2] {
        [None; 2]
    }

    /// Does it.
    fn act(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome;
}

impl<T: Acts> Acts for Box<T> {
    const LISTED: Option<&'static str> = T::LISTED;
    fn may_stand(&self, place: &Place<'_>) -> bool {
        (**self).may_stand(place)
    }
    fn sets(&self) -> [Option<&str>; 2] {
        (**self).sets()
    }
    fn act(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome {
        (**self).act(skb, cx)
    }
}

mod log_line;
mod nat;
mod rewrite;

macro_rules! registry {
    ($($name:literal $module:ident $variant:ident($data:ty) $about:literal;)*) => {
        extensions! {
            /// A target with options.
            TargetKind: $($name $module $variant($data) $about;)*
        }

        impl TargetKind {
            /// The name under which `iptables -L` lists it.
            pub fn listed(&self) -> &'static str {
                match self { $(TargetKind::$variant(_) => <$data as Acts>::LISTED.unwrap_or($name),)* }
            }

            pub(crate) fn may_stand(&self, place: &Place<'_>) -> bool {
                match self { $(TargetKind::$variant(t) => t.may_stand(place),)* }
            }

            pub(crate) fn sets(&self) -> [Option<&str>; 2] {
                match self { $(TargetKind::$variant(t) => t.sets(),)* }
            }

            pub(crate) fn act(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome {
                match self { $(TargetKind::$variant(t) => t.act(skb, cx),)* }
            }
        }
    };
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
