//! The ports of Services as the rules see them: each with the endpoints it leads to.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use crate::object::endpoint_slice::Endpoint;
use crate::object::pod::Protocol;
use crate::object::{EndpointSlice, Service};
use crate::store::Store;

/// A port of a Service.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Port {
    /// `namespace/service:port`, without the colon if the port has no name.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// The Service's address.
    pub address: Option<Ipv4Addr>,
    /// The port there.
    pub port: u16,
    /// The port of every node.
    pub node_port: Option<u16>,
    /// Other addresses that lead to it.
    pub external: Vec<Ipv4Addr>,
    /// Addresses of its load balancer.
    pub balancer: Vec<Ipv4Addr>,
    /// For how many seconds a client goes to the same endpoint.
    pub affinity: Option<u32>,
    /// `internalTrafficPolicy: Local`
    pub internal_local: bool,
    /// `externalTrafficPolicy: Local`
    pub external_local: bool,
    /// Where it leads.
    pub backends: Vec<Backend>,
}

/// An endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backend {
    /// Address and port.
    pub at: (Ipv4Addr, u16),
    /// Whether it is on the node whose rules are written.
    pub local: bool,
    /// Whether new connections may go there; else it is ending, and serves as long as there is no other.
    pub ready: bool,
}

impl Port {
    /// The endpoints of all nodes that are used: those that are ready, or else those that still serve (`CategorizeEndpoints`).
    pub fn everywhere(&self) -> Vec<&Backend> {
        usable(self.backends.iter())
    }

    /// The same of this node.
    pub(super) fn here(&self) -> Vec<&Backend> {
        usable(self.backends.iter().filter(|backend| backend.local))
    }

    /// Whether it is reached by other addresses than its own.
    pub(super) fn is_external(&self) -> bool {
        self.node_port.is_some() || !self.external.is_empty() || !self.balancer.is_empty()
    }
}

fn usable<'a>(all: impl Iterator<Item = &'a Backend> + Clone) -> Vec<&'a Backend> {
    let ready: Vec<&Backend> = all.clone().filter(|backend| backend.ready).collect();
    if ready.is_empty() { all.collect() } else { ready }
}

/// The ports of all Services that have an address, in order of name. `node` is whose rules are written.
pub fn ports(store: &Store, node: &str) -> Vec<Port> {
    let mut slices: BTreeMap<(&str, &str), Vec<&EndpointSlice>> = BTreeMap::new();
    for slice in store.list::<EndpointSlice>(None) {
        if let Some(service) = slice.service() {
            slices.entry((&slice.metadata.namespace, service)).or_default().push(slice);
        }
    }
    let mut found = Vec::new();
    for service in store.list::<Service>(None).filter(|service| service.ip().is_some()) {
        let meta = &service.metadata;
        let own = slices.get(&(&*meta.namespace, &*meta.name)).map_or(&[][..], Vec::as_slice);
        for port in &service.spec.ports {
            let end = if port.name.is_empty() { String::new() } else { format!(":{}", port.name) };
            let mut backends: Vec<Backend> = own.iter().flat_map(|slice| backends(slice, &port.name, node)).collect();
            backends.sort_by_key(|backend| format!("{}:{}", backend.at.0, backend.at.1));
            found.push(Port {
                name: format!("{}/{}{end}", meta.namespace, meta.name),
                protocol: port.protocol,
                address: service.ip(),
                port: port.port,
                node_port: port.node_port,
                external: service.spec.external_ips.clone(),
                balancer: service.status.load_balancer.ingress.iter().filter_map(|i| i.ip).collect(),
                affinity: service.affinity(),
                internal_local: service.internal_is_local(),
                external_local: service.external_is_local(),
                backends,
            });
        }
    }
    found
}

fn backends<'a>(slice: &'a EndpointSlice, port: &'a str, node: &'a str) -> impl Iterator<Item = Backend> + 'a {
    let number = slice.ports.iter().find(|p| p.name == port).and_then(|p| p.port);
    let serves = |endpoint: &&Endpoint| endpoint.is_ready() || endpoint.conditions.serving == Some(true);
    slice.endpoints.iter().filter(serves).filter_map(move |endpoint| {
        let local = endpoint.node_name.as_deref() == Some(node);
        Some(Backend { at: (endpoint.ip()?, number?), local, ready: endpoint.is_ready() })
    })
}
