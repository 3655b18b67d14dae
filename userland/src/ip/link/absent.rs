//! Tunnels that iproute2 has words for and the kernel has no module for: `link_gre.c`, `link_iptnl.c`. The words are read, and then the
//! kernel is asked for a kind that it does not know.

use hopwise_sim_core::Errno;
use hopwise_stack::NlError;

use crate::ip::args::{self, Args, Done, Fail};

/// The kinds.
const KINDS: [&str; 3] = ["gre", "gretap", "sit"];

/// Words that stand alone.
const ALONE: [&str; 22] = [
    "seq",
    "iseq",
    "oseq",
    "noseq",
    "noiseq",
    "nooseq",
    "nokey",
    "noikey",
    "nookey",
    "csum",
    "icsum",
    "ocsum",
    "nocsum",
    "noicsum",
    "noocsum",
    "pmtudisc",
    "nopmtudisc",
    "ignore-df",
    "noignore-df",
    "external",
    "noencap",
    "isatap",
];

/// Words that are followed by one more.
const FOLLOWED: [&str; 12] =
    ["key", "ikey", "okey", "dev", "ttl", "hoplimit", "hlim", "tos", "tclass", "dsfield", "fwmark", "mode"];

/// Whether a kind is one of these.
pub(super) fn is_absent(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// Reads the words of `ip link add type KIND` and says no.
///
/// # Errors
/// Always: what is wrong with the words, or that there is no such kind.
pub(super) fn refuse(args: &mut Args, kind: &str) -> Done<Fail> {
    while let Some(word) = args.next() {
        match &*word {
            "remote" | "local" => {
                let addr = args.need()?;
                if addr != "any" {
                    args::addr(&addr)?;
                }
            }
            word if FOLLOWED.contains(&word) => {
                args.need()?;
            }
            word if ALONE.contains(&word) => {}
            _ => return Err(Fail::as_is(1, usage(kind))),
        }
    }
    Ok(NlError::with(Errno::EOPNOTSUPP, "Unknown device type").into())
}

fn usage(kind: &str) -> String {
    format!(
        "Usage: ... {kind} [ remote ADDR ] [ local ADDR ] [ ttl TTL ] [ tos TOS ] [ [no]pmtudisc ] [ dev PHYS_DEV ]\n"
    )
}
