//! The network programs: one line each. From here come `PATH`, completion and the support table.

use hopwise_machine::{Place, ProgramEntry, ProgramTable, Start};

use crate::kernel::SimKernel;
use crate::{arping, kmod, net_tools, netfilter, nsenter, ping, tcpdump, traceroute};

/// The network programs of this crate.
pub fn network_programs() -> Vec<ProgramEntry<SimKernel>> {
    use Place::{Bin, Sbin};
    vec![
        row("arp", Sbin, "net-tools", "show and change the neighbour table", net_tools::arp::start),
        row("arping", Bin, "iputils", "send ARP requests to a neighbour", arping::start),
        row("bird", Sbin, "bird2", "a routing daemon: BGP, static routes, filters", crate::bird::start),
        row("birdc", Sbin, "bird2", "ask and steer bird", crate::bird::client),
        row("brctl", Sbin, "bridge-utils", "bridges, as they were set up before iproute2", crate::brctl::start),
        row("bridge", Sbin, "iproute2", "ports and forwarding databases of bridges", crate::bridge::start),
        row("cilium", Bin, "cilium", "ask the Cilium agent of a node", crate::kube::cilium::cli::start),
        row("cilium-cni", Bin, "cilium", "the CNI plugin of Cilium", crate::kube::cilium::cni::start),
        row(
            "calicoctl",
            Bin,
            "calicoctl",
            "Calico's objects, addresses and sessions",
            crate::kube::calico::calicoctl::start,
        ),
        row("curl", Bin, "curl", "transfer a URL", crate::curl::start),
        row(
            "conntrack",
            Sbin,
            "conntrack",
            "show and change the connections of netfilter",
            netfilter::conntrack::start,
        ),
        row("dig", Bin, "bind9-dnsutils", "ask a name server", crate::dns::dig::start),
        row("dnsmasq", Sbin, "dnsmasq", "a small name server", crate::dns::server::start),
        row("ethtool", Sbin, "ethtool", "statistics, driver and offloads of a link", crate::ethtool::start),
        row("getent", Bin, "libc-bin", "look up a host, a user, a service", crate::getent::start),
        row(
            "hopwise-vm",
            Sbin,
            "hopwise",
            "a stand-in for a virtual machine behind a tap; no program of Linux",
            crate::vm::start,
        ),
        row("ifconfig", Sbin, "net-tools", "show interfaces and set them up", net_tools::ifconfig::start),
        row("ip", Bin, "iproute2", "links, addresses, routes, rules, neighbours, namespaces", crate::ip::start),
        row("iperf3", Bin, "iperf3", "measure how fast a path is", crate::iperf3::start),
        row("ip6tables", Sbin, "iptables", "refused: there is no IPv6", netfilter::iptables::refuse),
        row("ipset", Sbin, "ipset", "sets of addresses, networks and ports", netfilter::ipset::start),
        row("iptables", Sbin, "iptables", "show and change the rules of netfilter", netfilter::iptables::start),
        row("iptables-legacy", Sbin, "iptables", "iptables under another name", netfilter::iptables::start),
        row("iptables-nft", Sbin, "iptables", "iptables under another name", netfilter::iptables::start),
        row("iptables-restore", Sbin, "iptables", "read rules in their saved form", netfilter::restore),
        row("iptables-save", Sbin, "iptables", "print rules in their saved form", netfilter::save),
        row(
            "kubectl",
            Bin,
            "kubectl",
            "show and change the objects of a Kubernetes cluster",
            crate::kube::kubectl::start,
        ),
        row("sysctl", Sbin, "procps", "settings of the kernel", crate::sysctl::start),
        row("dmesg", Bin, "util-linux", "print the kernel's log", kmod::dmesg),
        row("lsmod", Sbin, "kmod", "list the modules that were loaded", kmod::lsmod),
        row("modprobe", Sbin, "kmod", "load a module", kmod::modprobe),
        row("nc", Bin, "netcat-openbsd", "read and write connections", crate::nc::start),
        row("netcat", Bin, "netcat-openbsd", "the same", crate::nc::start),
        row("netstat", Bin, "net-tools", "sockets, routes, interfaces, counters", net_tools::netstat::start),
        row("nslookup", Bin, "bind9-dnsutils", "ask a name server", crate::dns::nslookup::start),
        row("nsenter", Bin, "util-linux", "run a program in the namespaces of others", nsenter::nsenter),
        row("openvpn", Sbin, "openvpn", "a tunnel between two ends, without keys", crate::openvpn::start),
        row("ping", Bin, "iputils", "send ICMP echo requests to a host", ping::start),
        row("python3", Bin, "python3", "its HTTP server: -m http.server", crate::http::start),
        row("route", Sbin, "net-tools", "show and change the routing table", net_tools::route::start),
        row("ss", Bin, "iproute2", "sockets of all kinds", crate::ss::start),
        row("tc", Sbin, "iproute2", "queueing disciplines of links", crate::tc::start),
        row("tcpdump", Bin, "tcpdump", "capture and print packets", tcpdump::start),
        row("tracepath", Bin, "iputils", "find the MTU of the path to a host", crate::tracepath::start),
        row("traceroute", Sbin, "traceroute", "trace the route packets take to a host", traceroute::start),
        row("wget", Bin, "wget", "fetch a file by HTTP", crate::wget::start),
        row("unshare", Bin, "util-linux", "run a program in new namespaces", nsenter::unshare),
    ]
}

fn row(
    name: &'static str,
    place: Place,
    package: &'static str,
    about: &'static str,
    start: Start<SimKernel>,
) -> ProgramEntry<SimKernel> {
    ProgramEntry { name, place, package, about, start }
}

/// All programs of a machine: the everyday ones and the network ones.
pub fn table() -> ProgramTable<SimKernel> {
    let mut table = ProgramTable::default();
    for row in network_programs() {
        table.add(row);
    }
    table
}
