//! The forwarding database of a VXLAN link: which host each MAC address is behind. Models `vxlan_fdb_update`,
//! `vxlan_snoop` and `vxlan_cleanup`.

use core::net::Ipv4Addr;

use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{Duration, Errno, IfIndex, Time};
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

/// How many entries there can be: learned ones must not eat the memory (Linux leaves it to `maxaddress`; 65,536 is what
/// switches have).
pub const MAX_ENTRIES: usize = 65_536;

/// How many hosts one entry can lead to: a group of hosts, each of which gets a copy of every frame.
pub const MAX_REMOTES: usize = 1024;

/// Where frames go (`struct vxlan_rdst`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remote {
    /// The host; 0.0.0.0: nowhere.
    pub ip: Ipv4Addr,
    /// Its UDP port.
    pub port: u16,
    /// The network number there.
    pub vni: u32,
    /// The link to leave through, or [`IfIndex::NONE`].
    pub via: IfIndex,
}

/// An entry (`struct vxlan_fdb`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where frames go; more than one only for groups and for the address that stands for all others.
    pub remotes: SmallVec<[Remote; 1]>,
    /// `NUD_PERMANENT`.
    pub permanent: bool,
    /// `NUD_NOARP`: it does not age.
    pub noarp: bool,
    /// Somebody in user space learned it, and will forget it.
    pub extern_learn: bool,
    /// The address of a router (for `rsc`).
    pub router: bool,
    /// `sticky`, shown only.
    pub sticky: bool,
    /// When it was made, changed, or its address was last seen.
    pub updated: Time,
    /// When a frame was last sent by it.
    pub used: Time,
}

impl Entry {
    /// Neither age nor moves make it go.
    const fn is_fixed(&self) -> bool {
        self.permanent || self.noarp
    }

    #[inline]
    fn expired(&self, now: Time, ageing: Duration) -> bool {
        !self.is_fixed() && !self.extern_learn && now.since(self.updated) >= ageing
    }
}

/// What `bridge fdb add` and its siblings want.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wish {
    /// Where frames shall go.
    pub remote: Remote,
    /// `NUD_PERMANENT`, `NUD_NOARP`.
    pub state: (bool, bool),
    /// As in [`Entry`].
    pub extern_learn: bool,
    /// As in [`Entry`].
    pub router: bool,
    /// As in [`Entry`].
    pub sticky: bool,
    /// What is done with what is there.
    pub how: How,
}

/// What is done with an entry that is there already (`NLM_F_EXCL`, `NLM_F_APPEND`, `NLM_F_REPLACE`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// Nothing: it must not be there.
    Add,
    /// One more host.
    Append,
    /// Another host.
    Replace,
}

/// Why the database refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Only an error number.
    Errno(Errno),
    /// An entry with many hosts is to be replaced (`EOPNOTSUPP`); whether there is one.
    NotUnicast(bool),
}

/// What looking at a received frame's source says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Snooped {
    /// The frame goes on.
    Fine,
    /// A fixed entry says that the address is elsewhere: the frame is dropped (`VXLAN_ENTRY_EXISTS`).
    Elsewhere,
}

/// The database.
#[derive(Clone, Debug, Default)]
pub struct Fdb {
    entries: IndexMap<MacAddr, Entry, FxBuildHasher>,
    /// Where the entries of the last address sent to and of the last one learned from were found: frames come in runs. Who adds or
    /// takes out entries forgets both.
    last: Last,
}

/// An address and where its entry is.
type Found = Option<(MacAddr, usize)>;

#[derive(Clone, Copy, Debug, Default)]
struct Last {
    /// With the entry for all others, if it had none of its own.
    sent: Found,
    learned: Found,
}

impl Fdb {
    /// All entries, the newest first, as they are listed.
    pub fn iter(&self) -> impl Iterator<Item = (MacAddr, &Entry)> {
        self.entries.iter().rev().map(|(mac, entry)| (*mac, entry))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry by which a frame to `mac` is sent: its own, or that for all others (`vxlan_find_mac_tx`).
    #[inline]
    pub fn towards(&mut self, now: Time, mac: MacAddr, ageing: Duration) -> Option<&mut Entry> {
        let at = match self.last.sent {
            Some((last, at)) if last == mac && !self.has_expired(at, now, ageing) => at,
            _ => self.find_towards(now, mac, ageing)?,
        };
        let (_, entry) = self.entries.get_index_mut(at)?;
        entry.used = now;
        Some(entry)
    }

    fn find_towards(&mut self, now: Time, mac: MacAddr, ageing: Duration) -> Option<usize> {
        let own = self.entries.get_index_of(&mac).filter(|&at| !self.has_expired(at, now, ageing));
        let at = own.or_else(|| self.entries.get_index_of(&MacAddr::ZERO))?;
        self.last.sent = Some((mac, at));
        Some(at)
    }

    #[inline]
    fn has_expired(&self, at: usize, now: Time, ageing: Duration) -> bool {
        self.entries.get_index(at).is_none_or(|(_, entry)| entry.expired(now, ageing))
    }

    /// The entry of an address, if it has one of its own.
    pub fn get(&self, now: Time, mac: MacAddr, ageing: Duration) -> Option<&Entry> {
        self.entries.get(&mac).filter(|e| !e.expired(now, ageing))
    }

    /// Learns that `mac` is behind `source`: the frame came from there (`vxlan_snoop`). `limit`: `maxaddress`.
    #[inline]
    pub fn snoop(&mut self, now: Time, mac: MacAddr, source: Remote, ageing: Duration, limit: u32) -> Snooped {
        let at = match self.last.learned {
            Some((last, at)) if last == mac => Some(at),
            _ => self.entries.get_index_of(&mac),
        };
        let Some(at) = at.filter(|&at| !self.has_expired(at, now, ageing)) else {
            self.learn(now, mac, source, ageing, limit);
            return Snooped::Fine;
        };
        self.last.learned = Some((mac, at));
        let Some((_, entry)) = self.entries.get_index_mut(at) else { return Snooped::Fine };
        entry.updated = now;
        let Some(first) = entry.remotes.first_mut() else { return Snooped::Fine };
        if (first.ip, first.via) == (source.ip, source.via) {
            return Snooped::Fine;
        }
        if entry.permanent || entry.noarp {
            return Snooped::Elsewhere;
        }
        (first.ip, first.via) = (source.ip, source.via);
        Snooped::Fine
    }

    #[cold]
    fn learn(&mut self, now: Time, mac: MacAddr, source: Remote, ageing: Duration, limit: u32) {
        if self.entries.len() >= MAX_ENTRIES {
            self.forget_aged(now, ageing);
        }
        self.last = Last::default();
        self.entries.shift_remove(&mac);
        let wish = Wish {
            remote: source,
            state: (false, false),
            extern_learn: false,
            router: false,
            sticky: false,
            how: How::Add,
        };
        // A full database learns nothing more.
        let _ = self.create(now, mac, &wish, limit);
    }

    /// Does what `bridge fdb add`, `append` or `replace` asks for (`vxlan_fdb_update`).
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC`, `EOPNOTSUPP` for replacing an entry with many hosts.
    pub fn update(&mut self, now: Time, mac: MacAddr, wish: &Wish, limit: u32) -> Result<(), Refusal> {
        self.last = Last::default();
        let many = mac.is_multicast() || mac.is_zero();
        let Some(entry) = self.entries.get_mut(&mac) else {
            return match wish.how {
                How::Replace if many => Err(Refusal::NotUnicast(false)),
                _ => self.create(now, mac, wish, limit).map_err(Refusal::Errno),
            };
        };
        if wish.how == How::Add {
            return Err(Refusal::Errno(Errno::EEXIST));
        }
        let before = entry.clone();
        (entry.permanent, entry.noarp) = wish.state;
        (entry.extern_learn, entry.router, entry.sticky) = (wish.extern_learn, wish.router, wish.sticky);
        match wish.how {
            How::Replace if many => return Err(Refusal::NotUnicast(true)),
            How::Replace => entry.remotes = SmallVec::from_buf([wish.remote]),
            How::Append if many => append(&mut entry.remotes, wish.remote).map_err(Refusal::Errno)?,
            How::Append | How::Add => {}
        }
        if *entry != before {
            entry.updated = now;
        }
        Ok(())
    }

    fn create(&mut self, now: Time, mac: MacAddr, wish: &Wish, limit: u32) -> Result<(), Errno> {
        if self.entries.len() >= MAX_ENTRIES || (limit != 0 && self.entries.len() >= limit as usize) {
            return Err(Errno::ENOSPC);
        }
        let entry = Entry {
            remotes: SmallVec::from_buf([wish.remote]),
            permanent: wish.state.0,
            noarp: wish.state.1,
            extern_learn: wish.extern_learn,
            router: wish.router,
            sticky: wish.sticky,
            updated: now,
            used: now,
        };
        self.entries.insert(mac, entry);
        Ok(())
    }

    /// Removes the host `remote` of an entry, and the entry with its last one; all of it for 0.0.0.0. A host that the
    /// entry does not have changes nothing (`__vxlan_fdb_delete`).
    ///
    /// # Errors
    /// `ENOENT` if there is no entry.
    pub fn remove(&mut self, mac: MacAddr, remote: &Remote) -> Result<(), Errno> {
        self.last = Last::default();
        let entry = self.entries.get_mut(&mac).ok_or(Errno::ENOENT)?;
        if !remote.ip.is_unspecified() {
            let Some(at) = entry.remotes.iter().position(|r| r == remote) else { return Ok(()) };
            if entry.remotes.len() > 1 {
                entry.remotes.remove(at);
                return Ok(());
            }
        }
        self.entries.shift_remove(&mac);
        Ok(())
    }

    /// Removes the learned entries whose time is over (`vxlan_cleanup`).
    pub fn forget_aged(&mut self, now: Time, ageing: Duration) {
        self.last = Last::default();
        self.entries.retain(|_, entry| !entry.expired(now, ageing));
    }

    /// Removes what is not fixed: the link goes down (`vxlan_stop`).
    pub fn forget_dynamic(&mut self) {
        self.last = Last::default();
        self.entries.retain(|_, entry| entry.is_fixed());
    }

    /// Removes all (`bridge fdb flush`).
    pub fn clear(&mut self) {
        self.last = Last::default();
        self.entries.clear();
    }
}

/// One more host, unless it is one already (`vxlan_fdb_append`).
fn append(remotes: &mut SmallVec<[Remote; 1]>, remote: Remote) -> Result<(), Errno> {
    if remotes.contains(&remote) {
        return Ok(());
    }
    if remotes.len() >= MAX_REMOTES {
        return Err(Errno::ENOSPC);
    }
    remotes.push(remote);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const AGEING: Duration = Duration::from_secs(300);

    fn remote(last: u8) -> Remote {
        Remote { ip: Ipv4Addr::new(10, 0, 0, last), port: 4789, vni: 10, via: IfIndex::NONE }
    }

    fn wish(last: u8, how: How) -> Wish {
        let state = (true, true);
        Wish { remote: remote(last), state, extern_learn: false, router: false, sticky: false, how }
    }

    fn at(secs: u64) -> Time {
        Time::ZERO + Duration::from_secs(secs)
    }

    fn hosts(fdb: &Fdb, mac: MacAddr) -> Vec<u8> {
        fdb.entries.get(&mac).map_or(vec![], |e| e.remotes.iter().map(|r| r.ip.octets()[3]).collect())
    }

    #[test]
    fn many_hosts_only_for_groups_and_all_others() {
        let mut fdb = Fdb::default();
        for mac in [MacAddr::ZERO, MacAddr::BROADCAST, MAC] {
            assert_eq!(fdb.update(at(0), mac, &wish(1, How::Add), 0), Ok(()));
            assert_eq!(fdb.update(at(0), mac, &wish(2, How::Add), 0), Err(Refusal::Errno(Errno::EEXIST)));
            assert_eq!(fdb.update(at(0), mac, &wish(2, How::Append), 0), Ok(()));
            assert_eq!(fdb.update(at(0), mac, &wish(2, How::Append), 0), Ok(()));
        }
        assert_eq!(hosts(&fdb, MacAddr::ZERO), [1, 2]);
        assert_eq!(hosts(&fdb, MacAddr::BROADCAST), [1, 2]);
        assert_eq!(hosts(&fdb, MAC), [1]);
        assert_eq!(fdb.update(at(0), MacAddr::ZERO, &wish(3, How::Replace), 0), Err(Refusal::NotUnicast(true)));
        assert_eq!(fdb.update(at(0), MAC, &wish(3, How::Replace), 0), Ok(()));
        assert_eq!(hosts(&fdb, MAC), [3]);
        assert_eq!(fdb.remove(MacAddr::ZERO, &remote(1)), Ok(()));
        assert_eq!(fdb.remove(MacAddr::ZERO, &remote(9)), Ok(()));
        assert_eq!(hosts(&fdb, MacAddr::ZERO), [2]);
        assert_eq!(fdb.remove(MacAddr::ZERO, &remote(2)), Ok(()));
        assert_eq!(fdb.remove(MacAddr::ZERO, &remote(2)), Err(Errno::ENOENT));
    }

    #[test]
    fn what_is_learned_ages_and_moves() {
        let mut fdb = Fdb::default();
        assert_eq!(fdb.snoop(at(0), MAC, remote(1), AGEING, 0), Snooped::Fine);
        assert_eq!(fdb.snoop(at(100), MAC, remote(2), AGEING, 0), Snooped::Fine);
        assert_eq!(hosts(&fdb, MAC), [2]);
        assert!(fdb.get(at(399), MAC, AGEING).is_some());
        // To have sent a frame there does not keep it.
        assert!(fdb.towards(at(399), MAC, AGEING).is_some());
        assert!(fdb.get(at(400), MAC, AGEING).is_none());
        assert!(fdb.towards(at(400), MAC, AGEING).is_none());
        fdb.forget_aged(at(400), AGEING);
        assert!(fdb.is_empty());
    }

    #[test]
    fn a_fixed_address_does_not_move() {
        let mut fdb = Fdb::default();
        fdb.update(at(0), MAC, &wish(1, How::Add), 0).unwrap();
        assert_eq!(fdb.snoop(at(0), MAC, remote(1), AGEING, 0), Snooped::Fine);
        assert_eq!(fdb.snoop(at(0), MAC, remote(2), AGEING, 0), Snooped::Elsewhere);
        // An entry with a link is one of another place, as on Linux.
        let via = Remote { via: IfIndex(3), ..remote(1) };
        fdb.update(at(0), MAC, &Wish { remote: via, ..wish(1, How::Replace) }, 0).unwrap();
        assert_eq!(fdb.snoop(at(0), MAC, remote(1), AGEING, 0), Snooped::Elsewhere);
        fdb.forget_dynamic();
        assert_eq!(fdb.len(), 1);
    }

    #[test]
    fn a_full_database_takes_no_more() {
        let mut fdb = Fdb::default();
        fdb.update(at(0), MAC, &wish(1, How::Add), 1).unwrap();
        let other = MacAddr([2; 6]);
        assert_eq!(fdb.update(at(0), other, &wish(1, How::Add), 1), Err(Refusal::Errno(Errno::ENOSPC)));
        assert_eq!(fdb.snoop(at(0), other, remote(1), AGEING, 1), Snooped::Fine);
        assert_eq!(fdb.len(), 1);
    }
}
