//! Where the API server is: the endpoints of the Service `kubernetes`, which no controller makes but the API server itself
//! (`pkg/controlplane/reconcilers`).

use core::net::Ipv4Addr;

use crate::object::endpoint_slice::{Endpoint, EndpointConditions, EndpointPort, SERVICE_NAME};
use crate::object::endpoints::{Address, Subset};
use crate::object::{EndpointSlice, Endpoints, ObjectMeta};
use crate::store::Store;

/// The name of the Service and of what belongs to it.
const NAME: &str = "kubernetes";
/// `--secure-port`
pub const PORT: u16 = 6443;

/// Tells where the API server is.
pub fn sync(store: &mut Store, address: Ipv4Addr) {
    let ports = vec![EndpointPort { name: "https".into(), port: Some(PORT), ..EndpointPort::default() }];
    let own = Address { ip: Some(address), ..Address::default() };
    let subsets = vec![Subset { addresses: vec![own], ports: ports.clone(), ..Subset::default() }];
    let conditions = EndpointConditions { ready: Some(true), ..EndpointConditions::default() };
    let endpoints = vec![Endpoint { addresses: vec![address], conditions, ..Endpoint::default() }];
    let metadata = |label: &str, value: &str| {
        let mut metadata = ObjectMeta::named("default", NAME);
        metadata.labels.insert(label.to_owned(), value.to_owned());
        metadata
    };
    if store.get::<Endpoints>("default", NAME).is_some() {
        store.modify::<Endpoints>("default", NAME, |object| object.subsets = subsets);
    } else {
        let metadata = metadata("endpointslice.kubernetes.io/skip-mirror", "true");
        // The namespace is there from the beginning; a full store refuses, and the next change tries again.
        let _ = store.create(Box::new(Endpoints { metadata, subsets }));
    }
    if store.get::<EndpointSlice>("default", NAME).is_some() {
        store.modify::<EndpointSlice>("default", NAME, |object| (object.endpoints, object.ports) = (endpoints, ports));
    } else {
        let metadata = metadata(SERVICE_NAME, NAME);
        let _ = store.create(Box::new(EndpointSlice { metadata, address_type: "IPv4".into(), endpoints, ports }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Namespace;

    #[test]
    fn told_once_and_again_after_a_change() {
        let mut store = Store::new(1);
        let default = ObjectMeta::named("", "default");
        store.create(Box::new(Namespace { metadata: default, ..Namespace::default() })).unwrap();
        sync(&mut store, Ipv4Addr::new(192, 168, 0, 10));
        let revision = store.revision();
        sync(&mut store, Ipv4Addr::new(192, 168, 0, 10));
        assert_eq!(store.revision(), revision);
        assert_eq!(store.get::<Endpoints>("default", "kubernetes").unwrap().shown(), "192.168.0.10:6443");
        sync(&mut store, Ipv4Addr::new(192, 168, 0, 11));
        assert_eq!(store.get::<Endpoints>("default", "kubernetes").unwrap().shown(), "192.168.0.11:6443");
        assert_eq!(store.get::<EndpointSlice>("default", "kubernetes").unwrap().service(), Some("kubernetes"));
    }
}
