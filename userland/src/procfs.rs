//! The made-up files: `/proc/net/*`, `/proc/sys/net/**`, `/sys/class/net/**`.

pub mod net;
mod netstat;
mod rules;
mod sockets;
mod vlan;

use std::collections::BTreeSet;

use hopwise_machine::files::FileKind;
use hopwise_machine::{DirEntry, MachineId};
use hopwise_sim_core::{Errno, NsId};

use crate::kernel::SimKernel;
use crate::sysfs;

/// The setting that forgets what was learned about paths; it has no value.
const WRITE_ONLY: &str = "net.ipv4.route.flush";

/// Reads a made-up file; `None` if there is none of that path.
pub fn read(kernel: &mut SimKernel, _machine: MachineId, ns: NsId, path: &str) -> Option<Result<Vec<u8>, Errno>> {
    if path.starts_with("/sys/") {
        return sysfs::read(kernel, ns, path);
    }
    if let Some(name) = setting_name(path) {
        if name == WRITE_ONLY {
            return Some(Err(Errno::EACCES));
        }
        return kernel.net.sysctl_get(ns, &name).map(|text| Ok(format!("{text}\n").into_bytes()));
    }
    if let Some((folder, name)) = in_proc_net(path).and_then(|file| file.split_once('/')) {
        let text = match folder {
            vlan::FOLDER => vlan::read(&kernel.net, ns, name)?,
            _ => rules::read(kernel.net.ns(ns)?, kernel.net.now(), folder, name)?,
        };
        return Some(Ok(text.into_bytes()));
    }
    let file = net::FILES.iter().find(|file| Some(file.name) == in_proc_net(path))?;
    Some(Ok((file.read)(kernel.net.ns(ns)?, kernel.net.now()).into_bytes()))
}

/// Writes a made-up file; `None` if there is none of that path.
pub fn write(
    kernel: &mut SimKernel,
    _machine: MachineId,
    ns: NsId,
    path: &str,
    data: &[u8],
) -> Option<Result<(), Errno>> {
    if path.starts_with("/sys/") {
        return sysfs::write(kernel, ns, path, data);
    }
    if let Some((folder, name)) = in_proc_net(path).and_then(|file| file.split_once('/')) {
        let now = kernel.net.now();
        return rules::write(kernel.net.ns_mut(ns)?, now, folder, name, &String::from_utf8_lossy(data));
    }
    let name = setting_name(path)?;
    if name == WRITE_ONLY {
        kernel.net.route_flush_cache(ns);
        return Some(Ok(()));
    }
    kernel.net.sysctl_set(ns, &name, &String::from_utf8_lossy(data))
}

/// Lists a made-up folder; `None` if there is none of that path.
pub fn list(kernel: &mut SimKernel, _machine: MachineId, ns: NsId, dir: &str) -> Option<Vec<DirEntry>> {
    if dir == "/sys" || dir.starts_with("/sys/") {
        return sysfs::list(kernel, ns, dir);
    }
    let entry = |name: &str, kind| DirEntry { name: name.to_owned(), kind };
    if in_proc_net(&format!("{dir}/")).is_some_and(str::is_empty) {
        let files = net::FILES.iter().map(|file| entry(file.name, FileKind::File));
        let folders = rules::FOLDERS.iter().map(|folder| entry(folder.name, FileKind::Dir));
        let vlans = vlan::is_there(&kernel.net, ns).then(|| entry(vlan::FOLDER, FileKind::Dir));
        let mut all: Vec<DirEntry> = files.chain(folders).chain(vlans).collect();
        all.sort();
        return Some(all);
    }
    if in_proc_net(dir) == Some(vlan::FOLDER) {
        let names = vlan::names(&kernel.net, ns)?;
        return Some(names.iter().map(|name| entry(name, FileKind::File)).collect());
    }
    if let Some(folder) = in_proc_net(dir) {
        let names = rules::list(kernel.net.ns(ns)?, folder)?;
        return Some(names.iter().map(|name| entry(name, FileKind::File)).collect());
    }
    if dir == "/proc/sys" {
        return Some(vec![entry("net", FileKind::Dir)]);
    }
    let prefix = format!("{}.", setting_name(dir)?);
    let mut found = BTreeSet::new();
    for name in kernel.net.sysctl_names(ns).into_iter().chain([WRITE_ONLY.to_owned()]) {
        if let Some(rest) = name.strip_prefix(&prefix) {
            let (part, kind) = match rest.split_once('.') {
                Some((part, _)) => (part, FileKind::Dir),
                None => (rest, FileKind::File),
            };
            found.insert(entry(&part.replace('/', "."), kind));
        }
    }
    (!found.is_empty()).then(|| found.into_iter().collect())
}

/// The name that `sysctl` has for a file below `/proc/sys/net`: dots for slashes, and slashes for dots.
fn setting_name(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/proc/sys/")?;
    if rest != "net" && !rest.starts_with("net/") {
        return None;
    }
    let swap = |c| match c {
        '/' => '.',
        '.' => '/',
        c => c,
    };
    Some(rest.chars().map(swap).collect())
}

/// What follows `/proc/net/` or `/proc/PID/net/`.
fn in_proc_net(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/proc/")?;
    if let Some(file) = rest.strip_prefix("net/") {
        return Some(file);
    }
    let (process, rest) = rest.split_once('/')?;
    let is_process = process == "self" || process.bytes().all(|b| b.is_ascii_digit());
    rest.strip_prefix("net/").filter(|_| is_process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_names() {
        let name = |path| setting_name(path);
        assert_eq!(name("/proc/sys/net/ipv4/ip_forward").as_deref(), Some("net.ipv4.ip_forward"));
        assert_eq!(name("/proc/sys/net/ipv4/conf/eth0.1/tag").as_deref(), Some("net.ipv4.conf.eth0/1.tag"));
        assert_eq!(name("/proc/sys/network"), None);
        assert_eq!(in_proc_net("/proc/self/net/arp"), Some("arp"));
        assert_eq!(in_proc_net("/proc/12/net/arp"), Some("arp"));
        assert_eq!(in_proc_net("/proc/bus/net/arp"), None);
    }
}
