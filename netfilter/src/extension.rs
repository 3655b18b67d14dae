//! What matches (`-m NAME`) and targets (`-j NAME`) have in common: options, and how they are saved and listed.
//!
//! [`mod@crate::matches`] and [`crate::targets`] have a registry each, made by one macro: an enum with one variant for each kind,
//! and the table of all kinds.

use crate::names::Names;
use crate::rules::IpMatch;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// How `iptables -L` prints.
pub struct How<'a> {
    /// `-n`: numbers instead of names.
    pub numeric: bool,
    /// The rule's other demands: ports have names by protocol.
    pub ip: &'a IpMatch,
    /// Names.
    pub names: &'a dyn Names,
}

impl How<'_> {
    /// A port, by name unless numbers are wanted.
    pub fn port(&self, port: u16, protocol: u8) -> String {
        let name = if self.numeric { None } else { self.names.port_name(port, protocol) };
        name.unwrap_or_else(|| port.to_string())
    }
}

/// One kind of match or target.
pub(crate) trait Extension: Clone + PartialEq + core::fmt::Debug + Sized {
    /// Its options.
    const OPTIONS: &'static [Opt];

    /// As it is before any option was given.
    fn new() -> Self;

    /// Takes an option.
    fn option(&mut self, call: &Call<'_>) -> Done;

    /// Takes the word behind the argument of an option that has two (`--tcp-flags MASK COMPARED`): the error if there is none.
    fn wants_second(&self, _opt: &Opt) -> Option<&'static str> {
        None
    }

    /// All options were given.
    fn finish(&mut self, _seen: u32, _ip: &IpMatch) -> Done {
        Ok(())
    }

    /// Writes its options as they are saved, each with a space in front.
    fn save(&self, out: &mut String);

    /// Writes it as `-L` lists it, with a space in front.
    fn list(&self, out: &mut String, how: &How<'_>);

    /// Whether connections must be tracked for it.
    fn tracks(&self) -> bool {
        false
    }

    /// Words that are accepted, made up: for property tests and fuzzing. They begin with those that the rule needs (`-p tcp`).
    fn sample(rng: &mut Rng) -> String;
}

impl<T: Extension> Extension for Box<T> {
    const OPTIONS: &'static [Opt] = T::OPTIONS;
    fn new() -> Self {
        Box::new(T::new())
    }
    fn option(&mut self, call: &Call<'_>) -> Done {
        (**self).option(call)
    }
    fn wants_second(&self, opt: &Opt) -> Option<&'static str> {
        (**self).wants_second(opt)
    }
    fn finish(&mut self, seen: u32, ip: &IpMatch) -> Done {
        (**self).finish(seen, ip)
    }
    fn save(&self, out: &mut String) {
        (**self).save(out);
    }
    fn list(&self, out: &mut String, how: &How<'_>) {
        (**self).list(out, how);
    }
    fn tracks(&self) -> bool {
        (**self).tracks()
    }
    fn sample(rng: &mut Rng) -> String {
        T::sample(rng)
    }
}

/// What a registry knows of a kind of match or target.
pub struct Kind<T: 'static> {
    /// Its name.
    pub name: &'static str,
    /// What it is for, for the table of what is supported.
    pub about: &'static str,
    /// Its options.
    pub options: &'static [Opt],
    /// It without options yet.
    pub make: fn() -> T,
    /// Made-up words that are accepted: what the rule needs, `-j NAME` of a target, and options.
    pub sample: fn(&mut Rng) -> String,
}

/// The enum of all kinds of one sort, its registry, and what [`Extension`] asks of each.
macro_rules! extensions {
    ($(#[$doc:meta])* $Enum:ident: $($name:literal $module:ident $variant:ident($data:ty) $about:literal;)*) => {
        $(mod $module;)*

        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        #[non_exhaustive]
        pub enum $Enum {
            $(#[doc = $about] $variant($data),)*
        }

        /// All kinds.
        pub static REGISTRY: &[$crate::extension::Kind<$Enum>] = &[
            $($crate::extension::Kind {
                name: $name,
                about: $about,
                options: <$data as $crate::extension::Extension>::OPTIONS,
                make: || $Enum::$variant(<$data as $crate::extension::Extension>::new()),
                sample: <$data as $crate::extension::Extension>::sample,
            },)*
        ];

        /// The kind of that name.
        pub fn find(name: &str) -> Option<&'static $crate::extension::Kind<$Enum>> {
            REGISTRY.iter().find(|kind| kind.name == name)
        }

        impl $Enum {
            /// Its name.
            pub const fn name(&self) -> &'static str {
                match self { $($Enum::$variant(_) => $name,)* }
            }

            /// Its options.
            pub const fn options(&self) -> &'static [$crate::xtables::Opt] {
                match self { $($Enum::$variant(_) => <$data as $crate::extension::Extension>::OPTIONS,)* }
            }

            pub(crate) fn option(&mut self, call: &$crate::xtables::Call<'_>) -> $crate::xtables::Done {
                match self { $($Enum::$variant(x) => x.option(call),)* }
            }

            pub(crate) fn wants_second(&self, opt: &$crate::xtables::Opt) -> Option<&'static str> {
                match self { $($Enum::$variant(x) => x.wants_second(opt),)* }
            }

            pub(crate) fn finish(&mut self, seen: u32, ip: &$crate::rules::IpMatch) -> $crate::xtables::Done {
                match self { $($Enum::$variant(x) => x.finish(seen, ip),)* }
            }

            /// Writes its options as they are saved, each with a space in front.
            pub fn save(&self, out: &mut String) {
                match self { $($Enum::$variant(x) => x.save(out),)* }
            }

            /// Writes it as `iptables -L` lists it, with a space in front.
            pub fn list(&self, out: &mut String, how: &$crate::extension::How<'_>) {
                match self { $($Enum::$variant(x) => x.list(out, how),)* }
            }

            pub(crate) fn tracks(&self) -> bool {
                match self { $($Enum::$variant(x) => x.tracks(),)* }
            }
        }
    };
}
pub(crate) use extensions;
