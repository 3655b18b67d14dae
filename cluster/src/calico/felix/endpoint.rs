//! The two chains of a workload: to it (`cali-tw-`) and from it (`cali-fw-`) (`endpoints.go`).

use super::policy::Policy;
use super::rule::{Chain, Rule, chain_name};
use super::{Endpoint, mark};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// Towards the workload.
    Ingress,
    /// Away from it.
    Egress,
}

/// The chains of one endpoint. `policies` are all policies in their order.
pub(super) fn chains(endpoint: &Endpoint, policies: &[Policy]) -> [Chain; 2] {
    [Direction::Ingress, Direction::Egress].map(|direction| chain(endpoint, policies, direction))
}

fn chain(endpoint: &Endpoint, policies: &[Policy], direction: Direction) -> Chain {
    let (to, policy_prefix, profile_prefix) = match direction {
        Direction::Ingress => ("cali-tw-", "cali-pi-", "cali-pri-"),
        Direction::Egress => ("cali-fw-", "cali-po-", "cali-pro-"),
    };
    let mut rules = vec![
        Rule::jump("ACCEPT").when("-m conntrack --ctstate RELATED,ESTABLISHED"),
        Rule::jump("DROP").when("-m conntrack --ctstate INVALID"),
        Rule::clear_mark(mark::ACCEPT),
    ];
    if direction == Direction::Egress {
        let vxlan = Rule::jump("DROP").saying("Drop VXLAN encapped packets originating in workloads");
        rules.push(vxlan.when("-p 17").when("-m multiport --destination-ports 4789"));
        rules.push(Rule::jump("DROP").saying("Drop IPinIP encapped packets originating in workloads").when("-p 4"));
    }
    let applies = |policy: &&Policy| match direction {
        Direction::Ingress => policy.ingress.is_some() && policy.selector.matches(&endpoint.labels),
        Direction::Egress => policy.egress.is_some() && policy.selector.matches(&endpoint.labels),
    };
    let asked: Vec<&Policy> = policies.iter().filter(applies).collect();
    if !asked.is_empty() {
        rules.push(Rule::clear_mark(mark::PASS).saying("Start of policies"));
        for policy in asked {
            rules.push(Rule::jump(&chain_name(policy_prefix, &policy.id())).when_unmarked(mark::PASS));
            rules.push(Rule::jump("RETURN").saying("Return if policy accepted").when_marked(mark::ACCEPT));
        }
        rules.push(Rule::jump("DROP").saying("Drop if no policies passed packet").when_unmarked(mark::PASS));
    }
    for profile in endpoint.profiles() {
        rules.push(Rule::jump(&chain_name(profile_prefix, &profile)));
        rules.push(Rule::jump("RETURN").saying("Return if profile accepted").when_marked(mark::ACCEPT));
    }
    rules.push(Rule::jump("DROP").saying("Drop if no profiles matched"));
    Chain::new(chain_name(to, &endpoint.interface), rules)
}
