//! The hooks of a link and the programs there: `tc qdisc add dev LINK clsact`, and what a loader of programs does. Models
//! `ingress_init`, `clsact_init` and `tc_new_tfilter` of `net/sched`.

use hopwise_sim_core::{IfIndex, NsId};

use super::qdisc::Verb;
use crate::error::{Errno, NlError};
use crate::network::Network;
use crate::path::tc::{Clsact, Filter, Hook};

impl Network {
    /// `tc qdisc add`, `change` and `replace` for `clsact` and `ingress`, which have no options.
    ///
    /// # Errors
    /// In the kernel's words.
    pub fn clsact_modify(&mut self, ns: NsId, link: IfIndex, verb: Verb, ingress_only: bool) -> Result<(), NlError> {
        let dev = self.ns_mut(ns).and_then(|space| space.devs.get_mut(link)).ok_or(Errno::ENODEV)?;
        match &dev.clsact {
            Some(_) if verb == Verb::Add => Err(NlError::with(Errno::EEXIST, "Exclusivity flag on, cannot modify")),
            Some(old) if old.ingress_only != ingress_only => {
                Err(NlError::with(Errno::EINVAL, "Invalid qdisc name: must match existing qdisc"))
            }
            Some(_) => Ok(()),
            None if matches!(verb, Verb::Change | Verb::Link) => {
                Err(NlError::with(Errno::ENOENT, "Qdisc not found. To create specify NLM_F_CREATE flag"))
            }
            None => {
                dev.clsact = Some(Box::new(Clsact { ingress_only, ..Clsact::default() }));
                Ok(())
            }
        }
    }

    /// `tc qdisc del` for `clsact` and `ingress`: the programs go with it.
    ///
    /// # Errors
    /// In the kernel's words.
    pub fn clsact_del(&mut self, ns: NsId, link: IfIndex, ingress_only: bool) -> Result<(), NlError> {
        let dev = self.ns_mut(ns).and_then(|space| space.devs.get_mut(link)).ok_or(Errno::ENODEV)?;
        match &dev.clsact {
            None => Err(NlError::with(Errno::EINVAL, "Invalid handle")),
            Some(old) if old.ingress_only != ingress_only => {
                Err(NlError::with(Errno::EINVAL, "Invalid qdisc name: must match existing qdisc"))
            }
            Some(_) => {
                dev.clsact = None;
                Ok(())
            }
        }
    }

    /// Puts a program at a hook of a link, in the place of the one with the same preference and handle.
    ///
    /// # Errors
    /// In the kernel's words.
    pub fn filter_replace(&mut self, ns: NsId, link: IfIndex, hook: Hook, filter: Filter) -> Result<(), NlError> {
        let dev = self.ns_mut(ns).and_then(|space| space.devs.get_mut(link)).ok_or(Errno::ENODEV)?;
        if !dev.link.has_ethernet() {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let clsact = dev.clsact.as_mut().filter(|clsact| hook == Hook::Ingress || !clsact.ingress_only);
        let Some(clsact) = clsact else { return Err(no_parent()) };
        let filters = clsact.filters_mut(hook);
        let place = (filter.pref, filter.handle);
        filters.retain(|old| (old.pref, old.handle) != place);
        filters.push(filter);
        filters.sort_by_key(|filter| (filter.pref, filter.handle));
        Ok(())
    }

    /// `tc filter del`: all programs of a hook, or those of one preference.
    ///
    /// # Errors
    /// In the kernel's words.
    pub fn filter_del(&mut self, ns: NsId, link: IfIndex, hook: Hook, which: FilterKey) -> Result<(), NlError> {
        let dev = self.ns_mut(ns).and_then(|space| space.devs.get_mut(link)).ok_or(Errno::ENODEV)?;
        let clsact = dev.clsact.as_mut().filter(|clsact| hook == Hook::Ingress || !clsact.ingress_only);
        let Some(clsact) = clsact else { return Err(no_parent()) };
        let filters = clsact.filters_mut(hook);
        let FilterKey { pref, foreign, handle, kind } = which;
        let Some(pref) = pref.filter(|pref| *pref != 0) else {
            if foreign.is_some() || handle.is_some() || kind.is_some() {
                let why = "Cannot flush filters with protocol, handle or kind set";
                return Err(NlError::with(Errno::EINVAL, why));
            }
            filters.clear();
            return Ok(());
        };
        if filters.is_empty() {
            return Err(NlError::with(Errno::ENOENT, "Cannot find specified filter chain"));
        }
        // All programs are there for every protocol.
        if foreign == Some(true) || filters.iter().all(|filter| filter.pref != pref) {
            return Err(NlError::with(Errno::ENOENT, "Filter with specified priority/protocol not found"));
        }
        if kind.is_some_and(|bpf| !bpf) {
            return Err(NlError::with(Errno::EINVAL, "Specified filter kind does not match existing one"));
        }
        let meant = |filter: &Filter| filter.pref == pref && handle.is_none_or(|handle| filter.handle == handle);
        if !filters.iter().any(meant) {
            return Err(NlError::with(Errno::ENOENT, "Specified filter handle not found"));
        }
        filters.retain(|filter| !meant(filter));
        Ok(())
    }
}

/// Which filters of a hook are meant; all of them if nothing is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FilterKey {
    /// Those of this preference.
    pub pref: Option<u16>,
    /// A protocol was named; true: another one than `all`.
    pub foreign: Option<bool>,
    /// The one with this handle.
    pub handle: Option<u32>,
    /// A kind was named; true: `bpf`.
    pub kind: Option<bool>,
}

fn no_parent() -> NlError {
    NlError::with(Errno::EINVAL, "Parent Qdisc doesn't exists")
}
