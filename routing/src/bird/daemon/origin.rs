//! Where a route comes from, in words, for those who find it in the kernel's table.

use super::Daemon;
use crate::bird::route::{Route, Source};

impl Daemon {
    /// `BGP session uplink from 10.0.0.1 (AS 64512), learned 3.2 s into the run`; `static protocol local`.
    pub fn origin(&self, route: &Route) -> String {
        let name = &route.proto_name;
        match route.source {
            Source::Static => format!("static protocol {name}"),
            Source::Device => format!("direct protocol {name}"),
            Source::Inherit => format!("learned from the kernel by protocol {name}"),
            Source::Bgp => self.bgp_origin(route),
        }
    }

    fn bgp_origin(&self, route: &Route) -> String {
        let from = route.from.map(|from| format!(" from {from}")).unwrap_or_default();
        let neighbor = self
            .protos
            .get(route.proto)
            .and_then(|proto| proto.neighbor_as())
            .map(|asn| format!(" (AS {asn})"))
            .unwrap_or_default();
        let tenths = route.modified.as_nanos() / 100_000_000;
        let when = format!("learned {}.{} s into the run", tenths / 10, tenths % 10);
        let more = match route.nexthops.len() {
            0 | 1 => "",
            _ => "; the best of several ways",
        };
        format!("BGP session {}{from}{neighbor}, {when}{more}", route.proto_name)
    }
}
