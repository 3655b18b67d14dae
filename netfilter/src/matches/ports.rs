//! Ports as TCP, UDP, SCTP and DCCP print and compare them.

use super::How;

/// A range of ports, perhaps negated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ports {
    /// First port.
    pub from: u16,
    /// Last port.
    pub to: u16,
    /// `!`.
    pub inv: bool,
}

impl Ports {
    pub(super) const ALL: Ports = Ports { from: 0, to: u16::MAX, inv: false };

    #[inline]
    pub(super) const fn fits(&self, port: u16) -> bool {
        (self.from <= port && port <= self.to) != self.inv
    }

    /// The only port that fits.
    pub(super) const fn only(&self) -> Option<u16> {
        if self.from == self.to && !self.inv { Some(self.from) } else { None }
    }

    /// What both demand; `None`: each demands something.
    pub(super) fn joined(self, other: Ports) -> Option<Ports> {
        match (self.is_all(), other.is_all()) {
            (true, _) => Some(other),
            (_, true) => Some(self),
            _ => None,
        }
    }

    pub(super) fn is_all(self) -> bool {
        self == Ports::ALL
    }

    pub(super) fn save(self, out: &mut String, option: &str) {
        if self.is_all() {
            return;
        }
        out.push_str(if self.inv { " ! --" } else { " --" });
        out.push_str(option);
        out.push_str(&format!(" {}", self.from));
        if self.from != self.to {
            out.push_str(&format!(":{}", self.to));
        }
    }

    pub(super) fn list(self, out: &mut String, what: &str, how: &How<'_>, protocol: u8) {
        if self.is_all() {
            return;
        }
        let inv = if self.inv { "!" } else { "" };
        let from = how.port(self.from, protocol);
        if self.from == self.to {
            out.push_str(&format!(" {what}:{inv}{from}"));
        } else {
            out.push_str(&format!(" {what}s:{inv}{from}:{}", how.port(self.to, protocol)));
        }
    }
}
