//! Tuns and taps: what a program does with `/dev/net/tun`. Models `tun_set_iff`, `tun_chr_read_iter`, `tun_get_user`
//! and `tun_chr_close` of `drivers/net/tun.c`.

use hopwise_devices::Kind;
use hopwise_devices::tun::{Tun, TunFlags};
use hopwise_protocols::wire::ethernet::ETH_HLEN;
use hopwise_sim_core::{Detail, Duration, IfIndex, NsId};

use super::link::Wanted;
use crate::error::Errno;
use crate::linkwatch;
use crate::network::Network;

/// An open file of `/dev/net/tun` that is attached to a link. It keeps its link when that is renamed or moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TunFile(u32);

/// What a program wants of a tun (`struct ifreq` of `TUNSETIFF`).
#[derive(Clone, Debug)]
pub struct TunRequest {
    /// Its name, a pattern such as `tun%d`, or empty: the next free one.
    pub name: String,
    /// [`TunFlags::TUN`] or [`TunFlags::TAP`], and how packets are read and written.
    pub flags: TunFlags,
    /// Refused if it exists (`IFF_TUN_EXCL`).
    pub exclusive: bool,
    /// The user who may attach to it.
    pub owner: Option<u32>,
    /// The group that may attach to it.
    pub group: Option<u32>,
    /// Who reads it: woken when there is something to be read; 0: nobody that could be.
    pub reader: u64,
}

impl TunRequest {
    /// A tun of that name: packets that begin with their IP header, nothing in front of them.
    pub fn tun(name: &str) -> Self {
        TunRequest {
            name: name.into(),
            flags: TunFlags::TUN | TunFlags::NO_PI,
            exclusive: false,
            owner: None,
            group: None,
            reader: 0,
        }
    }

    /// A tap of that name: Ethernet frames, nothing in front of them.
    pub fn tap(name: &str) -> Self {
        TunRequest { flags: TunFlags::TAP | TunFlags::NO_PI, ..TunRequest::tun(name) }
    }
}

/// The flags that a link keeps from its making on.
const KEPT: TunFlags = TunFlags::TUN.union(TunFlags::TAP).union(TunFlags::MULTI_QUEUE);

impl Network {
    /// Opens a tun or tap in a namespace: attaches to the one of that name, or makes it, until the file is closed.
    ///
    /// # Errors
    /// `EBUSY` if a program is attached already, `EINVAL` if it is no tun or one of another mode, and those of a name.
    pub fn tun_open(&mut self, ns: NsId, request: &TunRequest) -> Result<TunFile, Errno> {
        let modes = request.flags & (TunFlags::TUN | TunFlags::TAP);
        if modes != TunFlags::TUN && modes != TunFlags::TAP {
            return Err(Errno::EINVAL);
        }
        let link = match self.ns(ns).ok_or(Errno::ENODEV)?.devs.index_of(&request.name) {
            Some(link) => {
                self.tun_attach(ns, link, request)?;
                link
            }
            None => self.tun_make(ns, request)?,
        };
        let number = self.tuns.iter().position(Option::is_none).unwrap_or(self.tuns.len());
        if number == self.tuns.len() {
            self.tuns.push(None);
        }
        self.tuns[number] = Some((ns, link));
        let file = number as u32;
        if let Some(tun) = self.link_mut(ns, link).and_then(|dev| dev.link.kind.tun_mut()) {
            (tun.file, tun.reader) = (Some(file), request.reader);
        }
        self.set_carrier(ns, link, true);
        linkwatch::after(self);
        Ok(TunFile(file))
    }

    /// `tun_attach` to a link that exists.
    fn tun_attach(&mut self, ns: NsId, link: IfIndex, request: &TunRequest) -> Result<(), Errno> {
        if request.exclusive {
            return Err(Errno::EBUSY);
        }
        let dev = self.link_mut(ns, link).ok_or(Errno::ENODEV)?;
        let Some(tun) = dev.link.kind.tun_mut() else { return Err(Errno::EINVAL) };
        if tun.flags & KEPT != request.flags & KEPT {
            return Err(Errno::EINVAL);
        }
        if tun.file.is_some() {
            return Err(Errno::EBUSY);
        }
        tun.flags = request.flags | (tun.flags & TunFlags::PERSIST);
        Ok(())
    }

    fn tun_make(&mut self, ns: NsId, request: &TunRequest) -> Result<IfIndex, Errno> {
        let mut tun = Tun::new(request.flags);
        (tun.owner, tun.group) = (request.owner, request.group);
        let pattern = if tun.is_tap() { "tap%d" } else { "tun%d" };
        let wanted = Wanted { name: Some(request.name.as_str()).filter(|name| !name.is_empty()), ..Wanted::default() };
        let link = self.register_link(ns, Kind::Tun(Box::new(tun)), pattern, &wanted).map_err(|error| error.errno)?;
        linkwatch::after(self);
        Ok(link)
    }

    /// Makes the link stay when the file is closed, or not (`TUNSETPERSIST`).
    ///
    /// # Errors
    /// `EBADF` if the link is gone.
    pub fn tun_persist(&mut self, file: TunFile, on: bool) -> Result<(), Errno> {
        self.tun_of(file).ok_or(Errno::EBADF)?.flags.set(TunFlags::PERSIST, on);
        Ok(())
    }

    /// The namespace and link that a file is attached to.
    pub fn tun_link(&self, file: TunFile) -> Option<(NsId, IfIndex)> {
        self.tuns.get(file.0 as usize).copied().flatten()
    }

    fn tun_of(&mut self, file: TunFile) -> Option<&mut Tun> {
        let (ns, link) = self.tun_link(file)?;
        self.link_mut(ns, link)?.link.kind.tun_mut()
    }

    /// Whether there is something to be read.
    pub fn tun_is_ready(&self, file: TunFile) -> bool {
        let dev = self.tun_link(file).and_then(|(ns, link)| self.ns(ns)?.devs.get(link));
        dev.and_then(|dev| dev.kind.tun()).is_none_or(|tun| !tun.queue.is_empty())
    }

    /// Reads the packet that has waited longest, with what the mode puts in front of it; `None` if there is none.
    ///
    /// # Errors
    /// `EBADFD` if the link is gone.
    pub fn tun_read(&mut self, file: TunFile) -> Result<Option<Vec<u8>>, Errno> {
        let (ns, link) = self.tun_link(file).ok_or(Errno::EBADFD)?;
        let read = self.with(ns, |space, cx| {
            let dev = space.devs.get_mut(link)?;
            let tun = dev.link.kind.tun_mut()?;
            let packet = tun.queue.pop_front()?;
            let mut bytes = Vec::with_capacity(tun.prefix_len() + packet.len());
            if !tun.flags.contains(TunFlags::NO_PI) {
                bytes.extend_from_slice(&[0, 0]);
                bytes.extend_from_slice(&packet.protocol.to_be_bytes());
            }
            bytes.resize(tun.prefix_len(), 0);
            bytes.extend_from_slice(packet.data());
            dev.stats.tx_packets += 1;
            dev.stats.tx_bytes += packet.len() as u64;
            cx.deliver(packet, "tun");
            Some(bytes)
        });
        Ok(read.flatten())
    }

    /// Writes a packet: it comes in through the link. Gives how many bytes were taken.
    ///
    /// # Errors
    /// `EINVAL` for what is no packet, `EIO` while the link is down, `EBADFD` if it is gone.
    pub fn tun_write(&mut self, file: TunFile, bytes: &[u8]) -> Result<usize, Errno> {
        let (ns, link) = self.tun_link(file).ok_or(Errno::EBADFD)?;
        let done = self.with(ns, |space, cx| {
            let dev = space.devs.get_mut(link).ok_or(Errno::EBADFD)?;
            let tun = dev.link.kind.tun().ok_or(Errno::EBADFD)?;
            let (tap, prefix) = (tun.is_tap(), tun.prefix_len());
            let data = bytes.get(prefix..).ok_or(Errno::EINVAL)?;
            let fits = if tap { data.len() >= ETH_HLEN } else { matches!(data.first().map(|b| b >> 4), Some(4 | 6)) };
            if !fits || data.len() > MAX_PACKET {
                dev.stats.rx_dropped += u64::from(!tap);
                return Err(Errno::EINVAL);
            }
            if !dev.is_up() {
                dev.stats.rx_dropped += 1;
                return Err(Errno::EIO);
            }
            let packet = cx.pool.alloc_from(data);
            cx.note(&packet, || Detail::Born { by: "a program that writes the link", from: None });
            cx.send(Duration::ZERO, ns, link, packet);
            Ok(bytes.len())
        });
        done.unwrap_or(Err(Errno::EBADFD))
    }

    /// Closes the file: the link loses its carrier if it stays, else it goes (`__tun_detach`).
    pub fn tun_close(&mut self, file: TunFile) {
        let Some((ns, link)) = self.tun_link(file) else { return };
        self.tun_forget(ns, link);
        let stays = self.ns(ns).and_then(|space| space.devs.get(link)).and_then(|dev| dev.kind.tun());
        if stays.is_some_and(|tun| tun.flags.contains(TunFlags::PERSIST)) {
            self.set_carrier(ns, link, false);
        } else {
            self.delete_link(ns, link);
        }
        linkwatch::after(self);
    }

    /// Nobody is attached any more; what was not read is lost.
    fn tun_forget(&mut self, ns: NsId, link: IfIndex) {
        let file = self.with(ns, |space, cx| {
            let tun = space.devs.get_mut(link)?.link.kind.tun_mut()?;
            for packet in tun.queue.drain(..) {
                cx.drop(packet, hopwise_sim_core::DropReason::DevReady);
            }
            tun.file.take()
        });
        if let Some(place) = file.flatten().and_then(|file| self.tuns.get_mut(file as usize)) {
            *place = None;
        }
    }

    /// A link goes: who is attached to it is woken and finds it gone.
    pub(super) fn tun_gone(&mut self, ns: NsId, link: IfIndex) {
        let reader = self.ns(ns).and_then(|space| space.devs.get(link)).and_then(|dev| dev.kind.tun());
        let Some(reader) = reader.map(|tun| tun.reader) else { return };
        self.tun_forget(ns, link);
        if reader != 0 {
            self.wakeups.push(reader);
        }
    }

    /// A link is in another namespace now.
    pub(super) fn tun_moved(&mut self, ns: NsId, link: IfIndex) {
        let dev = self.ns(ns).and_then(|space| space.devs.get(link));
        let file = dev.and_then(|dev| dev.kind.tun()).and_then(|tun| tun.file);
        if let Some(place) = file.and_then(|file| self.tuns.get_mut(file as usize)) {
            *place = Some((ns, link));
        }
    }
}

/// No packet is longer than its length field can say, with an Ethernet header.
const MAX_PACKET: usize = 65_535 + ETH_HLEN;
