//! What a reader of a tutorial types.

use hopwise_userland::kube::Dns;

use super::{Lab, WEB};

#[test]
fn a_tutorial_without_a_manifest() {
    let mut lab = Lab::flannel(Dns::CoreDns);
    assert_eq!(lab.ok("kubectl create deployment web --image=nginx --replicas=2"), "deployment.apps/web created\n");
    assert_eq!(lab.ok("kubectl expose deployment web --port=80 --type=NodePort"), "service/web exposed\n");
    let rolled = lab.ok("kubectl rollout status deployment/web");
    assert!(rolled.ends_with("deployment \"web\" successfully rolled out\n"), "{rolled}");
    assert_eq!(lab.ok("kubectl wait --for=condition=available deployment/web"), "deployment.apps/web condition met\n");
    let page = lab.ok("kubectl run tmp --rm -it --image=busybox --restart=Never -- wget -qO- http://web");
    assert!(page.contains("<h1>Welcome to nginx!</h1>") && page.ends_with("</html>\npod \"tmp\" deleted\n"), "{page}");
    assert_eq!(lab.run("kubectl get pod tmp"), "Error from server (NotFound): pods \"tmp\" not found\n? 1\n");
    let status = lab.run("kubectl run t2 --rm -i --image=busybox --restart=Never -- sh -c 'echo out; exit 3'");
    assert_eq!(status, "out\npod \"t2\" deleted\n? 3\n");
    let port = lab.ok("kubectl get svc web -o jsonpath='{.spec.ports[0].nodePort}'");
    assert!(lab.on("outside", &format!("curl -s http://192.168.0.11:{port}/")).contains("Welcome to nginx!"));
    assert!(lab.ok("kubectl exec deploy/web -- cat /etc/hostname").starts_with("web-"));
    assert!(lab.ok("kubectl logs deploy/web --tail=1").len() < 300);
}

#[test]
fn labels_and_annotations() {
    let mut lab = Lab::flannel(Dns::None);
    lab.apply(WEB);
    assert_eq!(lab.ok("kubectl label pod client tier=front"), "pod/client labeled\n");
    assert_eq!(lab.ok("kubectl label pod client tier=front"), "pod/client not labeled\n");
    let refused = lab.run("kubectl label pod client tier=back");
    assert_eq!(refused, "error: 'tier' already has a value (front), and --overwrite is false\n? 1\n");
    assert_eq!(lab.ok("kubectl label pod client tier-"), "pod/client unlabeled\n");
    assert_eq!(lab.ok("kubectl annotate deployment web note='two words'"), "deployment.apps/web annotated\n");
    assert_eq!(lab.ok("kubectl get deploy web -o jsonpath='{.metadata.annotations.note}'"), "two words");
    assert_eq!(lab.ok("kubectl annotate deployment web note-"), "deployment.apps/web annotated\n");
    assert_eq!(lab.run("kubectl annotate deployment web"), "error: at least one annotation update is required\n? 1\n");
}

#[test]
fn changes_of_objects() {
    let mut lab = Lab::flannel(Dns::None);
    lab.apply(WEB);
    assert_eq!(lab.ok(r#"kubectl patch deployment web -p '{"spec":{"replicas":3}}'"#), "deployment.apps/web patched\n");
    assert_eq!(
        lab.ok(r#"kubectl patch deployment web -p '{"spec":{"replicas":3}}'"#),
        "deployment.apps/web patched (no change)\n"
    );
    lab.settle();
    assert_eq!(lab.ok("kubectl get pods -l app=web --no-headers | wc -l").trim(), "3");
    lab.ok(
        r#"kubectl patch svc web --type=json -p '[{"op":"replace","path":"/spec/ports/0/targetPort","value":8080}]'"#,
    );
    assert_eq!(lab.ok("kubectl get ep web -o jsonpath='{.subsets[0].ports[0].port}'"), "8080");
    lab.ok(r#"kubectl patch svc web -p 'spec: {ports: [{port: 80, targetPort: 80}]}'"#);
    let before = lab.ok("kubectl get pods -l app=web -o name");
    assert_eq!(lab.ok("kubectl rollout restart deployment web"), "deployment.apps/web restarted\n");
    lab.ok("kubectl rollout status deployment web");
    lab.seconds(2);
    let after = lab.ok("kubectl get pods -l app=web --field-selector status.phase=Running -o name");
    assert!(before.lines().all(|pod| !after.contains(pod)), "{before}{after}");
    assert_eq!(lab.ok("kubectl set image deployment/web nginx=httpd"), "deployment.apps/web image updated\n");
    lab.ok("kubectl rollout status deployment web");
    lab.seconds(2);
    assert!(lab.ok("kubectl exec client -- curl -s http://10.96.0.80/").contains("It works!"));
    lab.ok("kubectl get svc web -o yaml >svc.yaml && sed -i 's/port: 80$/port: 81/' svc.yaml");
    assert_eq!(lab.ok("kubectl replace -f svc.yaml"), "service/web replaced\n");
    assert_eq!(lab.ok("kubectl get svc web -o jsonpath='{.spec.ports[0].port} {.spec.clusterIP}'"), "81 10.96.0.80");
    assert_eq!(lab.ok("kubectl delete -f svc.yaml"), "service \"web\" deleted\n");
}

#[test]
fn a_paused_deployment_waits_and_recreate_goes_first() {
    let mut lab = Lab::flannel(Dns::None);
    lab.apply(WEB);
    assert_eq!(lab.ok("kubectl rollout pause deployment/web"), "deployment.apps/web paused\n");
    lab.ok("kubectl set image deployment/web nginx=httpd");
    lab.seconds(2);
    assert_eq!(lab.ok("kubectl get rs --no-headers | wc -l").trim(), "1");
    lab.ok("kubectl scale deployment web --replicas=1");
    lab.seconds(2);
    assert_eq!(lab.ok("kubectl get pods -l app=web --no-headers | wc -l").trim(), "1");
    assert_eq!(lab.ok("kubectl rollout resume deployment/web"), "deployment.apps/web resumed\n");
    lab.ok("kubectl rollout status deployment web");
    assert_eq!(lab.ok("kubectl get rs --no-headers | wc -l").trim(), "2");
    lab.seconds(2);
    lab.ok(r#"kubectl patch deployment web -p '{"spec":{"strategy":{"type":"Recreate"}}}'"#);
    lab.ok("kubectl set image deployment/web nginx=nginx");
    let mut most = 0;
    for _ in 0..40 {
        lab.world.run_for(hopwise_sim_core::Duration::from_millis(50));
        let count = lab.ok("kubectl get pods -l app=web --no-headers 2>/dev/null | wc -l");
        most = most.max(count.trim().parse::<u32>().unwrap());
    }
    assert_eq!(most, 1);
    assert!(lab.ok("kubectl get pods -l app=web -o jsonpath='{.items[0].spec.containers[0].image}'") == "nginx");
}

#[test]
fn a_slow_pipe_is_read_to_its_end() {
    let mut lab = Lab::new("calico", r#"{"bgp": false}"#, Dns::None);
    let pool =
        "apiVersion: projectcalico.org/v3\\nkind: IPPool\\nmetadata: {name: second}\\nspec: {cidr: 10.50.0.0/16}\\n";
    let slow = |text: &str, to: &str| format!("{{ sleep 2; printf '{text}'; sleep 2; echo; }} | {to}");
    assert_eq!(lab.ok(&slow(pool, "calicoctl apply -f -")), "Successfully applied 1 'IPPool' resource(s)\n");
    let namespace = "apiVersion: v1\\nkind: Namespace\\nmetadata: {name: shop}\\n";
    assert_eq!(lab.ok(&slow(namespace, "kubectl apply -f -")), "namespace/shop created\n");
    let node = slow(r#"{\"}"#, "calicoctl replace -f -");
    assert!(lab.run(&node).contains("Failed to execute command: "), "what is no manifest is refused");
}

#[test]
fn the_service_of_the_api_server_has_an_endpoint() {
    let mut lab = Lab::flannel(Dns::None);
    assert_eq!(
        lab.ok(
            "kubectl get endpoints kubernetes -o jsonpath='{.subsets[0].addresses[0].ip}:{.subsets[0].ports[0].port}'"
        ),
        "192.168.0.10:6443"
    );
    assert!(lab.on("worker1", "iptables-save").contains("default/kubernetes:https -> 192.168.0.10:6443"));
    assert!(lab.ok("kubectl describe svc kubernetes").contains("Endpoints:         192.168.0.10:6443\n"));
}

#[test]
fn files_and_folders() {
    let mut lab = Lab::flannel(Dns::None);
    lab.ok("mkdir -p m; printf 'apiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n' >m/2.yaml; sed s/b}/a}/ m/2.yaml >m/1.yml; echo x >m/README");
    assert_eq!(
        lab.ok("kubectl apply -f m --dry-run=client"),
        "namespace/a created (dry run)\nnamespace/b created (dry run)\n"
    );
    assert_eq!(lab.ok("kubectl apply -f m/"), "namespace/a created\nnamespace/b created\n");
    assert_eq!(lab.ok("kubectl get -f m -o name"), "namespace/a\nnamespace/b\n");
    assert_eq!(lab.ok("kubectl delete -f m/1.yml"), "namespace \"a\" deleted\n");
    assert_eq!(lab.run("kubectl get -f m/1.yml"), "Error from server (NotFound): namespaces \"a\" not found\n? 1\n");
}
