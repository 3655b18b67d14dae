//! What was on a link, for tests to look at.
//!
//! ```
//! use hopwise::World;
//! use hopwise::capture::{Capture, matching};
//!
//! let mut world = World::new(1);
//! let host = world.add_machine("host");
//! world.record_everything();
//! world.run(host, "ping -c 1 127.0.0.1").expect_ok();
//!
//! let lo = Capture::of(&world, "host:lo").unwrap();
//! let request = matching("icmp[icmptype] == icmp-echo").unwrap();
//! assert_eq!(lo.count(&request), 2, "sent and received: a packet passes a loopback link twice");
//! assert_eq!(lo.count(&request.and(matching("ip src 10.0.0.1").unwrap())), 0);
//! assert!(lo.to_text().contains("127.0.0.1 > 127.0.0.1: ICMP echo request"));
//! ```

use std::sync::Arc;

use bytes::Bytes;
use hopwise_capture::file::PcapWriter;
use hopwise_capture::filter::{Filter, FilterError};
use hopwise_capture::print::{PrintOptions, Printer};
use hopwise_capture::{Frame, LinkType, Meta};
use hopwise_sim_core::{PacketId, Time};
use hopwise_stack::Direction;
use hopwise_userland::World;
use hopwise_userland::captures::link_type;

/// One frame as it passed a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// When.
    pub at: Time,
    /// Which way.
    pub direction: Direction,
    /// Which packet: the key to its [`journey`](crate::journey).
    pub packet: PacketId,
    /// What its bytes begin with.
    pub link_type: LinkType,
    /// Its bytes: from the Ethernet header on, or from the IP header on if the link has no other (tunnels, tun).
    pub bytes: Bytes,
}

impl Passed {
    /// The frame for the typed views of `pnet_packet`.
    ///
    /// ```
    /// # use hopwise::{World, capture::Capture};
    /// # let mut world = World::new(1);
    /// # let host = world.add_machine("host");
    /// # world.record_everything();
    /// # world.run(host, "ping -c 1 127.0.0.1").expect_ok();
    /// # let lo = Capture::of(&world, "host:lo").unwrap();
    /// use pnet_packet::ethernet::EtherTypes;
    /// assert_eq!(lo.frames()[0].ethernet().unwrap().get_ethertype(), EtherTypes::Ipv4);
    /// ```
    pub fn ethernet(&self) -> Option<pnet_packet::ethernet::EthernetPacket<'_>> {
        pnet_packet::ethernet::EthernetPacket::new(&self.bytes)
    }
}

/// The frames that passed one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    link_type: LinkType,
    frames: Vec<Passed>,
}

impl Capture {
    /// The frames of the link with this label: `machine:link` or `machine/namespace:link`. `None` if there is no such
    /// link. Frames are kept from [`World::record_everything`] on.
    pub fn of(world: &World, label: &str) -> Option<Capture> {
        let (ns, link) = world.find_link(label)?;
        let log = &world.net().captures;
        let frames = log
            .frames()
            .iter()
            .filter(|f| (f.ns, f.link) == (ns, link))
            .map(|f| Passed {
                at: f.at,
                direction: f.direction,
                packet: f.packet,
                link_type: link_type(f.hw),
                bytes: Bytes::copy_from_slice(log.bytes(f)),
            })
            .collect();
        let hw = world.net().ns(ns)?.devs.get(link)?.hw;
        Some(Capture { link_type: link_type(hw), frames })
    }

    /// The frames, in the order of passing.
    pub fn frames(&self) -> &[Passed] {
        &self.frames
    }

    /// Those frames that pass a check.
    pub fn filter(&self, check: &Check) -> Capture {
        Capture { link_type: self.link_type, frames: self.frames.iter().filter(|f| check.passes(f)).cloned().collect() }
    }

    /// How many frames pass a check.
    pub fn count(&self, check: &Check) -> usize {
        self.frames.iter().filter(|f| check.passes(f)).count()
    }

    /// Panics with the whole capture as text unless at least one frame passes the check.
    ///
    /// # Panics
    /// If none does: this is an assertion.
    pub fn expect(&self, check: &Check) -> &Passed {
        match self.frames.iter().find(|f| check.passes(f)) {
            Some(frame) => frame,
            None => panic!("no frame is {}; there were:\n{}", check.name, self.to_text()),
        }
    }

    /// The text that `tcpdump -ne` prints for the frames.
    pub fn to_text(&self) -> String {
        let options = PrintOptions { numeric: true, link_header: true, ..PrintOptions::default() };
        let mut printer = Printer::new(options);
        let mut text = String::new();
        for passed in &self.frames {
            let frame = Frame {
                time_ns: passed.at.unix_nanos(),
                orig_len: passed.bytes.len() as u32,
                data: passed.bytes.to_vec(),
            };
            text.push_str(printer.line(&frame, passed.link_type, &Meta::default()).trim_end());
            text.push('\n');
        }
        text
    }

    /// A pcap file, as `tcpdump -w` writes it.
    pub fn to_pcap(&self) -> Vec<u8> {
        let mut file = PcapWriter::new(self.link_type);
        for passed in &self.frames {
            file.append(passed.at.unix_nanos(), passed.bytes.len() as u32, &passed.bytes);
        }
        file.bytes().to_vec()
    }
}

/// A condition on a frame. Checks are combined with [`and`](Check::and), [`or`](Check::or) and `!`.
#[derive(Clone)]
pub struct Check {
    name: String,
    test: Arc<dyn Fn(&Passed) -> bool + Send + Sync>,
}

/// The check that a tcpdump expression describes: `matching("arp or icmp")`.
///
/// # Errors
/// What libpcap would say of the expression.
pub fn matching(expression: &str) -> Result<Check, FilterError> {
    let filter = AnyLinkFilter::parse(expression)?;
    let test = move |f: &Passed| filter.matches(f.link_type, &f.bytes);
    Ok(Check::new(format!("`{expression}`"), test))
}

/// A tcpdump expression for frames with and without an Ethernet header.
pub struct AnyLinkFilter {
    ethernet: Filter,
    /// `None`: it asks for something of Ethernet, which no bare packet has.
    bare: Option<Filter>,
}

impl AnyLinkFilter {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What libpcap would say of it on an Ethernet link.
    pub fn parse(expression: &str) -> Result<AnyLinkFilter, FilterError> {
        let ethernet = Filter::parse(expression, LinkType::ETHERNET)?;
        Ok(AnyLinkFilter { ethernet, bare: Filter::parse(expression, LinkType::RAW).ok() })
    }

    /// Whether a frame of a link of that type is one of those asked for.
    pub fn matches(&self, link_type: LinkType, frame: &[u8]) -> bool {
        let filter = if link_type == LinkType::RAW { self.bare.as_ref() } else { Some(&self.ethernet) };
        filter.is_some_and(|filter| filter.matches(frame, frame.len() as u32, &Meta::default()))
    }
}

/// The check that a frame passed in this direction.
pub fn direction(direction: Direction) -> Check {
    Check::new(format!("{direction:?}"), move |f| f.direction == direction)
}

impl Check {
    /// A check of your own; `name` is what a failed [`Capture::expect`] calls it.
    pub fn new(name: impl Into<String>, test: impl Fn(&Passed) -> bool + Send + Sync + 'static) -> Check {
        Check { name: name.into(), test: Arc::new(test) }
    }

    /// Whether a frame passes.
    pub fn passes(&self, frame: &Passed) -> bool {
        (self.test)(frame)
    }

    /// Both.
    #[must_use]
    pub fn and(&self, other: Check) -> Check {
        let (a, b) = (self.clone(), other);
        Check::new(format!("({} and {})", a.name, b.name), move |f| a.passes(f) && b.passes(f))
    }

    /// One of both.
    #[must_use]
    pub fn or(&self, other: Check) -> Check {
        let (a, b) = (self.clone(), other);
        Check::new(format!("({} or {})", a.name, b.name), move |f| a.passes(f) || b.passes(f))
    }
}

impl std::ops::Not for Check {
    type Output = Check;
    fn not(self) -> Check {
        Check::new(format!("not {}", self.name), move |f| !self.passes(f))
    }
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}
