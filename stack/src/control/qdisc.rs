//! Queueing disciplines: adding, changing and deleting them (`RTM_NEWQDISC`, `RTM_DELQDISC`). Models
//! `tc_modify_qdisc` and `tc_get_qdisc` of `net/sched/sch_api.c`.

use hopwise_devices::qdisc::{LinkFacts, Qdisc, Root, Spec};
use hopwise_sim_core::{HostId, IfIndex, NsId, Rng};

use crate::error::{Errno, NlError};
use crate::network::Network;
use crate::path;

/// How deep disciplines may stand one inside the other (`check_loop` of the kernel gives up there, too).
const MAX_DEPTH: usize = 8;

/// The handles that the kernel gives by itself begin here.
const FIRST_HANDLE: u16 = 0x8000;

/// What is asked for: the flags of the netlink message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    /// `tc qdisc add`.
    Add,
    /// `tc qdisc change`.
    Change,
    /// `tc qdisc replace`.
    Replace,
    /// `tc qdisc link`.
    Link,
}

impl Verb {
    const fn creates(self) -> bool {
        matches!(self, Verb::Add | Verb::Replace)
    }

    const fn replaces(self) -> bool {
        matches!(self, Verb::Replace | Verb::Link)
    }
}

/// Where a discipline stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parent {
    /// At the root of the link.
    Root,
    /// In a class: the major number of the discipline that it is in, the minor number of the class.
    Class(u16, u16),
}

/// A discipline to be added or changed.
#[derive(Clone, Debug)]
pub struct QdiscRequest {
    /// What is asked for.
    pub verb: Verb,
    /// Where; `None`: where the handle is.
    pub parent: Option<Parent>,
    /// The major number of its handle; 0: the kernel chooses.
    pub handle: u16,
    /// Its kind, if one was named; there need not be one of that name.
    pub kind: Option<String>,
    /// Its options, if the kind exists.
    pub spec: Option<Spec>,
}

fn refuse<T>(errno: Errno, text: &str) -> Result<T, NlError> {
    Err(NlError::with(errno, text))
}

impl Network {
    /// `tc qdisc add`, `change`, `replace` and `link`.
    ///
    /// # Errors
    /// In the kernel's words.
    pub fn qdisc_modify(&mut self, ns: NsId, link: IfIndex, request: &QdiscRequest) -> Result<(), NlError> {
        let root = self.root_qdisc(ns, link)?;
        let Some(parent) = request.parent else {
            if request.handle == 0 {
                return refuse(Errno::EINVAL, "Handle cannot be zero");
            }
            let found = root.and_then(|root| root.find(request.handle));
            let Some(found) = found else { return refuse(Errno::ENOENT, "Specified qdisc not found") };
            let handle = found.handle;
            return self.qdisc_change(ns, link, handle, request);
        };
        let old = match parent {
            Parent::Root => root,
            Parent::Class(major, minor) => {
                let Some(owner) = root.and_then(|root| root.find(major)).filter(|_| major != 0) else {
                    return refuse(Errno::ENOENT, "Failed to find specified qdisc");
                };
                leaf(owner, minor)?
            }
        };
        let old = old.filter(|old| old.handle != 0).map(|old| (old.handle, old.kind()));
        let same_kind = |kind: &str| request.kind.as_deref().is_none_or(|wanted| wanted == kind);
        if request.handle != 0 && old.is_none_or(|(handle, _)| handle != request.handle) {
            if old.is_some() && !request.verb.replaces() {
                return refuse(Errno::EEXIST, "NLM_F_REPLACE needed to override");
            }
            if root.is_some_and(|root| root.find(request.handle).is_some()) {
                return refuse(Errno::EINVAL, "Cannot move an existing qdisc to a different parent");
            }
            return self.qdisc_create(ns, link, parent, request);
        }
        match old {
            None => self.qdisc_create(ns, link, parent, request),
            Some((handle, kind)) => {
                let other = request.handle == 0 && !same_kind(kind) && request.verb != Verb::Add;
                // A discipline of another kind takes its place, with a handle of its own.
                if other {
                    self.qdisc_graft(ns, link, parent, request)
                } else {
                    self.qdisc_change(ns, link, handle, request)
                }
            }
        }
    }

    /// `qdisc_change`.
    fn qdisc_change(&mut self, ns: NsId, link: IfIndex, handle: u16, request: &QdiscRequest) -> Result<(), NlError> {
        if request.verb == Verb::Add {
            return refuse(Errno::EEXIST, "Exclusivity flag on, cannot modify");
        }
        let now = self.now();
        let Some(dev) = self.ns_mut(ns).and_then(|space| space.devs.get_mut(link)) else {
            return Err(Errno::ENODEV.into());
        };
        let facts = dev.facts();
        let found = dev.link.queue.as_mut().and_then(|root| root.qdisc.find_mut(handle));
        let Some(qdisc) = found else { return refuse(Errno::ENOENT, "Specified qdisc not found") };
        if request.kind.as_deref().is_some_and(|kind| kind != qdisc.kind()) {
            return refuse(Errno::EINVAL, "Invalid qdisc name: must match existing qdisc");
        }
        if let Some(spec) = request.spec.clone() {
            qdisc.change(spec, facts, now)?;
        }
        if let Some(root) = &mut dev.link.queue {
            // What waits may be due at another time now.
            root.watchdog = None;
        }
        self.small_bucket(ns, link, request);
        self.with(ns, |space, cx| path::qdisc::kick(space, cx, link));
        Ok(())
    }

    fn qdisc_create(&mut self, ns: NsId, link: IfIndex, at: Parent, request: &QdiscRequest) -> Result<(), NlError> {
        if !request.verb.creates() {
            return refuse(Errno::ENOENT, "Qdisc not found. To create specify NLM_F_CREATE flag");
        }
        self.qdisc_graft(ns, link, at, request)
    }

    /// `qdisc_create` and `qdisc_graft`.
    fn qdisc_graft(&mut self, ns: NsId, link: IfIndex, at: Parent, request: &QdiscRequest) -> Result<(), NlError> {
        let Some(spec) = request.spec.clone() else {
            return refuse(Errno::ENOENT, "Specified qdisc kind is unknown");
        };
        match (at, &spec) {
            // qdisc_graft, mq_init.
            (Parent::Class(..), Spec::Noqueue) => return refuse(Errno::EINVAL, "Cannot assign noqueue to a class"),
            (Parent::Class(..), Spec::Mq) => return Err(Errno::EOPNOTSUPP.into()),
            _ => {}
        }
        let space = self.ns(ns).ok_or(Errno::ENODEV)?;
        let dev = space.devs.get(link).ok_or(Errno::ENODEV)?;
        let (host, facts) = (space.host, dev.facts());
        let used = |handle: u16| dev.queue.as_ref().is_some_and(|root| root.qdisc.find(handle).is_some());
        let handle = match request.handle {
            0 => self.next_handle(host, used),
            handle => handle,
        };
        let seed = self.seed();
        let owner = self.host_mut(host).ok_or(Errno::ENODEV)?;
        if request.handle == 0 {
            owner.qdisc_handle = handle;
        }
        owner.qdiscs += 1;
        let serial = owner.qdiscs;
        let rng = Rng::stream(seed, "qdisc", (u64::from(host.0) << 32) | u64::from(serial));
        let class = match at {
            Parent::Root => 0,
            Parent::Class(_, minor) => minor,
        };
        let new = Qdisc::new(spec, handle, class, facts, rng)?;
        self.graft(ns, link, at, Some(new), facts)?;
        self.small_bucket(ns, link, request);
        Ok(())
    }

    /// Puts a discipline in the place of another one, or takes that away; what waited in it is dropped.
    fn graft(
        &mut self,
        ns: NsId,
        link: IfIndex,
        at: Parent,
        new: Option<Qdisc>,
        facts: LinkFacts,
    ) -> Result<(), NlError> {
        let done = self.with(ns, |space, cx| {
            let dev = space.devs.get_mut(link).ok_or(Errno::ENODEV)?;
            match at {
                Parent::Root => {
                    if let Some(mut old) = dev.link.queue.take() {
                        path::qdisc::reset(&mut old, cx);
                    }
                    dev.link.queue = new.map(|new| Box::new(Root::new(new)));
                }
                Parent::Class(major, minor) => {
                    let root = dev.link.queue.as_mut().ok_or(Errno::ENOENT)?;
                    let depth = new.as_ref().map_or(0, Qdisc::depth);
                    if depth + level(&root.qdisc, major).unwrap_or(0) > MAX_DEPTH {
                        return Err(NlError::with(Errno::ELOOP, "Qdisc parent/child loop detected"));
                    }
                    let owner = root.qdisc.find_mut(major).ok_or(Errno::ENOENT)?;
                    if let Some(old) = owner.graft(minor, new, facts) {
                        path::qdisc::reset(&mut Root::new(old), cx);
                    }
                }
            }
            Ok(())
        });
        done.unwrap_or(Err(Errno::ENODEV.into()))
    }

    /// The next handle that the kernel gives by itself (`qdisc_alloc_handle`).
    fn next_handle(&self, host: HostId, used: impl Fn(u16) -> bool) -> u16 {
        let mut handle = self.host(host).map_or(FIRST_HANDLE, |host| host.qdisc_handle);
        loop {
            handle = if handle >= 0xfffe { FIRST_HANDLE } else { handle + 1 };
            if !used(handle) {
                return handle;
            }
        }
    }

    /// A bucket that no full frame fits into drops them all: the kernel's log says so.
    fn small_bucket(&mut self, ns: NsId, link: IfIndex, request: &QdiscRequest) {
        let Some(Spec::Tbf(options)) = &request.spec else { return };
        let (now, burst) = (self.now(), options.burst);
        let Some(space) = self.ns_mut(ns) else { return };
        let Some(dev) = space.devs.get(link) else { return };
        let full = dev.mtu + dev.header_len() as u32;
        let name = dev.name.clone();
        if burst < full {
            space.log(now, format!("sch_tbf: burst {burst} is lower than device {name} mtu ({full}) !"));
        }
    }

    /// `tc qdisc del`.
    ///
    /// # Errors
    /// In the kernel's words.
    pub fn qdisc_del(
        &mut self,
        ns: NsId,
        link: IfIndex,
        parent: Option<Parent>,
        handle: u16,
        kind: Option<&str>,
    ) -> Result<(), NlError> {
        let root = self.root_qdisc(ns, link)?;
        let own = self.ns(ns).and_then(|space| space.devs.get(link)).map_or("noqueue", |dev| dev.qdisc.name());
        let found = match parent {
            None => match root.and_then(|root| root.find(handle)).filter(|_| handle != 0) {
                Some(found) => (found.handle, found.kind()),
                None => return refuse(Errno::ENOENT, "Failed to find qdisc with specified handle"),
            },
            Some(Parent::Root) => root.map_or((0, own), |root| (root.handle, root.kind())),
            Some(Parent::Class(major, minor)) => {
                let Some(owner) = root.and_then(|root| root.find(major)).filter(|_| major != 0) else {
                    return refuse(Errno::ENOENT, "Failed to find qdisc with specified classid");
                };
                match leaf(owner, minor)? {
                    Some(found) => (found.handle, found.kind()),
                    None => return refuse(Errno::ENOENT, "Cannot find specified qdisc on specified device"),
                }
            }
        };
        if handle != 0 && handle != found.0 {
            return refuse(Errno::EINVAL, "Invalid handle");
        }
        if kind.is_some_and(|kind| kind != found.1) {
            return refuse(Errno::EINVAL, "Invalid qdisc name: must match existing qdisc");
        }
        let Some(parent) = parent else { return refuse(Errno::EINVAL, "Classid cannot be zero") };
        if found.0 == 0 {
            return refuse(Errno::ENOENT, "Cannot delete qdisc with handle of zero");
        }
        let facts = self.ns(ns).and_then(|space| space.devs.get(link)).ok_or(Errno::ENODEV)?.facts();
        self.graft(ns, link, parent, None, facts)
    }

    /// Drops what waits in the queue of a link (`dev_deactivate`).
    pub(crate) fn reset_queue(&mut self, ns: NsId, link: IfIndex) {
        self.with(ns, |space, cx| {
            if let Some(root) = space.devs.get_mut(link).and_then(|dev| dev.link.queue.as_mut()) {
                path::qdisc::reset(root, cx);
            }
        });
    }

    fn root_qdisc(&self, ns: NsId, link: IfIndex) -> Result<Option<&Qdisc>, NlError> {
        let dev = self.ns(ns).and_then(|space| space.devs.get(link)).ok_or(Errno::ENODEV)?;
        Ok(dev.queue.as_ref().map(|root| &root.qdisc))
    }
}

/// What is in a class (`qdisc_leaf`).
fn leaf(owner: &Qdisc, minor: u16) -> Result<Option<&Qdisc>, NlError> {
    if !owner.is_classful() {
        return refuse(Errno::EOPNOTSUPP, "Parent qdisc is not classful");
    }
    if !owner.has_class(minor) {
        return refuse(Errno::ENOENT, "Specified class not found");
    }
    Ok(owner.leaf(minor))
}

/// How many disciplines there are from `qdisc` down to that of a handle.
fn level(qdisc: &Qdisc, handle: u16) -> Option<usize> {
    if qdisc.handle == handle {
        return Some(1);
    }
    qdisc.children().find_map(|child| level(child, handle)).map(|below| below + 1)
}
