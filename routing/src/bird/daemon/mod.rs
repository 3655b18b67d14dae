//! The daemon: tables, protocols and what moves routes between them. No I/O: it is told what happens and gives [`Output`]s.
//!
//! One file per subject: [`iface`] what is known of links, [`proto`] the state of a protocol, `rib` how routes enter tables
//! and leave them again, `local` the protocols that need no neighbour, `bgp` the glue to the sessions, `limits` how many routes
//! a channel takes, `recursive` next hops
//! that a table resolves, `config` what a new configuration changes.

mod bgp;
mod config;
pub mod iface;
mod kernel;
mod limits;
mod local;
mod origin;
pub mod proto;
mod recursive;
mod rib;

use core::net::Ipv4Addr;
use std::collections::VecDeque;
use std::sync::Arc;

use hopwise_sim_core::Time;

use super::config::Config;
use super::log::Class;
use super::route::Route;
use super::table::Table;
use crate::bgp::session::Way;
pub use iface::{Iface, IfaceAddr};
pub use proto::{Proto, State};

/// What the program has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Open a connection for a protocol.
    Connect {
        /// The protocol's number.
        proto: usize,
        /// From this address.
        local: Option<Ipv4Addr>,
        /// To this address and port.
        to: (Ipv4Addr, u16),
        /// The TTL of its packets.
        ttl: u8,
    },
    /// Send octets on a connection.
    Send(usize, Way, Vec<u8>),
    /// Close a connection.
    Close(usize, Way),
    /// Put a route into a table of the kernel, in place of the one with this metric; `None`: take it away.
    Kernel {
        /// The kernel's table.
        table: u32,
        /// The metric.
        metric: u32,
        /// The network.
        net: ipnet::Ipv4Net,
        /// The route.
        route: Option<Box<Route>>,
    },
    /// A line for the log.
    Log(Class, String),
    /// All is shut down: the process ends.
    Exit,
}

/// A route as the kernel has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KernelRoute {
    /// The route: its network, destination, next hops and `krt_*`.
    pub route: Route,
    /// The kernel's table.
    pub table: u32,
}

/// `RTPROT_BIRD`
pub const RTPROT_BIRD: u32 = 12;

/// A daemon.
#[derive(Clone, Debug)]
pub struct Daemon {
    pub(super) config: Arc<Config>,
    /// The configuration before, for `configure undo`.
    pub(super) previous: Option<Arc<Config>>,
    pub(super) protos: Vec<Proto>,
    pub(super) tables: Vec<Table>,
    pub(super) ifaces: Vec<Iface>,
    pub(super) router_id: Ipv4Addr,
    pub(super) now: Time,
    pub(super) started: Time,
    pub(super) reconfigured: Time,
    /// When an unconfirmed configuration is taken back.
    pub(super) undo_at: Option<Time>,
    pub(super) hostname: String,
    pub(super) shutting_down: bool,
    seed: u64,
    outputs: VecDeque<Output>,
    /// Routes have changed that others' next hops may depend on.
    pub(super) unresolved: bool,
}

impl Daemon {
    /// A daemon that begins to work. Its interfaces are known from the start, so that it can choose a router id.
    ///
    /// # Errors
    /// If there is no router id.
    pub fn start(config: Config, ifaces: Vec<Iface>, hostname: &str, seed: u64, now: Time) -> Result<Daemon, String> {
        let router_id =
            iface::router_id(&config, &ifaces).ok_or("Cannot determine router ID, please configure it manually")?;
        let mut daemon = Daemon {
            config: Arc::new(Config::default()),
            previous: None,
            protos: Vec::new(),
            tables: Vec::new(),
            ifaces,
            router_id,
            now,
            started: now,
            reconfigured: now,
            undo_at: None,
            hostname: config.hostname.clone().unwrap_or_else(|| hostname.to_owned()),
            shutting_down: false,
            seed,
            outputs: VecDeque::new(),
            unresolved: false,
        };
        daemon.apply(Arc::new(config), false);
        daemon.log(Class::Info, "Started");
        daemon.settle();
        Ok(daemon)
    }

    /// What has to be done; to be called until there is nothing more.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The configuration at work.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The present, before anything else is told.
    pub fn at(&mut self, now: Time) {
        self.now = now;
    }

    /// When [`Daemon::on_timer`] has to be called.
    pub fn next_timer(&self) -> Option<Time> {
        let sessions = self.protos.iter().filter_map(|proto| proto.session.as_ref()?.next_timer());
        let others = self.protos.iter().flat_map(|proto| [proto.scan_at, proto.restart_at.as_ref().map(|(at, _)| *at)]);
        sessions.chain(others.flatten()).chain(self.undo_at).min()
    }

    /// Times have come.
    pub fn on_timer(&mut self, now: Time) {
        self.now = now;
        if self.undo_at.is_some_and(|at| at <= now) {
            self.undo_at = None;
            self.log(Class::Info, "Config timeout expired, starting undo");
            self.undo();
        }
        for index in 0..self.protos.len() {
            self.restart_after_limit(index);
            if self.protos[index].session.as_ref().and_then(|s| s.next_timer()).is_some_and(|at| at <= now) {
                self.with_session(index, |session, now| session.on_timer(now));
            }
        }
        self.settle();
    }

    /// Ends all: sessions are closed, the kernel's routes are taken away, then comes [`Output::Exit`].
    pub fn shutdown(&mut self) {
        if core::mem::replace(&mut self.shutting_down, true) {
            return;
        }
        self.log(Class::Info, "Shutting down");
        for index in 0..self.protos.len() {
            self.stop_proto(index, &crate::bgp::session::Stop::Shutdown(String::new()));
        }
        self.settle();
    }

    pub(super) fn log(&mut self, class: Class, text: impl Into<String>) {
        self.outputs.push_back(Output::Log(class, text.into()));
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Takes outputs back that nobody has carried out yet.
    pub(super) fn retract(&mut self, output: &Output) {
        self.outputs.retain(|other| other != output);
    }

    pub(super) const fn seed(&self) -> u64 {
        self.seed
    }

    /// Follows up what has happened until nothing changes any more.
    pub(super) fn settle(&mut self) {
        // Bound: a way to a next hop that changes changes routes, which may change it back; BIRD goes on for ever then.
        for _ in 0..64 {
            if !core::mem::take(&mut self.unresolved) {
                break;
            }
            self.resolve_all();
        }
        self.poll_sessions();
        if self.shutting_down && self.protos.iter().all(|proto| proto.state == State::Down) {
            self.shutting_down = false;
            self.log(Class::Fatal, "Shutdown completed");
            self.output(Output::Exit);
        }
    }

    pub(super) fn table_index(&self, name: &str) -> Option<usize> {
        self.tables.iter().position(|table| table.name == name)
    }
}
