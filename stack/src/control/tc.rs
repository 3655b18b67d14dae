//! The hooks of a link and the programs there: `tc qdisc add dev LINK clsact`, and what a loader of programs does. Models
//! `ingress_init`, `clsact_init` and `tc_new_tfilter` of `net/sched`.

use hopwise_sim_core::{IfIndex, NsId};

use super::qdisc::Verb;
use crate::dev::Dev;
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

    /// Puts a program at a hook of a link, in the place of the one with the same preference and handle, or in front of the
    /// others of that preference (`cls_bpf_change`).
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
        match filters.iter_mut().find(|old| (old.pref, old.handle) == place) {
            Some(old) => *old = filter,
            None => {
                let at = filters.partition_point(|other| other.pref < filter.pref);
                filters.insert(at, filter);
            }
        }
        Ok(())
    }

    /// `tc filter del`: all programs of a hook, or those of one preference (`tc_del_tfilter`).
    ///
    /// # Errors
    /// In the kernel's words.
    pub fn filter_del(&mut self, ns: NsId, link: IfIndex, parent: u32, which: FilterKey) -> Result<(), NlError> {
        let dev = self.ns_mut(ns).and_then(|space| space.devs.get_mut(link)).ok_or(Errno::ENODEV)?;
        let FilterKey { pref, foreign, handle, kind, chain } = which;
        let pref = pref.filter(|pref| *pref != 0);
        if pref.is_none() && (foreign.is_some() || handle.is_some() || kind.is_some()) {
            return Err(NlError::with(Errno::EINVAL, "Cannot flush filters with protocol, handle or kind set"));
        }
        let hook = hook_at(dev, parent)?.1;
        let filters = dev.clsact.as_deref_mut().ok_or_else(no_parent)?.filters_mut(hook);
        let Some(pref) = pref else {
            if chain == 0 {
                filters.clear();
            }
            return Ok(());
        };
        let same = |filter: &&Filter| handle.is_none_or(|one| filter.handle == one);
        let meant: Vec<u32> = find(filters, pref, &which)?.filter(same).map(|filter| filter.handle).collect();
        if meant.is_empty() {
            return Err(NlError::with(Errno::ENOENT, "Specified filter handle not found"));
        }
        filters.retain(|filter| filter.pref != pref || !meant.contains(&filter.handle));
        Ok(())
    }

    /// `tc filter get`: one program (`tc_get_tfilter`).
    ///
    /// # Errors
    /// In the kernel's words.
    pub fn filter_get(&self, ns: NsId, link: IfIndex, parent: u32, which: FilterKey) -> Result<Filter, NlError> {
        let dev = self.ns(ns).and_then(|space| space.devs.get(link)).ok_or(Errno::ENODEV)?;
        let (clsact, hook) = hook_at(dev, parent)?;
        let mut found = find(clsact.filters(hook), which.pref.unwrap_or(0), &which)?;
        let found = found.find(|filter| Some(filter.handle) == which.handle).cloned();
        found.ok_or_else(|| NlError::with(Errno::ENOENT, "Specified filter handle not found"))
    }
}

/// The hook that a filter's parent means (`__tcf_qdisc_find`, `__tcf_qdisc_cl_find`, `__tcf_block_find`).
fn hook_at(dev: &Dev, parent: u32) -> Result<(&Clsact, Hook), NlError> {
    if parent == 0 {
        return Err(NlError::with(Errno::EINVAL, "Qdisc not classful"));
    }
    let Some(clsact) = dev.clsact.as_deref().filter(|_| parent >> 16 == 0xffff) else { return Err(no_parent()) };
    match clsact.hook_of(parent) {
        Some(hook) => Ok((clsact, hook)),
        None if parent & 0xffff == 0 => Err(Errno::EINVAL.into()),
        None => Err(NlError::with(Errno::ENOENT, "Specified class doesn't exist")),
    }
}

/// The filters of a preference, if that is what the rest of the key says, too. All programs are there for every protocol.
fn find<'a>(
    filters: &'a [Filter],
    pref: u16,
    which: &FilterKey,
) -> Result<impl Iterator<Item = &'a Filter> + use<'a>, NlError> {
    if filters.is_empty() || which.chain != 0 {
        return Err(NlError::with(Errno::ENOENT, "Cannot find specified filter chain"));
    }
    if filters.iter().all(|filter| filter.pref != pref) {
        return Err(NlError::with(Errno::ENOENT, "Filter with specified priority/protocol not found"));
    }
    if which.foreign == Some(true) {
        return Err(NlError::with(Errno::EINVAL, "Protocol mismatch for filter with specified priority"));
    }
    if which.kind == Some(false) {
        return Err(NlError::with(Errno::EINVAL, "Specified filter kind does not match existing one"));
    }
    Ok(filters.iter().filter(move |filter| filter.pref == pref))
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
    /// The chain; all filters are in the first one.
    pub chain: u32,
}

fn no_parent() -> NlError {
    NlError::with(Errno::EINVAL, "Parent Qdisc doesn't exists")
}
