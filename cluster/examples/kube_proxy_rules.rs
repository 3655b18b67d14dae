//! Prints what kube-proxy would write on a node: `cargo run -p hopwise-cluster --example kube_proxy_rules | iptables-restore -n`.

use std::collections::BTreeSet;

use hopwise_cluster::object::pod::Protocol;
use hopwise_cluster::proxy::{Backend, Port, write};

fn main() {
    let backend = |last, local| Backend { at: ([10, 244, 1, last].into(), 8080), local, ready: true };
    let port = |name: &str, last, node_port| Port {
        name: name.into(),
        address: Some([10, 96, 0, last].into()),
        port: 80,
        node_port,
        backends: vec![backend(2, true), backend(3, true), backend(4, false)],
        ..Port::default()
    };
    let ports = [
        port("default/web", 80, Some(30_080)),
        Port { external_local: true, affinity: Some(10_800), ..port("default/local:http", 81, Some(30_081)) },
        Port { internal_local: true, protocol: Protocol::Udp, ..port("default/inside:dns", 82, None) },
        Port { external: vec![[203, 0, 113, 80].into()], ..port("default/outside", 83, None) },
        Port { backends: Vec::new(), ..port("default/empty", 84, Some(30_084)) },
        Port { external_local: true, backends: vec![backend(4, false)], ..port("default/elsewhere", 85, Some(30_085)) },
    ];
    let pods = "10.244.0.0/16".parse().ok();
    print!("{}", write(&ports, pods, &BTreeSet::new()).text);
}
