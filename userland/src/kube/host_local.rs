//! `host-local` on a node: the addresses of its range as files, one for each that is given out.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use hopwise_cluster::ipam::host_local::{Range, full};
use hopwise_machine::Sys;
use ipnet::Ipv4Net;

use super::tools;
use crate::kernel::SimKernel;

/// Where the plugin keeps its files, by the network's name.
const FOLDER: &str = "/var/lib/cni/networks";
/// The file with the address that was given out last.
const LAST: &str = "last_reserved_ip.0";

/// Gives out an address of a range for a container.
///
/// # Errors
/// If the range is full.
pub fn take(
    sys: &mut Sys<'_, SimKernel>,
    network: &str,
    range: Ipv4Net,
    container: &str,
    ifname: &str,
) -> Result<(Ipv4Addr, Range), String> {
    let range = Range::new(range).ok_or_else(|| format!("Network {range} too small to allocate from"))?;
    let folder = format!("{FOLDER}/{network}");
    let taken: BTreeSet<Ipv4Addr> = files(sys, &folder).into_iter().collect();
    let last = tools::read_file(sys, &format!("{folder}/{LAST}")).trim().parse().ok();
    let address = range.next(&taken, last).ok_or_else(|| full(range))?;
    tools::write_file(sys, &format!("{folder}/{address}"), &format!("{container}\r\n{ifname}"))?;
    tools::write_file(sys, &format!("{folder}/{LAST}"), &address.to_string())?;
    Ok((address, range))
}

/// Takes back what a container has. Gives what it was.
pub fn give_back(sys: &mut Sys<'_, SimKernel>, network: &str, container: &str) -> Vec<Ipv4Addr> {
    let folder = format!("{FOLDER}/{network}");
    let mut found = Vec::new();
    for address in files(sys, &folder) {
        let path = format!("{folder}/{address}");
        if tools::read_file(sys, &path).lines().next() == Some(container) && sys.unlink(&path).is_ok() {
            found.push(address);
        }
    }
    found
}

fn files(sys: &mut Sys<'_, SimKernel>, folder: &str) -> Vec<Ipv4Addr> {
    sys.list(folder).unwrap_or_default().iter().filter_map(|entry| entry.name.parse().ok()).collect()
}
