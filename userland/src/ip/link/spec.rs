//! The words of `ip link add`, `set` and of a veth's `peer`: `iplink_parse` of iproute2's `iplink.c`.

use hopwise_protocols::wire::ethernet::{MacAddr, ParseMacError};
use hopwise_sim_core::{IfIndex, NsId};
use hopwise_stack::control::link::{FlagChange, SizesSpec};

use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::{Ip, lladdr, netns};

/// What was asked for.
#[derive(Default, Debug)]
pub(super) struct Spec {
    /// The link, by the word that is no option or by `dev`.
    pub(super) dev: Option<String>,
    pub(super) name: Option<String>,
    /// The link below, by name.
    pub(super) link: Option<String>,
    pub(super) index: Option<IfIndex>,
    pub(super) addr: Option<MacAddr>,
    /// The address has another length than six bytes: which, and what iproute2 says if that is not the link's.
    pub(super) addr_length: Option<(usize, Fail)>,
    pub(super) broadcast: Option<MacAddr>,
    pub(super) txqlen: Option<u32>,
    pub(super) mtu: Option<u32>,
    pub(super) sizes: SizesSpec,
    pub(super) netns: Option<NsId>,
    pub(super) up: Option<bool>,
    pub(super) flags: Vec<(FlagChange, bool)>,
    pub(super) carrier: Option<bool>,
    pub(super) alias: Option<String>,
    pub(super) group: Option<u32>,
    /// `mode dormant`.
    pub(super) dormant: Option<bool>,
    /// `Some(NONE)`: `nomaster`.
    pub(super) master: Option<IfIndex>,
    pub(super) addrgenmode: Option<&'static str>,
    pub(super) protodown: bool,
    /// `vf`, which no link here has.
    pub(super) vf: bool,
    /// The word after `type`; the words behind it are still to be read.
    pub(super) kind: Option<String>,
}

/// The modes of making IPv6 addresses. There is no IPv6 here: they are kept and shown.
const ADDRGENMODES: [&str; 4] = ["eui64", "none", "stable_secret", "random"];

impl Spec {
    /// Reads words up to the arguments of a type.
    pub(super) fn parse(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done<Spec> {
        let mut spec = Spec::default();
        while let Some(word) = args.next() {
            if spec.word(ip, args, &word)? {
                break;
            }
        }
        Ok(spec)
    }

    /// The name of a new link: `name NAME`, or the word without option.
    pub(super) fn wanted_name(&self) -> Option<&str> {
        self.name.as_deref().or(self.dev.as_deref())
    }

    /// Reads one option with its argument; true if the rest belongs to a type.
    fn word(&mut self, ip: &mut Ip<'_, '_>, args: &mut Args, word: &str) -> Done<bool> {
        let is = |full| args::matches(word, full);
        match word {
            "up" => self.up = Some(true),
            "down" => self.up = Some(false),
            "name" => self.set_name(args.need()?)?,
            "link" => self.link = Some(args.need()?),
            "index" => self.set_index(args)?,
            _ if is("address") => match lladdr(&args.need()?) {
                Ok(addr) => self.addr = Some(addr),
                Err(Bad::Text(fail)) => return Err(fail),
                Err(Bad::Length(fail)) => self.addr_length = Some(fail),
            },
            _ if is("broadcast") || word == "brd" => {
                self.broadcast = Some(lladdr(&args.need()?).map_err(Bad::fail)?);
            }
            _ if is("txqueuelen") || word == "qlen" || is("txqlen") => {
                let text = args.need()?;
                if self.txqlen.is_some() {
                    return Err(args::duparg("txqueuelen", &text));
                }
                self.txqlen = Some(number(&text, "txqueuelen")?);
            }
            "mtu" => {
                let text = args.need()?;
                if self.mtu.is_some() {
                    return Err(args::duparg("mtu", &text));
                }
                self.mtu = Some(number(&text, "mtu")?);
            }
            "netns" => {
                let text = args.need()?;
                if self.netns.is_some() {
                    return Err(args::duparg("netns", &text));
                }
                self.netns = Some(netns::name_or_pid(ip.sys, &text)?);
            }
            _ if self.switch(args, word)? => {}
            _ if is("type") => {
                let text = args.need()?;
                if self.kind.is_some() {
                    return Err(args::duparg("type", &text));
                }
                self.kind = Some(text);
                return Ok(true);
            }
            _ if is("alias") => self.alias = Some(args.need()?),
            "group" => {
                let text = args.peek().unwrap_or_default().to_owned();
                if self.group.is_some() {
                    return Err(args::duparg("group", &text));
                }
                self.group = Some(group(args)?);
            }
            _ => self.rare_word(ip, args, word)?,
        }
        Ok(false)
    }

    /// `multicast on` and its kin.
    fn switch(&mut self, args: &mut Args, word: &str) -> Done<bool> {
        let flag = match word {
            "multicast" => FlagChange::Multicast,
            "allmulticast" => FlagChange::AllMulti,
            "promisc" => FlagChange::Promisc,
            "arp" => FlagChange::Arp,
            "dynamic" => FlagChange::Dynamic,
            "carrier" => {
                // iproute2 reads this one with another function, which exits with EINVAL.
                self.carrier = Some(args.on_off(word).map_err(|fail| Fail { status: 22, ..fail })?);
                return Ok(true);
            }
            // Trailers are history: the flag has no effect on Linux either.
            "trailers" => {
                on_off(args, word)?;
                return Ok(true);
            }
            _ => return Ok(false),
        };
        self.flags.push((flag, on_off(args, word)?));
        Ok(true)
    }

    fn rare_word(&mut self, ip: &mut Ip<'_, '_>, args: &mut Args, word: &str) -> Done {
        match word {
            "master" => {
                let name = args.need()?;
                let master = ip.link(&name).ok_or_else(|| args::invarg("Device does not exist\n", &name))?;
                self.master = Some(master);
            }
            "vrf" => self.master = Some(crate::ip::vrf::need(ip, args)?),
            "nomaster" => self.master = Some(IfIndex::NONE),
            "mode" => {
                let text = args.need()?;
                self.dormant = Some(match text.to_ascii_uppercase().as_str() {
                    "DEFAULT" => false,
                    "DORMANT" => true,
                    _ => return Err(args::invarg("Invalid link mode\n", &text)),
                });
            }
            "addrgenmode" => {
                let text = args.need()?;
                let known = ADDRGENMODES.iter().copied().find(|m| *m == text);
                let mode = known.ok_or_else(|| args::invarg("Invalid address generation mode\n", &text))?;
                self.addrgenmode = Some(mode);
            }
            "protodown" => {
                on_off(args, word)?;
                self.protodown = true;
            }
            // `xdp off` on a link without a program.
            "xdp" if args.peek() == Some("off") => {
                args.next();
            }
            "vf" => {
                args.number::<u32>("Invalid \"vf\" value\n")?;
                args.rest();
                self.vf = true;
            }
            _ if self.size(args, word)? => {}
            _ => {
                let dev = if word == "dev" { args.need()? } else { word.to_owned() };
                if word != "dev" && args::matches(word, "help") {
                    return Err(super::usage());
                }
                self.set_dev(dev)?;
            }
        }
        Ok(())
    }

    /// Queues and sizes of packets: true if the word was one of these.
    fn size(&mut self, args: &mut Args, word: &str) -> Done<bool> {
        let sizes = &mut self.sizes;
        let (place, once, most) = match word {
            "numtxqueues" => (&mut sizes.tx_queues, true, i32::MAX as u32),
            "numrxqueues" => (&mut sizes.rx_queues, true, i32::MAX as u32),
            "gso_max_size" => (&mut sizes.gso_max_size, false, u32::MAX),
            "gso_max_segs" => (&mut sizes.gso_max_segs, false, 65535),
            "gro_max_size" => (&mut sizes.gro_max_size, false, u32::MAX),
            _ => return Ok(false),
        };
        let text = args.need()?;
        if once && place.is_some() {
            return Err(args::duparg(word, &text));
        }
        let number = args::unsigned(&text).and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= most);
        *place = Some(number.ok_or_else(|| args::invarg(&format!("Invalid \"{word}\" value\n"), &text))?);
        Ok(true)
    }

    fn set_dev(&mut self, dev: String) -> Done {
        // iproute2 lets the name be given twice, as `name` and without.
        if self.dev.is_some() {
            return Err(args::duparg2("dev", &dev));
        }
        if !plausible(&dev) {
            return Err(args::invarg("\"dev\" not a valid ifname", &dev));
        }
        self.dev = Some(dev);
        Ok(())
    }

    fn set_name(&mut self, name: String) -> Done {
        if self.name.is_some() {
            return Err(args::duparg("name", &name));
        }
        if !plausible(&name) || name.len() > 15 {
            return Err(args::invarg("\"name\" not a valid ifname", &name));
        }
        self.name = Some(name);
        Ok(())
    }

    fn set_index(&mut self, args: &mut Args) -> Done {
        let text = args.need()?;
        if self.index.is_some() {
            return Err(args::duparg("index", &text));
        }
        let index = args::unsigned(&text).filter(|n| (1..=0x7fff_ffff).contains(n));
        self.index = Some(IfIndex(index.ok_or_else(|| args::invarg("Invalid \"index\" value", &text))? as u32));
        Ok(())
    }
}

/// `check_ifname` without the length.
fn plausible(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c == '/' || c.is_whitespace())
}

/// A number that may be negative for iproute2 and then is a huge one for the kernel.
fn number(text: &str, key: &str) -> Done<u32> {
    let negative = text.strip_prefix('-').and_then(args::unsigned).map(|n| (n as u32).wrapping_neg());
    let positive = args::unsigned(text).filter(|n| *n <= 0x7fff_ffff).map(|n| n as u32);
    positive.or(negative).ok_or_else(|| args::invarg(&format!("Invalid \"{key}\" value\n"), text))
}

/// The number of a device group, or the name `default`.
pub(super) fn group(args: &mut Args) -> Done<u32> {
    let text = args.need()?;
    if text == "default" {
        return Ok(0);
    }
    let number = args::unsigned(&text).and_then(|n| u32::try_from(n).ok());
    number.ok_or_else(|| args::invarg("Invalid \"group\" value\n", &text))
}

/// Why a text is no link-layer address.
enum Bad {
    /// It cannot be read.
    Text(Fail),
    /// It has not six bytes.
    Length((usize, Fail)),
}

impl Bad {
    fn fail(self) -> Fail {
        let (Bad::Text(fail) | Bad::Length((_, fail))) = self;
        fail
    }
}

/// A link-layer address of six bytes.
fn lladdr(text: &str) -> Result<MacAddr, Bad> {
    let bytes = lladdr::parse(text).map_err(Bad::Text)?;
    match <[u8; 6]>::try_from(&*bytes) {
        Ok(bytes) => Ok(MacAddr(bytes)),
        Err(_) => Err(Bad::Length((bytes.len(), Fail::new(1, ParseMacError::Length(bytes.len()).to_string())))),
    }
}

/// `on` or `off`, in the words of `ip link`.
fn on_off(args: &mut Args, key: &str) -> Done<bool> {
    match &*args.need()? {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(Fail::new(1, format!("Error: argument of \"{key}\" must be \"on\" or \"off\", not \"{other}\""))),
    }
}
