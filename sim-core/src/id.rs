//! Typed numbers of the things in a world.

use core::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A host (a machine): its place in the world's list of hosts.
    HostId(u32)
}
id! {
    /// A network namespace: its place in the world's list of namespaces. Never used again after deletion.
    NsId(u32)
}
id! {
    /// A link's number within its namespace, as `ip link` prints it. 1 is `lo`; 0 means "none".
    IfIndex(u32)
}
id! {
    /// A packet's number in the order of birth. Copies (a flooded frame) get numbers of their own.
    PacketId(u64)
}

impl IfIndex {
    /// No link.
    pub const NONE: IfIndex = IfIndex(0);
    /// The loopback link of every namespace.
    pub const LO: IfIndex = IfIndex(1);

    /// True unless this is [`IfIndex::NONE`].
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}
