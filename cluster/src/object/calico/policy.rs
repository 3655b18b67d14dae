//! Calico's own policies: ordered, with deny and pass, for one namespace or for all.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{Invalid, Kind, ObjectMeta, TypeInfo};
use super::{V3, is_default, wrong};
use crate::calico::felix::{Action, Ports};
use crate::calico::selector::Selector;
use crate::print::{Column, Show};

/// A policy for the workloads of its namespace. kubectl knows Kubernetes' own kind by this name, so that the plural is another one here.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct CalicoNetworkPolicy {
    /// Name and namespace.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: PolicySpec,
}

/// A policy for workloads of all namespaces.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct GlobalNetworkPolicy {
    /// Its name.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: PolicySpec,
}

/// What a policy says.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicySpec {
    /// What may go out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<Rule>,
    /// What may come in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<Rule>,
    /// The namespaces that it is for; only of a global one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace_selector: String,
    /// A smaller one is asked first; without one comes last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<f64>,
    /// The workloads that it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// `Ingress`, `Egress`.
    pub types: Vec<String>,
}

/// One rule.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// What it says.
    pub action: Action,
    /// Where packets go.
    #[serde(default, skip_serializing_if = "is_default")]
    pub destination: EntityRule,
    /// The type, and perhaps the code, of an ICMP message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp: Option<Icmp>,
    /// Any but this protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_protocol: Option<Value>,
    /// The protocol: a name or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Value>,
    /// Where packets come from.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: EntityRule,
}

/// An ICMP message.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Icmp {
    /// Its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: u8,
}

/// One end of packets.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct EntityRule {
    /// In these namespaces.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace_selector: String,
    /// One of these networks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nets: Vec<Ipv4Net>,
    /// None of these networks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_nets: Vec<Ipv4Net>,
    /// None of these ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_ports: Vec<Value>,
    /// None of these workloads.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub not_selector: String,
    /// One of these ports: numbers and ranges as `8000:8080`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Value>,
    /// These workloads.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub selector: String,
}

/// Reads a port or a range of ports.
pub fn ports(value: &Value) -> Option<Ports> {
    let number = |text: &str| text.parse().ok();
    match value {
        Value::Number(number) => u16::try_from(number.as_u64()?).ok().map(|port| Ports(port, port)),
        Value::String(text) => match text.split_once(':') {
            Some((first, last)) => Some(Ports(number(first)?, number(last)?)).filter(|Ports(a, b)| a <= b),
            None => number(text).map(|port| Ports(port, port)),
        },
        _ => None,
    }
}

/// Reads a protocol: as iptables names it.
pub fn protocol(value: &Value) -> Option<String> {
    const NAMES: [&str; 5] = ["tcp", "udp", "icmp", "sctp", "udplite"];
    match value {
        Value::Number(number) => u8::try_from(number.as_u64()?).ok().map(|number| number.to_string()),
        Value::String(text) => {
            let name = text.to_ascii_lowercase();
            NAMES.contains(&&*name).then_some(name).or_else(|| text.parse::<u8>().ok().map(|n| n.to_string()))
        }
        _ => None,
    }
}

impl PolicySpec {
    /// Fills in the types, and refuses what cannot be.
    fn admit(&mut self) -> Result<(), Invalid> {
        if self.types.is_empty() {
            let ways =
                [(!self.ingress.is_empty() || self.egress.is_empty(), "Ingress"), (!self.egress.is_empty(), "Egress")];
            self.types = ways.iter().filter(|(on, _)| *on).map(|(_, way)| (*way).to_owned()).collect();
        }
        if let Some(other) = self.types.iter().find(|way| !["Ingress", "Egress"].contains(&&***way)) {
            return Err(wrong("PolicySpec.Types", other, "must be Ingress or Egress"));
        }
        let selector =
            |field: &str, text: &str| Selector::parse(text).map(|_| ()).map_err(|why| wrong(field, text, &why));
        selector("PolicySpec.Selector", &self.selector)?;
        selector("PolicySpec.NamespaceSelector", &self.namespace_selector)?;
        for rule in self.ingress.iter().chain(&self.egress) {
            for value in rule.protocol.iter().chain(&rule.not_protocol) {
                protocol(value).ok_or_else(|| wrong("Rule.Protocol", value, "protocol name invalid"))?;
            }
            let with_ports = ["tcp", "udp", "sctp", "6", "17", "132"];
            let may_have_ports = rule.protocol.as_ref().and_then(protocol).is_some_and(|p| with_ports.contains(&&*p));
            for end in [&rule.source, &rule.destination] {
                selector("EntityRule.Selector", &end.selector)?;
                selector("EntityRule.NotSelector", &end.not_selector)?;
                selector("EntityRule.NamespaceSelector", &end.namespace_selector)?;
                for value in end.ports.iter().chain(&end.not_ports) {
                    ports(value).ok_or_else(|| wrong("EntityRule.Ports", value, "invalid port"))?;
                    if !may_have_ports {
                        return Err(wrong(
                            "EntityRule.Ports",
                            value,
                            "rules that specify ports must set protocol to TCP or UDP or SCTP",
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn cells(&self) -> Vec<String> {
        let order = self.order.map_or_else(|| "<no value>".to_owned(), |order| order.to_string());
        vec![order, self.selector.clone()]
    }
}

const COLUMNS: &[Column] = &[Column::wide("ORDER"), Column::wide("SELECTOR")];

impl Kind for CalicoNetworkPolicy {
    const TYPE: TypeInfo = TypeInfo {
        kind: "NetworkPolicy",
        api_version: V3,
        plural: "caliconetworkpolicies",
        singular: "caliconetworkpolicy",
        short: &["cnp"],
        namespaced: true,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn admit(&mut self) -> Result<(), Invalid> {
        if !self.spec.namespace_selector.is_empty() {
            return Err(wrong(
                "PolicySpec.NamespaceSelector",
                &self.spec.namespace_selector,
                "only a global policy has one",
            ));
        }
        self.spec.admit()
    }

    fn columns() -> &'static [Column] {
        COLUMNS
    }

    fn cells(&self, _show: &Show<'_>) -> Vec<String> {
        self.spec.cells()
    }
}

impl Kind for GlobalNetworkPolicy {
    const TYPE: TypeInfo = TypeInfo {
        kind: "GlobalNetworkPolicy",
        api_version: V3,
        plural: "globalnetworkpolicies",
        singular: "globalnetworkpolicy",
        short: &["gnp", "gnps"],
        namespaced: false,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn admit(&mut self) -> Result<(), Invalid> {
        self.spec.admit()
    }

    fn columns() -> &'static [Column] {
        COLUMNS
    }

    fn cells(&self, _show: &Show<'_>) -> Vec<String> {
        self.spec.cells()
    }
}
