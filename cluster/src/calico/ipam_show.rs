//! What `calicoctl ipam show` prints.

use core::fmt::Write;
use core::net::Ipv4Addr;

use super::table::framed;
use crate::ipam::calico::{Ipam, Pool};

/// The use of pools, and of their blocks if they are wanted too.
pub fn utilization(ipam: &Ipam, pools: &[Pool], with_blocks: bool) -> String {
    let mut rows = Vec::new();
    for pool in pools {
        let inside: Vec<_> = ipam.blocks.values().filter(|block| pool.cidr.contains(&block.cidr)).collect();
        let used = inside.iter().map(|block| block.in_use() as u64).sum();
        rows.push(row("IP Pool", &pool.cidr.to_string(), 1u64 << (32 - pool.cidr.prefix_len()), used));
        if with_blocks {
            let blocks =
                inside.iter().map(|b| row("Block", &b.cidr.to_string(), b.capacity() as u64, b.in_use() as u64));
            rows.extend(blocks);
        }
    }
    let orphans = ipam.blocks.values().filter(|block| !pools.iter().any(|pool| pool.cidr.contains(&block.cidr)));
    if with_blocks {
        rows.extend(orphans.map(|b| row("Block", &b.cidr.to_string(), b.capacity() as u64, b.in_use() as u64)));
    }
    framed(&["GROUPING", "CIDR", "IPS TOTAL", "IPS IN USE", "IPS FREE"], &rows)
}

fn row(kind: &str, cidr: &str, capacity: u64, used: u64) -> Vec<String> {
    let free = capacity.saturating_sub(used);
    let share = |part: u64| format!("{} ({}%)", five_digits(part), percent(part, capacity));
    vec![kind.to_owned(), cidr.to_owned(), five_digits(capacity), share(used), share(free)]
}

/// `%.f` of a hundredfold ratio: rounded, a half to the even side.
fn percent(part: u64, whole: u64) -> u64 {
    let (quotient, rest) = ((100 * part) / whole.max(1), (100 * part) % whole.max(1));
    match (2 * rest).cmp(&whole) {
        core::cmp::Ordering::Less => quotient,
        core::cmp::Ordering::Greater => quotient + 1,
        core::cmp::Ordering::Equal => quotient + quotient % 2,
    }
}

/// `%.5g`: five digits, the rest as an exponent.
fn five_digits(number: u64) -> String {
    if number < 100_000 {
        return number.to_string();
    }
    let mut exponent = number.ilog10();
    let unit = 10u64.pow(exponent - 4);
    let mut digits = (number + unit / 2) / unit;
    if digits == 100_000 {
        (digits, exponent) = (10_000, exponent + 1);
    }
    let text = format!("{}.{:04}", digits / 10_000, digits % 10_000);
    format!("{}e+{exponent:02}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Who has an address.
pub fn ip(ipam: &Ipam, address: Ipv4Addr) -> String {
    let Some(attribute) = ipam.attribute(address) else { return format!("{address} is not assigned\n") };
    let mut text = format!("IP {address} is in use\n");
    if attribute.secondary.is_empty() {
        return text + "No attributes defined\n";
    }
    text.push_str("Attributes:\n");
    for (name, value) in &attribute.secondary {
        let _ = writeln!(text, "  {name}: {value}");
    }
    text
}

/// The addresses that a node has from a block of another one.
pub fn borrowed(ipam: &Ipam) -> String {
    let mut rows = Vec::new();
    for block in ipam.blocks.values() {
        let owner = block.node().unwrap_or_default();
        for (address, attribute) in block.taken() {
            let of = |name: &str| attribute.secondary.get(name).map(String::as_str);
            let Some(node) = of("node").filter(|node| *node != owner) else { continue };
            let (kind, to) = match of("pod") {
                Some(pod) => ("pod", format!("{}/{pod}", of("namespace").unwrap_or_default())),
                None => (of("type").unwrap_or_default(), String::new()),
            };
            let cells = [&address.to_string(), node, &block.cidr.to_string(), owner, kind, &to];
            rows.push(cells.map(str::to_owned).to_vec());
        }
    }
    framed(&["IP", "BORROWING-NODE", "BLOCK", "BLOCK OWNER", "TYPE", "ALLOCATED-TO"], &rows)
}

/// How the giving out of addresses is set.
pub fn configuration(ipam: &Ipam) -> String {
    let config = ipam.config;
    let rows = [
        ("StrictAffinity", config.strict_affinity.to_string()),
        ("AutoAllocateBlocks", "true".to_owned()),
        ("MaxBlocksPerHost", config.max_blocks_per_host.unwrap_or(0).to_string()),
    ];
    framed(&["PROPERTY", "VALUE"], &rows.map(|(name, value)| vec![name.to_owned(), value]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipam::calico::{Attribute, Tunnel};

    fn cluster() -> (Ipam, [Pool; 1]) {
        let pools = [Pool { cidr: "10.244.0.0/16".parse().unwrap(), block_size: 26 }];
        let mut ipam = Ipam::default();
        ipam.auto_assign(&pools, "k8s-node1", &Tunnel::Ipip.attribute("k8s-node1")).unwrap();
        let of = [("namespace", "default"), ("node", "k8s-node2"), ("pod", "web")];
        let secondary = of.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let pod = Attribute { handle_id: "k8s-pod-network.1".into(), secondary };
        ipam.assign(&pools, "k8s-node2", "10.244.36.70".parse().unwrap(), &pod).unwrap();
        (ipam, pools)
    }

    #[test]
    fn pools_and_blocks() {
        let (ipam, pools) = cluster();
        let expected = "\
+----------+-----------------+-----------+------------+--------------+
| GROUPING |      CIDR       | IPS TOTAL | IPS IN USE |   IPS FREE   |
+----------+-----------------+-----------+------------+--------------+
| IP Pool  | 10.244.0.0/16   |     65536 | 2 (0%)     | 65534 (100%) |
| Block    | 10.244.36.64/26 |        64 | 2 (3%)     | 62 (97%)     |
+----------+-----------------+-----------+------------+--------------+
";
        assert_eq!(utilization(&ipam, &pools, true), expected);
    }

    #[test]
    fn one_address() {
        let (ipam, _) = cluster();
        let of = |text: &str| ip(&ipam, text.parse().unwrap());
        assert_eq!(
            of("10.244.36.70"),
            "IP 10.244.36.70 is in use\nAttributes:\n  namespace: default\n  node: k8s-node2\n  pod: web\n"
        );
        assert_eq!(of("10.244.36.71"), "10.244.36.71 is not assigned\n");
    }

    #[test]
    fn borrowed_addresses() {
        let expected = "\
+--------------+----------------+-----------------+-------------+------+--------------+
|      IP      | BORROWING-NODE |      BLOCK      | BLOCK OWNER | TYPE | ALLOCATED-TO |
+--------------+----------------+-----------------+-------------+------+--------------+
| 10.244.36.70 | k8s-node2      | 10.244.36.64/26 | k8s-node1   | pod  | default/web  |
+--------------+----------------+-----------------+-------------+------+--------------+
";
        assert_eq!(borrowed(&cluster().0), expected);
    }

    #[test]
    fn numbers_as_go_prints_them() {
        let all = [65_536, 99_999, 100_000, 1_048_576, 16_777_216, 999_999].map(five_digits);
        assert_eq!(all, ["65536", "99999", "1e+05", "1.0486e+06", "1.6777e+07", "1e+06"]);
        assert_eq!([percent(1, 200), percent(3, 200), percent(2, 64), percent(0, 0)], [0, 2, 3, 0]);
    }
}
