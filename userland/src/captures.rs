//! What was captured in a world, as pcap and pcapng files.

use std::collections::BTreeMap;

use hopwise_capture::LinkType;
use hopwise_capture::file::{PcapWriter, PcapngWriter};
use hopwise_devices::HwType;
use hopwise_sim_core::{Detail, IfIndex, NsId, PacketId};

use crate::world::World;

/// The link type of a capture on a link of this hardware type (`map_arphrd_to_dlt` of libpcap).
pub const fn link_type(hw: HwType) -> LinkType {
    if hw.has_ethernet() { LinkType::ETHERNET } else { LinkType::RAW }
}

/// A captured link by the names it had last.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LinkLabel {
    /// The machine.
    pub machine: String,
    /// The named namespace; `None` for the machine's own.
    pub namespace: Option<String>,
    /// The link.
    pub link: String,
}

impl LinkLabel {
    /// `machine:link` or `machine/namespace:link`.
    pub fn text(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}/{namespace}:{}", self.machine, self.link),
            None => format!("{}:{}", self.machine, self.link),
        }
    }
}

impl World {
    /// Writes every frame that passes a link made from now on into the capture log, and notes every stage of every
    /// packet's way.
    pub fn record_everything(&mut self) {
        self.kernel.net.capture_new_links = true;
        self.kernel.net.journey.set_on(true);
        let all: Vec<(NsId, Vec<IfIndex>)> = self.net().namespaces().map(|n| (n.id, n.devs.indices())).collect();
        for (ns, links) in all {
            for link in links {
                self.kernel.net.set_captured(ns, link, true);
            }
        }
        self.note_labels();
    }

    /// Notes the names that links have now: a capture of a link that is deleted later still has its name.
    pub(crate) fn note_labels(&mut self) {
        if !self.kernel.net.capture_new_links {
            return;
        }
        let mut labels = core::mem::take(&mut self.labels);
        for space in self.net().namespaces() {
            let machine = self.net().host(space.host).map_or_else(String::new, |h| h.name.clone());
            let full = self.ns_name(space.host, space.id);
            let namespace = full.strip_prefix(&format!("{machine}/")).map(str::to_owned);
            for dev in space.devs.iter() {
                let label =
                    LinkLabel { machine: machine.clone(), namespace: namespace.clone(), link: dev.name.to_string() };
                labels.insert((space.id, dev.index), label);
            }
        }
        self.labels = labels;
    }

    /// A pcap file for each captured link that saw a frame and whose label `takes` chooses, in order of label.
    pub fn pcaps(&self, takes: impl Fn(&str) -> bool) -> Vec<(LinkLabel, Vec<u8>)> {
        let mut files: BTreeMap<(LinkLabel, NsId, IfIndex), PcapWriter> = BTreeMap::new();
        let log = &self.net().captures;
        for frame in log.frames() {
            let Some(label) = self.labels.get(&(frame.ns, frame.link)).filter(|l| takes(&l.text())) else { continue };
            let bytes = log.bytes(frame);
            files
                .entry((label.clone(), frame.ns, frame.link))
                .or_insert_with(|| PcapWriter::new(link_type(frame.hw)))
                .append(frame.at.unix_nanos(), bytes.len() as u32, bytes);
        }
        files.into_iter().map(|((label, _, _), file)| (label, file.bytes().to_vec())).collect()
    }

    /// One pcapng file with the frames of all captured links that `takes` chooses: an interface for each link, and a
    /// comment on each frame with the packet's number and, on its last one, where and why it died.
    pub fn pcapng(&self, takes: impl Fn(&str) -> bool) -> Vec<u8> {
        let mut file = PcapngWriter::new();
        let mut interfaces = BTreeMap::new();
        let log = &self.net().captures;
        let mut ends = self.ends();
        let mut last = BTreeMap::new();
        for (i, frame) in log.frames().iter().enumerate() {
            last.insert(frame.packet, i);
        }
        for (i, frame) in log.frames().iter().enumerate() {
            let Some(label) = self.labels.get(&(frame.ns, frame.link)).map(LinkLabel::text).filter(|l| takes(l)) else {
                continue;
            };
            let interface = *interfaces
                .entry((frame.ns, frame.link))
                .or_insert_with(|| file.interface(&label, link_type(frame.hw)));
            let end = if last.get(&frame.packet) == Some(&i) { ends.remove(&frame.packet) } else { None };
            let comment = match end {
                Some(end) => format!("packet {}; {end}", frame.packet),
                None => format!("packet {}", frame.packet),
            };
            let bytes = log.bytes(frame);
            file.append(interface, frame.at.unix_nanos(), bytes.len() as u32, bytes, Some(&comment));
        }
        file.into_bytes()
    }

    /// Where and why packets died.
    fn ends(&self) -> BTreeMap<PacketId, String> {
        let records = self.net().journey.records().iter();
        records
            .filter_map(|r| match r.detail {
                Detail::Dropped { reason } => {
                    let place = self.net().ns(r.ns).map_or_else(|| "?".into(), |n| self.ns_name(n.host, r.ns));
                    Some((r.packet, format!("dropped in {place}: {} ({})", reason.name(), reason.text())))
                }
                _ => None,
            })
            .collect()
    }
}
