//! The classes of messages.

macro_rules! classes {
    ($($name:ident $word:literal $tag:literal $number:literal,)*) => {
        /// The class of a message.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Class { $(#[doc = $word] $name = $number,)* }
        impl Class {
            /// The class of this name in a `log` line.
            pub fn find(word: &str) -> Option<Class> {
                match word { $($word => Some(Class::$name),)* _ => None }
            }
            /// How it stands in the log.
            pub const fn tag(self) -> &'static str {
                match self { $(Class::$name => $tag,)* }
            }
        }
    };
}

classes! {
    Debug "debug" "DBG" 1, Trace "trace" "TRACE" 2, Info "info" "INFO" 3, Remote "remote" "RMT" 4, Warning "warning" "WARN" 5,
    Error "error" "ERR" 6, Auth "auth" "AUTH" 7, Fatal "fatal" "FATAL" 8, Bug "bug" "BUG" 9,
}

impl Class {
    /// Its bit in a set of classes.
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}
