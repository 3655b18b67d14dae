//! `-j TCPOPTSTRIP`: options of TCP become no-operations (`net/netfilter/xt_TCPOPTSTRIP.c`).

use super::{Acts, Extension, Outcome, rewrite};
use crate::hook::TableId;
use crate::matches::How;
use crate::rules::{Cx, Place, Verdict};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number};
use hopwise_sim_core::Rng;

/// The options, one bit each.
#[derive(Clone, PartialEq, Debug)]
pub struct Tcpoptstrip([u128; 2]);

static OPTIONS: &[Opt] = &[Opt::arg("strip-options", 0)];

const NAMES: [(&str, u8); 6] =
    [("wscale", 3), ("mss", 2), ("sack-permitted", 4), ("sack", 5), ("timestamp", 8), ("md5", 19)];

/// `TCPOPT_NOP`.
const NOP: u8 = 1;

fn option(word: &str) -> Done<u8> {
    if let Some(row) = NAMES.iter().find(|row| row.0 == word) {
        return Ok(row.1);
    }
    let kind = number::within(word, 0, 255).ok_or_else(|| Refusal::new(format!("Bad TCP option value \"{word}\"")))?;
    if kind < 2 { Err(Refusal::new("Option value may not be 0 or 1")) } else { Ok(kind as u8) }
}

impl Tcpoptstrip {
    const fn has(&self, kind: u8) -> bool {
        self.0[kind as usize / 128] >> (kind % 128) & 1 != 0
    }

    fn text(&self, numeric: bool) -> String {
        let name = |kind: u8| {
            let row = NAMES.iter().find(|row| row.1 == kind && !numeric);
            row.map_or_else(|| kind.to_string(), |row| row.0.to_owned())
        };
        (0..=255).filter(|kind| self.has(*kind)).map(name).collect::<Vec<_>>().join(",")
    }
}

impl Extension for Tcpoptstrip {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Tcpoptstrip([0; 2])
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        for word in call.arg.split(',') {
            let kind = option(word)?;
            if self.has(kind) {
                return Err(Refusal::new(format!("Option \"{word}\" already specified")));
            }
            self.0[usize::from(kind / 128)] |= 1 << (kind % 128);
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        if *self != Tcpoptstrip::new() {
            out.push_str(&format!(" --strip-options {}", self.text(true)));
        }
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        if *self != Tcpoptstrip::new() {
            out.push_str(&format!(" TCPOPTSTRIP options {}", self.text(how.numeric)));
        }
    }

    fn sample(rng: &mut Rng) -> String {
        let list = ["2", "timestamp,mss", "3,4,5,8,19,254", "sack-permitted"];
        match rng.below(5) {
            4 => "-p tcp -j TCPOPTSTRIP".to_owned(),
            n => format!("-p tcp -j TCPOPTSTRIP --strip-options {}", list[n as usize]),
        }
    }
}

impl Acts for Tcpoptstrip {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.table == TableId::Mangle && place.ip.only_protocol() == Some(6)
    }

    fn act(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        if skb.head.fragment != 0 {
            return Outcome::Continue;
        }
        let Some(end) = skb.tcp().map(<[u8]>::len) else { return Outcome::Verdict(Verdict::Drop) };
        let tcp = skb.head.transport;
        let data = skb.packet.data_mut();
        let mut at = 20;
        while at + 1 < end {
            let (kind, len) = (data[tcp + at], usize::from(data[tcp + at + 1]));
            let len = if kind <= NOP || len == 0 { 1 } else { len };
            if at + len > end {
                break;
            }
            if self.has(kind) {
                (at..at + len).for_each(|place| rewrite::put_byte(data, tcp, place, NOP));
            }
            at += len;
        }
        Outcome::Continue
    }
}
