//! The arguments of `type ipip`: iproute2's `link_iptnl.c`.

use hopwise_devices::ipip::{Carries, TunnelParams};
use hopwise_sim_core::IfIndex;

use crate::ip::args::{self, Args, Done, Fail, invarg};
use crate::ip::{Ip, names};

/// The words that iproute2 knows and that lead to something that does not exist here.
const NOT_HERE: [&str; 12] = [
    "external",
    "encap",
    "encap-sport",
    "encap-dport",
    "encap-csum",
    "noencap-csum",
    "encap-udp6-csum",
    "encap-remcsum",
    "noencap-remcsum",
    "6rd-prefix",
    "6rd-relay_prefix",
    "6rd-reset",
];

/// Reads the words on top of what is set already.
pub(super) fn parse(ip: &mut Ip<'_, '_>, args: &mut Args, mut params: TunnelParams) -> Done<TunnelParams> {
    while let Some(word) = args.next() {
        match &*word {
            "remote" => params.remote = args::addr_or_any(&args.need()?)?,
            "local" => params.local = args::addr_or_any(&args.need()?)?,
            "dev" => params.dev = device(ip, args)?,
            "ttl" | "hoplimit" | "hlim" => params.ttl = ttl(&args.need()?)?,
            "tos" | "tclass" | "dsfield" => params.tos = tos(&args.need()?)?,
            "pmtudisc" => params.pmtudisc = true,
            "nopmtudisc" => params.pmtudisc = false,
            "fwmark" => params.fwmark = args.number("invalid fwmark\n")?,
            "noencap" => {}
            "mode" => {
                params.carries = match &*args.need()? {
                    "ipip" | "ipv4/ipv4" | "ip4ip4" => Carries::Ipv4,
                    "any" | "any/ipv4" | "any/ip4" => Carries::Any,
                    "mplsip" | "mpls/ipv4" | "mplsip4" => {
                        return Err(Fail::new(2, "RTNETLINK answers: Operation not supported"));
                    }
                    other => return Err(invarg("Cannot guess tunnel mode.", other)),
                }
            }
            other if NOT_HERE.contains(&other) => {
                return Err(Fail::new(2, format!("Error: {other} is not supported: the tunnel has fixed ends.")));
            }
            _ => return Err(Fail::as_is(1, USAGE)),
        }
    }
    if params.ttl != 0 && !params.pmtudisc {
        return Err(Fail::new(255, "ttl != 0 and nopmtudisc are incompatible"));
    }
    Ok(params)
}

/// The link that outer packets shall leave through.
pub(in crate::ip) fn device(ip: &Ip<'_, '_>, args: &mut Args) -> Done<IfIndex> {
    let name = args.need()?;
    ip.link(&name).ok_or_else(|| args::nodev(&name))
}

/// `inherit` or a number; 0 is `inherit`.
pub(in crate::ip) fn ttl(word: &str) -> Done<u8> {
    if word == "inherit" {
        return Ok(0);
    }
    let number = args::unsigned(word).and_then(|n| u8::try_from(n).ok());
    number.ok_or_else(|| invarg("invalid TTL\n", word))
}

/// `inherit`, a name or a number; 1 is `inherit`.
fn tos(word: &str) -> Done<u8> {
    if word == "inherit" {
        return Ok(1);
    }
    names::dsfield(word).ok_or_else(|| invarg("bad TOS value", word))
}

pub(super) const USAGE: &str = "Usage: ... ipip  	[ remote ADDR ]
			[ local ADDR ]
			[ ttl TTL ]
			[ tos TOS ]
			[ [no]pmtudisc ]
			[ dev PHYS_DEV ]
			[ fwmark MARK ]
			[ noencap ]
			[ mode { ipip | any } ]

Where:	ADDR := { IP_ADDRESS | any }
	TOS  := { NUMBER | inherit }
	TTL  := { 1..255 | inherit }
	MARK := { 0x0..0xffffffff }
";
