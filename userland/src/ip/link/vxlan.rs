//! The arguments of `type vxlan`: iproute2's `iplink_vxlan.c`.

use core::net::Ipv4Addr;

use hopwise_protocols::encap::Df;
use hopwise_sim_core::Errno;
use hopwise_stack::NlError;
use hopwise_stack::control::vxlan::VxlanChange;

use crate::ip::args::{self, Args, Done, Fail, invarg};
use crate::ip::{Ip, names};

/// Reads the words behind `type vxlan`. `new`: of a link that is being made.
pub(super) fn parse(ip: &mut Ip<'_, '_>, args: &mut Args, new: bool) -> Done<VxlanChange> {
    let mut words = Words::default();
    while let Some(word) = args.next() {
        words.word(ip, args, &word)?;
    }
    let Words { change, external, group, .. } = words;
    if external && change.vni.is_some() {
        return Err(Fail::new(1, "vxlan: both 'external' and vni cannot be specified"));
    }
    if new && !external && change.vni.is_none() {
        return Err(Fail::new(1, "vxlan: missing virtual network identifier"));
    }
    if group && change.dev.is_none() {
        return Err(Fail::new(1, "vxlan: 'group' requires 'dev' to be specified"));
    }
    if new && change.port.is_none() {
        ip.sys.err(
            "vxlan: destination port not specified\n\
             Will use Linux kernel default (non-standard value)\n\
             Use 'dstport 4789' to get the IANA assigned value\n\
             Use 'dstport 0' to get default and quiet this message\n",
        );
    }
    if words.unsupported {
        return Err(NlError::from(Errno::EOPNOTSUPP).into());
    }
    Ok(change)
}

/// What was read so far.
#[derive(Default)]
struct Words {
    change: VxlanChange,
    /// The attributes that were given, by the first word for each (`check_duparg`).
    given: Vec<&'static str>,
    external: bool,
    group: bool,
    /// Something was asked for that does not exist here: GBP, GPE, remote checksum offload.
    unsupported: bool,
}

/// Words with an argument; any beginning of one will do.
const WITH_ARGUMENT: &[(&str, &str)] = &[
    ("id", "id"),
    ("vni", "id"),
    ("group", "group"),
    ("remote", "remote"),
    ("local", "local"),
    ("dev", "dev"),
    ("ttl", "ttl"),
    ("hoplimit", "ttl"),
    ("tos", "tos"),
    ("dsfield", "tos"),
    ("df", "df"),
    ("label", "flowlabel"),
    ("flowlabel", "flowlabel"),
    ("ageing", "ageing"),
    ("maxaddress", "maxaddress"),
    ("port", "srcport"),
    ("srcport", "srcport"),
    ("dstport", "dstport"),
];

/// Switches; with `no` in front they are off.
const SWITCHES: &[&str] = &[
    "learning",
    "proxy",
    "rsc",
    "l2miss",
    "l3miss",
    "udpcsum",
    "udp6zerocsumtx",
    "udp6zerocsumrx",
    "remcsumtx",
    "remcsumrx",
    "external",
    "vnifilter",
];

impl Words {
    fn word(&mut self, ip: &mut Ip<'_, '_>, args: &mut Args, word: &str) -> Done {
        if let Some((_, option)) = WITH_ARGUMENT.iter().find(|(full, _)| args::matches(word, full)) {
            return self.option(ip, args, option);
        }
        for name in SWITCHES {
            let off = word.strip_prefix("no").is_some_and(|rest| args::matches(rest, name));
            if off || args::matches(word, name) {
                self.once(name, word, word)?;
                return self.switch(name, !off);
            }
        }
        match word {
            "gbp" | "gpe" => {
                self.once(if word == "gbp" { "gbp" } else { "gpe" }, word, word)?;
                self.unsupported = true;
                Ok(())
            }
            _ if args::matches(word, "help") => Err(Fail::as_is(1, USAGE)),
            _ => Err(Fail::as_is(1, format!("vxlan: unknown command \"{word}\"?\n{USAGE}"))),
        }
    }

    /// An attribute may be given once.
    fn once(&mut self, attribute: &'static str, key: &str, value: &str) -> Done {
        if self.given.contains(&attribute) {
            return Err(args::duparg2(key, value));
        }
        self.given.push(attribute);
        Ok(())
    }

    fn option(&mut self, ip: &mut Ip<'_, '_>, args: &mut Args, option: &'static str) -> Done {
        if (option == "group" && self.change.remote.is_some_and(|a| !a.is_multicast()))
            || (option == "remote" && self.change.remote.is_some_and(|a| a.is_multicast()))
        {
            return Err(Fail::new(1, "vxlan: both group and remote cannot be specified"));
        }
        let text = args.need()?;
        // `group` and `remote` are one attribute, and so are both forms of `ttl`.
        self.once(if option == "group" { "remote" } else { option }, option, &text)?;
        let change = &mut self.change;
        let number = |message: &str| args::unsigned(&text).ok_or_else(|| invarg(message, &text));
        match option {
            "id" => {
                let vni = number("invalid id")?;
                change.vni =
                    Some(u32::try_from(vni).ok().filter(|n| *n < 1 << 24).ok_or_else(|| invarg("invalid id", &text))?);
            }
            "group" => {
                change.remote = Some(addr(&text, "invalid group address", |a| a.is_multicast())?);
                self.group = true;
            }
            "remote" => change.remote = Some(addr(&text, "invalid remote address", |a| !a.is_multicast())?),
            "local" => change.local = Some(addr(&text, "invalid local address", |a| !a.is_multicast())?),
            "dev" => {
                let link = ip.link(&text).ok_or_else(|| Fail { status: 255, ..args::nodev(&text) })?;
                change.dev = Some(link);
            }
            "ttl" if text == "inherit" => change.ttl_inherit = true,
            "ttl" if text == "auto" => change.ttl = Some(0),
            "ttl" => {
                let ttl = number("invalid TTL")?;
                change.ttl = Some(u8::try_from(ttl).map_err(|_| invarg("TTL must be <= 255", &text))?);
            }
            "tos" if text == "inherit" => change.tos = Some(1),
            "tos" => change.tos = Some(names::dsfield(&text).ok_or_else(|| invarg("bad TOS value", &text))?),
            "df" => {
                change.df = Some(match &*text {
                    "unset" => Df::Clear,
                    "set" => Df::Set,
                    "inherit" => Df::Inherit,
                    _ => return Err(invarg("DF must be 'unset', 'set' or 'inherit'", &text)),
                });
            }
            "flowlabel" => {
                let label = number("invalid flowlabel")?;
                let label = u32::try_from(label).ok().filter(|n| *n < 1 << 20);
                change.flow_label = Some(label.ok_or_else(|| invarg("invalid flowlabel", &text))?);
            }
            "ageing" if text == "none" => change.ageing = Some(0),
            "ageing" => change.ageing = Some(narrow(number("ageing timer")?, "ageing timer", &text)?),
            "maxaddress" if text == "unlimited" => change.max_addresses = Some(0),
            "maxaddress" => change.max_addresses = Some(narrow(number("max addresses")?, "max addresses", &text)?),
            "srcport" => {
                let low = narrow(number("min port")?, "min port", &text)?;
                let high = args.number::<u16>("max port")?;
                // Zeroes are not sent to the kernel.
                change.sources = Some((low, high)).filter(|range| *range != (0, 0));
            }
            _ => change.port = Some(narrow(number("dst port")?, "dst port", &text)?),
        }
        Ok(())
    }

    fn switch(&mut self, name: &'static str, on: bool) -> Done {
        let change = &mut self.change;
        match name {
            "learning" => change.learning = Some(on),
            "proxy" => change.proxy = Some(on),
            "rsc" => change.rsc = Some(on),
            "l2miss" => change.l2miss = Some(on),
            "l3miss" => change.l3miss = Some(on),
            "udpcsum" => change.udp_csum = Some(on),
            "udp6zerocsumtx" => change.udp6_zero_csum_tx = Some(on),
            "udp6zerocsumrx" => change.udp6_zero_csum_rx = Some(on),
            "vnifilter" if on && !self.external => {
                return Err(Fail::new(1, "vxlan: vnifilter is valid only when 'external' is set"));
            }
            "external" => {
                self.external |= on;
                change.external = Some(on);
            }
            _ => {
                self.unsupported |= on;
            }
        }
        Ok(())
    }
}

fn narrow<T: TryFrom<u64>>(number: u64, message: &str, text: &str) -> Done<T> {
    T::try_from(number).map_err(|_| invarg(message, text))
}

/// An address that passes a check (`get_addr` and `is_addrtype_inet...`).
fn addr(text: &str, message: &str, fits: impl Fn(Ipv4Addr) -> bool) -> Done<Ipv4Addr> {
    if matches!(text, "any" | "all" | "default") {
        return Err(invarg(message, text));
    }
    let addr = args::parse_addr(text)
        .ok_or_else(|| Fail::new(1, format!("Error: any valid address is expected rather than \"{text}\".")))?;
    if fits(addr) { Ok(addr) } else { Err(invarg(message, text)) }
}

/// The usage text of the type.
pub(super) const USAGE: &str = "Usage: ... vxlan id VNI
\t\t[ { group | remote } IP_ADDRESS ]
\t\t[ local ADDR ]
\t\t[ ttl TTL ]
\t\t[ tos TOS ]
\t\t[ df DF ]
\t\t[ flowlabel LABEL ]
\t\t[ dev PHYS_DEV ]
\t\t[ dstport PORT ]
\t\t[ srcport MIN MAX ]
\t\t[ [no]learning ]
\t\t[ [no]proxy ]
\t\t[ [no]rsc ]
\t\t[ [no]l2miss ]
\t\t[ [no]l3miss ]
\t\t[ ageing SECONDS ]
\t\t[ maxaddress NUMBER ]
\t\t[ [no]udpcsum ]
\t\t[ [no]udp6zerocsumtx ]
\t\t[ [no]udp6zerocsumrx ]
\t\t[ [no]remcsumtx ] [ [no]remcsumrx ]
\t\t[ [no]external ] [ gbp ] [ gpe ]
\t\t[ [no]vnifilter ]

Where:\tVNI\t:= 0-16777215
\tADDR\t:= { IP_ADDRESS | any }
\tTOS\t:= { NUMBER | inherit }
\tTTL\t:= { 1..255 | auto | inherit }
\tDF\t:= { unset | set | inherit }
\tLABEL := 0-1048575
";
