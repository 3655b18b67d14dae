//! net-tools 2.10: `ifconfig`, `route`, `arp` and `netstat`, as many tutorials still use them.
//!
//! These programs speak to the kernel by `ioctl(2)` and read `/proc/net`; [`ioctl`] has the kernel's side of it. Standard
//! output is buffered, so it comes after standard error.

pub mod arp;
pub mod ether;
pub mod ifconfig;
pub mod interface;
pub mod ioctl;
pub mod names;
pub mod netstat;
pub mod route;
pub mod statistics;
pub mod table;

use hopwise_machine::Sys;
use hopwise_sim_core::Errno;

use crate::kernel::SimKernel;

/// The exit status for a command line that is wrong (`E_OPTERR`).
const E_OPTERR: i32 = 3;

/// What `-V` prints first.
const RELEASE: &str = "net-tools 2.10\n";

/// The families and kinds of hardware that the programs were built for, as `-V` lists them.
const FEATURES: &str = "AF: (inet) +UNIX +INET +INET6 +IPX +AX25 +NETROM +X25 +ATALK +ECONET +ROSE -BLUETOOTH\n\
     HW: DEFAULT+ETHER +ARC +SLIP +PPP +TUNNEL -TR +AX25 +NETROM +X25 +FR +ROSE +ASH +SIT +FDDI +HIPPI +HDLC/LAPB +EUI64 \n";

/// The families that have a routing table.
const ROUTE_FAMILIES: &str = include_str!("usage/route-families.txt");

/// The names of the families that the programs know (`get_aftype`).
const FAMILIES: &[&str] = &["unix", "inet", "inet6", "ax25", "netrom", "rose", "ipx", "ddp", "ec", "ash", "x25"];

/// The features with the default kind of hardware filled in.
fn features(default: &str) -> String {
    FEATURES.replace("DEFAULT", default)
}

/// `perror(3)`.
fn perror(sys: &mut Sys<'_, SimKernel>, what: &str, errno: Errno) {
    sys.err(&format!("{what}: {errno}\n"));
}

/// The number at the beginning of a text, as `atoi(3)` reads it: 0 if there is none.
fn atoi(text: &str) -> i32 {
    let text = text.trim_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = digits.bytes().take_while(u8::is_ascii_digit);
    // The C library computes with 64 bits and cuts; nobody writes such numbers.
    let value = number.fold(0i64, |n, digit| n.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    (sign * value) as i32
}

/// The mask behind the slash of `10.0.0.0/8`; `None` if what stands there is no number. Lengths count modulo 32, as the
/// processor shifts, which makes /32 no mask at all.
fn prefix_mask(length: &str) -> Option<u32> {
    let length = if length.is_empty() { 0 } else { crate::getopt::strtol(length)? };
    Some(!(u32::MAX >> (length & 31)))
}

/// Prints the usage, pieces of text each followed by a list: as an answer the texts go to standard output, which is
/// buffered, and the lists to standard error; after a mistake all goes to standard error. Gives the exit status.
fn usage(sys: &mut Sys<'_, SimKernel>, pieces: &[(&str, &str)], mistake: bool) -> i32 {
    for (text, list) in pieces {
        if mistake {
            sys.err(text);
        }
        sys.err(list);
    }
    if mistake {
        return E_OPTERR;
    }
    for (text, _) in pieces {
        sys.out(text);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_masks_as_the_c_library_and_the_processor_make_them() {
        assert_eq!((atoi("1500x"), atoi("x"), atoi("-1"), atoi("0x600")), (1500, 0, -1, 0));
        assert_eq!(
            (prefix_mask("24"), prefix_mask("32"), prefix_mask("33")),
            (Some(0xffff_ff00), Some(0), Some(1 << 31))
        );
        assert_eq!((prefix_mask(""), prefix_mask("16x"), prefix_mask("-1")), (Some(0), None, Some(0xffff_fffe)));
    }
}
