//! The keys a lab's YAML may have, one row each: what happens to it, and why.
//!
//! The schema is containerlab's. What hopwise has no use for is either noted (the lab means the same without it) or
//! refused (the lab would not mean the same).

/// What happens to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// It is read.
    Used,
    /// It is accepted and has no effect; the sentence says why.
    Noted(&'static str),
    /// The lab is refused; the sentence says why, or what to write instead.
    Refused(&'static str),
}

use Rule::{Noted, Refused, Used};

/// A mapping: what it is called in messages, and its keys.
pub(super) struct Schema {
    pub(super) what: &'static str,
    pub(super) keys: &'static [(&'static str, Rule)],
}

impl Schema {
    /// The rule of a key, if it is known.
    pub(super) fn rule(&self, key: &str) -> Option<Rule> {
        self.keys.iter().find(|(name, _)| *name == key).map(|(_, rule)| *rule)
    }

    /// The keys that are read, for a message.
    pub(super) fn known(&self) -> String {
        super::topology::list(self.keys.iter().filter(|(_, rule)| *rule == Used).map(|(name, _)| *name))
    }
}

const NO_CONTAINER: &str = "a machine is simulated: there is no container to configure";
const NO_PROGRAMS: &str = "no program starts with a machine: put commands into `exec`";
const NO_FILES: &str = "files of the real machine are not visible in a lab: write them with a here-document";
const NO_MANAGEMENT: &str = "there is no management network";
const FOR_PEOPLE: &str = "it is for people and other tools";

/// The front matter of a lab document.
pub(super) const FRONT_MATTER: Schema =
    Schema { what: "the front matter", keys: &[("name", Used), ("topology", Used), ("cluster", Used)] };

/// The top of a containerlab file.
pub(super) const CONTAINERLAB: Schema = Schema {
    what: "a containerlab file",
    keys: &[
        ("name", Used),
        ("topology", Used),
        ("prefix", Noted(NO_CONTAINER)),
        ("mgmt", Noted(NO_MANAGEMENT)),
        ("settings", Noted(NO_CONTAINER)),
        ("debug", Noted(NO_CONTAINER)),
    ],
};

/// `cluster:`
pub(super) const CLUSTER: Schema = Schema {
    what: "a cluster",
    keys: &[
        ("cni", Used),
        ("settings", Used),
        ("podCIDR", Used),
        ("nodeCIDRMaskSize", Used),
        ("serviceCIDR", Used),
        ("nodes", Used),
        ("proxy", Used),
        ("dns", Used),
        ("manifests", Used),
    ],
};

/// A node of a cluster.
pub(super) const MEMBER: Schema = Schema { what: "a cluster's node", keys: &[("address", Used), ("labels", Used)] };

/// `topology:`
pub(super) const TOPOLOGY: Schema = Schema {
    what: "a topology",
    keys: &[
        ("nodes", Used),
        ("links", Used),
        ("kinds", Used),
        ("defaults", Used),
        ("groups", Refused("groups are not supported: write the settings into `defaults` or the nodes")),
    ],
};

/// A node, and the same keys under `kinds:` and `defaults:`.
pub(super) const NODE: Schema = Schema {
    what: "a node",
    keys: &[
        ("kind", Used),
        ("exec", Used),
        ("sysctls", Used),
        ("image", Noted("the programs are hopwise's own: no image is used")),
        ("image-pull-policy", Noted("the programs are hopwise's own: no image is used")),
        ("labels", Noted(FOR_PEOPLE)),
        ("position", Noted(FOR_PEOPLE)),
        ("cpu", Noted(NO_CONTAINER)),
        ("cpu-set", Noted(NO_CONTAINER)),
        ("memory", Noted(NO_CONTAINER)),
        ("runtime", Noted(NO_CONTAINER)),
        ("restart-policy", Noted(NO_CONTAINER)),
        ("auto-remove", Noted(NO_CONTAINER)),
        ("user", Noted("commands run as root")),
        ("mgmt-ipv4", Noted(NO_MANAGEMENT)),
        ("mgmt-ipv6", Noted(NO_MANAGEMENT)),
        ("ports", Noted("a lab cannot be reached from the real network")),
        ("publish", Noted("a lab cannot be reached from the real network")),
        ("startup-delay", Noted("all machines start at the same time")),
        ("group", Refused("groups are not supported: write the settings into `defaults` or the node")),
        ("cmd", Refused(NO_PROGRAMS)),
        ("entrypoint", Refused(NO_PROGRAMS)),
        ("env", Refused("set variables in the commands that need them")),
        ("env-files", Refused(NO_FILES)),
        ("binds", Refused(NO_FILES)),
        ("startup-config", Refused(NO_FILES)),
        ("license", Refused(NO_FILES)),
        ("config", Refused("hopwise has no configuration engine: put commands into `exec`")),
        ("type", Refused("only kind `linux` exists, and it has no types")),
        ("network-mode", Refused("a machine has its own network, made of the links of this topology")),
        ("stages", Refused("all machines start at the same time: put commands into `exec`")),
        ("wait-for", Refused("all machines start at the same time: put commands into `exec`")),
        ("dns", Refused("no name server is known to a machine: write `/etc/hosts` or `/etc/resolv.conf` with `exec`")),
        ("healthcheck", Refused(NO_PROGRAMS)),
        ("certificate", Refused(NO_FILES)),
    ],
};

/// A link.
pub(super) const LINK: Schema = Schema {
    what: "a link",
    keys: &[
        ("endpoints", Used),
        ("mtu", Used),
        ("delay", Used),
        ("jitter", Used),
        ("rate", Used),
        ("loss", Used),
        ("faults", Used),
        ("type", Used),
        ("labels", Noted(FOR_PEOPLE)),
        ("vars", Noted("hopwise has no configuration engine")),
    ],
};

/// Something that happens to a link.
pub(super) const FAULT: Schema = Schema {
    what: "a fault",
    keys: &[("at", Used), ("state", Used), ("delay", Used), ("jitter", Used), ("rate", Used), ("loss", Used)],
};

/// An endpoint in containerlab's long form.
pub(super) const ENDPOINT: Schema = Schema {
    what: "an endpoint",
    keys: &[
        ("node", Used),
        ("interface", Used),
        ("mac", Refused("set it with a command: `ip link set dev LINK address MAC`")),
        ("ipv4", Refused("set it with a command: `ip addr add ADDRESS dev LINK`")),
        ("ipv6", Refused("there is no IPv6 yet")),
        ("vars", Noted("hopwise has no configuration engine")),
    ],
};

/// Names before the colon of an endpoint that mean something of the real machine to containerlab.
pub(super) const REAL_ENDPOINTS: &[&str] = &["host", "mgmt-net", "macvlan"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_one_row() {
        for schema in [FRONT_MATTER, CONTAINERLAB, CLUSTER, MEMBER, TOPOLOGY, NODE, LINK, ENDPOINT] {
            let mut names: Vec<_> = schema.keys.iter().map(|(name, _)| name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), schema.keys.len(), "{}", schema.what);
        }
    }
}
