//! `ip`: options, objects, batches. One line per object in [`OBJECTS`], one file or folder per object.

pub mod address;
pub mod args;
pub(crate) mod batch;
pub mod flush;
pub mod link;
pub mod lladdr;
pub mod names;
pub mod neigh;
pub mod netns;
pub mod out;
pub mod route;
pub mod rule;
mod run;
pub mod tunnel;
pub mod tuntap;
pub mod vrf;

use hopwise_machine::{MachineId, Sys};
use hopwise_sim_core::{IfIndex, NsId, OriginId};
use hopwise_stack::{Dev, Namespace, Network};

use crate::kernel::SimKernel;
pub use args::{Args, Done, Fail};
pub use out::Out;
pub use run::start;

/// The family of `-4`, `-6`, `-0`, `-B`, `-M` or `-family`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Family {
    /// None was given.
    #[default]
    Unspec,
    /// `-4`.
    Inet,
    /// `-6`.
    Inet6,
    /// `-0`.
    Link,
    /// `-B`.
    Bridge,
    /// `-M`.
    Mpls,
}

/// The options before the object.
#[derive(Clone, Default, Debug)]
pub struct Options {
    /// `-d`: how often.
    pub details: u32,
    /// `-s`: how often.
    pub stats: u32,
    /// `-br`.
    pub brief: bool,
    /// `-o`.
    pub oneline: bool,
    /// `-j`.
    pub json: bool,
    /// `-p`.
    pub pretty: bool,
    /// `-4` and its kin.
    pub family: Family,
    /// `-N`: numbers instead of names.
    pub numeric: bool,
    /// `-r`: names of addresses. No name server is known, so it changes nothing.
    pub resolve: bool,
    /// `-h`: human readable numbers.
    pub human: bool,
    /// `-iec`: in powers of 1024.
    pub iec: bool,
    /// `-a`: all namespaces.
    pub all: bool,
    /// `-f` with `-batch`: goes on after an error.
    pub force: bool,
    /// `-batch FILE`.
    pub batch: Option<String>,
    /// `-l`: rounds of flushing.
    pub loops: u32,
}

/// What a command asks for that ends the program's own work.
#[derive(Clone, Debug)]
pub enum Plan {
    /// `ip vrf exec NAME`: become another program, which is in a VRF already.
    Become(Vec<String>),
    /// `ip netns exec NAME`: become another program in a namespace.
    Exec {
        /// The namespace and its name.
        ns: (String, NsId),
        /// The program and its arguments.
        argv: Vec<String>,
    },
    /// `ip -all netns exec`: run a program in each namespace.
    Each {
        /// The namespaces, the next one last.
        names: Vec<(String, NsId)>,
        /// The program and its arguments.
        argv: Vec<String>,
    },
}

/// A command that is being carried out: the process, its options and namespace, its output.
pub struct Ip<'a, 's> {
    /// The process.
    pub sys: &'a mut Sys<'s, SimKernel>,
    /// Options.
    pub opt: Options,
    /// The namespace that the command works in: the process's own, or that of `-n`.
    pub ns: NsId,
    /// The output.
    pub out: Out,
    /// What shall happen afterwards.
    pub plan: Option<Plan>,
    /// The agent that acts, with its reason; `None`: somebody typed the command.
    pub by: Option<OriginId>,
}

impl Ip<'_, '_> {
    /// The network, to be changed.
    pub fn net(&mut self) -> &mut Network {
        &mut self.sys.kernel.net
    }

    /// The namespace that the command works in.
    ///
    /// # Errors
    /// If it was deleted meanwhile.
    pub fn space(&self) -> Done<&Namespace> {
        self.sys.kernel.net.ns(self.ns).ok_or_else(|| Fail::new(1, "Cannot open netlink socket: No such device"))
    }

    /// The machine.
    pub fn machine(&self) -> MachineId {
        self.sys.machine()
    }

    /// The link of that name (or `ifN`, as `ll_name_to_index` takes it), if there is one.
    pub fn link(&self, name: &str) -> Option<IfIndex> {
        let devs = &self.space().ok()?.devs;
        devs.index_of(name).or_else(|| {
            let index = IfIndex(name.strip_prefix("if")?.parse().ok()?);
            devs.get(index).map(|d| d.index)
        })
    }

    /// The link of that name. Asking the kernel for it brings the link's state up to date (`ll_name_to_index`,
    /// `rtnl_getlink`).
    ///
    /// # Errors
    /// `Cannot find device "..."`, status 1.
    pub fn need_link(&mut self, name: &str) -> Done<IfIndex> {
        let link = self.link(name).ok_or_else(|| args::nodev(name))?;
        let ns = self.ns;
        self.net().sync_link(ns, link);
        Ok(link)
    }

    /// A link.
    pub fn dev(&self, link: IfIndex) -> Option<&Dev> {
        self.space().ok()?.devs.get(link)
    }

    /// The name of a link, `ifN` if there is none (`ll_index_to_name`).
    pub fn link_name(&self, link: IfIndex) -> String {
        self.dev(link).map_or_else(|| format!("if{link}"), |d| d.name.to_string())
    }
}

/// An object: its name and what does its commands.
pub struct ObjectRow {
    /// The name, which may be abbreviated.
    pub name: &'static str,
    /// Carries a command out; the object's name is used up already.
    pub run: fn(&mut Ip<'_, '_>, &mut Args) -> Done,
}

/// The objects in iproute2's order: the first that a word abbreviates is meant. Those that are not built stand in the list, so that
/// abbreviations mean what they mean on Linux.
pub static OBJECTS: &[ObjectRow] = &[
    ObjectRow { name: "address", run: address::run },
    ObjectRow { name: "addrlabel", run: unsupported },
    ObjectRow { name: "maddress", run: unsupported },
    ObjectRow { name: "route", run: route::run },
    ObjectRow { name: "rule", run: rule::run },
    ObjectRow { name: "neighbor", run: neigh::run },
    ObjectRow { name: "neighbour", run: neigh::run },
    ObjectRow { name: "ntable", run: unsupported },
    ObjectRow { name: "ntbl", run: unsupported },
    ObjectRow { name: "link", run: link::run },
    ObjectRow { name: "l2tp", run: unsupported },
    ObjectRow { name: "fou", run: unsupported },
    ObjectRow { name: "ila", run: unsupported },
    ObjectRow { name: "macsec", run: unsupported },
    ObjectRow { name: "tunnel", run: tunnel::run },
    ObjectRow { name: "tunl", run: tunnel::run },
    ObjectRow { name: "tuntap", run: tuntap::run },
    ObjectRow { name: "tap", run: tuntap::run },
    ObjectRow { name: "token", run: unsupported },
    ObjectRow { name: "tcpmetrics", run: unsupported },
    ObjectRow { name: "monitor", run: unsupported },
    ObjectRow { name: "xfrm", run: unsupported },
    ObjectRow { name: "mroute", run: unsupported },
    ObjectRow { name: "mrule", run: unsupported },
    ObjectRow { name: "netns", run: netns::run },
    ObjectRow { name: "netconf", run: unsupported },
    ObjectRow { name: "vrf", run: vrf::run },
    ObjectRow { name: "sr", run: unsupported },
    ObjectRow { name: "nexthop", run: unsupported },
    ObjectRow { name: "mptcp", run: unsupported },
    ObjectRow { name: "ioam", run: unsupported },
    ObjectRow { name: "help", run: help },
];

/// An object of iproute2 that is not built here.
fn unsupported(_: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    args.back();
    Err(Fail::new(1, format!("Object \"{}\" is not supported here.", args.peek().unwrap_or_default())))
}

fn unknown_object(name: &str) -> Fail {
    Fail::new(1, format!("Object \"{name}\" is unknown, try \"ip help\"."))
}

fn help(_: &mut Ip<'_, '_>, _: &mut Args) -> Done {
    Err(Fail::usage(USAGE))
}

/// Carries out one command: `OBJECT COMMAND ...`.
///
/// # Errors
/// What the command says.
pub fn command(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return Err(Fail::usage(USAGE)) };
    match OBJECTS.iter().find(|row| args::matches(&word, row.name)) {
        Some(row) => (row.run)(ip, args),
        None => Err(unknown_object(&word)),
    }
}

/// What `ip help` prints: the objects and options that exist here.
const USAGE: &str = "Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }
       ip [ -force ] -batch filename
where  OBJECT := { address | help | link | neighbor | neighbour | netns | route | rule | tunnel | tuntap | vrf }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -r[esolve] |
                    -h[uman-readable] | -iec | -j[son] | -p[retty] |
                    -f[amily] { inet | inet6 | mpls | bridge | link } |
                    -4 | -6 | -M | -B | -0 |
                    -l[oops] { maximum-addr-flush-attempts } | -br[ief] |
                    -o[neline] | -b[atch] [filename] |
                    -n[etns] name | -N[umeric] | -a[ll] |
                    -c[olor]}
";
