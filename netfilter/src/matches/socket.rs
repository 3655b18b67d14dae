//! `-m socket`: whether a socket of this host is there for the packet (`net/netfilter/xt_socket.c`).

use super::{Asks, Extension, How};
use crate::conntrack::{ConnStatus, Direction};
use crate::env::SocketQuestion;
use crate::hook::Hook;
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::{ConnInfo, Rng};

/// Which sockets count; the bits are those of [`OPTIONS`].
#[derive(Clone, PartialEq, Debug)]
pub struct Socket(u8);

const TRANSPARENT: u8 = 1 << 0;
const NOWILDCARD: u8 = 1 << 1;
const RESTORE: u8 = 1 << 2;

static OPTIONS: &[Opt] =
    &[Opt::flag("transparent", 0), Opt::flag("nowildcard", 1), Opt::flag("restore-skmark", 2)];

impl Socket {
    fn put(&self, out: &mut String) {
        for opt in OPTIONS.iter().filter(|opt| self.0 & 1 << opt.bit != 0) {
            out.push_str(&format!(" --{}", opt.name));
        }
    }
}

/// Whose socket the packet is for: of an answer to a connection whose source was changed, the one that began it
/// (`nf_sk_lookup_slow_v4`).
fn question(skb: &Skb<'_>) -> Option<SocketQuestion> {
    let (sport, dport) = skb.head.ports?;
    let mut asked = SocketQuestion {
        protocol: skb.head.protocol,
        from: (skb.src(), sport),
        to: (skb.dst(), dport),
        link: skb.input.index,
    };
    if let Some(conn) = &skb.conn
        && conn.status.contains(ConnStatus::SRC_NAT_DONE)
        && skb.conn_info() == Some(ConnInfo::EstablishedReply)
    {
        let began = conn.tuple(Direction::Original).src;
        asked.to = (began.addr, began.port);
    }
    Some(asked)
}

impl Extension for Socket {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Socket(0)
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        self.0 |= 1 << call.opt.bit;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        self.put(out);
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(" socket");
        self.put(out);
    }

    fn sample(rng: &mut Rng) -> String {
        let flags = ["", " --transparent", " --nowildcard", " --restore-skmark --nowildcard"];
        format!("-m socket{}", flags[rng.below(4) as usize])
    }
}

impl Asks for Socket {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.only(&[Hook::PreRouting, Hook::LocalIn])
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        let Some(found) = question(skb).and_then(|question| cx.env.socket(&question)) else { return false };
        // Who listens on all addresses is meant by no address of this host: it counts only if it is said so. No program here
        // makes a transparent socket.
        if (found.wildcard && self.0 & NOWILDCARD == 0) || self.0 & TRANSPARENT != 0 {
            return false;
        }
        if self.0 & RESTORE != 0 && let Some(mark) = found.mark {
            skb.packet.mark = mark;
        }
        true
    }
}
