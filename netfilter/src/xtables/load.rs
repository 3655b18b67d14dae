//! The matches and targets that a command line names: they are loaded when they are, and take their options from then on.

use smallvec::SmallVec;

use super::number;
use super::{Call, Done, Opt, Refusal, check_together};
use crate::matches::{self, Match};
use crate::names::{Names, protocol_name};
use crate::rules::{IpMatch, Rule, Target};
use crate::targets::TargetKind;

/// An extension that was named.
pub(super) enum Ext {
    Match(Match),
    Target(TargetKind),
}

impl Ext {
    fn name(&self) -> &'static str {
        match self {
            Ext::Match(m) => m.name(),
            Ext::Target(t) => t.name(),
        }
    }

    fn options(&self) -> &'static [Opt] {
        match self {
            Ext::Match(m) => m.options(),
            Ext::Target(t) => t.options(),
        }
    }

    fn wants_second(&self, opt: &Opt) -> Option<&'static str> {
        match self {
            Ext::Match(m) => m.wants_second(opt),
            Ext::Target(t) => t.wants_second(opt),
        }
    }
}

/// Those that were named so far.
#[derive(Default)]
pub(super) struct Loaded {
    exts: SmallVec<[Ext; 3]>,
    /// Their options.
    pub(super) options: SmallVec<[&'static [Opt]; 3]>,
    /// Bits of the options that each was given.
    seen: SmallVec<[u32; 3]>,
    /// The protocol's match was loaded because of an option.
    proto_used: bool,
}

/// An option that was found, and what is known where it stands.
pub(super) struct Found<'a> {
    /// Whose it is.
    pub(super) at: usize,
    pub(super) opt: &'static Opt,
    pub(super) arg: Option<&'a str>,
    pub(super) inv: bool,
}

impl Loaded {
    /// Loads one that was named.
    pub(super) fn load(&mut self, ext: Ext) {
        self.options.push(ext.options());
        self.seen.push(0);
        self.exts.push(ext);
    }

    /// An unknown option may be one of the protocol's match, which is loaded then (`load_proto`). Whether it was.
    pub(super) fn load_protocol(&mut self, word: &str, names: &dyn Names) -> bool {
        let name = match number::within(word, 0, 255) {
            Some(number) => protocol_name(names, number as u8).unwrap_or_default(),
            None => word.to_ascii_lowercase(),
        };
        let Some(kind) = matches::find(&name) else { return false };
        let loaded = self.exts.iter().any(|ext| matches!(ext, Ext::Match(_)) && ext.name() == kind.name);
        if loaded && self.proto_used {
            return false;
        }
        self.proto_used = true;
        self.load(Ext::Match((kind.make)()));
        true
    }

    /// Gives an option to the extension that it belongs to. `second` takes the word behind its argument.
    pub(super) fn option<'a>(
        &mut self,
        found: &Found<'a>,
        ip: &IpMatch,
        names: &dyn Names,
        second: impl FnOnce() -> Option<&'a str>,
    ) -> Done {
        let ext = &mut self.exts[found.at];
        // Of options that mean the same, errors name the first.
        let opt = ext.options().iter().find(|first| first.bit == found.opt.bit).unwrap_or(found.opt);
        let arg = found.arg.unwrap_or_default();
        let seen = self.seen[found.at];
        let mut call = Call { ext: ext.name(), opt, arg, second: "", inv: found.inv, seen, ip, names };
        call.admit()?;
        if let Some(missing) = ext.wants_second(opt) {
            call.second = second().ok_or_else(|| Refusal::new(missing))?;
        }
        match ext {
            Ext::Match(m) => m.option(&call)?,
            Ext::Target(t) => t.option(&call)?,
        }
        self.seen[found.at] |= 1 << opt.bit;
        Ok(())
    }

    /// All options were given: first the matches say what they miss, then the target.
    pub(super) fn finish(&mut self, ip: &IpMatch) -> Done {
        for targets in [false, true] {
            for (ext, seen) in self.exts.iter_mut().zip(&self.seen) {
                if matches!(ext, Ext::Target(_)) == targets {
                    finish_ext(ext, *seen, ip)?;
                }
            }
        }
        Ok(())
    }

    /// Puts them into a rule; whether there was a target among them.
    pub(super) fn put_into(&mut self, rule: &mut Rule) -> bool {
        let mut named = false;
        for ext in self.exts.drain(..) {
            match ext {
                // What nf_tables asks without a match of its own is told as one match (`nft_create_match`).
                Ext::Match(m) if rule.matches.iter_mut().any(|earlier| earlier.absorb(&m)) => {}
                Ext::Match(m) => rule.matches.push(m),
                Ext::Target(t) => {
                    rule.target = Target::Ext(t);
                    named = true;
                }
            }
        }
        named
    }
}

fn finish_ext(ext: &mut Ext, seen: u32, ip: &IpMatch) -> Done {
    check_together(ext.name(), ext.options(), seen)?;
    match ext {
        Ext::Match(m) => m.finish(seen, ip),
        Ext::Target(t) => t.finish(seen, ip),
    }
}
