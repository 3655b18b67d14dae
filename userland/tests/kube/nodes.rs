//! Nodes that leave the cluster, and nodes that shall have no pods.

use hopwise_userland::kube::Dns;

use super::{Lab, WEB};

const FAR: &str = "
apiVersion: v1
kind: Pod
metadata: {name: far, labels: {app: far}}
spec: {nodeName: worker2, containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: far}
spec: {selector: {app: far}, ports: [{port: 80}]}
";

#[test]
fn a_deleted_node_takes_its_pods_endpoints_and_routes_along() {
    for settings in [r#"{"backend": "host-gw"}"#, r#"{"backend": "vxlan"}"#] {
        let mut lab = Lab::new("flannel", settings, Dns::None);
        lab.apply(FAR);
        assert!(lab.ok("kubectl get endpoints far").contains("10.244.2.2:80"));
        assert!(lab.on("worker1", "ip route").contains("10.244.2.0/24"));
        assert_eq!(lab.ok("kubectl delete node worker2"), "node \"worker2\" deleted\n");
        lab.seconds(1);
        // The routes go at once, the pods after forty seconds (`podgc`).
        assert!(!lab.on("worker1", "ip route; ip neigh; bridge fdb").contains("10.244.2.0"), "{settings}");
        assert!(lab.run("kubectl get pod far").contains("Running"));
        lab.seconds(45);
        assert_eq!(lab.run("kubectl get pod far"), "Error from server (NotFound): pods \"far\" not found\n? 1\n");
        assert_eq!(lab.ok("kubectl get endpoints far --no-headers | awk '{print $2}'"), "<none>\n");
        // Its kubelet has taken the pod down, and its range is free for another node.
        lab.seconds(40);
        assert_eq!(lab.on("worker2", "ip netns"), "");
    }
}

#[test]
fn calico_gives_back_what_a_deleted_node_had() {
    let mut lab = Lab::new("calico", r#"{"ipipMode": "Always", "bgp": false}"#, Dns::None);
    lab.apply(FAR);
    let count =
        |lab: &mut Lab, kind: &str| lab.ok(&format!("kubectl get {kind} --no-headers | wc -l")).trim().to_owned();
    assert_eq!((count(&mut lab, "blockaffinities"), count(&mut lab, "ipamblocks")), ("3".into(), "3".into()));
    let block = lab.ok("kubectl get blockaffinities -o jsonpath='{.items[2].spec.cidr}'");
    assert!(lab.on("worker1", "ip route").contains(&block));
    lab.ok("kubectl delete node worker2");
    lab.seconds(1);
    assert!(!lab.on("worker1", "ip route").contains(&block));
    assert_eq!(count(&mut lab, "blockaffinities"), "3", "its pod is still there");
    lab.seconds(80);
    assert_eq!((count(&mut lab, "blockaffinities"), count(&mut lab, "ipamblocks")), ("2".into(), "2".into()));
    assert!(!lab.ok("kubectl get ipamblocks -o yaml").contains("worker2"));
    assert!(lab.run("kubectl get pod far").contains("NotFound"));
}

#[test]
fn cilium_forgets_a_deleted_node() {
    let mut lab = Lab::new("cilium", r#"{"tunnel": "disabled", "enable-ipv4-masquerade": "false"}"#, Dns::None);
    lab.seconds(2);
    assert_eq!(lab.ok("kubectl get ciliumnodes --no-headers | wc -l").trim(), "3");
    lab.ok("kubectl delete node worker2");
    lab.seconds(1);
    assert_eq!(lab.ok("kubectl get ciliumnodes -o jsonpath='{.items[*].metadata.name}'"), "cp worker1");
    assert!(!lab.on("worker1", "ipset list; ip route").contains("192.168.0.12"));
}

#[test]
fn pods_of_a_replica_set_come_again_elsewhere() {
    let mut lab = Lab::flannel(Dns::None);
    lab.ok("kubectl cordon cp worker1");
    lab.apply(&WEB.replace("replicas: 2", "replicas: 1"));
    lab.ok("kubectl uncordon cp worker1");
    assert_eq!(lab.ok("kubectl get pods -l app=web -o jsonpath='{.items[*].spec.nodeName}'"), "worker2");
    lab.ok("kubectl delete node worker2");
    lab.seconds(45);
    lab.settle();
    let node = lab.ok("kubectl get pods -l app=web -o jsonpath='{.items[*].spec.nodeName}'");
    assert!(node == "cp" || node == "worker1", "{node}");
    assert!(lab.ok("kubectl exec client -- curl -s http://10.96.0.80/").contains("Welcome to nginx!"));
}

#[test]
fn cordon_drain_and_taint() {
    let mut lab = Lab::flannel(Dns::None);
    lab.apply(WEB);
    assert_eq!(lab.ok("kubectl cordon worker2"), "node/worker2 cordoned\n");
    assert_eq!(lab.ok("kubectl cordon worker2"), "node/worker2 already cordoned\n");
    assert!(lab.ok("kubectl get node worker2").contains("Ready,SchedulingDisabled"));
    assert_eq!(lab.ok("kubectl uncordon worker2"), "node/worker2 uncordoned\n");
    let refused = lab.run("kubectl drain worker1 --ignore-daemonsets");
    let why = "cannot delete Pods declare no controller (use --force to override): default/client";
    assert_eq!(
        refused,
        format!(
            "node/worker1 cordoned\nerror: unable to drain node \"worker1\" due to error:{why}, continuing command...\nThere are pending \
             nodes to be drained:\n worker1\n{why}\n? 1\n"
        )
    );
    let drained = lab.ok("kubectl drain worker1 --force");
    assert!(drained.starts_with(
        "node/worker1 already cordoned\nWarning: deleting Pods that declare no controller: default/client\nevicting pod default/client\n"
    ));
    assert!(
        drained.ends_with("pod/client evicted\nnode/worker1 drained\n") || drained.contains("node/worker1 drained\n"),
        "{drained}"
    );
    assert_eq!(
        lab.ok("kubectl get pods --field-selector spec.nodeName=worker1"),
        "No resources found in default namespace.\n"
    );
    lab.ok("kubectl uncordon worker1");
    assert_eq!(lab.ok("kubectl taint nodes worker2 dedicated=db:NoSchedule"), "node/worker2 tainted\n");
    let again = lab.run("kubectl taint nodes worker2 dedicated=db:NoSchedule");
    assert_eq!(
        again,
        "error: node worker2 already has dedicated taint(s) with same effect(s) and --overwrite is false\n? 1\n"
    );
    lab.ok("kubectl scale deployment web --replicas 6");
    lab.settle();
    let on = lab.ok("kubectl get pods --field-selector spec.nodeName=worker2 --no-headers | wc -l");
    assert!(on.trim().parse::<u32>().unwrap() <= 1, "{on}");
    assert_eq!(lab.ok("kubectl taint nodes worker2 dedicated-"), "node/worker2 untainted\n");
    assert_eq!(lab.run("kubectl taint nodes worker2 dedicated-"), "error: taint \"dedicated\" not found\n? 1\n");
}
