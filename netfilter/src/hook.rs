//! The hooks of IPv4 and the tables that stand there (`include/uapi/linux/netfilter.h`, `netfilter_ipv4.h`).

/// Where in the packet path something is asked about a packet (`NF_INET_*`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Hook {
    /// A packet came in and is not routed yet.
    PreRouting = 0,
    /// It is for this host.
    LocalIn = 1,
    /// It is for somebody else.
    Forward = 2,
    /// It was made here and is routed.
    LocalOut = 3,
    /// It is about to leave, whoever made it.
    PostRouting = 4,
}

impl Hook {
    /// All, in the order of their numbers.
    pub const ALL: [Hook; 5] = [Hook::PreRouting, Hook::LocalIn, Hook::Forward, Hook::LocalOut, Hook::PostRouting];

    /// The chain that the hook's rules are in.
    pub const fn chain(self) -> &'static str {
        match self {
            Hook::PreRouting => "PREROUTING",
            Hook::LocalIn => "INPUT",
            Hook::Forward => "FORWARD",
            Hook::LocalOut => "OUTPUT",
            Hook::PostRouting => "POSTROUTING",
        }
    }

    /// The hook whose rules are in the chain of that name.
    pub fn of_chain(chain: &str) -> Option<Hook> {
        Hook::ALL.into_iter().find(|hook| hook.chain() == chain)
    }
}

/// A table of rules. At one hook they are asked in the order raw, (connection tracking), mangle, nat for destinations, filter,
/// security, nat for sources (`enum nf_ip_hook_priorities`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum TableId {
    /// Before connections are tracked.
    Raw = 0,
    /// Changes of headers and marks.
    Mangle = 1,
    /// The first packet of each connection: which addresses it gets.
    Nat = 2,
    /// May it pass?
    Filter = 3,
    /// Mandatory access control.
    Security = 4,
}

impl TableId {
    /// All of them.
    pub const ALL: [TableId; 5] = [TableId::Raw, TableId::Mangle, TableId::Nat, TableId::Filter, TableId::Security];

    /// Its name in commands.
    pub const fn name(self) -> &'static str {
        match self {
            TableId::Raw => "raw",
            TableId::Mangle => "mangle",
            TableId::Nat => "nat",
            TableId::Filter => "filter",
            TableId::Security => "security",
        }
    }

    /// The table of that name.
    pub fn of_name(name: &str) -> Option<TableId> {
        TableId::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The hooks it stands at, in the order in which its chains are listed.
    pub const fn hooks(self) -> &'static [Hook] {
        use Hook::{Forward, LocalIn, LocalOut, PostRouting, PreRouting};
        match self {
            TableId::Raw => &[PreRouting, LocalOut],
            TableId::Mangle => &[PreRouting, LocalIn, Forward, LocalOut, PostRouting],
            TableId::Nat => &[PreRouting, LocalIn, LocalOut, PostRouting],
            TableId::Filter | TableId::Security => &[LocalIn, Forward, LocalOut],
        }
    }
}
