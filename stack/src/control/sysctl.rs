//! `net.*` settings by name: `/proc/sys/net`. Models `devinet_conf_proc`, `devinet_sysctl_forward` of
//! `net/ipv4/devinet.c`, `neigh_proc_dointvec` of `net/core/neighbour.c` and `proc_dointvec_minmax`.
//!
//! A name has its parts separated by dots; a dot within a part (a link `eth0.100`) is written `/`, as `sysctl` does.

use core::time::Duration;

use hopwise_netfilter::conntrack;
use hopwise_protocols::neigh::NeighParms;
use hopwise_sim_core::{IfIndex, NsId};

use crate::conf::{Conf, ConfKey};
use crate::control::kept::{self, IPV6_CONF, KEPT, KEPT_IN_ROOT};
use crate::error::Errno;
use crate::namespace::Namespace;
use crate::network::Network;
use crate::sysctl::SysctlKey;

/// What the names of connection tracking's settings begin with.
const NETFILTER: &str = "net.netfilter.";
/// The only one that is not set but counted.
const CONNTRACK_COUNT: &str = "nf_conntrack_count";

/// Whose settings a folder below `conf` or `neigh` holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Folder {
    All,
    Default,
    Link(IfIndex),
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Setting {
    Conf(Folder, ConfKey),
    Neigh(Folder, NeighKey),
    Threshold(usize),
    Number(SysctlKey),
    Ports,
    Conntrack(conntrack::Setting),
    ConntrackCount,
    Kept(&'static str),
}

impl Network {
    /// The text of a setting, without the newline; `None`: there is none of that name.
    pub fn sysctl_get(&self, ns: NsId, name: &str) -> Option<String> {
        let space = self.ns(ns)?;
        let text = match self.setting(space, name)? {
            Setting::Conf(folder, key) => conf(space, folder)?[key].to_string(),
            Setting::Neigh(folder, key) => (key.row().get)(parms(space, folder)?).to_string(),
            Setting::Threshold(which) => thresholds(&space.neigh.thresholds)[which].to_string(),
            Setting::Number(key) => space.sysctl[key].to_string(),
            Setting::Ports => format!("{}\t{}", space.sysctl.local_ports.0, space.sysctl.local_ports.1),
            Setting::Conntrack(key) => self.conntrack_setting(space, key).to_string(),
            Setting::ConntrackCount => {
                space.conntrack.as_ref().map_or(0, |table| table.count_at(self.now())).to_string()
            }
            Setting::Kept(default) => space.sysctl.kept.get(name).map_or(default, |text| text).to_owned(),
        };
        Some(text)
    }

    /// Sets a setting; `None`: there is none of that name.
    ///
    /// The inner error is `EINVAL` for what is no number or out of range.
    pub fn sysctl_set(&mut self, ns: NsId, name: &str, text: &str) -> Option<Result<(), Errno>> {
        let setting = self.setting(self.ns(ns)?, name)?;
        Some(self.set(ns, setting, name, text))
    }

    fn set(&mut self, ns: NsId, setting: Setting, name: &str, text: &str) -> Result<(), Errno> {
        let is_root = self.is_root(ns);
        match setting {
            Setting::Neigh(Folder::Default, key) => self.set_neigh_default(ns, key, number(text)?),
            Setting::Conntrack(key) => self.set_conntrack(ns, key, number(text)?),
            Setting::ConntrackCount => Err(Errno::EACCES),
            Setting::Threshold(which) => {
                let value = u32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
                self.each_of_host(ns, |space| {
                    let t = &mut space.neigh.thresholds;
                    *[&mut t.thresh1, &mut t.thresh2, &mut t.thresh3][which] = value;
                });
                Ok(())
            }
            _ => {
                let space = self.ns_mut(ns).ok_or(Errno::ENOENT)?;
                match setting {
                    Setting::Conf(folder, key) => set_conf(space, folder, key, integer(text)?),
                    Setting::Neigh(folder, key) => set_neigh(space, folder, key, number(text)?),
                    Setting::Number(key) => set_number(space, key, number(text)?),
                    Setting::Ports => set_ports(space, text),
                    _ => set_kept(space, name, text, is_root),
                }
            }
        }
    }

    /// The names of all settings of a namespace, sorted as `sysctl -a` prints them.
    pub fn sysctl_names(&self, ns: NsId) -> Vec<String> {
        let Some(space) = self.ns(ns) else { return Vec::new() };
        let root = self.is_root(ns);
        let links: Vec<String> = space.devs.iter().map(|d| d.name.replace('.', "/")).collect();
        let mut names: Vec<String> = vec!["net.ipv4.ip_forward".into(), "net.ipv4.ip_local_port_range".into()];
        names.extend(SysctlKey::ALL.iter().filter(|key| exists(space, **key)).map(|key| key.name().to_owned()));
        names.extend(conntrack::Setting::ALL.iter().map(|key| format!("{NETFILTER}{}", key.name())));
        names.push(format!("{NETFILTER}{CONNTRACK_COUNT}"));
        names.extend(KEPT.iter().map(|row| row.0.to_owned()));
        if root {
            names.push("net.nf_conntrack_max".into());
            names.extend(KEPT_IN_ROOT.iter().map(|row| row.0.to_owned()));
            names.extend((1..=3).map(|n| format!("net.ipv4.neigh.default.gc_thresh{n}")));
        }
        for folder in ["all", "default"].into_iter().chain(links.iter().map(|l| &**l)) {
            names.extend(ConfKey::ALL.iter().map(|key| format!("net.ipv4.conf.{folder}.{}", key.name())));
            names.extend(IPV6_CONF.iter().map(|row| format!("net.ipv6.conf.{folder}.{}", row.0)));
            if folder != "all" && (folder != "default" || root) {
                names.extend(NEIGH.iter().map(|row| format!("net.ipv4.neigh.{folder}.{}", row.name)));
            }
        }
        names.sort_unstable();
        names
    }

    fn is_root(&self, ns: NsId) -> bool {
        self.ns(ns).and_then(|space| self.host(space.host)).is_some_and(|host| host.root == ns)
    }

    fn setting(&self, space: &Namespace, name: &str) -> Option<Setting> {
        let root = self.is_root(space.id);
        if name == "net.ipv4.ip_forward" {
            return Some(Setting::Conf(Folder::All, ConfKey::Forwarding));
        }
        if name == "net.ipv4.ip_local_port_range" {
            return Some(Setting::Ports);
        }
        if let Some(rest) = name.strip_prefix(NETFILTER) {
            let found = conntrack::Setting::find(rest).map(Setting::Conntrack);
            let count = (rest == CONNTRACK_COUNT).then_some(Setting::ConntrackCount);
            return found.or(count).or_else(|| kept::default_of(name, root).map(Setting::Kept));
        }
        if name == "net.nf_conntrack_max" && root {
            return Some(Setting::Conntrack(conntrack::Setting::Max));
        }
        if let Some(rest) = name.strip_prefix("net.ipv4.conf.") {
            let (folder, key) = rest.split_once('.')?;
            return Some(Setting::Conf(self::folder(space, folder)?, ConfKey::find(key)?));
        }
        if let Some(rest) = name.strip_prefix("net.ipv4.neigh.") {
            let (folder, key) = rest.split_once('.')?;
            let folder = self::folder(space, folder)?;
            if folder == Folder::All || (folder == Folder::Default && !root) {
                return None;
            }
            let threshold = ["gc_thresh1", "gc_thresh2", "gc_thresh3"].iter().position(|t| *t == key);
            if let Some(which) = threshold.filter(|_| folder == Folder::Default) {
                return Some(Setting::Threshold(which));
            }
            return Some(Setting::Neigh(folder, NeighKey::find(key)?));
        }
        if let Some(rest) = name.strip_prefix("net.ipv6.conf.") {
            folder(space, rest.split_once('.')?.0)?;
        }
        let number = SysctlKey::ALL
            .iter()
            .find(|key| key.name() == name && exists(space, **key))
            .map(|key| Setting::Number(*key));
        number.or_else(|| kept::default_of(name, root).map(Setting::Kept))
    }

    /// A new namespace has the settings of connection tracking that are one for the whole machine.
    pub(crate) fn inherit_conntrack(&mut self, ns: NsId) {
        let Some(root) = self.ns(ns).and_then(|space| self.host(space.host)).map(|host| host.root) else { return };
        let of_root = self.ns(root).and_then(|space| space.conntrack.as_ref()).map(|table| table.settings.clone());
        if let (Some(settings), Some(space)) = (of_root, self.ns_mut(ns)) {
            for key in conntrack::Setting::ALL.iter().copied().filter(|key| key.root_only()) {
                space.conntrack().settings[key] = settings[key];
            }
        }
    }

    /// The value of a setting of connection tracking; some are one for the whole machine.
    fn conntrack_setting(&self, space: &Namespace, key: conntrack::Setting) -> u32 {
        let root = self.host(space.host).and_then(|host| self.ns(host.root)).filter(|_| key.root_only());
        root.unwrap_or(space).conntrack.as_ref().map_or(key.default_value(), |table| table.settings[key])
    }

    fn set_conntrack(&mut self, ns: NsId, key: conntrack::Setting, value: i64) -> Result<(), Errno> {
        if !key.root_only() {
            let space = self.ns_mut(ns).ok_or(Errno::ENOENT)?;
            let value = u32::try_from(value).ok().filter(|value| key.limits().contains(value));
            space.conntrack().settings[key] = value.ok_or(Errno::EINVAL)?;
            return Ok(());
        }
        if !self.is_root(ns) {
            return Err(Errno::EACCES);
        }
        let value = u32::try_from(value).ok().filter(|value| key.limits().contains(value)).ok_or(Errno::EINVAL)?;
        self.each_of_host(ns, |space| space.conntrack().settings[key] = value);
        Ok(())
    }

    /// The defaults of neighbours are one for the whole machine (`arp_tbl.parms`); links of its first namespace that
    /// were not set by hand follow.
    fn set_neigh_default(&mut self, ns: NsId, key: NeighKey, value: i64) -> Result<(), Errno> {
        let mut after = self.ns(ns).ok_or(Errno::ENOENT)?.neigh_default.clone();
        (key.row().set)(&mut after, value)?;
        self.each_of_host(ns, |space| {
            let before = (key.row().get)(&space.neigh_default);
            space.neigh_default = after.clone();
            if space.id != ns {
                return;
            }
            for link in space.devs.indices() {
                if let Some(dev) = space.devs.get_mut(link)
                    && (key.row().get)(&dev.neigh) == before
                {
                    let done = (key.row().set)(&mut dev.neigh, value);
                    debug_assert!(done.is_ok(), "the default took the value");
                }
            }
        });
        Ok(())
    }

    fn each_of_host(&mut self, ns: NsId, mut work: impl FnMut(&mut Namespace)) {
        let Some(host) = self.ns(ns).map(|space| space.host) else { return };
        let all: Vec<NsId> = self.namespaces().filter(|space| space.host == host).map(|space| space.id).collect();
        for id in all {
            if let Some(space) = self.ns_mut(id) {
                work(space);
            }
        }
    }
}

fn folder(space: &Namespace, name: &str) -> Option<Folder> {
    match name {
        "all" => Some(Folder::All),
        "default" => Some(Folder::Default),
        link => space.devs.index_of(&link.replace('/', ".")).map(Folder::Link),
    }
}

fn conf(space: &Namespace, folder: Folder) -> Option<&Conf> {
    match folder {
        Folder::All => Some(&space.conf_all),
        Folder::Default => Some(&space.conf_default),
        Folder::Link(link) => space.devs.get(link).map(|d| &d.inet.conf),
    }
}

fn parms(space: &Namespace, folder: Folder) -> Option<&NeighParms> {
    match folder {
        Folder::Link(link) => space.devs.get(link).map(|d| &d.neigh),
        _ => Some(&space.neigh_default),
    }
}

/// A number as `proc_get_long` reads it: of several, the first counts. `EINVAL` without one, or with text behind it.
fn number(text: &str) -> Result<i64, Errno> {
    let word = text.split_ascii_whitespace().next().ok_or(Errno::EINVAL)?;
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    let parsed = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8)
    } else if digits.starts_with('+') {
        return Err(Errno::EINVAL);
    } else {
        digits.parse()
    };
    let value = parsed.map_err(|_| Errno::EINVAL)?;
    Ok(if negative { -value } else { value })
}

/// The same, as `int`.
fn integer(text: &str) -> Result<i32, Errno> {
    i32::try_from(number(text)?).map_err(|_| Errno::EINVAL)
}

/// `devinet_conf_proc` and `devinet_sysctl_forward`.
fn set_conf(space: &mut Namespace, folder: Folder, key: ConfKey, value: i32) -> Result<(), Errno> {
    if key == ConfKey::ArpEvictNocarrier && !(0..=1).contains(&value) {
        return Err(Errno::EINVAL);
    }
    match folder {
        Folder::All if key == ConfKey::Forwarding => forward_all(space, value),
        Folder::All => space.conf_all.set(key, value),
        Folder::Default => {
            space.conf_default.set(key, value);
            if key != ConfKey::Forwarding {
                for_all_links(space, |conf| conf.follow(key, value));
            }
        }
        Folder::Link(link) => {
            if let Some(dev) = space.devs.get_mut(link) {
                dev.inet.conf.set(key, value);
            }
        }
    }
    if key == ConfKey::IgnoreRoutesWithLinkdown {
        space.fib.linkdown.all = space.conf_all[key] != 0;
        let on = |d: &&crate::dev::Dev| d.inet.conf[key] != 0;
        space.fib.linkdown.links = space.devs.iter().filter(on).map(|d| d.index).collect();
    }
    Ok(())
}

/// `inet_forward_change`: a router does not accept redirects; all links and those to come forward.
fn forward_all(space: &mut Namespace, value: i32) {
    if space.conf_all[ConfKey::Forwarding] == value {
        return;
    }
    space.conf_all.set(ConfKey::Forwarding, value);
    space.conf_all.set(ConfKey::AcceptRedirects, i32::from(value == 0));
    space.conf_default.set(ConfKey::Forwarding, value);
    for_all_links(space, |conf| conf.set(ConfKey::Forwarding, value));
    space.pmtu.flush();
}

fn for_all_links(space: &mut Namespace, mut work: impl FnMut(&mut Conf)) {
    for link in space.devs.indices() {
        if let Some(dev) = space.devs.get_mut(link) {
            work(&mut dev.inet.conf);
        }
    }
}

/// The least and the greatest value of a setting (`ipv4_net_table`).
fn limits(key: SysctlKey) -> (i64, i64) {
    const INT: i64 = i32::MAX as i64;
    match key {
        SysctlKey::FibMultipathHashPolicy => (0, 3),
        SysctlKey::FibMultipathUseNeigh
        | SysctlKey::IcmpEchoIgnoreAll
        | SysctlKey::IcmpEchoIgnoreBroadcasts
        | SysctlKey::IcmpErrorsUseInboundIfaddr => (0, 1),
        SysctlKey::IpDefaultTtl => (1, 255),
        SysctlKey::IpForwardUsePmtu
        | SysctlKey::IpNoPmtuDisc
        | SysctlKey::IpNonlocalBind
        | SysctlKey::TcpKeepaliveProbes
        | SysctlKey::TcpOrphanRetries
        | SysctlKey::TcpRetries2
        | SysctlKey::TcpSack
        | SysctlKey::TcpSlowStartAfterIdle
        | SysctlKey::TcpSynackRetries
        | SysctlKey::TcpTimestamps
        | SysctlKey::TcpWindowScaling => (0, 255),
        SysctlKey::RawL3mdevAccept
        | SysctlKey::TcpL3mdevAccept
        | SysctlKey::UdpL3mdevAccept
        | SysctlKey::VrfStrictMode => (0, 1),
        SysctlKey::TcpSynRetries => (1, 127),
        SysctlKey::TcpSynLinearTimeouts => (0, 127),
        SysctlKey::TcpRtoMaxMs => (1000, 120_000),
        SysctlKey::TcpRtoMinUs => (1, INT),
        SysctlKey::IcmpMsgsBurst | SysctlKey::IcmpMsgsPerSec | SysctlKey::IcmpRatelimit | SysctlKey::IpfragMaxDist => {
            (0, INT)
        }
        SysctlKey::IcmpRatemask => (0, u32::MAX as i64),
        // Not below `ipfrag_low_thresh`.
        SysctlKey::IpfragHighThresh => (3_145_728, i64::MAX),
        SysctlKey::MinPmtu => (68, INT),
        SysctlKey::IpfragTime
        | SysctlKey::MtuExpires
        | SysctlKey::BridgeNfCallIptables
        | SysctlKey::TcpFinTimeout
        | SysctlKey::TcpInvalidRatelimit
        | SysctlKey::TcpKeepaliveIntvl
        | SysctlKey::TcpKeepaliveTime
        | SysctlKey::TcpMaxSynBacklog => (i32::MIN as i64, INT),
    }
}

fn set_number(space: &mut Namespace, key: SysctlKey, value: i64) -> Result<(), Errno> {
    let (least, most) = limits(key);
    if !(least..=most).contains(&value) {
        return Err(Errno::EINVAL);
    }
    // brnf_sysctl_call_tables keeps only whether it is on.
    let value = if key == SysctlKey::BridgeNfCallIptables { i64::from(value != 0) } else { value };
    if key == SysctlKey::VrfStrictMode && value != 0 && has_shared_tables(space) {
        return Err(Errno::EBUSY);
    }
    space.sysctl[key] = value;
    Ok(())
}

/// Some settings come with their module.
fn exists(space: &Namespace, key: SysctlKey) -> bool {
    key != SysctlKey::VrfStrictMode || space.had_vrf
}

/// `vrf_strict_mode_change`: whether VRFs share a table.
fn has_shared_tables(space: &Namespace) -> bool {
    let mut tables: Vec<u32> = space.devs.iter().filter_map(|d| d.kind.vrf()).map(|v| v.table).collect();
    tables.sort_unstable();
    tables.windows(2).any(|pair| pair[0] == pair[1])
}

/// `ipv4_local_port_range`: one number changes the lower end only.
fn set_ports(space: &mut Namespace, text: &str) -> Result<(), Errno> {
    let mut words = text.split_ascii_whitespace();
    let mut next = |old: u16| words.next().map_or(Ok(old), |w| w.parse().map_err(|_| Errno::EINVAL));
    let (low, high) = (next(space.sysctl.local_ports.0)?, next(space.sysctl.local_ports.1)?);
    if low > high || low == 0 {
        return Err(Errno::EINVAL);
    }
    space.sysctl.local_ports = (low, high);
    Ok(())
}

/// What has no effect is kept as it is; numbers must be numbers. Two IPv6 settings of `all` reach every link.
fn set_kept(space: &mut Namespace, name: &str, text: &str, root: bool) -> Result<(), Errno> {
    let default = kept::default_of(name, root).ok_or(Errno::ENOENT)?;
    let is_number = |t: &str| !t.is_empty() && t.split_ascii_whitespace().all(|w| w.parse::<i64>().is_ok());
    let value = if is_number(default) {
        text.split_ascii_whitespace()
            .map(|w| number(w).map(|n| n.to_string()))
            .collect::<Result<Vec<_>, _>>()?
            .join("\t")
    } else {
        text.trim_end_matches('\n').to_owned()
    };
    if value.is_empty() && is_number(default) {
        return Err(Errno::EINVAL);
    }
    for key in ["disable_ipv6", "forwarding"] {
        if name.strip_prefix("net.ipv6.conf.all.") == Some(key) {
            let links = space.devs.iter().map(|d| d.name.replace('.', "/"));
            let folders: Vec<String> = links.chain(["default".to_owned()]).collect();
            for folder in folders {
                space.sysctl.kept.insert(format!("net.ipv6.conf.{folder}.{key}").into(), value.as_str().into());
            }
        }
    }
    space.sysctl.kept.insert(name.into(), value.into());
    Ok(())
}

fn thresholds(t: &hopwise_protocols::neigh::GcThresholds) -> [u32; 3] {
    [t.thresh1, t.thresh2, t.thresh3]
}

fn set_neigh(space: &mut Namespace, folder: Folder, key: NeighKey, value: i64) -> Result<(), Errno> {
    let Folder::Link(link) = folder else { return Err(Errno::ENOENT) };
    let dev = space.devs.get_mut(link).ok_or(Errno::ENOENT)?;
    (key.row().set)(&mut dev.neigh, value)?;
    if matches!(key.row().name, "base_reachable_time" | "base_reachable_time_ms") {
        dev.neigh.draw_reachable_time(&mut space.rng);
    }
    Ok(())
}

/// A setting of `net.ipv4.neigh.*`: its place in [`NEIGH`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct NeighKey(usize);

impl NeighKey {
    fn find(name: &str) -> Option<NeighKey> {
        NEIGH.iter().position(|row| row.name == name).map(NeighKey)
    }

    fn row(self) -> &'static NeighRow {
        &NEIGH[self.0]
    }
}

struct NeighRow {
    name: &'static str,
    get: fn(&NeighParms) -> i64,
    set: fn(&mut NeighParms, i64) -> Result<(), Errno>,
}

/// What a packet of a full frame counts for in the queue (`SKB_TRUESIZE(ETH_FRAME_LEN)`).
const FULL_FRAME: i64 = 2090;

fn span(value: i64, unit_ms: u64) -> Result<Duration, Errno> {
    let value = u64::try_from(value).map_err(|_| Errno::EINVAL)?;
    if value > i32::MAX as u64 {
        return Err(Errno::EINVAL);
    }
    Ok(Duration::from_millis(value * unit_ms))
}

fn count(value: i64) -> Result<u32, Errno> {
    i32::try_from(value).ok().and_then(|v| u32::try_from(v).ok()).ok_or(Errno::EINVAL)
}

fn units(span: Duration, unit_ms: u64) -> i64 {
    (span.as_millis() / u128::from(unit_ms)) as i64
}

/// Shorthand for a row; the third word says what the number counts.
macro_rules! row {
    ($name:literal, $field:ident, $unit:literal ms) => {
        NeighRow {
            name: $name,
            get: |p| units(p.$field, $unit),
            set: |p, v| {
                p.$field = span(v, $unit)?;
                Ok(())
            },
        }
    };
    ($name:literal, $field:ident, count) => {
        NeighRow {
            name: $name,
            get: |p| i64::from(p.$field),
            set: |p, v| {
                p.$field = count(v)?;
                Ok(())
            },
        }
    };
    ($name:literal, fixed $value:literal) => {
        NeighRow { name: $name, get: |_| $value, set: |_, v| count(v).map(|_| ()) }
    };
}

/// The settings of neighbours (`neigh_sysctl_template`).
const NEIGH: &[NeighRow] = &[
    row!("anycast_delay", fixed 100),
    row!("app_solicit", app_probes, count),
    row!("base_reachable_time", base_reachable_time, 1000 ms),
    row!("base_reachable_time_ms", base_reachable_time, 1 ms),
    row!("delay_first_probe_time", delay_probe_time, 1000 ms),
    row!("gc_stale_time", gc_stale_time, 1000 ms),
    row!("interval_probe_time_ms", fixed 5000),
    row!("locktime", lock_time, 10 ms),
    row!("mcast_resolicit", mcast_reprobes, count),
    row!("mcast_solicit", mcast_probes, count),
    row!("proxy_delay", proxy_delay, 10 ms),
    row!("proxy_qlen", proxy_qlen, count),
    row!("retrans_time", retrans_time, 10 ms),
    row!("retrans_time_ms", retrans_time, 1 ms),
    row!("ucast_solicit", ucast_probes, count),
    NeighRow {
        name: "unres_qlen",
        get: |p| i64::from(p.queue_len_bytes) / FULL_FRAME,
        set: |p, v| {
            p.queue_len_bytes = count(v.checked_mul(FULL_FRAME).ok_or(Errno::EINVAL)?)?;
            Ok(())
        },
    },
    row!("unres_qlen_bytes", queue_len_bytes, count),
];
