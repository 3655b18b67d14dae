//! `route`: shows and changes the main routing table.

use core::net::Ipv4Addr;

use hopwise_machine::{Program, Sys, once};

use super::ioctl::{self, RtEntry};
use super::names::{First, resolve_or_tell};
use super::table::{self, Columns};
use super::{RELEASE, ROUTE_FAMILIES, atoi, features, perror, prefix_mask};
use crate::getopt::{self, Argument, Long};
use crate::kernel::SimKernel;

const USAGE: &str = include_str!("usage/route.txt");
const INET_USAGE: &str = include_str!("usage/inet-route.txt");

const OPTIONS: &str = "A:eCFhnN64Vv?";
const LONG: &[Long] = &[
    ("extend", Argument::No, 'e'),
    ("verbose", Argument::No, 'v'),
    ("version", Argument::No, 'V'),
    ("numeric", Argument::No, 'n'),
    ("symbolic", Argument::No, 'N'),
    ("protocol", Argument::Required, 'A'),
    ("cache", Argument::No, 'C'),
    ("fib", Argument::No, 'F'),
    ("help", Argument::No, 'h'),
    ("inet", Argument::No, '4'),
    ("inet6", Argument::No, '6'),
];

/// Starts `route`.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let args = args.to_vec();
    once(move |sys: &mut Sys<'_, SimKernel>| run(sys, &args).unwrap_or_else(|status| status))
}

/// An early end with an exit status.
type Done<T> = Result<T, i32>;

fn usage(sys: &mut Sys<'_, SimKernel>, mistake: bool) -> i32 {
    super::usage(sys, &[(USAGE, ROUTE_FAMILIES)], mistake)
}

fn inet_usage(sys: &mut Sys<'_, SimKernel>) -> i32 {
    super::usage(sys, &[(INET_USAGE, "")], true)
}

fn run(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Done<i32> {
    // `-net` and `-host` are words, though they look like options.
    let hidden = |word: &String| match &**word {
        "-net" => "#net".to_owned(),
        "-host" => "#host".to_owned(),
        _ => word.clone(),
    };
    let args: Vec<String> = args.iter().map(hidden).collect();
    let parsed = getopt::parse(&args, OPTIONS, LONG);
    let (mut extended, mut numeric, mut cache, mut family) = (0, false, false, "inet".to_owned());
    for option in parsed.options {
        let option = match option {
            Ok(option) => option,
            Err(mistake) => {
                sys.err(&format!("route: {mistake}\n"));
                return Ok(usage(sys, false));
            }
        };
        match option.key {
            'e' => extended += 1,
            'n' | 'N' => numeric = true,
            'C' => cache = true,
            'F' => cache = false,
            'A' => option.text().clone_into(&mut family),
            '6' => family = "inet6".into(),
            'V' => {
                sys.out(&format!("{RELEASE}+NEW_ADDRT +RTF_IRTT +RTF_REJECT +I18N +SELINUX\n{}", features(" ")));
                return Ok(0);
            }
            'h' | '?' => return Ok(usage(sys, false)),
            _ => {}
        }
    }
    check_family(sys, &family)?;
    let mut words = parsed.operands.iter().map(String::as_str);
    let add = match words.next() {
        None => {
            show(sys, extended, numeric, cache);
            return Ok(0);
        }
        Some("add") => true,
        Some("del" | "delete") => false,
        Some("flush") => {
            sys.err("Flushing `inet' routing table not supported\n");
            return Err(inet_usage(sys));
        }
        Some(_) => return Err(usage(sys, true)),
    };
    let words: Vec<&str> = words.collect();
    if words.is_empty() {
        sys.out(INET_USAGE);
        return Ok(0);
    }
    let entry = Reader { words: words.iter(), netmask: None }.entry(sys, add)?;
    let (request, done) = if add {
        ("SIOCADDRT", ioctl::add_route(sys, &entry))
    } else {
        ("SIOCDELRT", ioctl::delete_route(sys, &entry))
    };
    match done {
        Ok(()) => Ok(0),
        Err(errno) => {
            perror(sys, request, errno);
            Err(7)
        }
    }
}

fn check_family(sys: &mut Sys<'_, SimKernel>, family: &str) -> Done<()> {
    match family {
        "inet" => return Ok(()),
        "inet6" => sys.err("INET6 (IPv6) not configured in this system.\n"),
        known if super::FAMILIES.contains(&known) => {
            sys.err(&format!("route: {known}: no routing table of this family\n"))
        }
        other => sys.err(&format!("Unknown address family `{other}'.\n")),
    }
    Err(1)
}

fn show(sys: &mut Sys<'_, SimKernel>, extended: u32, numeric: bool, cache: bool) {
    if cache {
        // The kernel has none since Linux 3.6.
        sys.out(
            "Kernel IP routing cache\nSource          Destination     Gateway         Flags Metric Ref    Use Iface\n",
        );
        return;
    }
    let columns = match extended {
        0 => Columns::Use,
        1 => Columns::Metrics,
        _ => Columns::All,
    };
    let text = table::routes(sys, columns, numeric);
    sys.out(&text);
}

/// Reads what follows `add` or `del`.
struct Reader<'w> {
    words: core::slice::Iter<'w, &'w str>,
    netmask: Option<u32>,
}

impl<'w> Reader<'w> {
    fn entry(mut self, sys: &mut Sys<'_, SimKernel>, add: bool) -> Done<RtEntry> {
        let forced = self.words.as_slice().first().copied().filter(|w| matches!(*w, "#net" | "#host"));
        if forced.is_some() {
            self.words.next();
        }
        let target = self.argument(sys)?;
        let (target, length) = target.split_once('/').map_or((target, None), |(host, length)| (host, Some(length)));
        if let Some(length) = length {
            let mask = prefix_mask(length).ok_or_else(|| inet_usage(sys))?;
            self.netmask = Some(mask).filter(|m| *m != 0);
        }
        let first = if forced == Some("#host") { First::Hosts } else { First::Networks };
        let found = resolve_or_tell(sys, target, first).ok_or(6)?;
        let net = forced.map_or(found.net, |word| word == "#net");
        let mut entry = RtEntry {
            dst: found.addr,
            mask: Ipv4Addr::UNSPECIFIED,
            host: !net,
            reject: false,
            gateway: None,
            metric: 0,
            dev: None,
            metrics: [None; 3],
        };
        while let Some(word) = self.words.next() {
            self.word(sys, word, &mut entry)?;
        }
        if entry.reject && add && entry.dev.is_none() {
            entry.dev = Some("lo".into());
        }
        self.check_mask(sys, &mut entry)?;
        Ok(entry)
    }

    fn argument(&mut self, sys: &mut Sys<'_, SimKernel>) -> Done<&'w str> {
        self.words.next().copied().ok_or_else(|| inet_usage(sys))
    }

    fn number(&mut self, sys: &mut Sys<'_, SimKernel>) -> Done<u32> {
        Ok(atoi(self.argument(sys)?) as u32)
    }

    fn refuse(sys: &mut Sys<'_, SimKernel>, why: &str) -> i32 {
        sys.err(&format!("route: {why}\n"));
        inet_usage(sys)
    }

    fn word(&mut self, sys: &mut Sys<'_, SimKernel>, word: &str, entry: &mut RtEntry) -> Done<()> {
        match word {
            "metric" => {
                let metric = self.argument(sys)?;
                if !metric.starts_with(|c: char| c.is_ascii_digit()) {
                    return Err(inet_usage(sys));
                }
                // `rt_metric` is a short that counts from 1; 0 is no metric.
                let short = atoi(metric).wrapping_add(1) as i16;
                entry.metric = if short == 0 { 0 } else { (i32::from(short) - 1) as u32 };
            }
            "netmask" => {
                let text = self.argument(sys)?;
                if self.netmask.is_some() {
                    return Err(inet_usage(sys));
                }
                let found = resolve_or_tell(sys, text, First::Networks).ok_or(6)?;
                self.netmask = Some(u32::from(found.addr)).filter(|m| *m != 0);
            }
            "gw" | "gateway" => {
                let text = self.argument(sys)?;
                if entry.gateway.is_some() {
                    return Err(inet_usage(sys));
                }
                let found = resolve_or_tell(sys, text, First::Hosts).ok_or(6)?;
                if found.net {
                    return Err(Self::refuse(sys, &format!("{text}: cannot use a NETWORK as gateway!")));
                }
                entry.gateway = Some(found.addr);
            }
            "mss" | "mtu" => {
                let mss = self.number(sys)?;
                if !(64..=65536).contains(&mss) {
                    return Err(Self::refuse(sys, "Invalid MSS/MTU."));
                }
                entry.metrics[0] = Some(mss);
            }
            "window" => {
                let window = self.number(sys)?;
                if window < 128 {
                    return Err(Self::refuse(sys, "Invalid window."));
                }
                entry.metrics[1] = Some(window);
            }
            "irtt" => entry.metrics[2] = Some(self.number(sys)?),
            "reject" => entry.reject = true,
            // Marks for the reader of the table that Linux does not keep.
            "mod" | "dyn" | "reinstate" => {}
            "dev" | "device" => {
                if entry.dev.is_some() {
                    return Err(inet_usage(sys));
                }
                entry.dev = Some(self.argument(sys)?.to_owned());
            }
            // The last word may be a link.
            dev if entry.dev.is_none() && self.words.len() == 0 => entry.dev = Some(dev.to_owned()),
            _ => return Err(inet_usage(sys)),
        }
        Ok(())
    }

    fn check_mask(&self, sys: &mut Sys<'_, SimKernel>, entry: &mut RtEntry) -> Done<()> {
        let Some(mask) = self.netmask else { return Ok(()) };
        entry.mask = Ipv4Addr::from(mask);
        let hosts = !mask;
        if entry.host {
            return Err(Self::refuse(sys, &format!("netmask {hosts:08x} doesn't make sense with host route")));
        }
        if hosts & hosts.wrapping_add(1) != 0 {
            let text = Ipv4Addr::from(mask);
            return Err(Self::refuse(sys, &format!("bogus netmask {text}")));
        }
        if u32::from(entry.dst) & hosts != 0 {
            return Err(Self::refuse(sys, "netmask doesn't match route address"));
        }
        Ok(())
    }
}
