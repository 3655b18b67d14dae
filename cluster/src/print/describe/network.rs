//! Services, where they lead, network policies and namespaces.

use super::{labels_and_annotations, or_none, put};
use crate::object::network_policy::{Peer, PolicyPort};
use crate::object::{EndpointSlice, Endpoints, Namespace, NetworkPolicy, Service};
use crate::print::Show;
use crate::print::tabwriter::{DESCRIBE, set};

/// A Service.
pub fn service(service: &Service, show: &Show<'_>) -> String {
    let (meta, spec) = (&service.metadata, &service.spec);
    let mut text = format!("Name:\t{}\nNamespace:\t{}\n", meta.name, meta.namespace);
    labels_and_annotations(&mut text, meta);
    let selector: Vec<String> = spec.selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
    put!(text, "Selector:\t{}", or_none(&selector.join(",")));
    put!(text, "Type:\t{}", spec.kind);
    if !spec.ip_family_policy.is_empty() {
        put!(text, "IP Family Policy:\t{}", spec.ip_family_policy);
    }
    put!(text, "IP Families:\t{}", or_none(&spec.ip_families.join(",")));
    put!(text, "IP:\t{}", spec.cluster_ip);
    put!(text, "IPs:\t{}", or_none(&spec.cluster_ips.join(",")));
    let join = |list: Vec<String>| list.join(",");
    if !spec.external_ips.is_empty() {
        put!(text, "External IPs:\t{}", join(spec.external_ips.iter().map(|ip| ip.to_string()).collect()));
    }
    if let Some(address) = &spec.load_balancer_ip {
        put!(text, "IP:\t{address}");
    }
    if let Some(name) = &spec.external_name {
        put!(text, "External Name:\t{name}");
    }
    let ingress: Vec<String> =
        service.status.load_balancer.ingress.iter().filter_map(|i| i.ip).map(|ip| ip.to_string()).collect();
    if !ingress.is_empty() {
        put!(text, "LoadBalancer Ingress:\t{}", ingress.join(", "));
    }
    let endpoints = show.store.get::<Endpoints>(&meta.namespace, &meta.name);
    for port in &spec.ports {
        let name = if port.name.is_empty() { "<unset>" } else { &port.name };
        put!(text, "Port:\t{name}\t{}/{}", port.port, port.protocol);
        put!(text, "TargetPort:\t{}/{}", port.target(), port.protocol);
        if let Some(node_port) = port.node_port {
            put!(text, "NodePort:\t{name}\t{node_port}/{}", port.protocol);
        }
        put!(text, "Endpoints:\t{}", endpoints.map_or("<none>".into(), |e| e.shown_for(&port.name)));
    }
    put!(text, "Session Affinity:\t{}", spec.session_affinity);
    if !spec.external_traffic_policy.is_empty() {
        put!(text, "External Traffic Policy:\t{}", spec.external_traffic_policy);
    }
    if let Some(port) = spec.health_check_node_port {
        put!(text, "HealthCheck NodePort:\t{port}");
    }
    if !spec.load_balancer_source_ranges.is_empty() {
        put!(text, "LoadBalancer Source Ranges:\t{}", spec.load_balancer_source_ranges.join(","));
    }
    text.push_str("Events:\t<none>\n");
    set(&text, DESCRIBE)
}

/// The endpoints of a Service.
pub fn endpoints(endpoints: &Endpoints, _: &Show<'_>) -> String {
    let meta = &endpoints.metadata;
    let mut text = format!("Name:\t{}\nNamespace:\t{}\n", meta.name, meta.namespace);
    labels_and_annotations(&mut text, meta);
    text.push_str("Subsets:\n");
    for subset in &endpoints.subsets {
        let list = |all: &[crate::object::endpoints::Address]| {
            let all: Vec<String> = all.iter().filter_map(|a| a.ip).map(|ip| ip.to_string()).collect();
            or_none(&all.join(",")).to_owned()
        };
        put!(text, "  Addresses:\t{}", list(&subset.addresses));
        put!(text, "  NotReadyAddresses:\t{}", list(&subset.not_ready_addresses));
        if !subset.ports.is_empty() {
            text.push_str("  Ports:\n    Name\tPort\tProtocol\n    ----\t----\t--------\n");
        }
        for port in &subset.ports {
            let name = if port.name.is_empty() { "<unset>" } else { &port.name };
            put!(text, "    {name}\t{}\t{}", port.port.unwrap_or(0), port.protocol);
        }
        text.push('\n');
    }
    text.push_str("Events:\t<none>\n");
    set(&text, DESCRIBE)
}

/// A slice of them.
pub fn endpoint_slice(slice: &EndpointSlice, _: &Show<'_>) -> String {
    let meta = &slice.metadata;
    let mut text = format!("Name:\t{}\nNamespace:\t{}\n", meta.name, meta.namespace);
    labels_and_annotations(&mut text, meta);
    put!(text, "AddressType:\t{}", slice.address_type);
    match slice.ports.is_empty() {
        true => text.push_str("Ports: <unset>\n"),
        false => text.push_str("Ports:\n  Name\tPort\tProtocol\n  ----\t----\t--------\n"),
    }
    let unset = |text: Option<&str>| text.filter(|t| !t.is_empty()).unwrap_or("<unset>").to_owned();
    for port in &slice.ports {
        let number = port.port.map(|n| n.to_string());
        put!(text, "  {}\t{}\t{}", unset(Some(&port.name)), unset(number.as_deref()), port.protocol);
    }
    text.push_str(if slice.endpoints.is_empty() { "Endpoints: <none>\n" } else { "Endpoints:\n" });
    for endpoint in &slice.endpoints {
        let addresses: Vec<String> = endpoint.addresses.iter().map(|ip| ip.to_string()).collect();
        put!(text, "  - Addresses:\t{}", or_none(&addresses.join(", ")));
        let ready = endpoint.conditions.ready.map(|ready| ready.to_string());
        put!(text, "    Conditions:\n      Ready:\t{}", unset(ready.as_deref()));
        put!(text, "    Hostname:\t{}", unset(endpoint.hostname.as_deref()));
        if let Some(target) = &endpoint.target_ref {
            put!(text, "    TargetRef:\t{}/{}", target.kind, target.name);
        }
        put!(text, "    NodeName:\t{}", unset(endpoint.node_name.as_deref()));
        put!(text, "    Zone:\t{}", unset(endpoint.zone.as_deref()));
    }
    text.push_str("Events:\t<none>\n");
    set(&text, DESCRIBE)
}

/// A namespace.
pub fn namespace(namespace: &Namespace, _: &Show<'_>) -> String {
    let meta = &namespace.metadata;
    let mut text = format!("Name:\t{}\n", meta.name);
    labels_and_annotations(&mut text, meta);
    put!(text, "Status:\t{}\n\nNo resource quota.\n\nNo LimitRange resource.", namespace.status.phase);
    set(&text, DESCRIBE)
}

/// A network policy.
pub fn network_policy(policy: &NetworkPolicy, show: &Show<'_>) -> String {
    let (meta, spec) = (&policy.metadata, &policy.spec);
    let mut text = format!("Name:\t{}\nNamespace:\t{}\n", meta.name, meta.namespace);
    put!(text, "Created on:\t{}", show.or_none(meta.creation_timestamp.map(|at| at.in_go())));
    labels_and_annotations(&mut text, meta);
    text.push_str("Spec:\n");
    let everyone = "<none> (Allowing the specific traffic to all pods in this namespace)";
    put!(text, "  PodSelector:     {}", spec.pod_selector.shown(everyone));
    match policy.is_for_ingress() {
        false => text.push_str("  Not affecting ingress traffic\n"),
        true => {
            text.push_str("  Allowing ingress traffic:\n");
            let rules: Vec<(&[PolicyPort], &[Peer])> = spec.ingress.iter().map(|r| (&*r.ports, &*r.from)).collect();
            self::rules(&mut text, &rules, ["From", "source", "ingress"]);
        }
    }
    match policy.is_for_egress() {
        false => text.push_str("  Not affecting egress traffic\n"),
        true => {
            text.push_str("  Allowing egress traffic:\n");
            let rules: Vec<(&[PolicyPort], &[Peer])> = spec.egress.iter().map(|r| (&*r.ports, &*r.to)).collect();
            self::rules(&mut text, &rules, ["To", "destination", "egress"]);
        }
    }
    put!(text, "  Policy Types: {}", spec.policy_types.join(", "));
    set(&text, DESCRIBE)
}

/// `printNetworkPolicySpecIngressFrom`, `printNetworkPolicySpecEgressTo`
fn rules(text: &mut String, rules: &[(&[PolicyPort], &[Peer])], [way, end, kind]: [&str; 3]) {
    if rules.is_empty() {
        put!(text, "    <none> (Selected pods are isolated for {kind} connectivity)");
    }
    for (at, (ports, peers)) in rules.iter().enumerate() {
        if ports.is_empty() {
            text.push_str("    To Port: <any> (traffic allowed to all ports)\n");
        }
        for port in *ports {
            let number = port.port.as_ref().map_or_else(|| "<any>".into(), |port| port.to_string());
            let last = port.end_port.map_or(String::new(), |last| format!("-{last}"));
            put!(text, "    To Port: {number}{last}/{}", port.protocol);
        }
        if peers.is_empty() {
            put!(text, "    {way}: <any> (traffic not restricted by {end})");
        }
        for peer in *peers {
            put!(text, "    {way}:");
            if let Some(block) = &peer.ip_block {
                let except: Vec<String> = block.except.iter().map(|net| net.to_string()).collect();
                put!(text, "      IPBlock:\n        CIDR: {}\n        Except: {}", block.cidr, except.join(", "));
            }
            let selectors = [("NamespaceSelector", &peer.namespace_selector), ("PodSelector", &peer.pod_selector)];
            for (name, selector) in selectors.into_iter().filter_map(|(name, s)| Some((name, s.as_ref()?))) {
                put!(text, "      {name}: {}", selector.shown("<none>"));
            }
        }
        if at + 1 < rules.len() {
            text.push_str("    ----------\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::decode;
    use crate::store::Store;

    /// The listing of "Network Policies" and of kubectl's own tests.
    #[test]
    fn policies() {
        let text = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: default}\nspec:\n  podSelector: {}\n  \
                    policyTypes: [Ingress, Egress]\n  ingress:\n  - {}\n  - from: [{namespaceSelector: {matchLabels: {id: ns1}}, podSelector: \
                    {matchLabels: {id: pod1}}}]\n    ports: [{port: 80}, {port: 82, protocol: UDP}]\n";
        let object = decode::manifests(text).unwrap().remove(0).object;
        let store = Store::new(1);
        assert_eq!(
            object.describe(&Show::new(&store)),
            "Name:         p\nNamespace:    default\nCreated on:   <none>\nLabels:       <none>\nAnnotations:  <none>\nSpec:\n  \
             PodSelector:     <none> (Allowing the specific traffic to all pods in this namespace)\n  Allowing ingress traffic:\n    \
             To Port: <any> (traffic allowed to all ports)\n    From: <any> (traffic not restricted by source)\n    ----------\n    \
             To Port: 80/TCP\n    To Port: 82/UDP\n    From:\n      NamespaceSelector: id=ns1\n      PodSelector: id=pod1\n  \
             Allowing egress traffic:\n    <none> (Selected pods are isolated for egress connectivity)\n  Policy Types: Ingress, Egress\n"
        );
    }
}
