//! The machines of a lab and the wires between them: what a topology means once it has been read.

use std::fmt;

/// Machines and wires. A lab without a topology has [`Topology::one_machine`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// The machines, in the document's order.
    pub machines: Vec<Machine>,
    /// The wires, in the document's order.
    pub wires: Vec<Wire>,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its name: what prompts and endpoints say. See [`plain_name`].
    pub name: String,
    /// Commands that run on it before the document's first command.
    pub exec: Vec<String>,
}

/// A wire that joins two NICs. Both are up when the lab starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Its two ends.
    pub ends: [Endpoint; 2],
    /// MTU of both NICs, in bytes.
    pub mtu: u32,
    /// What the wire does to frames, both ways.
    pub medium: Medium,
    /// What happens to it while the lab runs, in the document's order.
    pub faults: Vec<Fault>,
}

/// Something that happens to a wire. What is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// When, in nanoseconds of virtual time since the lab's start.
    pub at_ns: u64,
    /// It is cut (`down`: both NICs lose their carrier), or mended (`up`).
    pub up: Option<bool>,
    /// See [`Medium::delay_ns`].
    pub delay_ns: Option<u64>,
    /// See [`Medium::jitter_ns`].
    pub jitter_ns: Option<u64>,
    /// See [`Medium::rate_bits`].
    pub rate_bits: Option<u64>,
    /// See [`Medium::loss_ppm`].
    pub loss_ppm: Option<u32>,
}

/// One end of a wire: a NIC of a machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The machine's name.
    pub machine: String,
    /// The NIC's name.
    pub link: String,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.machine, self.link)
    }
}

/// What a wire does to the frames on it. The default is an ideal wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Medium {
    /// Propagation delay one way, in nanoseconds.
    pub delay_ns: u64,
    /// Greatest deviation from `delay_ns` either way, in nanoseconds.
    pub jitter_ns: u64,
    /// Bits per second; 0 means that serialisation takes no time.
    pub rate_bits: u64,
    /// Share of frames that are lost, in millionths (1 % is 10,000).
    pub loss_ppm: u32,
}

/// The MTU of a wire that names none: Ethernet's.
pub const DEFAULT_MTU: u32 = 1500;

impl Topology {
    /// The topology of a lab that describes none: one machine called `host`.
    pub fn one_machine() -> Self {
        Self { machines: vec![Machine { name: "host".into(), exec: Vec::new() }], wires: Vec::new() }
    }

    /// The machine that a prompt without a name means, when there is only one.
    pub fn only_machine(&self) -> Option<&str> {
        match self.machines.as_slice() {
            [one] => Some(&one.name),
            _ => None,
        }
    }

    /// Whether there is a machine of this name.
    pub fn has_machine(&self, name: &str) -> bool {
        self.machines.iter().any(|m| m.name == name)
    }

    /// The machines' names, for messages: `a`, `b` and `c`.
    pub fn names(&self) -> String {
        list(self.machines.iter().map(|m| m.name.as_str()))
    }
}

/// Words in backquotes, joined for a sentence.
pub(crate) fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|w| format!("`{w}`")).collect();
    match words.split_last() {
        None => "none".into(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// Whether a name can be a lab's or machine's: letters, digits, `_`, `.` and `-`, beginning with a letter or digit, at
/// most 64 bytes (Linux's `HOST_NAME_MAX`). It becomes a folder's name and stands in prompts, hence no other character.
pub fn plain_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// Names that a machine cannot have because its folder would collide with a file of the lab's output folder.
pub const RESERVED_MACHINE_NAMES: &[&str] = &["transcript.txt", "capture.pcapng", "captures"];

/// Whether Linux takes this as a network interface's name (`dev_valid_name()`): 1 to 15 bytes, not `.` or `..`, without
/// slash, colon and white space.
pub fn valid_link_name(name: &str) -> bool {
    (1..16).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.chars().any(|c| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_folders_must_be_plain() {
        for good in ["worker1", "a", "hand-cni-6", "1.2_3"] {
            assert!(plain_name(good), "{good}");
        }
        for bad in ["", ".", "..", "-x", ".hidden", "a/b", "a b", "a\0", "é", &"x".repeat(65)] {
            assert!(!plain_name(bad), "{bad}");
        }
    }

    #[test]
    fn link_names_are_linux_s() {
        assert!(valid_link_name("enp0s9") && valid_link_name("fifteen-letters"));
        for bad in ["", ".", "..", "sixteen-letters.", "a/b", "a b", "a:b", "a\tb"] {
            assert!(!valid_link_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_list_reads_as_a_sentence() {
        assert_eq!(list(["a"].into_iter()), "`a`");
        assert_eq!(list(["a", "b", "c"].into_iter()), "`a`, `b` and `c`");
    }
}
