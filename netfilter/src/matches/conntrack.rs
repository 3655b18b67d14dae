//! `-m conntrack`: the packet's connection (`net/netfilter/xt_conntrack.c`).

use core::net::Ipv4Addr;

use super::state::States;
use super::{Asks, Extension, How};
use crate::conntrack::{Conn, ConnStatus, Direction};
use crate::names::protocol;
use crate::rules::{Cx, IpMatch};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, mask_len};
use hopwise_sim_core::Rng;

/// What is asked; the bits of `asked` and `inv` are those of [`OPTIONS`].
#[derive(Clone, PartialEq, Debug)]
pub struct Conntrack {
    asked: u32,
    inv: u32,
    states: States,
    protocol: u8,
    /// Original source and destination, reply source and destination: address and mask.
    addrs: [(u32, u32); 4],
    /// The same four ends: ranges of ports.
    ports: [(u16, u16); 4],
    status: ConnStatus,
    expire: (u32, u32),
    reply: bool,
}

const STATE: u8 = 0;
const PROTO: u8 = 1;
const ADDRS: u8 = 2;
const PORTS: u8 = 6;
const STATUS: u8 = 10;
const EXPIRE: u8 = 11;
const DIR: u8 = 12;

static OPTIONS: &[Opt] = &[
    Opt::arg("ctstate", STATE).inv(),
    Opt::arg("ctproto", PROTO).inv(),
    Opt::arg("ctorigsrc", ADDRS).inv(),
    Opt::arg("ctorigdst", ADDRS + 1).inv(),
    Opt::arg("ctreplsrc", ADDRS + 2).inv(),
    Opt::arg("ctrepldst", ADDRS + 3).inv(),
    Opt::arg("ctorigsrcport", PORTS).inv(),
    Opt::arg("ctorigdstport", PORTS + 1).inv(),
    Opt::arg("ctreplsrcport", PORTS + 2).inv(),
    Opt::arg("ctrepldstport", PORTS + 3).inv(),
    Opt::arg("ctstatus", STATUS).inv(),
    Opt::arg("ctexpire", EXPIRE).inv(),
    Opt::arg("ctdir", DIR),
];

const STATUSES: [(&str, ConnStatus); 5] = [
    ("NONE", ConnStatus::empty()),
    ("EXPECTED", ConnStatus::EXPECTED),
    ("SEEN_REPLY", ConnStatus::SEEN_REPLY),
    ("ASSURED", ConnStatus::ASSURED),
    ("CONFIRMED", ConnStatus::CONFIRMED),
];

fn statuses(word: &str) -> Done<ConnStatus> {
    word.split(',').try_fold(ConnStatus::empty(), |all, word| {
        let begins = |name: &str| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let found = STATUSES.iter().find(|row| !word.is_empty() && begins(row.0));
        let row = found.ok_or_else(|| Refusal::new(format!("Bad ctstatus \"{word}\"")))?;
        Ok(all | row.1)
    })
}

fn span<T: PartialEq + core::fmt::Display>((from, to): (T, T)) -> String {
    if from == to { from.to_string() } else { format!("{from}:{to}") }
}

impl Conntrack {
    fn has(&self, bit: u8) -> bool {
        self.asked & (1 << bit) != 0
    }

    /// Whether a demand is met, negated if it was: one that was not made always is.
    fn met(&self, bit: u8, fits: impl FnOnce() -> bool) -> bool {
        !self.has(bit) || fits() != (self.inv & (1 << bit) != 0)
    }

    fn put(&self, out: &mut String, dashes: &str) {
        for opt in OPTIONS.iter().filter(|o| self.has(o.bit)) {
            out.push_str(if self.inv & (1 << opt.bit) != 0 { " ! " } else { " " });
            out.push_str(dashes);
            out.push_str(opt.name);
            out.push(' ');
            match opt.bit {
                STATE => self.states.put(out),
                PROTO => out.push_str(&self.protocol.to_string()),
                ADDRS..PORTS => {
                    let (addr, mask) = self.addrs[usize::from(opt.bit - ADDRS)];
                    out.push_str(&Ipv4Addr::from(addr).to_string());
                    match mask_len(mask) {
                        Some(32) => {}
                        Some(len) => out.push_str(&format!("/{len}")),
                        None => out.push_str(&format!("/{}", Ipv4Addr::from(mask))),
                    }
                }
                PORTS..STATUS => out.push_str(&span(self.ports[usize::from(opt.bit - PORTS)])),
                STATUS => put_status(out, self.status),
                EXPIRE => out.push_str(&span(self.expire)),
                _ => out.push_str(if self.reply { "REPLY" } else { "ORIGINAL" }),
            }
        }
    }

    fn conn_fits(&self, conn: &Conn, skb: &Skb<'_>, cx: &Cx<'_>) -> bool {
        let reply = skb.conn_info().is_some_and(|info| info.is_reply());
        let (orig, repl) = (conn.tuple(Direction::Original), conn.tuple(Direction::Reply));
        let ends = [orig.src, orig.dst, repl.src, repl.dst];
        self.met(DIR, || reply == self.reply)
            && self.met(PROTO, || orig.protocol == self.protocol)
            && (0..4).all(|i| {
                let (end, (addr, mask), (from, to)) = (ends[i], self.addrs[i], self.ports[i]);
                self.met(ADDRS + i as u8, || end.addr.to_bits() & mask == addr)
                    && self.met(PORTS + i as u8, || (from..=to).contains(&end.port))
            })
            && self.met(STATUS, || conn.status.intersects(self.status))
            && self.met(EXPIRE, || {
                let left = conn.expires.since(cx.env.now()).as_secs();
                (u64::from(self.expire.0)..=u64::from(self.expire.1)).contains(&left)
            })
    }
}

fn put_status(out: &mut String, status: ConnStatus) {
    if status.is_empty() {
        out.push_str("NONE");
    }
    let names: Vec<&str> = STATUSES[1..].iter().filter(|row| status.contains(row.1)).map(|row| row.0).collect();
    out.push_str(&names.join(","));
}

impl Extension for Conntrack {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Conntrack {
            asked: 0,
            inv: 0,
            states: States::empty(),
            protocol: 0,
            addrs: [(0, 0); 4],
            ports: [(0, 0); 4],
            status: ConnStatus::empty(),
            expire: (0, 0),
            reply: false,
        }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let bit = call.opt.bit;
        match bit {
            STATE => self.states = States::parse(call.arg, States::all(), "ctstate")?,
            PROTO => {
                let unknown = || Refusal::new(format!("unknown protocol \"{}\" specified", call.arg));
                self.protocol = protocol(call.names, call.arg).ok_or_else(unknown)?;
                if self.protocol == 0 && call.inv {
                    return Err(Refusal::new("conntrack: rule would never match protocol"));
                }
            }
            ADDRS..PORTS => {
                let (addr, mask) = call.host_mask()?;
                self.addrs[usize::from(bit - ADDRS)] = (addr & mask, mask);
            }
            PORTS..STATUS => self.ports[usize::from(bit - PORTS)] = call.ports()?,
            STATUS => self.status = statuses(call.arg)?,
            EXPIRE => {
                let (from, to) = call.range(u32::MAX.into())?;
                self.expire = (from as u32, to as u32);
            }
            _ => {
                self.reply = match call.arg.to_ascii_uppercase().as_str() {
                    "ORIGINAL" => false,
                    "REPLY" => true,
                    _ => return Err(Refusal::new(format!("conntrack: Bad value for \"--ctdir\" option: \"{}\"", call.arg))),
                }
            }
        }
        self.asked |= 1 << bit;
        self.inv |= u32::from(call.inv) << bit;
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen == 0 { Err(Refusal::new("conntrack: At least one option is required")) } else { Ok(()) }
    }

    fn save(&self, out: &mut String) {
        self.put(out, "--");
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        self.put(out, "");
    }

    fn tracks(&self) -> bool {
        true
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        let what = match rng.below(6) {
            0 => "--ctstate RELATED,ESTABLISHED",
            1 => "--ctstate NEW",
            2 => "--ctstate INVALID,DNAT",
            3 => "--ctstatus ASSURED,CONFIRMED",
            4 => "--ctorigdst 10.0.0.0/8",
            _ => "--ctorigdstport 80:90",
        };
        format!("-m conntrack {inv}{what}")
    }
}

impl Asks for Conntrack {
    #[inline]
    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        if !self.met(STATE, || States::of(skb).intersects(self.states)) {
            return false;
        }
        if self.asked & !(1 << STATE) == 0 {
            return true;
        }
        match &skb.conn {
            Some(conn) => self.conn_fits(conn, skb, cx),
            // Without a connection nothing but the state can be asked.
            None => self.has(STATE),
        }
    }
}
