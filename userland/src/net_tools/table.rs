//! The routing table as `route` and `netstat -r` print it, from what `/proc/net/route` says.

use core::fmt::Write;
use core::net::Ipv4Addr;

use hopwise_machine::Sys;

use super::{ioctl, names};
use crate::kernel::SimKernel;
use crate::procfs::net::{RTF_GATEWAY, RTF_HOST, RTF_REJECT, RTF_UP, RouteLine, route_lines};

/// The columns behind the flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Columns {
    /// Segment size, window, round-trip time.
    Metrics,
    /// Metric, references, use.
    Use,
    /// All.
    All,
}

impl Columns {
    const fn head(self) -> &'static str {
        match self {
            Columns::Metrics => "Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface\n",
            Columns::Use => "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n",
            Columns::All => {
                "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface    MSS   Window irtt\n"
            }
        }
    }
}

/// The whole table with its heading. Only routes that are up are shown.
pub fn routes(sys: &mut Sys<'_, SimKernel>, columns: Columns, numeric: bool) -> String {
    let lines = ioctl::space(sys).map(route_lines).unwrap_or_default();
    let mut text = format!("Kernel IP routing table\n{}", columns.head());
    for line in lines.iter().filter(|line| line.flags & RTF_UP != 0) {
        row(sys, &mut text, line, columns, numeric);
    }
    text
}

fn row(sys: &mut Sys<'_, SimKernel>, text: &mut String, line: &RouteLine, columns: Columns, numeric: bool) {
    let refused = line.flags & RTF_REJECT != 0;
    let dst = destination(sys, line, numeric);
    let gateway = if refused { "-".to_owned() } else { gateway(sys, line.gateway, numeric) };
    let mut flags = String::from(if refused { "!" } else { "U" });
    flags.extend([(RTF_GATEWAY, 'G'), (RTF_HOST, 'H')].iter().filter(|(bit, _)| line.flags & bit != 0).map(|(_, c)| c));
    let or_dash = |value: u32| if refused { "-".to_owned() } else { value.to_string() };
    let (mss, window, irtt) = (or_dash(line.mss), or_dash(line.window), or_dash(line.irtt));
    let dev = if refused { "-" } else { &line.dev };
    let mask = line.mask.to_string();
    let _ = write!(text, "{dst:<15.15} {gateway:<15.15} {mask:<15.15} {flags:<6}");
    // The file has the metric as a signed number.
    let (metric, references) = (line.metric as i32, or_dash(0));
    let _ = match columns {
        Columns::Metrics => writeln!(text, "{mss:>5} {window:<5} {irtt:>6} {dev}"),
        Columns::Use => writeln!(text, "{metric:<6} {references:<2} {:>7} {dev}", 0),
        Columns::All => {
            writeln!(text, "{metric:<6} {references:<2} {:>7} {dev:<8} {mss:<5} {window:<6} {irtt}", 0)
        }
    };
}

/// The name of a destination: that of a host or of a network, `default` for the whole world.
fn destination(sys: &mut Sys<'_, SimKernel>, line: &RouteLine, numeric: bool) -> String {
    let host = line.flags & RTF_HOST != 0;
    let name = if numeric || (host && line.dst.is_unspecified()) {
        None
    } else if line.dst.is_unspecified() {
        Some("default".to_owned())
    } else if host {
        names::host_name(sys, line.dst)
    } else {
        names::network_name(sys, line.dst)
    };
    name.unwrap_or_else(|| line.dst.to_string())
}

fn gateway(sys: &mut Sys<'_, SimKernel>, gateway: Ipv4Addr, numeric: bool) -> String {
    let name = if numeric || gateway.is_unspecified() { None } else { names::host_name(sys, gateway) };
    name.unwrap_or_else(|| gateway.to_string())
}
