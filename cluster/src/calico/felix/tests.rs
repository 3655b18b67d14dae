//! The lines are what real nodes printed with `iptables -S`, hashes included. What a rule demands is compared as well, because the hash
//! of a rule is made of it and of all rules before.

use super::rule::hashes;
use super::*;
use crate::calico::selector::Selector;

fn view() -> View {
    View {
        ipip: true,
        pools: vec![PoolRules { cidr: "10.244.0.0/16".parse().unwrap(), nat_outgoing: true }],
        nodes: vec!["192.168.0.80".parse().unwrap(), "192.168.0.81".parse().unwrap()],
        ..View::default()
    }
}

fn pod(interface: &str, namespace: &str, labels: &[(&str, &str)]) -> Endpoint {
    let own = [("projectcalico.org/namespace", namespace), ("projectcalico.org/orchestrator", "k8s")];
    let labels = own.iter().chain(labels).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Endpoint {
        interface: interface.into(),
        namespace: namespace.into(),
        pod: String::new(),
        service_account: "default".into(),
        labels,
        addresses: vec!["10.64.1.5".parse().unwrap()],
        is_local: true,
    }
}

fn named(table: &Table, chain: &str) -> Vec<String> {
    let chain = table.chains.iter().find(|c| c.name == chain).unwrap_or_else(|| panic!("no chain {chain}"));
    hashes(&chain.name, &chain.rules)
}

#[test]
fn the_rules_of_every_node_have_their_real_names() {
    let (tables, _) = render(&view());
    let filter = [
        (
            "cali-FORWARD",
            "vjrMJCRpqwy5oRoX A_sPAO0mcxbT9mOV 8ZoYfO5HKXWbB3pk jdEuaPBe14V2hutn 12bc6HljsMKsmfr- NOSxoaGx8OIstr1z",
        ),
        (
            "cali-INPUT",
            "PajejrV4aFdkZojI _wjq-Yrma8Ly1Svo 8TZGxLWh_Eiz66wc 6McIeIDvPdL6PE1T YGPbrUms7NId8xVa 2gmY7Bg2i0i84Wk_ q-Vz2ZT9iGE331LL",
        ),
        (
            "cali-OUTPUT",
            "Mq1_rAdXXH3YkrzW 69FkRTJDvD5Vu6Vl AnEsmO6bDZbQntWW 9e9Uf3GU5tX--Lxy 0f3LDz_VKuHFaA2K OgU2f8BVEAZ_fwkq",
        ),
        ("cali-from-wl-dispatch", "zTj6P0TIgYvgz-md"),
        ("cali-to-wl-dispatch", "7KNphB1nNHw80nIO"),
        ("cali-wl-to-host", "Ee9Sbo10IpVujdIY nSZbcOoG1xPONxb8"),
    ];
    for (chain, names) in filter {
        assert_eq!(named(&tables.filter, chain).join(" "), names, "{chain}");
    }
    let nat = [
        ("cali-PREROUTING", "r6XmIziWUJsdOK6Z"),
        ("cali-OUTPUT", "GBTAv2p5CwevEyJm"),
        ("cali-POSTROUTING", "Z-c7XtVd2Bq7s_hA nYKhEzDlr11Jccal SXWvdsbh4Mw7wOln"),
        ("cali-nat-outgoing", "flqWnvo8yq4ULQLa"),
    ];
    for (chain, names) in nat {
        assert_eq!(named(&tables.nat, chain).join(" "), names, "{chain}");
    }
    assert_eq!(named(&tables.raw, "cali-PREROUTING")[0], "XFX5xbM8B9qR10JG");
}

#[test]
fn without_a_tunnel_and_with_vxlan() {
    let (tables, _) = render(&View { ipip: false, ..view() });
    let names = "FewJpBykm9iJ-YNH hder3ARWznqqv8Va xgOu2uJft6H9oDGF _-d-qojMfHM6NwBo LqmE76MP94lZTGhA";
    assert_eq!(named(&tables.filter, "cali-INPUT").join(" "), names);
    let (tables, _) = render(&View { ipip: false, vxlan: true, ..view() });
    assert_eq!(named(&tables.nat, "cali-POSTROUTING")[2], "e9dnSgSVNmIcpVhP");
}

#[test]
fn the_kernels_chains_get_their_rules_with_their_real_names() {
    let text = render(&view()).0.update(&Tables::default());
    for line in [
        "-I INPUT -m comment --comment \"cali:Cz_u1IQiXIMmKD4c\" --jump cali-INPUT",
        "-I FORWARD -m comment --comment \"cali:wUHhoiAYhphO9Mso\" --jump cali-FORWARD",
        "-I OUTPUT -m comment --comment \"cali:tVnHkvAo15HuiPy0\" --jump cali-OUTPUT",
        "-I PREROUTING -m comment --comment \"cali:6gwbT8clXdHdC1b1\" --jump cali-PREROUTING",
        "-I POSTROUTING -m comment --comment \"cali:O3lYWMrLQYEMJtB5\" --jump cali-POSTROUTING",
        "-A FORWARD -m comment --comment \"cali:S93hcgKJrXEqnTfs\" -m comment --comment \"Policy explicitly accepted packet.\" \
         -m mark --mark 0x10000/0x10000 --jump ACCEPT",
        "-A FORWARD -m comment --comment \"cali:mp77cMpurHhyjLrM\" --jump MARK --set-mark 0x10000/0x10000",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}");
    }
}

/// Two nodes in an Azure cluster: six workloads and what they may send.
#[test]
fn what_a_workload_sends() {
    let mut view = View { ipip: false, ..view() };
    for (interface, namespace) in [
        ("cali112d888c0c2", "kube-system"),
        ("cali26cecacb712", "kube-system"),
        ("cali55f439ddb0e", "calico-system"),
        ("cali9d7310e16e7", "kube-system"),
        ("calic5a1f1aa0ed", "kube-system"),
        ("calif6abb148530", "kube-system"),
    ] {
        view.endpoints.push(pod(interface, namespace, &[]));
    }
    let (tables, _) = render(&view);
    let dispatch = "887K6j2m0yTxV8XZ -1f18nv9_J5o_MPL X28EvX2q55aZM8gM CxKCBaJmNdZnWGOY ZPC1pWieGIBIr5A7 xDvXvF5yVFq7Y1QJ FUqQW1upEuPXcL7s";
    assert_eq!(named(&tables.filter, "cali-from-wl-dispatch").join(" "), dispatch);
    let own = "gxYrST51OJyfBgWw 6xENQhO2T0QW5LgN O7MDTYmYN54jUWVF pJp4jdAzPgU1geph rM5VAS66uaB9uI7_ s_9J1YgpafK_gEIJ djdRyha1SrYGGpRJ";
    assert_eq!(named(&tables.filter, "cali-fw-cali112d888c0c2")[..7].join(" "), own);
}

#[test]
fn names_too_long_for_a_chain_are_hashed() {
    assert_eq!(super::rule::chain_name("cali-pri-", "ksa.kube-system.coredns"), "cali-pri-_u2Tn2rSoAPffvE7JO6");
    assert_eq!(super::rule::chain_name("cali-pri-", "kns.default"), "cali-pri-kns.default");
}

fn access_nginx() -> Policy {
    let orchestrator = "projectcalico.org/orchestrator == 'k8s'";
    let peer = format!("(projectcalico.org/namespace == 'alpha') && ({orchestrator} && run == 'access')");
    let source = Entity { selector: Some(Selector::parse(&peer).unwrap()), ..Entity::default() };
    let rule = PolicyRule {
        action: Action::Allow,
        protocol: None,
        not_protocol: None,
        icmp: None,
        source,
        destination: Entity::default(),
    };
    Policy {
        namespace: "alpha".into(),
        name: "knp.default.access-nginx".into(),
        selector: Selector::parse("run == 'nginx'").unwrap(),
        ingress: Some(vec![rule]),
        egress: None,
    }
}

/// A cluster in Google's cloud: `access-nginx` for a pod behind cali92d634f8f03, and another policy beside it.
#[test]
fn a_policy_its_chains_and_its_set() {
    let mut view = View { policies: vec![access_nginx()], ..view() };
    view.endpoints.push(pod("cali92d634f8f03", "alpha", &[("run", "nginx")]));
    let access = Endpoint { is_local: false, ..pod("", "alpha", &[("run", "access")]) };
    view.endpoints.push(access);
    let (tables, sets) = render(&view);
    let set = sets.iter().find(|set| set.name.starts_with("cali40s:")).unwrap();
    assert_eq!(set.name, "cali40s:XZEFRy4u2E2Kz28IwtNm0u8");
    assert_eq!(set.members, ["10.64.1.5/32".parse().unwrap()]);
    let to = "FUgB7G5ObIh96acF WQJ64LtbzEP_A0C0 lq8KVGA-L8Gpp_Q1 LFDbDDVQlKjgSqzz ODoIaF_IPx3TRmF0 MVOQxoANBbR11zgK";
    assert_eq!(named(&tables.filter, "cali-tw-cali92d634f8f03")[..6].join(" "), to);
    let policy = tables.filter.chains.iter().find(|chain| chain.name == "cali-pi-_e8MLrhOHDfNlfSa51Ak").unwrap();
    assert_eq!(policy.rules.len(), 1);
}

#[test]
fn several_networks_and_many_ports_are_asked_before() {
    let mut policy = access_nginx();
    let rule = &mut policy.ingress.as_mut().unwrap()[0];
    rule.protocol = Some("tcp".into());
    rule.source = Entity {
        nets: vec!["10.0.0.0/8".parse().unwrap(), "172.16.0.0/12".parse().unwrap()],
        not_nets: vec!["10.1.0.0/16".parse().unwrap()],
        ..Entity::default()
    };
    rule.destination.ports = (1..=14).map(|port| Ports(port, port)).chain([Ports(100, 200)]).collect();
    let mut view = View { policies: vec![policy], ..view() };
    view.endpoints.push(pod("cali92d634f8f03", "alpha", &[("run", "nginx")]));
    let text = render(&view).0.update(&Tables::default());
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("-A cali-pi-")).collect();
    let said: Vec<&str> = lines.iter().map(|line| line.split_once("\" ").unwrap().1).collect();
    let ports = (1..=14).map(|port| port.to_string()).collect::<Vec<_>>().join(",");
    let expected = [
        "-m comment --comment \"Policy alpha/knp.default.access-nginx ingress\" --jump MARK --set-mark 0x0/0xc0000"
            .to_owned(),
        format!("-p tcp -m multiport --destination-ports {ports} --jump MARK --set-mark 0x40000/0x40000"),
        "-p tcp -m multiport --destination-ports 100:200 --jump MARK --set-mark 0x40000/0x40000".to_owned(),
        "--source 10.0.0.0/8 --jump MARK --set-mark 0x80000/0x80000".to_owned(),
        "--source 172.16.0.0/12 --jump MARK --set-mark 0x80000/0x80000".to_owned(),
        "-m mark --mark 0/0x80000 --jump MARK --set-mark 0/0x40000".to_owned(),
        "-p tcp ! --source 10.1.0.0/16 -m mark --mark 0x40000/0x40000 --jump MARK --set-mark 0x10000/0x10000"
            .to_owned(),
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_change_touches_only_what_changes() {
    let before = View { endpoints: vec![pod("cali1", "a", &[])], ..view() };
    let mut after = before.clone();
    after.endpoints.push(pod("cali2", "b", &[]));
    let (old, new) = (render(&before).0, render(&after).0);
    assert_eq!(new.update(&new), "");
    let text = new.update(&old);
    assert!(text.starts_with("*filter\n") && !text.contains("cali-tw-cali1 ") && text.contains(":cali-tw-cali2 - -"));
    assert!(!text.contains("-I FORWARD"));
    let back = old.update(&new);
    assert!(back.contains(":cali-tw-cali2 - -") && back.contains("-X cali-tw-cali2"));
}

#[test]
fn sets_change_by_members() {
    let (_, old) = render(&view());
    let mut view = view();
    view.nodes.push("192.168.0.82".parse().unwrap());
    view.nodes.remove(0);
    let (_, new) = render(&view);
    assert_eq!(
        sets::update(&new, &old),
        "add cali40all-hosts-net 192.168.0.82\ndel cali40all-hosts-net 192.168.0.80\n"
    );
    assert_eq!(sets::remove(&[], &new).lines().count(), 3);
    assert_eq!(sets::update(&new, &new), "");
}
