//! All kinds, one line each. A new kind is a file beside this one and a line here.

use std::borrow::Cow;

use serde_json::Value;

use super::calico::{
    BgpConfiguration, BgpPeer, BlockAffinity, CalicoNetworkPolicy, FelixConfiguration, GlobalNetworkPolicy, IpPool,
    IpamBlock, IpamConfig,
};
use super::decode::{Mistake, typed};
use super::{
    CiliumEndpoint, CiliumIdentity, CiliumNode, Deployment, EndpointSlice, Endpoints, Kind, Namespace, NetworkPolicy,
    Node, Object, Pod, ReplicaSet, Service, TypeInfo,
};
use crate::print::Column;

/// Makes an object from its fields, or says what is wrong with them.
pub type Decode = fn(Value) -> Result<Box<dyn Object>, Vec<Mistake>>;

/// A kind as kubectl and the decoder find it.
#[derive(Clone, Copy)]
pub struct Row {
    /// What it is called.
    pub info: &'static TypeInfo,
    /// See [`Kind::columns`].
    pub columns: fn() -> &'static [Column],
    /// Makes an object from its fields, `apiVersion` and `kind` taken away.
    pub decode: Decode,
}

const fn row<K: Kind>() -> Row {
    Row {
        info: &K::TYPE,
        columns: K::columns,
        decode: |value| typed::<K>(value).map(|object| Box::new(object) as Box<dyn Object>),
    }
}

/// The kinds, in the order in which `kubectl get all` shows those that it shows.
pub static KINDS: &[Row] = &[
    row::<Pod>(),
    row::<Service>(),
    row::<Deployment>(),
    row::<ReplicaSet>(),
    row::<Endpoints>(),
    row::<EndpointSlice>(),
    row::<Namespace>(),
    row::<NetworkPolicy>(),
    row::<Node>(),
    row::<IpPool>(),
    row::<BgpConfiguration>(),
    row::<BgpPeer>(),
    row::<FelixConfiguration>(),
    row::<BlockAffinity>(),
    row::<IpamBlock>(),
    row::<IpamConfig>(),
    row::<CalicoNetworkPolicy>(),
    row::<GlobalNetworkPolicy>(),
    row::<CiliumEndpoint>(),
    row::<CiliumIdentity>(),
    row::<CiliumNode>(),
];

/// The kinds that `kubectl get all` means.
pub const ALL: &[&str] = &["pods", "services", "deployments", "replicasets"];

/// The kind of a manifest.
pub fn of_kind(api_version: &str, kind: &str) -> Option<&'static Row> {
    KINDS.iter().find(|row| row.info.kind == kind && row.info.api_version == api_version)
}

/// The kind that a word of kubectl's command line means: `pods`, `po`, `Pod`, `deployments.apps`, `deployments.v1.apps`.
pub fn of_word(word: &str) -> Option<&'static Row> {
    let word: Cow<'_, str> =
        if word.bytes().any(|b| b.is_ascii_uppercase()) { word.to_ascii_lowercase().into() } else { word.into() };
    let (name, rest) = word.split_once('.').map_or((&*word, None), |(name, rest)| (name, Some(rest)));
    KINDS.iter().find(|row| {
        let info = row.info;
        let group = |rest: &str| {
            rest == info.group() || {
                let (version, group) = rest.split_once('.').unwrap_or((rest, ""));
                group == info.group() && info.api_version.ends_with(version)
            }
        };
        (info.plural == name || info.singular == name || info.short.contains(&name)) && rest.is_none_or(group)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_kubectl() {
        let kind = |word| of_word(word).map(|row| row.info.kind);
        for (word, meant) in [
            ("po", "Pod"),
            ("Pods", "Pod"),
            ("svc", "Service"),
            ("deploy", "Deployment"),
            ("deployments.apps", "Deployment"),
            ("deployment.v1.apps", "Deployment"),
            ("ep", "Endpoints"),
            ("endpointslices", "EndpointSlice"),
            ("netpol", "NetworkPolicy"),
            ("no", "Node"),
            ("ns", "Namespace"),
        ] {
            assert_eq!(kind(word), Some(meant), "{word}");
        }
        assert_eq!([kind("pods.apps"), kind("foo"), kind("")], [None; 3]);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> =
            KINDS.iter().flat_map(|row| row.info.short.iter().copied().chain([row.info.plural])).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
