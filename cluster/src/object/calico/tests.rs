//! Manifests as users write them, and what is refused with its line.

use proptest::prelude::*;

use crate::object::decode::manifests;
use crate::store::Store;
use crate::{Kind, print};

const POOL: &str = "\
apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: default-ipv4-ippool
spec:
  cidr: 10.244.0.0/16
  ipipMode: Always
  natOutgoing: true
";

fn apply(text: &str) -> Result<Store, String> {
    let mut store = Store::new(1);
    store
        .create(Box::new(crate::object::Namespace {
            metadata: crate::ObjectMeta::named("", "default"),
            ..Default::default()
        }))
        .unwrap();
    for manifest in manifests(text).map_err(|refused| refused.text("f.yaml"))? {
        store.create(manifest.object).map_err(|error| error.to_string())?;
    }
    Ok(store)
}

/// The document on Calico's IPIP mode prints these lines below `spec`.
#[test]
fn a_pool_is_filled_in_as_in_the_document() {
    let store = apply(POOL).unwrap();
    let pool = store.get::<super::IpPool>("", "default-ipv4-ippool").unwrap();
    let text = print::yaml::yaml(&crate::Object::json(pool));
    let expected = "\
spec:
  allowedUses:
  - Workload
  - Tunnel
  blockSize: 26
  cidr: 10.244.0.0/16
  ipipMode: Always
  natOutgoing: true
  nodeSelector: all()
  vxlanMode: Never
";
    assert_eq!(&text[text.find("spec:").unwrap()..], expected);
}

#[test]
fn unknown_fields_have_their_line() {
    let error = apply(&POOL.replace("natOutgoing", "natOutgoin")).unwrap_err();
    assert!(error.contains("f.yaml:8: spec.natOutgoin"), "{error}");
    let error = apply(&POOL.replace("Always", "Sometimes")).unwrap_err();
    assert!(error.contains("f.yaml:7: spec.ipipMode"), "{error}");
}

#[test]
fn pools_that_cannot_be() {
    for (from, to, why) in [
        ("10.244.0.0/16", "10.244.0.1/16", "IP pool CIDR is not strictly masked"),
        ("10.244.0.0/16", "10.244.0.0/28", "IP pool size is too small"),
        ("natOutgoing: true", "vxlanMode: Always", "cannot both be enabled"),
        ("natOutgoing: true", "blockSize: 8", "between 20 and 32"),
        ("natOutgoing: true", "nodeSelector: a =", "NodeSelector"),
    ] {
        let error = apply(&POOL.replace(from, to)).err().unwrap_or_default();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn every_kind_is_read() {
    let text = "\
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {asNumber: 64513, nodeToNodeMeshEnabled: false, serviceClusterIPs: [{cidr: 10.96.0.0/12}]}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: rr}
spec: {nodeSelector: '!has(rr)', peerSelector: has(rr)}
---
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {defaultEndpointToHostAction: Return, ipipMTU: 1440}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: default}
spec:
  order: 10
  selector: app == 'web'
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: app == 'client'}, destination: {ports: [80, '8000:8080']}}
  - {action: Deny}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny}
spec: {types: [Ingress, Egress]}
---
apiVersion: crd.projectcalico.org/v1
kind: IPAMConfig
metadata: {name: default}
spec: {strictAffinity: true, autoAllocateBlocks: true}
";
    let store = apply(text).unwrap();
    let policy = store.get::<super::CalicoNetworkPolicy>("default", "web").unwrap();
    assert_eq!(policy.spec.types, ["Ingress"]);
    assert_eq!(store.get::<super::BgpPeer>("", "rr").map(|peer| peer.meta().name.as_str()), Some("rr"));
    let bad = apply(&text.replace("protocol: TCP, ", "")).unwrap_err();
    assert!(bad.contains("must set protocol"), "{bad}");
}

proptest! {
    /// Whatever is changed in a manifest, it is read or refused.
    #[test]
    fn no_manifest_panics(at in 0..POOL.len(), with in ".{0,12}", cut in 0..20usize) {
        let mut text = POOL.to_owned();
        text.replace_range(at..(at + cut).min(POOL.len()), &with);
        let _ = apply(&text);
    }
}
