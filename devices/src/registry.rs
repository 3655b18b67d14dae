//! The kinds of link that exist: one line each. From here come the words after `type`, the support table and the
//! fuzzer's choices.

use crate::kind::KindOps;
use crate::{bridge, dummy, ipip, ipvlan, lo, macvlan, tun, veth, vlan, vrf, vxlan};

/// All kinds.
pub static KINDS: &[&KindOps] = &[
    &lo::OPS,
    &dummy::OPS,
    &veth::OPS,
    &bridge::OPS,
    &ipip::OPS,
    &vxlan::OPS,
    &vlan::OPS,
    &macvlan::OPS,
    &ipvlan::OPS,
    &vrf::OPS,
    &tun::TUN_OPS,
];

/// The kind that `ip link add type NAME` means.
pub fn find(name: &str) -> Option<&'static KindOps> {
    KINDS.iter().copied().find(|ops| !ops.name.is_empty() && ops.name == name)
}
