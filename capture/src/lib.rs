//! Captures of hopwise: pcap and pcapng files, the pcap-filter language, packets as tcpdump prints them.
//!
//! Everything here is a pure function of bytes: no clock, no sockets, no files. The three parts do not know each
//! other; they share [`LinkType`], [`Frame`] and [`Meta`].
//!
//! - [`mod@file`]: captures to and from bytes (pcap, pcapng);
//! - [`filter`]: the language of pcap-filter(7), compiled and evaluated on bytes;
//! - [`mod@print`]: a packet as the lines tcpdump 4.99 writes about it.
//!
//! ```
//! use hopwise_capture::{Frame, LinkType, Meta, filter::Filter, print::{PrintOptions, Printer}};
//!
//! let mut frame = vec![0xff; 6]; // an ARP request from 10.0.0.1 for 10.0.0.2
//! frame.extend([2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1]);
//! frame.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
//! let frame = Frame::new(0, frame);
//!
//! let filter = Filter::parse("arp host 10.0.0.2", LinkType::ETHERNET).unwrap();
//! assert!(filter.matches(&frame.data, frame.orig_len, &Meta::default()));
//! let mut printer = Printer::new(PrintOptions { numeric: true, ..PrintOptions::default() });
//! assert_eq!(
//!     printer.line(&frame, LinkType::ETHERNET, &Meta::default()),
//!     "00:00:00.000000 ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28\n",
//! );
//! ```

pub mod file;
pub mod filter;
mod hosts;
mod link;
pub mod print;
pub mod services;

pub use hosts::Hosts;
pub use link::{Direction, Frame, LinkType, Meta, sll2_header};
