//! The `/etc/resolv.conf` of a pod (`pkg/kubelet/network/dns`).

use hopwise_cluster::object::Pod;
use hopwise_machine::Sys;

use crate::kernel::SimKernel;
use crate::kube::coredns::DOMAIN;
use crate::kube::tools;

/// More servers and domains than this a resolver does not look at (`MaxDNSNameservers`, `MaxDNSSearchPaths`).
const SERVERS_MAX: usize = 3;
const DOMAINS_MAX: usize = 32;

/// What the file says.
#[derive(Default)]
struct Resolver {
    domains: Vec<String>,
    servers: Vec<String>,
    options: Vec<String>,
}

/// The file of a pod. `None`: it sees that of its node.
pub(super) fn file(sys: &mut Sys<'_, SimKernel>, pod: &Pod) -> Option<String> {
    let config = pod.spec.dns_config.as_ref();
    let mut resolver = match &*pod.spec.dns_policy {
        "None" => Resolver::default(),
        "ClusterFirstWithHostNet" => Resolver::of_cluster(sys, pod),
        "ClusterFirst" if !pod.is_on_host_network() => Resolver::of_cluster(sys, pod),
        _ if config.is_none() => return None,
        _ => Resolver::parse(&tools::read_file(sys, "/etc/resolv.conf")),
    };
    if let Some(config) = config {
        add(&mut resolver.servers, config.nameservers.iter().map(|server| server.to_string()));
        add(&mut resolver.domains, config.searches.iter().cloned());
        for option in &config.options {
            let value = option.value.as_ref().map_or(String::new(), |value| format!(":{value}"));
            // A later value of an option stands instead of the former one.
            resolver.options.retain(|old| old.split(':').next() != Some(&option.name));
            resolver.options.push(format!("{}{value}", option.name));
        }
    }
    Some(resolver.text())
}

fn add(list: &mut Vec<String>, more: impl Iterator<Item = String>) {
    for item in more {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}

impl Resolver {
    /// The server and the domains of the cluster.
    fn of_cluster(sys: &Sys<'_, SimKernel>, pod: &Pod) -> Self {
        let namespace = &pod.metadata.namespace;
        let domains = vec![format!("{namespace}.svc.{DOMAIN}"), format!("svc.{DOMAIN}"), DOMAIN.to_owned()];
        let server = sys.kernel.kube.store.services.nth(10).to_string();
        Resolver { domains, servers: vec![server], options: vec!["ndots:5".into()] }
    }

    fn parse(text: &str) -> Self {
        let mut resolver = Resolver::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => resolver.servers.extend(words.next().map(str::to_owned)),
                Some("search") => resolver.domains = words.map(str::to_owned).collect(),
                Some("options") => resolver.options = words.map(str::to_owned).collect(),
                _ => {}
            }
        }
        resolver
    }

    fn text(mut self) -> String {
        self.servers.truncate(SERVERS_MAX);
        self.domains.truncate(DOMAINS_MAX);
        let mut text = String::new();
        if !self.domains.is_empty() {
            text.push_str(&format!("search {}\n", self.domains.join(" ")));
        }
        text.extend(self.servers.iter().map(|server| format!("nameserver {server}\n")));
        if !self.options.is_empty() {
            text.push_str(&format!("options {}\n", self.options.join(" ")));
        }
        text
    }
}
