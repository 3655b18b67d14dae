//! The settings of `net.ipv4.conf.*` (`struct ipv4_devconf`): one row each.

use std::sync::Arc;

macro_rules! conf {
    ($($(#[$doc:meta])* $key:ident = $name:literal, $default:literal;)*) => {
        /// A setting of `net.ipv4.conf.{all,default,LINK}`; see `ip-sysctl.rst` of the kernel's documentation.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(usize)]
        pub enum ConfKey { $(#[doc = concat!("`net.ipv4.conf.*.", $name, "`")] $key,)* }

        impl ConfKey {
            /// All of them, in alphabetical order.
            pub const ALL: &'static [ConfKey] = &[$(ConfKey::$key,)*];

            /// The name in `sysctl`.
            pub const fn name(self) -> &'static str {
                match self { $(ConfKey::$key => $name,)* }
            }
        }

        const DEFAULTS: [i32; ConfKey::ALL.len()] = [$($default,)*];
    };
}

conf! {
    AcceptLocal = "accept_local", 0;
    AcceptRedirects = "accept_redirects", 1;
    AcceptSourceRoute = "accept_source_route", 0;
    ArpAccept = "arp_accept", 0;
    ArpAnnounce = "arp_announce", 0;
    ArpEvictNocarrier = "arp_evict_nocarrier", 1;
    ArpFilter = "arp_filter", 0;
    ArpIgnore = "arp_ignore", 0;
    ArpNotify = "arp_notify", 0;
    BcForwarding = "bc_forwarding", 0;
    BootpRelay = "bootp_relay", 0;
    DisablePolicy = "disable_policy", 0;
    DisableXfrm = "disable_xfrm", 0;
    DropGratuitousArp = "drop_gratuitous_arp", 0;
    DropUnicastInL2Multicast = "drop_unicast_in_l2_multicast", 0;
    ForceIgmpVersion = "force_igmp_version", 0;
    Forwarding = "forwarding", 0;
    Igmpv2UnsolicitedReportInterval = "igmpv2_unsolicited_report_interval", 10000;
    Igmpv3UnsolicitedReportInterval = "igmpv3_unsolicited_report_interval", 1000;
    IgnoreRoutesWithLinkdown = "ignore_routes_with_linkdown", 0;
    LogMartians = "log_martians", 0;
    McForwarding = "mc_forwarding", 0;
    MediumId = "medium_id", 0;
    PromoteSecondaries = "promote_secondaries", 0;
    ProxyArp = "proxy_arp", 0;
    ProxyArpPvlan = "proxy_arp_pvlan", 0;
    RouteLocalnet = "route_localnet", 0;
    RpFilter = "rp_filter", 0;
    SecureRedirects = "secure_redirects", 1;
    SendRedirects = "send_redirects", 1;
    SharedMedia = "shared_media", 1;
    SrcValidMark = "src_valid_mark", 0;
    Tag = "tag", 0;
}

/// The values of one `net.ipv4.conf` folder. Those of a new link are shared with the defaults until they are changed:
/// a hundred thousand idle links need no table each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conf {
    values: Arc<[i32; ConfKey::ALL.len()]>,
    /// Bit `key`: set for this folder, so that it does not follow `default` any more (`ipv4_devconf.state`).
    held: u64,
}

impl Default for Conf {
    /// The kernel's `net.ipv4.conf.all`.
    fn default() -> Self {
        Conf { values: Arc::new(DEFAULTS), held: 0 }
    }
}

impl Conf {
    /// The kernel's `net.ipv4.conf.default`: as `all`, but source routes are accepted by the link.
    pub fn for_links() -> Self {
        let mut conf = Conf::default();
        Arc::make_mut(&mut conf.values)[ConfKey::AcceptSourceRoute as usize] = 1;
        conf
    }

    /// Sets a value by hand: this folder no longer follows `default` there (`ipv4_devconf_set`).
    pub fn set(&mut self, key: ConfKey, value: i32) {
        self[key] = value;
        self.held |= 1 << key as u64;
    }

    /// Takes over a new value of `default` unless the setting is held.
    pub fn follow(&mut self, key: ConfKey, value: i32) {
        if self.held & (1 << key as u64) == 0 {
            self[key] = value;
        }
    }

    /// From now on nothing follows `default` (`ipv4_devconf_setall`): the link got an address.
    pub fn hold_all(&mut self) {
        self.held = u64::MAX;
    }
}

impl core::ops::Index<ConfKey> for Conf {
    type Output = i32;
    #[inline]
    fn index(&self, key: ConfKey) -> &i32 {
        &self.values[key as usize]
    }
}

impl core::ops::IndexMut<ConfKey> for Conf {
    fn index_mut(&mut self, key: ConfKey) -> &mut i32 {
        &mut Arc::make_mut(&mut self.values)[key as usize]
    }
}

impl ConfKey {
    /// The setting with that name.
    pub fn find(name: &str) -> Option<ConfKey> {
        ConfKey::ALL.iter().copied().find(|k| k.name() == name)
    }
}
