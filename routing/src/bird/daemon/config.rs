//! What a new configuration changes (`configure`).

use std::sync::Arc;

use hopwise_sim_core::Duration;

use super::proto::Proto;
use super::{Daemon, State, iface};
use crate::bgp::session::Stop;
use crate::bird::config::{Config, Kind};
use crate::bird::log::Class;
use crate::bird::table::Table;

impl Daemon {
    /// Takes a configuration: protocols that are the same go on, others begin anew. True if some have to stop for it.
    pub(super) fn apply(&mut self, config: Arc<Config>) -> bool {
        let mut stops = false;
        self.router_id = iface::router_id(&config, &self.ifaces).unwrap_or(self.router_id);
        for name in &config.tables {
            if self.table_index(name).is_none() {
                self.tables.push(Table::new(name));
            }
        }
        for index in 0..self.protos.len() {
            let wanted = config.protocols.iter().find(|conf| conf.name == self.protos[index].conf.name);
            match wanted {
                Some(_) if self.protos[index].gone => {}
                Some(conf) if *conf == self.protos[index].conf => {}
                Some(conf) => stops |= self.reconfigure_proto(index, conf.clone()),
                None if !self.protos[index].gone => {
                    self.protos[index].gone = true;
                    stops |= self.protos[index].state != State::Down;
                    let name = self.protos[index].conf.name.clone();
                    self.log(Class::Info, format!("Removing protocol {name}"));
                    self.stop_proto(index, &Stop::Deconfigured);
                }
                None => {}
            }
        }
        let old = core::mem::replace(&mut self.config, config.clone());
        self.previous = Some(old);
        let known = self.protos.len();
        for conf in &config.protocols {
            if !self.protos.iter().any(|proto| !proto.gone && proto.conf.name == conf.name) {
                self.protos.push(Proto::new(conf.clone(), self.now));
            }
        }
        for index in known..self.protos.len() {
            if known > 0 {
                let name = self.protos[index].conf.name.clone();
                self.log(Class::Info, format!("Adding protocol {name}"));
            }
        }
        // Links first, as the device protocol is what all others build on.
        for index in 0..self.protos.len() {
            if matches!(self.protos[index].conf.kind, Kind::Device { .. }) {
                self.start_proto(index);
            }
        }
        for index in 0..self.protos.len() {
            self.start_proto(index);
        }
        stops
    }

    /// A protocol with other options: static routes are compared, all others begin anew. True if it has to stop for it.
    fn reconfigure_proto(&mut self, index: usize, conf: crate::bird::config::Protocol) -> bool {
        let old = &self.protos[index].conf;
        let soft =
            crate::bird::config::Protocol { description: old.description.clone(), debug: old.debug, ..conf.clone() }
                == *old;
        let statics = matches!((&old.kind, &conf.kind), (Kind::Static { .. }, Kind::Static { .. }))
            && old.channel == conf.channel;
        if soft || statics {
            self.protos[index].conf = conf;
            self.refresh_local(index);
            return false;
        }
        let stops = self.protos[index].state != State::Down;
        let name = conf.name.clone();
        self.log(Class::Info, format!("Restarting protocol {name}"));
        let disabled = conf.disabled;
        self.stop_proto(index, &Stop::Reconfigured);
        self.protos[index].session = None;
        self.set_state(index, State::Down);
        self.protos[index].conf = conf;
        self.protos[index].disabled = disabled;
        stops
    }

    /// `configure`, perhaps with a time after which it is taken back. True if protocols had to stop for it.
    pub(crate) fn configure(&mut self, config: Config, undo_after: Option<u32>) -> bool {
        self.log(Class::Info, "Reconfiguring");
        let stops = self.apply(Arc::new(config));
        self.reconfigured = self.now;
        self.undo_at = undo_after.map(|seconds| self.now + Duration::from_secs(seconds.into()));
        self.log(Class::Info, "Reconfigured");
        self.settle();
        stops
    }

    /// Back to the configuration before; false if there is none.
    pub(crate) fn undo(&mut self) -> bool {
        self.undo_at = None;
        let Some(previous) = self.previous.take().filter(|config| !config.protocols.is_empty()) else { return false };
        self.log(Class::Info, "Reconfiguring");
        self.apply(previous);
        self.previous = None;
        self.reconfigured = self.now;
        self.log(Class::Info, "Reconfigured");
        self.settle();
        true
    }
}

impl Daemon {
    /// Takes another configuration, as SIGHUP orders.
    pub fn reconfigure(&mut self, config: Config) {
        self.configure(config, None);
    }
}
