//! The kinds that `calicoctl` knows, with the words for them. Two of them are no objects of their own: a node and a workload are what
//! Kubernetes' objects say of them.

use hopwise_cluster::calico::from::{self, CalicoNode};
use hopwise_cluster::object::calico::bgp_configuration::{BgpConfiguration, DEFAULT_AS};
use hopwise_cluster::object::calico::{BgpPeer, CalicoNetworkPolicy, FelixConfiguration, GlobalNetworkPolicy, IpPool};
use hopwise_cluster::object::{Kind, Node, Pod, TypeInfo};
use hopwise_cluster::print::Show;
use hopwise_cluster::{Object, Store};
use serde_json::{Value, json};

/// A column: what stands above it, whether it is there always, with `-o wide` only, or without it only.
pub(super) type Heading = (&'static str, When);

/// When a column is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    Wide,
}

/// A kind.
pub(super) struct Row {
    /// `IPPool`
    pub(super) kind: &'static str,
    /// The words for it, in small letters.
    pub(super) words: &'static [&'static str],
    /// How the store names it in errors.
    pub(super) resource: &'static str,
    /// Whether its objects lie in namespaces.
    pub(super) namespaced: bool,
    /// The kind in the store, if it can be changed.
    pub(super) stored: Option<&'static TypeInfo>,
    /// The columns.
    pub(super) headings: fn() -> Vec<Heading>,
    /// All objects: namespace, name, cells, and the whole.
    pub(super) list: fn(&Store) -> Vec<Item>,
}

/// An object as it is shown.
pub(super) struct Item {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) cells: Vec<String>,
    pub(super) value: Value,
}

fn headings_of<K: Kind>() -> Vec<Heading> {
    let more = K::columns().iter().map(|column| (column.name, if column.wide { When::Wide } else { When::Always }));
    [("NAME", When::Always)].into_iter().chain(more).collect()
}

fn list_of<K: Kind>(store: &Store) -> Vec<Item> {
    let show = Show::new(store);
    let item = |object: &K| {
        let (meta, mut value) = (Kind::meta(object), object.json());
        // Calico's own API has no generations.
        value["metadata"].as_object_mut().map(|meta| meta.shift_remove("generation"));
        let cells = core::iter::once(meta.name.clone()).chain(Kind::cells(object, &show)).collect();
        Item { namespace: meta.namespace.clone(), name: meta.name.clone(), cells, value }
    };
    store.list::<K>(None).map(item).collect()
}

const fn stored<K: Kind>(kind: &'static str, words: &'static [&'static str], resource: &'static str) -> Row {
    Row {
        kind,
        words,
        resource,
        namespaced: K::TYPE.namespaced,
        stored: Some(&K::TYPE),
        headings: headings_of::<K>,
        list: list_of::<K>,
    }
}

/// All kinds.
pub(super) static KINDS: &[Row] = &[
    stored::<BgpConfiguration>(
        "BGPConfiguration",
        &["bgpconfiguration", "bgpconfigurations", "bgpconfig", "bgpconfigs"],
        "bgpconfigurations",
    ),
    stored::<BgpPeer>("BGPPeer", &["bgppeer", "bgppeers", "bgpp", "bgpps", "bp", "bps"], "bgppeers"),
    stored::<FelixConfiguration>(
        "FelixConfiguration",
        &["felixconfiguration", "felixconfigurations", "felixconfig", "felixconfigs"],
        "felixconfigurations",
    ),
    stored::<GlobalNetworkPolicy>(
        "GlobalNetworkPolicy",
        &["globalnetworkpolicy", "globalnetworkpolicies", "gnp", "gnps"],
        "globalnetworkpolicies",
    ),
    stored::<IpPool>("IPPool", &["ippool", "ippools", "ipp", "ipps", "pool", "pools"], "ippools"),
    stored::<CalicoNetworkPolicy>(
        "NetworkPolicy",
        &["networkpolicy", "networkpolicies", "policy", "np", "policies", "pol", "pols"],
        "networkpolicies",
    ),
    Row {
        kind: "Node",
        words: &["node", "nodes", "no", "nos"],
        resource: "nodes",
        namespaced: false,
        stored: None,
        headings: || vec![("NAME", When::Always), ("ASN", When::Wide), ("IPV4", When::Wide), ("IPV6", When::Wide)],
        list: nodes,
    },
    Row {
        kind: "WorkloadEndpoint",
        words: &["workloadendpoint", "workloadendpoints", "wep", "weps"],
        resource: "workloadendpoints",
        namespaced: true,
        stored: None,
        headings: || {
            let more = ["WORKLOAD", "NODE", "NETWORKS", "INTERFACE"].map(|name| (name, When::Always));
            let mut all = vec![("NAME", When::Wide)];
            all.extend(more);
            all.extend([("PROFILES", When::Wide), ("NATS", When::Wide)]);
            all
        },
        list: workloads,
    },
];

/// The kind of a word on the command line.
pub(super) fn of_word(word: &str) -> Option<&'static Row> {
    let word = word.to_ascii_lowercase();
    KINDS.iter().find(|row| row.words.contains(&&*word))
}

/// The kind of an object in the store.
pub(super) fn of_info(info: &TypeInfo) -> Option<&'static Row> {
    KINDS.iter().find(|row| row.stored == Some(info))
}

fn nodes(store: &Store) -> Vec<Item> {
    let config = store.get::<BgpConfiguration>("", "default").and_then(|config| config.spec.as_number);
    let item = |node: &Node| {
        let (meta, of) = (&node.metadata, CalicoNode::of(node));
        let number =
            of.as_number.map_or_else(|| format!("({})", config.unwrap_or(DEFAULT_AS)), |number| number.to_string());
        let address = of.address.map(|net| net.to_string()).unwrap_or_default();
        let mut value = json!({
            "apiVersion": "projectcalico.org/v3",
            "kind": "Node",
            "metadata": node.json()["metadata"],
            "spec": {
                "addresses": [{ "address": address, "type": "CalicoNodeIP" }],
                "bgp": { "ipv4Address": address },
                "orchRefs": [{ "nodeName": meta.name, "orchestrator": "k8s" }],
            },
        });
        value["metadata"].as_object_mut().map(|meta| meta.shift_remove("generation"));
        let bgp = &mut value["spec"]["bgp"];
        for (name, told) in [
            ("asNumber", of.as_number.map(Value::from)),
            ("ipv4IPIPTunnelAddr", of.ipip.map(|address| address.to_string().into())),
            ("routeReflectorClusterID", of.cluster_id.map(|id| id.to_string().into())),
        ] {
            if let Some(told) = told {
                bgp[name] = told;
            }
        }
        if let Some(address) = of.vxlan {
            value["spec"]["ipv4VXLANTunnelAddr"] = address.to_string().into();
        }
        let cells = vec![meta.name.clone(), number, address, String::new()];
        Item { namespace: String::new(), name: meta.name.clone(), cells, value }
    };
    store.list::<Node>(None).map(item).collect()
}

fn workloads(store: &Store) -> Vec<Item> {
    let item = |pod: &Pod| {
        let (meta, node) = (&pod.metadata, &pod.spec.node_name);
        let endpoint = from::endpoint(store, pod, node)?;
        // A dash within a part of the name is doubled, so that the parts can be told.
        let part = |text: &str| text.replace('-', "--");
        let name = format!("{}-k8s-{}-eth0", part(node), part(&meta.name));
        let networks: Vec<String> = endpoint.addresses.iter().map(|address| format!("{address}/32")).collect();
        let profiles =
            [format!("kns.{}", meta.namespace), format!("ksa.{}.{}", meta.namespace, endpoint.service_account)];
        let joined = (networks.join(","), profiles.join(","));
        let value = json!({
            "apiVersion": "projectcalico.org/v3",
            "kind": "WorkloadEndpoint",
            "metadata": {
                "creationTimestamp": meta.creation_timestamp,
                "labels": endpoint.labels.iter().filter(|(key, _)| !key.starts_with("pcns.")).collect::<std::collections::BTreeMap<_, _>>(),
                "name": name,
                "namespace": meta.namespace,
                "resourceVersion": meta.resource_version,
                "uid": meta.uid,
            },
            "spec": {
                "containerID": meta.annotations.get(from::annotation::CONTAINER_ID),
                "endpoint": "eth0",
                "interfaceName": endpoint.interface,
                "ipNetworks": networks,
                "node": node,
                "orchestrator": "k8s",
                "pod": meta.name,
                "profiles": profiles,
            },
        });
        let cells =
            vec![name.clone(), meta.name.clone(), node.clone(), joined.0, endpoint.interface, joined.1, String::new()];
        Some(Item { namespace: meta.namespace.clone(), name, cells, value })
    };
    store.list::<Pod>(None).filter_map(item).collect()
}
