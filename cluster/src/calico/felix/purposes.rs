//! What Felix's chains are for, in words.

use super::rule::chain_name;
use super::{Endpoint, Policy, View};

/// The chains of table `filter` with their purposes: `workload endpoint default/web-1`, `NetworkPolicy default/deny-all`. Chains that a
/// node does not need are named as well.
pub fn of_filter(view: &View) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut put = |prefixes: [&str; 2], name: &str, what: &str| {
        let [inward, outward] = prefixes.map(|prefix| chain_name(prefix, name));
        all.extend([(inward, format!("{what} (ingress)")), (outward, format!("{what} (egress)"))]);
    };
    for endpoint in view.endpoints.iter().filter(|endpoint| endpoint.is_local) {
        put(["cali-tw-", "cali-fw-"], &endpoint.interface, &workload(endpoint));
        for profile in endpoint.profiles() {
            put(["cali-pri-", "cali-pro-"], &profile, &format!("profile {profile}"));
        }
    }
    for policy in &view.policies {
        put(["cali-pi-", "cali-po-"], &policy.id(), &shown(policy));
    }
    all
}

/// The chains of table `nat` with their purposes.
pub fn of_nat(view: &View) -> Vec<(String, String)> {
    let pools: Vec<String> =
        view.pools.iter().filter(|pool| pool.nat_outgoing).map(|pool| pool.cidr.to_string()).collect();
    vec![("cali-nat-outgoing".into(), format!("natOutgoing of IPPool {}", pools.join(", ")))]
}

fn workload(endpoint: &Endpoint) -> String {
    format!("workload endpoint {}/{}", endpoint.namespace, endpoint.pod)
}

/// A policy as it was applied: the names that Felix knows say where it comes from (`knp.default.` is Kubernetes, `default.` Calico's
/// only tier).
fn shown(policy: &Policy) -> String {
    let (namespace, name) = (policy.namespace.as_str(), policy.name.as_str());
    if let Some(name) = name.strip_prefix("knp.default.") {
        return format!("NetworkPolicy {namespace}/{name}");
    }
    let name = name.strip_prefix("default.").unwrap_or(name);
    match namespace {
        "" => format!("GlobalNetworkPolicy {name}"),
        namespace => format!("Calico NetworkPolicy {namespace}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calico::selector::Selector;

    fn policy(namespace: &str, name: &str) -> Policy {
        let (namespace, name, selector) = (namespace.into(), name.into(), Selector::All);
        Policy { namespace, name, selector, ingress: None, egress: None }
    }

    #[test]
    fn chains_of_endpoints_and_policies() {
        let endpoint = Endpoint {
            interface: "cali12345678901".into(),
            namespace: "default".into(),
            pod: "web-1".into(),
            service_account: "default".into(),
            is_local: true,
            ..Endpoint::default()
        };
        let policies = vec![policy("default", "knp.default.deny-all")];
        let view = View { endpoints: vec![endpoint], policies, ..View::default() };
        let all = of_filter(&view);
        let of = |chain: &str| all.iter().find(|(name, _)| name == chain).map(|(_, what)| what.as_str());
        assert_eq!(of("cali-tw-cali12345678901"), Some("workload endpoint default/web-1 (ingress)"));
        assert_eq!(of("cali-fw-cali12345678901"), Some("workload endpoint default/web-1 (egress)"));
        assert_eq!(of("cali-pri-kns.default"), Some("profile kns.default (ingress)"));
        let deny = chain_name("cali-pi-", "default/knp.default.deny-all");
        assert_eq!(of(&deny), Some("NetworkPolicy default/deny-all (ingress)"));
    }

    #[test]
    fn policies_of_calico() {
        assert_eq!(shown(&policy("", "default.deny")), "GlobalNetworkPolicy deny");
        assert_eq!(shown(&policy("prod", "default.web")), "Calico NetworkPolicy prod/web");
    }
}
