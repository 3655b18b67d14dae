//! Endpoints of Services: the addresses of the pods that a Service selects.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use super::{is_owned, owned_by};
use crate::object::endpoint_slice::{Endpoint, EndpointConditions, EndpointPort, SERVICE_NAME, TargetRef};
use crate::object::endpoints::{Address, Subset};
use crate::object::{EndpointSlice, Endpoints, Kind, ObjectMeta, Pod, Service};
use crate::selector::covers;
use crate::store::Store;

/// `--max-endpoints-per-slice`
const SLICE_MAX: usize = 100;

/// Pods by namespace and label, so that a Service looks only at pods that have one of its labels.
type ByLabel<'a> = BTreeMap<(&'a str, &'a str, &'a str), Vec<&'a Pod>>;

/// Makes the slices (and the Endpoints that are shown) of all Services what they should be.
pub fn sync(store: &mut Store) {
    let services: Vec<Service> = store.list::<Service>(None).filter(|s| has_endpoints(s)).cloned().collect();
    let mut slices: BTreeMap<(String, String), Vec<EndpointSlice>> = BTreeMap::new();
    for slice in store.list::<EndpointSlice>(None) {
        if let Some(service) = slice.service() {
            slices.entry((slice.metadata.namespace.clone(), service.to_owned())).or_default().push(slice.clone());
        }
    }
    let wanted: Vec<(Service, Wanted)> = {
        let mut by_label: ByLabel<'_> = BTreeMap::new();
        for pod in store.list::<Pod>(None).filter(|pod| pod.ip().is_some() && !pod.is_over()) {
            for (key, value) in &pod.metadata.labels {
                by_label.entry((&pod.metadata.namespace, key, value)).or_default().push(pod);
            }
        }
        services.into_iter().map(|service| (endpoints_of(&service, &by_label), service)).map(|(w, s)| (s, w)).collect()
    };
    for (service, wanted) in wanted {
        let key = (service.metadata.namespace.clone(), service.metadata.name.clone());
        let own = slices.remove(&key).unwrap_or_default();
        let own = own.into_iter().filter(|slice| is_owned(&slice.metadata, &service.metadata.uid)).collect();
        put_slices(store, &service, own, &wanted);
        put_endpoints(store, &service, &wanted);
    }
}

/// Whether its endpoints are made here: not by hand, and it is not another name for something.
fn has_endpoints(service: &Service) -> bool {
    !service.spec.selector.is_empty() && service.spec.kind != "ExternalName"
}

/// Endpoints by the ports they have: a port's name may mean another number in each pod.
type Wanted = Vec<(Vec<EndpointPort>, Vec<Endpoint>)>;

fn endpoints_of(service: &Service, pods: &ByLabel<'_>) -> Wanted {
    let spec = &service.spec;
    let Some((key, value)) = spec.selector.iter().next() else { return Vec::new() };
    let candidates = pods.get(&(&*service.metadata.namespace, key, value)).map_or(&[][..], Vec::as_slice);
    let mut groups: BTreeMap<Vec<Option<u16>>, Vec<Endpoint>> = BTreeMap::new();
    for pod in candidates.iter().filter(|pod| covers(&spec.selector, &pod.metadata.labels)) {
        let ports: Vec<Option<u16>> = spec.ports.iter().map(|port| pod.port(&port.target(), port.protocol)).collect();
        groups.entry(ports).or_default().push(endpoint(service, pod));
    }
    let ports = |numbers: &[Option<u16>]| {
        let both = spec.ports.iter().zip(numbers).filter(|(_, number)| number.is_some());
        both.map(|(port, number)| EndpointPort {
            name: port.name.clone(),
            port: *number,
            protocol: port.protocol,
            app_protocol: port.app_protocol.clone(),
        })
        .collect()
    };
    if groups.is_empty() {
        return Vec::new();
    }
    groups.into_iter().map(|(numbers, endpoints)| (ports(&numbers), endpoints)).collect()
}

fn endpoint(service: &Service, pod: &Pod) -> Endpoint {
    let going = pod.metadata.is_going();
    let serving = pod.is_ready() || service.spec.publish_not_ready_addresses == Some(true);
    let named = !pod.spec.hostname.is_empty() && pod.spec.subdomain == service.metadata.name;
    Endpoint {
        addresses: pod.ip().into_iter().collect(),
        conditions: EndpointConditions {
            ready: Some(serving && !going),
            serving: Some(serving),
            terminating: Some(going),
        },
        hostname: named.then(|| pod.spec.hostname.clone()),
        node_name: Kind::node(pod).map(str::to_owned),
        target_ref: Some(TargetRef {
            kind: "Pod".into(),
            name: pod.metadata.name.clone(),
            namespace: pod.metadata.namespace.clone(),
            uid: pod.metadata.uid.clone(),
        }),
        zone: None,
        hints: None,
    }
}

fn put_slices(store: &mut Store, service: &Service, own: Vec<EndpointSlice>, wanted: &Wanted) {
    let mut parts: Vec<(&[EndpointPort], &[Endpoint])> = Vec::new();
    for (ports, endpoints) in wanted {
        parts.extend(endpoints.chunks(SLICE_MAX).map(|part| (&**ports, part)));
    }
    if parts.is_empty() {
        // A Service without endpoints has a slice that says so.
        parts.push((&[], &[]));
    }
    let mut own = own.into_iter();
    for (ports, endpoints) in parts {
        match own.next() {
            Some(slice) => {
                store.modify::<EndpointSlice>(&slice.metadata.namespace, &slice.metadata.name, |slice| {
                    slice.ports = ports.to_vec();
                    slice.endpoints = endpoints.to_vec();
                });
            }
            None => {
                let mut metadata = ObjectMeta {
                    generate_name: format!("{}-", service.metadata.name),
                    namespace: service.metadata.namespace.clone(),
                    owner_references: owned_by(service),
                    ..ObjectMeta::default()
                };
                metadata.labels = service.metadata.labels.clone();
                metadata.labels.insert(SERVICE_NAME.into(), service.metadata.name.clone());
                let by = "endpointslice-controller.k8s.io".to_owned();
                metadata.labels.insert("endpointslice.kubernetes.io/managed-by".into(), by);
                let (ports, endpoints) = (ports.to_vec(), endpoints.to_vec());
                let slice = EndpointSlice { metadata, address_type: "IPv4".into(), endpoints, ports };
                // The Service's namespace exists, so nothing is refused but by a full store.
                let _ = store.create(Box::new(slice));
            }
        }
    }
    for slice in own {
        store.remove(&EndpointSlice::TYPE, &slice.metadata.namespace, &slice.metadata.name);
    }
}

fn put_endpoints(store: &mut Store, service: &Service, wanted: &Wanted) {
    let address = |endpoint: &Endpoint| Address {
        ip: endpoint.ip(),
        hostname: endpoint.hostname.clone().unwrap_or_default(),
        node_name: endpoint.node_name.clone().unwrap_or_default(),
        target_ref: endpoint.target_ref.clone(),
    };
    let subsets = wanted.iter().map(|(ports, endpoints)| {
        let of = |ready: bool| -> Vec<Address> {
            let mut found: Vec<Address> = endpoints.iter().filter(|e| e.is_ready() == ready).map(address).collect();
            found.sort_by_key(|address| address.ip.map(Ipv4Addr::to_bits));
            found
        };
        Subset { addresses: of(true), not_ready_addresses: of(false), ports: ports.clone() }
    });
    let subsets: Vec<Subset> = subsets.collect();
    let (namespace, name) = (&service.metadata.namespace, &service.metadata.name);
    if store.get::<Endpoints>(namespace, name).is_some() {
        store.modify::<Endpoints>(namespace, name, |endpoints| endpoints.subsets = subsets);
        return;
    }
    let mut metadata = ObjectMeta::named(namespace, name);
    metadata.labels = service.metadata.labels.clone();
    metadata.owner_references = owned_by(service);
    // As above.
    let _ = store.create(Box::new(Endpoints { metadata, subsets }));
}
