//! What an API server decides while it writes an object: addresses and node ports of Services, and what an applied manifest leaves
//! as it was.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use hopwise_sim_core::Rng;
use ipnet::Ipv4Net;

use crate::object::{Deployment, Invalid, Object, ReplicaSet, Service};

/// `--service-node-port-range`
const NODE_PORTS: core::ops::RangeInclusive<u16> = 30_000..=32_767;

/// The addresses and node ports that Services have.
#[derive(Clone, Debug)]
pub struct Services {
    range: Ipv4Net,
    addresses: BTreeSet<Ipv4Addr>,
    ports: BTreeSet<u16>,
    seed: u64,
    drawn: u64,
}

impl Services {
    pub(crate) fn new(seed: u64) -> Self {
        let range = Ipv4Net::new_assert(Ipv4Addr::new(10, 96, 0, 0), 12);
        Services { range, addresses: BTreeSet::new(), ports: BTreeSet::new(), seed, drawn: 0 }
    }

    /// Sets the range of the addresses (`--service-cluster-ip-range`), before there is any Service.
    pub fn set_range(&mut self, range: Ipv4Net) {
        self.range = range.trunc();
    }

    /// The range of the addresses.
    pub fn range(&self) -> Ipv4Net {
        self.range
    }

    /// The address of the range that has this number: 1 is the API server's, 10 that of DNS.
    pub fn nth(&self, n: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.range.network().to_bits().saturating_add(n))
    }

    fn draw(&mut self, purpose: &str, below: u32) -> u32 {
        self.drawn += 1;
        Rng::stream(self.seed, purpose, self.drawn).below(below)
    }

    /// Gives a new Service what it does not ask for.
    pub(crate) fn assign(&mut self, service: &mut Service) -> Result<(), Invalid> {
        let address = match &*service.spec.cluster_ip {
            _ if service.spec.kind == "ExternalName" => return Ok(()),
            "None" => None,
            "" => Some(self.any_address().ok_or("spec.clusterIP: Internal error: range is full")?),
            text => Some(self.wanted_address(text)?),
        };
        if let Some(address) = address {
            service.spec.cluster_ip = address.to_string();
            self.addresses.insert(address);
        }
        service.spec.cluster_ips = vec![service.spec.cluster_ip.clone()];
        self.assign_ports(service)
    }

    /// A Service is changed: it keeps what it does not ask for anew.
    pub(crate) fn reassign(&mut self, service: &mut Service, before: &Service) -> Result<(), Invalid> {
        if before.spec.kind == "ExternalName" || service.spec.kind == "ExternalName" {
            // It gets or loses its address: as if it were another one.
            self.release(before);
            return self.assign(service);
        }
        if service.spec.cluster_ip != before.spec.cluster_ip && !before.spec.cluster_ip.is_empty() {
            let value = &service.spec.cluster_ip;
            return Err(format!("spec.clusterIPs[0]: Invalid value: [{value:?}]: may not change once set"));
        }
        service.spec.cluster_ips.clone_from(&before.spec.cluster_ips);
        for port in before.spec.ports.iter().filter_map(|port| port.node_port) {
            self.ports.remove(&port);
        }
        self.assign_ports(service)
    }

    /// A Service is gone.
    pub(crate) fn release(&mut self, service: &Service) {
        if let Some(address) = service.ip() {
            self.addresses.remove(&address);
        }
        for port in service.spec.ports.iter().filter_map(|port| port.node_port) {
            self.ports.remove(&port);
        }
    }

    fn wanted_address(&self, text: &str) -> Result<Ipv4Addr, Invalid> {
        let invalid = |why: &str| format!("spec.clusterIPs: Invalid value: [{text:?}]: {why}");
        let address: Ipv4Addr = text
            .parse()
            .map_err(|_| format!("spec.clusterIPs[0]: Invalid value: {text:?}: must be a valid IP address"))?;
        if !self.range.contains(&address) {
            return Err(invalid(&format!(
                "failed to allocate IP {text}: the provided IP ({text}) is not in the valid range. The range of valid IPs is {}",
                self.range
            )));
        }
        if self.addresses.contains(&address) {
            return Err(invalid(&format!("failed to allocate IP {text}: provided IP is already allocated")));
        }
        Ok(address)
    }

    /// A random free address, behind those that are kept for Services which ask for one: the first 16 to 256 of the range.
    fn any_address(&mut self) -> Option<Ipv4Addr> {
        let size = self.range.hosts().size_hint().0.min(1 << 20) as u32;
        let kept = (size / 16).clamp(16, 256).min(size / 2);
        let start = self.draw("service address", size - kept);
        let order = (0..size - kept).map(|n| kept + 1 + (start + n) % (size - kept)).chain(1..=kept);
        order.map(|n| self.nth(n)).find(|address| self.range.contains(address) && !self.addresses.contains(address))
    }

    fn assign_ports(&mut self, service: &mut Service) -> Result<(), Invalid> {
        if !service.has_node_ports() {
            service.spec.ports.iter_mut().for_each(|port| port.node_port = None);
            return Ok(());
        }
        for index in 0..service.spec.ports.len() {
            let port = match service.spec.ports[index].node_port {
                Some(port) if !NODE_PORTS.contains(&port) => {
                    return Err(format!(
                        "spec.ports[{index}].nodePort: Invalid value: {port}: provided port is not in the valid range. The range of \
                         valid ports is 30000-32767"
                    ));
                }
                Some(port) if self.ports.contains(&port) => {
                    return Err(format!(
                        "spec.ports[{index}].nodePort: Invalid value: {port}: provided port is already allocated"
                    ));
                }
                Some(port) => port,
                None => self
                    .any_port()
                    .ok_or_else(|| format!("spec.ports[{index}].nodePort: Internal error: range is full"))?,
            };
            self.ports.insert(port);
            service.spec.ports[index].node_port = Some(port);
        }
        Ok(())
    }

    fn any_port(&mut self) -> Option<u16> {
        let (first, size) = (*NODE_PORTS.start(), NODE_PORTS.len() as u32);
        let start = self.draw("node port", size);
        (0..size).map(|n| first + ((start + n) % size) as u16).find(|port| !self.ports.contains(port))
    }
}

/// What an applied manifest makes of an object that is there: labels and annotations that it does not name stay too.
pub(crate) fn merge(old: &dyn Object, mut new: Box<dyn Object>) -> Box<dyn Object> {
    let (labels, annotations) = (old.meta().labels.clone(), old.meta().annotations.clone());
    let meta = new.meta_mut();
    for (key, value) in labels {
        meta.labels.entry(key).or_insert(value);
    }
    for (key, value) in annotations {
        meta.annotations.entry(key).or_insert(value);
    }
    keep(old, new)
}

/// What a manifest makes of an object that is there: fields that the server manages stay as they are unless the manifest says
/// otherwise.
pub(crate) fn keep(old: &dyn Object, mut new: Box<dyn Object>) -> Box<dyn Object> {
    let meta = new.meta_mut();
    meta.owner_references.clone_from(&old.meta().owner_references);
    meta.resource_version.clear();
    if let (Some(new), Some(old)) = (new.get_mut::<Service>(), old.get::<Service>()) {
        if new.spec.cluster_ip.is_empty() && new.spec.kind != "ExternalName" {
            new.spec.cluster_ip.clone_from(&old.spec.cluster_ip);
        }
        for port in new.spec.ports.iter_mut().filter(|port| port.node_port.is_none()) {
            let same = old.spec.ports.iter().find(|p| (p.port, p.protocol) == (port.port, port.protocol));
            port.node_port = same.and_then(|p| p.node_port);
        }
        new.status.clone_from(&old.status);
    }
    if let (Some(new), Some(old)) = (new.get_mut::<Deployment>(), old.get::<Deployment>()) {
        new.spec.replicas = new.spec.replicas.or(old.spec.replicas);
        new.status.clone_from(&old.status);
    }
    if let (Some(new), Some(old)) = (new.get_mut::<ReplicaSet>(), old.get::<ReplicaSet>()) {
        new.spec.replicas = new.spec.replicas.or(old.spec.replicas);
        new.status.clone_from(&old.status);
    }
    if let (Some(new), Some(old)) = (new.get_mut::<crate::object::Pod>(), old.get::<crate::object::Pod>()) {
        if new.spec.node_name.is_empty() {
            new.spec.node_name.clone_from(&old.spec.node_name);
        }
        new.status.clone_from(&old.status);
    }
    if let (Some(new), Some(old)) = (new.get_mut::<crate::object::Node>(), old.get::<crate::object::Node>()) {
        if new.spec.pod_cidr.is_empty() {
            new.spec.clone_from(&old.spec);
        }
        new.status.clone_from(&old.status);
    }
    new
}
