//! One set: its type, its options, its members.

use std::collections::BTreeMap;

use hopwise_sim_core::{Duration, Time};

use super::SetError;

/// The types of sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Addresses.
    HashIp,
    /// Networks.
    HashNet,
    /// Addresses with ports.
    HashIpPort,
    /// Networks with ports.
    HashNetPort,
    /// Ports of a range.
    BitmapPort,
    /// Other sets.
    ListSet,
}

impl Kind {
    /// All of them, with name and revision.
    pub const ALL: [(Kind, &'static str, u8); 6] = [
        (Kind::HashIp, "hash:ip", 6),
        (Kind::HashNet, "hash:net", 7),
        (Kind::HashIpPort, "hash:ip,port", 7),
        (Kind::HashNetPort, "hash:net,port", 8),
        (Kind::BitmapPort, "bitmap:port", 3),
        (Kind::ListSet, "list:set", 3),
    ];

    fn row(self) -> (Kind, &'static str, u8) {
        Kind::ALL.into_iter().find(|row| row.0 == self).unwrap_or(Kind::ALL[0])
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Its revision.
    pub fn revision(self) -> u8 {
        self.row().2
    }

    /// How many parts of a packet an element is compared with.
    pub const fn dimension(self) -> u8 {
        match self {
            Kind::HashIpPort | Kind::HashNetPort => 2,
            _ => 1,
        }
    }

    /// Whether it is a hash.
    pub const fn is_hash(self) -> bool {
        !matches!(self, Kind::BitmapPort | Kind::ListSet)
    }

    /// Whether its elements are networks.
    pub const fn has_nets(self) -> bool {
        matches!(self, Kind::HashNet | Kind::HashNetPort)
    }
}

/// An element of a hash or bitmap; parts that the type does not have are 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Key {
    /// Address.
    pub addr: u32,
    /// Prefix length.
    pub len: u8,
    /// Protocol.
    pub protocol: u8,
    /// Port, or type and code of ICMP.
    pub port: u16,
}

/// What is kept beside an element.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Member {
    /// When it goes, if it does.
    pub expires: Option<Time>,
    /// Packets that matched it.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// A remark.
    pub comment: Option<Box<str>>,
    /// What fits it is not in the set.
    pub nomatch: bool,
}

impl Member {
    pub(super) fn is_there(&self, now: Time) -> bool {
        self.expires.is_none_or(|at| at > now)
    }

    /// Seconds that are left, rounded down.
    pub(super) fn left(&self, now: Time) -> u64 {
        self.expires.map_or(0, |at| at.since(now).as_secs())
    }
}

/// A set.
#[derive(Clone, Debug)]
pub struct Set {
    /// Its name.
    pub name: Box<str>,
    /// Its type.
    pub kind: Kind,
    /// `hashsize`.
    pub hashsize: u32,
    /// `maxelem`; `size` of a list.
    pub maxelem: u32,
    /// `netmask`: addresses are kept as networks of that length.
    pub netmask: u8,
    /// `range` of a bitmap.
    pub range: (u16, u16),
    /// `timeout`: elements go after so many seconds if nothing else is said; 0: never.
    pub timeout: Option<u32>,
    /// Whether packets are counted.
    pub counters: bool,
    /// Whether elements may have remarks.
    pub comment: bool,
    /// What the hash begins with.
    pub initval: u32,
    pub(super) members: BTreeMap<Key, Member>,
    /// How many networks there are of each length.
    pub(super) lens: BTreeMap<u8, u32>,
    pub(super) list: Vec<(Box<str>, Member)>,
}

impl Set {
    /// An empty set with the options that hold if nothing is said.
    pub fn new(name: &str, kind: Kind) -> Self {
        // The kernel draws it at random; from the name it is the same in every run.
        let initval =
            name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
        Set {
            name: name.into(),
            kind,
            hashsize: 1024,
            maxelem: if kind == Kind::ListSet { 8 } else { 65_536 },
            netmask: 32,
            range: (0, u16::MAX),
            timeout: None,
            counters: false,
            comment: false,
            initval,
            members: BTreeMap::new(),
            lens: BTreeMap::new(),
            list: Vec::new(),
        }
    }

    /// When a new element goes.
    pub(super) fn expiry(&self, asked: Option<u32>, now: Time) -> Option<Time> {
        let seconds = asked.or(self.timeout).filter(|seconds| *seconds != 0)?;
        self.timeout.map(|_| now.saturating_add(Duration::from_secs(seconds.into())))
    }

    /// Forgets what has gone.
    pub fn expire(&mut self, now: Time) {
        if self.timeout.is_none() {
            return;
        }
        let gone: Vec<Key> = self.members.iter().filter(|row| !row.1.is_there(now)).map(|row| *row.0).collect();
        for key in gone {
            self.remove(&key);
        }
        self.list.retain(|row| row.1.is_there(now));
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Member> {
        let member = self.members.remove(key)?;
        if let Some(count) = self.lens.get_mut(&key.len) {
            *count -= 1;
            if *count == 0 {
                self.lens.remove(&key.len);
            }
        }
        Some(member)
    }

    /// Adds an element, or with `exist` puts another in its place.
    ///
    /// # Errors
    /// It is there already, or the set is full.
    pub fn add(&mut self, key: Key, member: Member, exist: bool, now: Time) -> Result<(), SetError> {
        if let Some(old) = self.members.get_mut(&key).filter(|old| old.is_there(now)) {
            if !exist {
                return Err(SetError::Added);
            }
            *old = member;
            return Ok(());
        }
        if self.kind.is_hash() && self.members.len() >= self.maxelem as usize {
            self.expire(now);
            if self.members.len() >= self.maxelem as usize {
                return Err(SetError::Full);
            }
        }
        if self.members.insert(key, member).is_none() {
            *self.lens.entry(key.len).or_default() += 1;
        }
        Ok(())
    }

    /// Removes an element.
    ///
    /// # Errors
    /// It is not there.
    pub fn delete(&mut self, key: &Key, exist: bool, now: Time) -> Result<(), SetError> {
        match self.remove(key) {
            Some(member) if member.is_there(now) => Ok(()),
            _ if exist => Ok(()),
            _ => Err(SetError::Missing),
        }
    }

    /// The element that an address (and port) fits: of networks the narrowest one.
    pub fn find(&mut self, key: Key, now: Time) -> Option<&mut Member> {
        let mut best = None;
        if self.kind.has_nets() {
            for len in self.lens.keys().rev().filter(|len| **len <= key.len) {
                let addr = key.addr & mask(*len);
                let net = Key { addr, len: *len, ..key };
                if self.members.get(&net).is_some_and(|member| member.is_there(now)) {
                    best = Some(net);
                    break;
                }
            }
        } else if self.members.get(&key).is_some_and(|member| member.is_there(now)) {
            best = Some(key);
        }
        self.members.get_mut(&best?)
    }

    /// Removes all elements.
    pub fn flush(&mut self) {
        self.members.clear();
        self.lens.clear();
        self.list.clear();
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.members.len() + self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The mask of a prefix length.
pub(super) const fn mask(len: u8) -> u32 {
    if len == 0 { 0 } else { u32::MAX << (32 - len as u32) }
}
