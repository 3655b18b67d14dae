//! What a new configuration changes (`configure`).

use std::sync::Arc;

use hopwise_sim_core::Duration;

use super::proto::Proto;
use super::{Daemon, State, iface};
use crate::bgp::session::Stop;
use crate::bird::config::{Channel, Config, Kind, Protocol};
use crate::bird::log::Class;
use crate::bird::table::Table;

impl Daemon {
    /// Takes a configuration: protocols that are the same go on, others begin anew. True if some have to stop for it.
    pub(super) fn apply(&mut self, config: Arc<Config>, soft: bool) -> bool {
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
                Some(conf) => stops |= self.reconfigure_proto(index, conf.clone(), soft),
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

    /// A protocol with other options, or the same: some are taken as it runs, for others it begins anew. True if it has
    /// to stop for it (`proto_reconfigure`).
    fn reconfigure_proto(&mut self, index: usize, conf: Protocol, soft: bool) -> bool {
        if !can_go_on(&self.protos[index].conf, &conf) || self.has_another_id(index, &conf) {
            return self.restart_with(index, conf);
        }
        let (name, disabled) = (conf.name.clone(), conf.disabled);
        self.protos[index].debug = conf.debug;
        let old = core::mem::replace(&mut self.protos[index].conf, conf);
        if self.protos[index].disabled != disabled {
            self.protos[index].disabled = disabled;
            let word = if disabled { "Disabling" } else { "Enabling" };
            self.log(Class::Info, format!("{word} protocol {name}"));
            if disabled {
                let stops = self.protos[index].state != State::Down;
                self.stop_proto(index, &Stop::Shutdown(String::new()));
                return stops;
            }
        }
        self.verify_limits(index);
        let reloaded = self.reconfigure_channel(index, old.channel.as_ref(), soft);
        self.refresh_local(index);
        if reloaded {
            return false;
        }
        let conf = self.protos[index].conf.clone();
        self.restart_with(index, conf)
    }

    /// Neighbours know the router id of before (`bgp_reconfigure`).
    fn has_another_id(&self, index: usize, conf: &Protocol) -> bool {
        let id = conf.router_id.unwrap_or(self.router_id);
        self.protos[index].session.as_ref().is_some_and(|session| session.config().router_id != id)
    }

    /// Filters and preference of a channel that is up (`channel_reconfigure`). False if the neighbour cannot tell its
    /// routes again.
    fn reconfigure_channel(&mut self, index: usize, old: Option<&Channel>, soft: bool) -> bool {
        let Some((old, new)) = old.zip(self.protos[index].conf.channel.as_ref()) else { return true };
        let import = old.import != new.import || old.preference != new.preference;
        let export = old.export != new.export;
        if !self.protos[index].channel.up || !(import || export) {
            return true;
        }
        let name = self.protos[index].conf.name.clone();
        if soft {
            for (_, way) in [(import, "import"), (export, "export")].iter().filter(|(changed, _)| *changed) {
                self.log(Class::Info, format!("Channel {name}.ipv4 changed {way}"));
            }
            return true;
        }
        self.log(Class::Info, format!("Reloading channel {name}.ipv4"));
        self.reload_channel(index, import, export)
    }

    /// Begins anew with these options.
    fn restart_with(&mut self, index: usize, conf: Protocol) -> bool {
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
    pub(crate) fn configure(&mut self, config: Config, undo_after: Option<u32>, soft: bool) -> bool {
        self.log(Class::Info, "Reconfiguring");
        let stops = self.apply(Arc::new(config), soft);
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
        self.apply(previous, false);
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
        self.configure(config, None, false);
    }
}

/// Whether a protocol can take its new options as it runs: its filters, preference and limits, and static routes.
fn can_go_on(old: &Protocol, new: &Protocol) -> bool {
    let mut like_old = new.clone();
    like_old.description.clone_from(&old.description);
    (like_old.debug, like_old.disabled) = (old.debug, old.disabled);
    if let (Some(channel), Some(old)) = (&mut like_old.channel, &old.channel) {
        (channel.import, channel.export) = (old.import.clone(), old.export.clone());
        (channel.preference, channel.limits, channel.explicit) = (old.preference, old.limits, old.explicit);
    }
    if matches!((&old.kind, &new.kind), (Kind::Static { .. }, Kind::Static { .. })) {
        like_old.kind = old.kind.clone();
    }
    like_old == *old
}
