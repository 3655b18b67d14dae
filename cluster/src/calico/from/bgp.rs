//! Who speaks BGP with whom (confd's `backends/calico/{bgp_processor,client}.go`).

use super::{CalicoNode, DEFAULT, blocks, pools};
use crate::calico::bird_cfg::{Peer, View};
use crate::calico::selector::Selector;
use crate::object::Node;
use crate::object::calico::IpPool;
use crate::object::calico::bgp_configuration::{BgpConfiguration, DEFAULT_AS};
use crate::object::calico::bgp_peer::{BgpPeer, BgpPeerSpec};
use crate::store::Store;

/// What BIRD does on a node. `None` until the node has its address.
pub fn view(store: &Store, node: &str) -> Option<View> {
    let config = store.get::<BgpConfiguration>("", DEFAULT).map(|config| config.spec.clone()).unwrap_or_default();
    let global_as = config.as_number.unwrap_or(DEFAULT_AS);
    let own = store.get::<Node>("", node)?;
    let me = CalicoNode::of(own);
    let peer_of = |other: &Node| {
        let of = CalicoNode::of(other);
        Some(Peer {
            address: of.address?.addr(),
            port: config.listen_port,
            as_number: of.as_number.unwrap_or(global_as),
            cluster_id: of.cluster_id,
            keep_next_hop: false,
            reachable_by: None,
        })
    };
    let mesh = config.node_to_node_mesh_enabled.unwrap_or(true).then(|| {
        let all = store.list::<Node>(None).filter_map(|other| Some((other.metadata.name.clone(), peer_of(other)?)));
        all.collect()
    });
    let (mut global_peers, mut node_peers) = (Vec::new(), Vec::new());
    for spec in store.list::<BgpPeer>(None).map(|peer| &peer.spec) {
        let is_global = spec.node.is_empty() && spec.node_selector.is_empty();
        let list = if is_global { &mut global_peers } else { &mut node_peers };
        if concerns(spec, own) {
            match spec.address() {
                Some((address, port)) => list.push(Peer {
                    address,
                    port,
                    as_number: spec.as_number.unwrap_or(global_as),
                    cluster_id: None,
                    keep_next_hop: spec.keep_original_next_hop,
                    reachable_by: spec.reachable_by.parse().ok(),
                }),
                None => list
                    .extend(store.list::<Node>(None).filter(|n| selects(&spec.peer_selector, n)).filter_map(peer_of)),
            }
        } else if !spec.peer_selector.is_empty() && selects(&spec.peer_selector, own) {
            // The other end of the same peering.
            list.extend(store.list::<Node>(None).filter(|other| concerns(spec, other)).filter_map(peer_of));
        }
    }
    for list in [&mut global_peers, &mut node_peers] {
        list.sort_by_key(|peer| peer.address);
        list.dedup_by_key(|peer| (peer.address, peer.port));
    }
    Some(View {
        node: node.to_owned(),
        address: me.address?,
        as_number: me.as_number.unwrap_or(global_as),
        listen_port: config.listen_port,
        cluster_id: me.cluster_id,
        mesh,
        global_peers,
        node_peers,
        blocks: blocks(store, node),
        pools: pools(store).map(IpPool::for_bird).collect(),
    })
}

fn concerns(spec: &BgpPeerSpec, node: &Node) -> bool {
    match (&*spec.node, &*spec.node_selector) {
        ("", "") => true,
        ("", selector) => selects(selector, node),
        (name, _) => name == node.metadata.name,
    }
}

fn selects(selector: &str, node: &Node) -> bool {
    Selector::parse(selector).is_ok_and(|selector| selector.matches(&node.metadata.labels))
}
