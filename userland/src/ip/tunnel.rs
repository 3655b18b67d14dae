//! `ip tunnel`: tunnels through the old interface. iproute2's `iptunnel.c` and `tunnel.c`.

use hopwise_devices::ipip::{Carries, FALLBACK, TunnelParams};
use hopwise_sim_core::{Errno, IfIndex};

use super::args::{self, Args, Done, Fail, invarg, matches};
use super::link::{tunnel_dev, tunnel_ttl};
use super::out::Json;
use super::{Ip, names};

/// Carries a command out.
///
/// # Errors
/// What the command says.
pub fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return show(ip, args) };
    match &*word {
        w if matches(w, "add") => add(ip, args),
        w if matches(w, "change") => change(ip, args),
        w if matches(w, "delete") => delete(ip, args),
        w if ["show", "lst", "list"].iter().any(|full| matches(w, full)) => show(ip, args),
        w if matches(w, "prl") || matches(w, "6rd") => Err(Fail::new(255, "Must specify device")),
        w if matches(w, "help") => Err(Fail::usage(USAGE)),
        _ => Err(Fail::last_word(format!("Command \"{word}\" is unknown, try \"ip tunnel help\""))),
    }
}

/// The options that exist here.
const USAGE: &str = "Usage: ip tunnel { add | change | del | show } [ NAME ]
        [ mode { ipip } ]
        [ remote ADDR ] [ local ADDR ]
        [ ttl TTL ] [ tos TOS ] [ [no]pmtudisc ] [ dev PHYS_DEV ]

Where: NAME := STRING
       ADDR := { IP_ADDRESS | any }
       TOS  := { STRING | 00..ff | inherit | inherit/STRING | inherit/00..ff }
       TTL  := { 1..255 | inherit }
";

/// What the words say (`struct ip_tunnel_parm`).
#[derive(Default)]
struct Wanted {
    name: Option<String>,
    /// `None`: nothing was said. The kinds that do not exist here are kept by the name of their first device.
    mode: Option<Result<Carries, &'static str>>,
    params: TunnelParams,
    keys: bool,
}

impl Wanted {
    /// `parse_args`. `change`: the first word is the tunnel, whose settings are the beginning.
    fn parse(ip: &mut Ip<'_, '_>, args: &mut Args, change: bool) -> Done<Wanted> {
        let mut wanted = Wanted::default();
        wanted.params.carries = Carries::Ipv4;
        let mut first = true;
        while let Some(word) = args.next() {
            wanted.word(ip, args, &word, change && first)?;
            first = false;
        }
        wanted.check()?;
        Ok(wanted)
    }

    fn word(&mut self, ip: &mut Ip<'_, '_>, args: &mut Args, word: &str, old: bool) -> Done {
        match word {
            "mode" => self.mode = Some(mode(&args.need()?)?),
            "key" | "ikey" | "okey" => {
                args.need()?;
                self.keys = true;
            }
            "seq" | "iseq" | "oseq" | "csum" | "icsum" | "ocsum" => self.keys = true,
            "pmtudisc" => self.params.pmtudisc = true,
            "nopmtudisc" => self.params.pmtudisc = false,
            "remote" => self.params.remote = args::addr_or_any(&args.need()?)?,
            "local" => self.params.local = args::addr_or_any(&args.need()?)?,
            "dev" => self.params.dev = tunnel_dev(ip, args)?,
            "ttl" | "hoplimit" | "hlim" => self.params.ttl = tunnel_ttl(&args.need()?)?,
            "tos" | "tclass" => self.params.tos = tos(&args.need()?)?,
            _ if matches(word, "dsfield") => self.params.tos = tos(&args.need()?)?,
            _ => {
                let name = if word == "name" { args.need()? } else { word.to_owned() };
                if word != "name" && matches(word, "help") {
                    return Err(Fail::usage(USAGE));
                }
                if self.name.is_some() {
                    return Err(args::duparg2("name", &name));
                }
                if name.len() > 15 || name.contains(['/', ' ']) {
                    return Err(invarg("\"name\" not a valid ifname", &name));
                }
                if old {
                    self.params = params_of(ip, &name)?;
                }
                self.name = Some(name);
            }
        }
        Ok(())
    }

    fn check(&self) -> Done {
        if self.keys && matches!(self.mode, Some(Ok(_))) {
            return Err(Fail::new(1, "Keys are not allowed with ipip and sit tunnels"));
        }
        Ok(())
    }
}

/// `mode WORD`: what it carries, or the name of the device that asks the kernel for a kind that does not exist here.
fn mode(word: &str) -> Done<Result<Carries, &'static str>> {
    match word {
        "ipip" | "ip/ip" => Ok(Ok(Carries::Ipv4)),
        "gre" | "gre/ip" => Ok(Err("gre0")),
        "sit" | "ipv6/ip" | "isatap" => Ok(Err("sit0")),
        "vti" => Ok(Err("ip_vti0")),
        _ => Err(Fail::new(255, format!("Unknown tunnel mode \"{word}\""))),
    }
}

/// `inherit`, `inherit/...`, a name or a number.
fn tos(word: &str) -> Done<u8> {
    match word.strip_prefix("inherit") {
        Some("") => return Ok(1),
        Some(rest) if rest.starts_with('/') => {
            let tos = names::dsfield(&rest[1..]).ok_or_else(|| invarg("bad TOS value", word))?;
            return Ok(tos | 1);
        }
        _ => {}
    }
    names::dsfield(word).ok_or_else(|| invarg("bad TOS value", word))
}

/// `tnl_get_ioctl`: how the tunnel of that name is set.
fn params_of(ip: &Ip<'_, '_>, name: &str) -> Done<TunnelParams> {
    let failed = |errno: Errno| Fail::new(1, format!("get tunnel \"{name}\" failed: {errno}"));
    let dev = ip.space()?.devs.find(name).ok_or_else(|| failed(Errno::ENODEV))?;
    dev.kind.ipip().map(|tunnel| tunnel.params).ok_or_else(|| failed(Errno::EOPNOTSUPP))
}

/// `tnl_add_ioctl` asks through a device; its name stands in the message of a refusal.
fn refused(through: &str, error: impl core::fmt::Display) -> Fail {
    Fail::new(1, format!("add tunnel \"{through}\" failed: {error}"))
}

fn incompatible(params: &TunnelParams) -> Done {
    if params.ttl != 0 && !params.pmtudisc {
        return Err(Fail::new(1, "ttl != 0 and nopmtudisc are incompatible"));
    }
    Ok(())
}

fn add(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let wanted = Wanted::parse(ip, args, false)?;
    incompatible(&wanted.params)?;
    let by_name = || wanted.name.as_deref().is_some_and(|name| name.starts_with("ipip")).then_some(Ok(Carries::Ipv4));
    match wanted.mode.or_else(by_name) {
        None => Err(Fail::new(1, "cannot determine tunnel mode (ipip, gre, vti or sit)")),
        Some(Err(other)) => Err(refused(other, Errno::ENODEV)),
        Some(Ok(_)) => {
            let ns = ip.ns;
            let added = ip.net().tunnel_add(ns, wanted.name.as_deref(), wanted.params);
            added.map(|_| ()).map_err(|error| refused(FALLBACK, error.errno))
        }
    }
}

fn change(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let wanted = Wanted::parse(ip, args, true)?;
    incompatible(&wanted.params)?;
    let name = wanted.name.unwrap_or_else(|| FALLBACK.into());
    let link = ip.link(&name).ok_or_else(|| refused(&name, Errno::ENODEV))?;
    let ns = ip.ns;
    ip.net().tunnel_change(ns, link, wanted.params).map_err(|error| refused(&name, error.errno))
}

fn delete(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let wanted = Wanted::parse(ip, args, false)?;
    let name = wanted.name.unwrap_or_else(|| FALLBACK.into());
    let failed = |errno: Errno| Fail::new(1, format!("delete tunnel \"{name}\" failed: {errno}"));
    let dev = ip.space()?.devs.find(&name).ok_or_else(|| failed(Errno::ENODEV))?;
    let (link, tunnel) = (dev.index, dev.kind.ipip().ok_or_else(|| failed(Errno::EOPNOTSUPP))?);
    if tunnel.fallback {
        return Err(failed(Errno::EPERM));
    }
    let ns = ip.ns;
    ip.net().link_del(ns, link).map_err(|error| failed(error.errno))
}

fn show(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let wanted = Wanted::parse(ip, args, false)?;
    if let (None, Some(Err(device))) = (&wanted.name, &wanted.mode) {
        return Err(Fail::new(1, format!("get tunnel \"{device}\" failed: No such device")));
    }
    let filter = wanted.params;
    let mut chosen: Vec<(IfIndex, TunnelParams)> = Vec::new();
    if let (Some(name), Some(_)) = (&wanted.name, &wanted.mode) {
        let params = params_of(ip, name)?;
        chosen.extend(ip.link(name).map(|link| (link, params)));
    } else {
        // Without a mode all tunnels are looked at, and the name only chooses (`do_tunnels_list`).
        let fits = |p: &TunnelParams| {
            (filter.remote.is_unspecified() || filter.remote == p.remote)
                && (filter.local.is_unspecified() || filter.local == p.local)
                && (!filter.dev.is_some() || filter.dev == p.dev)
        };
        let all = ip.space()?.devs.iter().filter_map(|dev| Some((dev.index, dev.kind.ipip()?.params)));
        chosen.extend(all.filter(|(_, params)| fits(params)));
        if let Some(name) = &wanted.name {
            let named = ip.space()?.devs.index_of(name);
            chosen.retain(|(link, _)| Some(*link) == named);
        }
    }
    ip.out.open();
    for (link, params) in chosen {
        print(ip, link, &params);
    }
    ip.out.close();
    Ok(())
}

/// `print_tunnel`.
fn print(ip: &mut Ip<'_, '_>, link: IfIndex, params: &TunnelParams) {
    let below = params.dev.is_some().then(|| ip.link_name(params.dev));
    let tos = (params.tos > 1).then(|| names::dsfield_name(ip, params.tos & !1));
    let Ip { sys, opt, out, ns, .. } = ip;
    let Some(dev) = sys.kernel.net.ns(*ns).and_then(|n| n.devs.get(link)) else { return };
    let end = |addr: core::net::Ipv4Addr| if addr.is_unspecified() { "any".to_owned() } else { addr.to_string() };
    out.open_object(None);
    out.any("ifname", format_args!("{}: ", dev.name), &*dev.name);
    let mode = if params.carries == Carries::Ipv4 { "ip/ip" } else { "any/ip" };
    out.any("mode", format_args!("{mode} "), mode);
    let (remote, local) = (params.remote.to_string(), params.local.to_string());
    out.any("remote", format_args!("remote {} ", end(params.remote)), remote.as_str());
    out.any("local", format_args!("local {} ", end(params.local)), local.as_str());
    if let Some(below) = &below {
        out.any("dev", format_args!("dev {below} "), below.as_str());
    }
    match params.ttl {
        0 => out.text("ttl inherit"),
        ttl => out.any("ttl", format_args!("ttl {ttl}"), u32::from(ttl)),
    }
    match (params.tos, &tos) {
        (1, _) => out.text(" tos inherit"),
        (_, Some(tos)) => {
            let text = if params.tos & 1 == 1 { format!("inherit/{tos}") } else { tos.clone() };
            out.any("tos", format_args!(" tos {text}"), text.as_str());
        }
        _ => {}
    }
    if !params.pmtudisc {
        out.any("nopmtudisc", " nopmtudisc", Json::Null);
    }
    if opt.stats > 0 {
        let s = dev.stats;
        out.line();
        out.text("RX: Packets    Bytes        Errors CsumErrs OutOfSeq Mcasts");
        out.line();
        out.text(format_args!(
            "    {:<10} {:<12} {:<6} {:<8} {:<8} {:<8}",
            s.rx_packets, s.rx_bytes, s.rx_errors, 0, 0, s.multicast
        ));
        out.line();
        out.text("TX: Packets    Bytes        Errors DeadLoop NoRoute  NoBufs");
        out.line();
        out.text(format_args!(
            "    {:<10} {:<12} {:<6} {:<8} {:<8} {:<6}",
            s.tx_packets, s.tx_bytes, s.tx_errors, s.collisions, s.tx_carrier, s.tx_dropped
        ));
    }
    out.end_record();
    out.close_object();
    // print_tunnel ends its line in JSON too.
    out.json_line();
}
