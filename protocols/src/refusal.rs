//! The shape of a refusal by netlink: an error number and, for most, a sentence.

/// Declares an enum of refusals: one row each, `Name = ERRNO` or `Name = ERRNO "sentence"`.
macro_rules! refusals {
    ($(#[$outer:meta])* enum $enum:ident { $($(#[$doc:meta])* $name:ident = $errno:ident $($text:literal)?;)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $enum { $($(#[$doc])* $name,)* }

        impl $enum {
            /// All of them.
            pub const ALL: &'static [$enum] = &[$($enum::$name,)*];

            /// The error number.
            pub const fn errno(self) -> hopwise_sim_core::Errno {
                match self { $($enum::$name => hopwise_sim_core::Errno::$errno,)* }
            }

            /// The sentence of the extended acknowledgement, which `ip` prints after `Error: `, without the full stop;
            /// `None`: `ip` prints `RTNETLINK answers:` and the text of the error number.
            pub const fn extack(self) -> Option<&'static str> {
                match self { $($enum::$name => { let text: &[&str] = &[$($text)?]; text.first().copied() })* }
            }
        }

        impl core::fmt::Display for $enum {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.extack() {
                    Some(text) => f.write_str(text),
                    None => core::fmt::Display::fmt(&self.errno(), f),
                }
            }
        }

        impl core::error::Error for $enum {}
    };
}

pub(crate) use refusals;
