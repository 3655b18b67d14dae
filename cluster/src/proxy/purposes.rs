//! What the chains of Services and their endpoints are for, in words.

use std::collections::BTreeMap;

use super::names::{endpoint_chain, service_chain};
use super::ports::Port;
use crate::object::EndpointSlice;
use crate::store::Store;

/// Each chain of table `nat` with its purpose: `Service default/web port http, endpoint 10.244.2.3:8080 (pod default/web-2)`. Chains
/// that these ports do not need are named as well.
pub fn purposes(store: &Store, ports: &[Port]) -> Vec<(String, String)> {
    let pods = pods(store);
    let mut all = Vec::new();
    for port in ports {
        let (name, protocol) = (&*port.name, port.protocol.lower());
        let service = service(port);
        for (kind, what) in [
            ("SVC", ""),
            ("SVL", ", endpoints of this node only"),
            ("EXT", ", from outside of the cluster"),
            ("FW", ", firewall of the load balancer"),
        ] {
            all.push((service_chain(kind, name, protocol), format!("{service}{what}")));
        }
        for backend in &port.backends {
            let at = format!("{}:{}", backend.at.0, backend.at.1);
            let pod = pods.get(&backend.at.0).map(|pod| format!(" (pod {pod})")).unwrap_or_default();
            all.push((endpoint_chain(name, protocol, &at), format!("{service}, endpoint {at}{pod}")));
        }
    }
    all
}

/// `Service default/web port http`; a port without a name has its number.
fn service(port: &Port) -> String {
    match port.name.split_once(':') {
        Some((service, name)) => format!("Service {service} port {name}"),
        None => format!("Service {} port {}", port.name, port.port),
    }
}

/// The pods behind the addresses of all slices.
fn pods(store: &Store) -> BTreeMap<core::net::Ipv4Addr, String> {
    let endpoints = store.list::<EndpointSlice>(None).flat_map(|slice| &slice.endpoints);
    let pod = |endpoint: &crate::object::endpoint_slice::Endpoint| {
        let target = endpoint.target_ref.as_ref().filter(|target| target.kind == "Pod")?;
        Some((endpoint.ip()?, format!("{}/{}", target.namespace, target.name)))
    };
    endpoints.filter_map(pod).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::endpoint_slice::{Endpoint, TargetRef};
    use crate::object::{Namespace, ObjectMeta};
    use crate::proxy::Backend;

    #[test]
    fn chains_by_their_real_names() {
        let address = [10, 244, 0, 2].into();
        let target = TargetRef {
            kind: "Pod".into(),
            name: "dns-1".into(),
            namespace: "kube-system".into(),
            ..TargetRef::default()
        };
        let endpoint = Endpoint { addresses: vec![address], target_ref: Some(target), ..Endpoint::default() };
        let slice = EndpointSlice {
            metadata: ObjectMeta::named("kube-system", "kube-dns-abc"),
            endpoints: vec![endpoint],
            ..EndpointSlice::default()
        };
        let mut store = Store::new(1);
        let space = Namespace { metadata: ObjectMeta::named("", "kube-system"), ..Namespace::default() };
        store.create(Box::new(space)).unwrap();
        store.create(Box::new(slice)).unwrap();
        let backend = |last| Backend { at: ([10, 244, 0, last].into(), 53), local: true, ready: true };
        let port = Port {
            name: "kube-system/kube-dns:dns-tcp".into(),
            port: 53,
            backends: vec![backend(2), backend(9)],
            ..Port::default()
        };
        let all: BTreeMap<String, String> = purposes(&store, core::slice::from_ref(&port)).into_iter().collect();
        let dns = "Service kube-system/kube-dns port dns-tcp";
        assert_eq!(all["KUBE-SVC-ERIFXISQEP7F7OF4"], dns);
        let endpoint = |at| &all[&endpoint_chain(&port.name, "tcp", at)];
        assert_eq!(*endpoint("10.244.0.2:53"), format!("{dns}, endpoint 10.244.0.2:53 (pod kube-system/dns-1)"));
        assert_eq!(*endpoint("10.244.0.9:53"), format!("{dns}, endpoint 10.244.0.9:53"));
        assert_eq!(
            service(&Port { name: "default/web".into(), port: 80, ..Port::default() }),
            "Service default/web port 80"
        );
    }
}
