//! A link moves to another namespace: `__dev_change_net_namespace`.

use hopwise_devices::Qdisc;
use hopwise_sim_core::{IfIndex, NsId};

use super::names;
use crate::error::{Errno, NlError};
use crate::inet::InetDev;
use crate::linkwatch;
use crate::network::Network;

impl Network {
    /// `ip link set LINK netns NS [name NAME]`: the link goes down, loses addresses, routes and master, and keeps its
    /// number if that is free there. Gives its number.
    ///
    /// # Errors
    /// `EINVAL` for links that are bound to their namespace (`lo`, bridges), `EEXIST` for a name in use there.
    pub fn move_link(&mut self, ns: NsId, link: IfIndex, to: NsId, new_name: Option<&str>) -> Result<IfIndex, NlError> {
        let dev = self.ns(ns).and_then(|n| n.devs.get(link)).ok_or(Errno::ENODEV)?;
        if dev.is_bound_to_netns() {
            return Err(NlError::with(Errno::EINVAL, "The interface netns is immutable"));
        }
        if ns == to {
            if let Some(name) = new_name {
                self.set_link_name(ns, link, name)?;
            }
            return Ok(link);
        }
        let old = dev.name.clone();
        let name = self.name_there(&old, to, new_name)?;
        self.close(ns, link);
        self.leave_layers(ns, link);
        self.nsid(ns, to);
        let index = self.transfer(ns, link, to, &name).ok_or(Errno::ENODEV)?;
        self.inet_link_added(to, index);
        self.vxlan_moved((ns, link), (to, index));
        if let Some((peer_ns, _)) = self.below(to, index) {
            self.nsid(to, peer_ns);
        }
        linkwatch::after(self);
        // Renaming comes after moving: if it fails, the link has moved.
        if let Some(new_name) = new_name.filter(|_| *name == *old) {
            self.set_link_name(to, index, new_name)?;
        }
        Ok(index)
    }

    /// The name that the link gets in the other namespace: its own if that is free there, else the new one.
    fn name_there(&self, old: &str, to: NsId, new_name: Option<&str>) -> Result<String, NlError> {
        let devs = &self.ns(to).ok_or(Errno::EINVAL)?.devs;
        match new_name {
            _ if devs.find(old).is_none() => Ok(old.to_owned()),
            Some(name) => names::new_name(devs, name),
            None => Err(NlError::with(Errno::EEXIST, "An interface with the same name exists in the target netns")),
        }
    }

    /// Takes the link out of one table and puts it into the other, with fresh settings of its new namespace.
    fn transfer(&mut self, ns: NsId, link: IfIndex, to: NsId, name: &str) -> Option<IfIndex> {
        let mut dev = self.ns_mut(ns)?.devs.remove(link)?;
        let space = self.ns_mut(to)?;
        let index = if space.devs.get(link).is_some() { space.devs.next_index() } else { link };
        dev.link.index = index;
        dev.link.name = name.into();
        dev.link.qdisc = Qdisc::Noop;
        let lower = dev.link.kind.lower();
        dev.link.queue = None;
        dev.clsact = None;
        dev.inet = InetDev { conf: space.conf_default.clone(), ..InetDev::default() };
        dev.neigh = space.neigh_default.clone();
        let watched = core::mem::take(&mut dev.watched);
        space.devs.insert(dev);
        if let Some((peer_ns, peer)) = self.peer_of(to, index)
            && let Some(veth) = self.link_mut(peer_ns, peer).and_then(|d| d.link.kind.veth_mut())
        {
            veth.peer = (to, index);
        }
        if let Some(underlay) = self.underlay_of(to, index) {
            self.tunnel_moved(underlay, (ns, link), Some((to, index)));
        }
        self.restack((ns, link), lower, Some((to, index)));
        self.lower_moved(to, index);
        self.tun_moved(to, index);
        if watched {
            linkwatch::fire(self, to, index);
        }
        Some(index)
    }
}
