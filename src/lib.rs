//! Linux networking inside one process.
//!
//! A [`World`] holds machines. Commands run on them as they would on Linux, in virtual time; packets are real bytes;
//! nothing needs root, nothing reaches the real network, and the same seed gives the same bytes.
//!
//! ```
//! use hopwise::World;
//!
//! let mut world = World::new(1);
//! let host = world.add_machine("host");
//! world.run(host, "ip netns add a; ip netns add b; ip link add eth0 netns a type veth peer name eth0 netns b").expect_ok();
//! for (ns, addr) in [("a", "10.0.0.1/24"), ("b", "10.0.0.2/24")] {
//!     world.run(host, &format!("ip -n {ns} addr add {addr} dev eth0; ip -n {ns} link set eth0 up")).expect_ok();
//! }
//! let ping = world.run(host, "ip netns exec a ping -c 1 10.0.0.2");
//! assert!(ping.expect_ok().text.contains("1 packets transmitted, 1 received, 0% packet loss"));
//! ```
//!
//! - Commands as text: [`World::run`] gives output and exit status.
//! - The same operations as typed calls: [`World::kernel`]`.net` is the [`Network`](stack::Network), with
//!   `link_add`, `addr_add`, `route_add`, `sysctl_set` and sockets.
//! - Virtual time: [`World::run_for`], [`World::run_until_idle`].
//! - What was on the wire: [`capture::Capture`], with composable checks, as text like `tcpdump -ne`, as pcap.
//! - Why: [`journey::Journeys`] tells every stage of a packet's way.
//! - `World: Clone`: fork a lab and try both ways.
#![warn(missing_docs)]

pub mod capture;
pub mod journey;

pub use hopwise_machine::MachineId;
pub use hopwise_sim_core::{Duration, IfIndex, NsId, Time};
pub use hopwise_userland::{Output, World};

/// Packets inside packets: IPIP, VXLAN, VLAN tags, Ethernet, in place and without a copy.
///
/// ```
/// use hopwise::encap::{Headroom, Outer, Window, flow, vxlan};
///
/// // A frame with room in front of it.
/// let mut buffer = [0; 128];
/// let frame = vxlan::HEADERS..vxlan::HEADERS + 60;
/// buffer[frame.clone()].fill(0xab);
/// let mut packet = Window::new(&mut buffer, frame).unwrap();
/// let tunnel = vxlan::Vxlan {
///     outer: Outer::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into()),
///     source: flow::source_port(flow::hash(packet.bytes(), flow::KEY), 32768..=60999),
///     port: 4789,
///     vni: 100,
///     checksum: true,
/// };
/// vxlan::encapsulate(&mut packet, &tunnel, 1).unwrap();
/// assert_eq!(packet.bytes().len(), 96);
/// let found = vxlan::decapsulate(&mut packet, 4789).unwrap();
/// assert_eq!((found.vni, packet.bytes()), (100, &[0xab; 60][..]));
/// ```
#[doc(inline)]
pub use hopwise_protocols::encap;

/// Capture files, the pcap-filter language, packets as text.
pub use hopwise_capture as pcap;
/// Wire formats and protocol state machines.
pub use hopwise_protocols as protocols;
/// Namespaces, links, routes, sockets: the network below the commands.
pub use hopwise_stack as stack;
