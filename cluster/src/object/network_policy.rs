//! Network policies. Who enforces them is the network plugin's affair: flannel and bridge do not.

use core::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::pod::{PortRef, Protocol};
use super::{Invalid, Kind, ObjectMeta, TypeInfo};
use crate::print::{Column, Show};
use crate::selector::LabelSelector;

/// Who may talk to some pods, and to whom they may talk.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct NetworkPolicy {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: NetworkPolicySpec,
}

/// What a policy says.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicySpec {
    /// The pods it concerns.
    pub pod_selector: LabelSelector,
    /// `Ingress`, `Egress`, or both.
    pub policy_types: Vec<String>,
    /// Who may talk to them. None: nobody, if `Ingress` is one of the types.
    pub ingress: Vec<IngressRule>,
    /// To whom they may talk.
    pub egress: Vec<EgressRule>,
}

/// Peers that may come, and the ports they may come to.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct IngressRule {
    /// Peers; none: all.
    pub from: Vec<Peer>,
    /// Ports; none: all.
    pub ports: Vec<PolicyPort>,
}

/// Peers that may be reached, and their ports.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct EgressRule {
    /// Peers; none: all.
    pub to: Vec<Peer>,
    /// Ports; none: all.
    pub ports: Vec<PolicyPort>,
}

/// The other side.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct Peer {
    /// Pods of the policy's namespace, or of those that the other selector selects.
    pub pod_selector: Option<LabelSelector>,
    /// Namespaces.
    pub namespace_selector: Option<LabelSelector>,
    /// Addresses.
    pub ip_block: Option<IpBlock>,
}

/// Addresses.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct IpBlock {
    /// All of these,
    pub cidr: Ipv4Net,
    /// but none of these.
    #[serde(default)]
    pub except: Vec<Ipv4Net>,
}

impl IpBlock {
    /// Whether an address is meant.
    pub fn contains(&self, addr: Ipv4Addr) -> bool {
        self.cidr.contains(&addr) && !self.except.iter().any(|net| net.contains(&addr))
    }
}

/// A port, or several.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyPort {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Protocol,
    /// The port; none: all of the protocol.
    pub port: Option<PortRef>,
    /// The last one of a range.
    pub end_port: Option<u16>,
}

impl NetworkPolicy {
    /// Whether it restricts who may come.
    pub fn is_for_ingress(&self) -> bool {
        self.spec.policy_types.iter().any(|kind| kind == "Ingress")
    }

    /// Whether it restricts where its pods may go.
    pub fn is_for_egress(&self) -> bool {
        self.spec.policy_types.iter().any(|kind| kind == "Egress")
    }
}

impl Kind for NetworkPolicy {
    const TYPE: TypeInfo = TypeInfo {
        kind: "NetworkPolicy",
        api_version: "networking.k8s.io/v1",
        plural: "networkpolicies",
        singular: "networkpolicy",
        short: &["netpol"],
        namespaced: true,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn admit(&mut self) -> Result<(), Invalid> {
        let spec = &mut self.spec;
        if spec.policy_types.is_empty() {
            spec.policy_types.push("Ingress".into());
            if !spec.egress.is_empty() {
                spec.policy_types.push("Egress".into());
            }
        }
        let from = spec.ingress.iter().enumerate().flat_map(|(i, rule)| {
            rule.from.iter().enumerate().map(move |(j, peer)| (format!("spec.ingress[{i}].from[{j}]"), peer))
        });
        let to = spec.egress.iter().enumerate().flat_map(|(i, rule)| {
            rule.to.iter().enumerate().map(move |(j, peer)| (format!("spec.egress[{i}].to[{j}]"), peer))
        });
        for (path, peer) in from.chain(to) {
            let selects = peer.pod_selector.is_some() || peer.namespace_selector.is_some();
            match &peer.ip_block {
                None if !selects => return Err(format!("{path}: Required value: must specify a peer")),
                Some(_) if selects => {
                    return Err(format!("{path}: Forbidden: may not specify both ipBlock and another peer"));
                }
                Some(block) if let Some(bad) = block.except.iter().position(|net| !block.cidr.contains(net)) => {
                    return Err(format!(
                        "{path}.ipBlock.except[{bad}]: Invalid value: {:?}: must be a strict subset of `cidr`",
                        block.except[bad].to_string()
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[Column::new("POD-SELECTOR"), Column::new("AGE")];
        COLUMNS
    }

    fn cells(&self, show: &Show<'_>) -> Vec<String> {
        vec![self.spec.pod_selector.shown("<none>"), show.age(&self.metadata)]
    }

    fn describe(&self, show: &Show<'_>) -> String {
        crate::print::describe::network_policy(self, show)
    }
}
