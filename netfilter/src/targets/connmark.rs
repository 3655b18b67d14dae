//! `-j CONNMARK`: the mark of the connection (`net/netfilter/xt_connmark.c`).

use super::mark::{change, told};
use super::{Acts, Extension, Outcome};
use crate::matches::How;
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// What is done.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Mode {
    /// `mark = (mark & !ctmask) ^ value`.
    Set(u32),
    /// The packet's mark goes to the connection.
    Save,
    /// The connection's mark goes to the packet.
    Restore,
}

/// A change of marks.
#[derive(Clone, PartialEq, Debug)]
pub struct Connmark {
    mode: Mode,
    ctmask: u32,
    nfmask: u32,
}

/// The options that say what is done.
const MODES: u32 = 0b111_1111;
const MASKS: u32 = 0b11 << 8;

static OPTIONS: &[Opt] = &[
    Opt::arg("set-xmark", 0).excl(MODES),
    Opt::arg("set-mark", 1).excl(MODES),
    Opt::arg("and-mark", 2).excl(MODES),
    Opt::arg("or-mark", 3).excl(MODES),
    Opt::arg("xor-mark", 4).excl(MODES),
    Opt::flag("save-mark", 5).excl(MODES),
    Opt::flag("restore-mark", 6).excl(MODES),
    Opt::arg("mask", 7).excl(MASKS),
    Opt::arg("ctmask", 8).excl(1 << 7),
    Opt::arg("nfmask", 9).excl(1 << 7),
];

impl Extension for Connmark {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Connmark { mode: Mode::Save, ctmask: u32::MAX, nfmask: u32::MAX }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.name {
            "save-mark" => self.mode = Mode::Save,
            "restore-mark" => self.mode = Mode::Restore,
            "mask" => {
                self.ctmask = call.integer()?;
                self.nfmask = self.ctmask;
            }
            "ctmask" => self.ctmask = call.integer()?,
            "nfmask" => self.nfmask = call.integer()?,
            _ => {
                let (value, mask) = change(call)?;
                (self.mode, self.ctmask) = (Mode::Set(value), mask);
            }
        }
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen & MODES == 0 { Err(Refusal::new("CONNMARK target: No operation specified")) } else { Ok(()) }
    }

    fn save(&self, out: &mut String) {
        let (ct, nf) = (self.ctmask, self.nfmask);
        out.push_str(&match self.mode {
            Mode::Set(value) => format!(" --set-xmark {value:#x}/{ct:#x}"),
            Mode::Save => format!(" --save-mark --nfmask {nf:#x} --ctmask {ct:#x}"),
            Mode::Restore => format!(" --restore-mark --nfmask {nf:#x} --ctmask {ct:#x}"),
        });
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        let (ct, nf) = (self.ctmask, self.nfmask);
        let word = match self.mode {
            Mode::Set(value) => {
                out.push_str(&format!(" CONNMARK {}", told(value, ct)));
                return;
            }
            Mode::Save => "save",
            Mode::Restore => "restore",
        };
        out.push_str(&format!(" CONNMARK {word}"));
        if ct == nf {
            out.push_str(&if ct == u32::MAX { String::new() } else { format!(" mask {ct:#x}") });
        } else if self.mode == Mode::Save {
            out.push_str(&format!(" nfmask {nf:#x} ctmask ~{ct:#x}"));
        } else {
            out.push_str(&format!(" ctmask {ct:#x} nfmask ~{nf:#x}"));
        }
    }

    fn tracks(&self) -> bool {
        true
    }

    fn sample(rng: &mut Rng) -> String {
        let words = ["--set-mark 5", "--set-xmark 5/7", "--and-mark 3", "--or-mark 4", "--save-mark", "--restore-mark --mask 6"];
        format!("-j CONNMARK {}", words[rng.below(6) as usize])
    }
}

impl Acts for Connmark {
    fn may_stand(&self, _: &Place<'_>) -> bool {
        true
    }

    fn act(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        if let Some(conn) = &mut skb.conn {
            match self.mode {
                Mode::Set(value) => conn.set_mark((conn.mark & !self.ctmask) ^ value),
                Mode::Save => conn.set_mark((conn.mark & !self.ctmask) ^ (skb.packet.mark & self.nfmask)),
                Mode::Restore => skb.packet.mark = (skb.packet.mark & !self.nfmask) ^ (conn.mark & self.ctmask),
            }
        }
        Outcome::Continue
    }
}
