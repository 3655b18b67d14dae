//! Names of Services: who answers, and what a pod's programs make of the search list.

use hopwise_userland::kube::Dns;

use super::{Lab, WEB};

fn inside(lab: &mut Lab, line: &str) -> String {
    lab.run(&format!("kubectl exec client -- {line}"))
}

#[test]
fn a_bare_name_is_found_from_a_pod() {
    let mut lab = Lab::flannel(Dns::CoreDns);
    lab.apply(WEB);
    assert_eq!(
        inside(&mut lab, "cat /etc/resolv.conf"),
        "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
    );
    let found = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\nName:\tweb.default.svc.cluster.local\nAddress: 10.96.0.80\n\n";
    for name in ["web", "web.default", "web.default.svc", "web.default.svc.cluster.local"] {
        assert_eq!(inside(&mut lab, &format!("nslookup {name}")), found, "{name}");
    }
    let kubernetes = inside(&mut lab, "nslookup kubernetes.default");
    assert!(kubernetes.contains("Name:\tkubernetes.default.svc.cluster.local\nAddress: 10.96.0.1\n"), "{kubernetes}");
    assert_eq!(inside(&mut lab, "dig +search +short web"), "10.96.0.80\n");
    assert_eq!(inside(&mut lab, "dig +short web"), "");
    assert_eq!(inside(&mut lab, "getent hosts web"), "10.96.0.80      web.default.svc.cluster.local\n");
    assert!(inside(&mut lab, "curl -s http://web/").contains("Welcome to nginx!"));
    assert!(inside(&mut lab, "wget -qO- http://web.default/").contains("Welcome to nginx!"));
    assert_eq!(
        inside(&mut lab, "nslookup nope"),
        "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\n** server can't find nope: REFUSED\n\ncommand terminated with exit code 1\n? 1\n"
    );
}

#[test]
fn the_dns_service_is_that_of_kubeadm() {
    let mut lab = Lab::flannel(Dns::CoreDns);
    let services = lab.ok("kubectl get svc -n kube-system -o wide");
    let fields: Vec<&str> = services.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(fields[..5], ["kube-dns", "ClusterIP", "10.96.0.10", "<none>", "53/UDP,53/TCP,9153/TCP"]);
    assert_eq!(fields[6], "k8s-app=kube-dns");
    assert!(lab.ok("kubectl get pods -n kube-system -l k8s-app=kube-dns").matches("1/1     Running").count() == 2);
    assert!(lab.ok("kubectl cluster-info").contains(
        "CoreDNS is running at https://192.168.0.10:6443/api/v1/namespaces/kube-system/services/kube-dns:dns/proxy\n"
    ));
}

#[test]
fn what_the_cluster_does_not_know_is_asked_of_the_node_s_server() {
    let mut lab = Lab::flannel(Dns::None);
    lab.on("outside", "dnsmasq --no-resolv --no-hosts --address=/example.com/203.0.113.7 --local=/test/");
    for node in ["cp", "worker1", "worker2"] {
        lab.on(node, "echo 'nameserver 192.168.0.13' >/etc/resolv.conf");
    }
    let dns = "
apiVersion: v1
kind: Pod
metadata: {name: dns, labels: {app: dns}}
spec: {dnsPolicy: Default, containers: [{name: c, image: coredns}]}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: default}
spec: {clusterIP: 10.96.0.10, selector: {app: dns}, ports: [{port: 53, protocol: UDP}]}
";
    lab.apply(dns);
    lab.apply(WEB);
    assert_eq!(inside(&mut lab, "dig +short www.example.com"), "203.0.113.7\n");
    assert_eq!(inside(&mut lab, "dig +search +short web"), "10.96.0.80\n");
    assert!(inside(&mut lab, "nslookup nope.test").contains("** server can't find nope.test: NXDOMAIN\n"));
    // Nobody there: the client hears of it in the end.
    lab.on("outside", "ip link set eth0 down");
    let status = inside(&mut lab, "dig +time=10 x.example.com | grep -o 'status: [A-Z]*'");
    assert_eq!(status, "status: SERVFAIL\n");
}

#[test]
fn another_name_for_a_service() {
    let mut lab = Lab::flannel(Dns::CoreDns);
    lab.apply(WEB);
    assert_eq!(
        lab.ok("kubectl create service externalname alias --external-name web.default.svc.cluster.local"),
        "service/alias created\n"
    );
    assert_eq!(inside(&mut lab, "dig +search +short alias"), "web.default.svc.cluster.local.\n10.96.0.80\n");
    assert!(inside(&mut lab, "curl -s http://alias/").contains("Welcome to nginx!"));
    let shown = lab.ok("kubectl get svc alias --no-headers");
    let fields: Vec<&str> = shown.split_whitespace().take(5).collect();
    assert_eq!(fields, ["alias", "ExternalName", "<none>", "web.default.svc.cluster.local", "<none>"]);
    assert_eq!(lab.on("worker1", "iptables-save | grep -c alias"), "0\n");
    lab.ok(r#"kubectl patch svc alias --type=merge -p '{"spec":{"type":"ClusterIP","externalName":null,"ports":[{"port":80}]}}'"#);
    assert!(lab.ok("kubectl get svc alias --no-headers").contains(" ClusterIP   10."));
}

#[test]
fn a_pod_says_how_names_are_resolved() {
    let mut lab = Lab::flannel(Dns::None);
    lab.on("worker1", "printf 'nameserver 192.168.0.13\\nsearch lab\\n' >/etc/resolv.conf");
    let pod = |name: &str, rest: &str| {
        let container = "containers: [{name: c, image: busybox, command: [sleep, infinity]}]";
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{nodeName: worker1, {rest}, {container}}}\n---\n"
        )
    };
    let config = "dnsConfig: {nameservers: [192.0.2.1], searches: [ns1.svc.cluster-domain.example, my.dns.search.suffix], \
        options: [{name: ndots, value: '2'}, {name: edns0}]}";
    let all = pod("a", &format!("dnsPolicy: None, {config}"))
        + &pod("b", config)
        + &pod("c", "dnsPolicy: Default")
        + &pod("d", &format!("dnsPolicy: Default, {config}"));
    lab.apply(&all);
    let mut file = |name: &str| lab.ok(&format!("kubectl exec {name} -- cat /etc/resolv.conf"));
    // The example of "DNS for Services and Pods".
    assert_eq!(
        file("a"),
        "search ns1.svc.cluster-domain.example my.dns.search.suffix\nnameserver 192.0.2.1\noptions ndots:2 edns0\n"
    );
    assert_eq!(
        file("b"),
        "search default.svc.cluster.local svc.cluster.local cluster.local ns1.svc.cluster-domain.example my.dns.search.suffix\n\
         nameserver 10.96.0.10\nnameserver 192.0.2.1\noptions ndots:2 edns0\n"
    );
    assert_eq!(file("c"), "nameserver 192.168.0.13\nsearch lab\n");
    assert!(
        file("d")
            .starts_with("search lab ns1.svc.cluster-domain.example my.dns.search.suffix\nnameserver 192.168.0.13\n")
    );
}
