//! `ipset list` and `ipset save`.

use hopwise_sim_core::Time;

use super::set::{Kind, Member, Set};
use crate::names::Names;
use crate::xtables::quoted;

impl Set {
    /// The options it was made with, as `create` takes them.
    pub(super) fn header(&self) -> String {
        let mut text = match self.kind {
            Kind::BitmapPort => format!("range {}-{}", self.range.0, self.range.1),
            Kind::ListSet => format!("size {}", self.maxelem),
            _ => format!("family inet hashsize {} maxelem {}", self.hashsize, self.maxelem),
        };
        if self.netmask != 32 {
            text.push_str(&format!(" netmask {}", self.netmask));
        }
        if let Some(timeout) = self.timeout {
            text.push_str(&format!(" timeout {timeout}"));
        }
        text.push_str(if self.counters { " counters" } else { "" });
        text.push_str(if self.comment { " comment" } else { "" });
        if self.kind.is_hash() {
            text.push_str(&format!(" bucketsize 12 initval {:#010x}", self.initval));
        }
        text
    }

    fn member(&self, element: String, member: &Member, now: Time) -> String {
        let mut text = element;
        if self.timeout.is_some() {
            text.push_str(&format!(" timeout {}", member.left(now)));
        }
        text.push_str(if member.nomatch { " nomatch" } else { "" });
        if self.counters {
            text.push_str(&format!(" packets {} bytes {}", member.packets, member.bytes));
        }
        if let Some(comment) = &member.comment {
            text.push_str(&format!(" comment {}", quote(comment)));
        }
        text
    }

    fn members_text(&self, names: &dyn Names, now: Time) -> Vec<String> {
        let keys = self.members.iter().filter(|row| row.1.is_there(now));
        let keys = keys.map(|(key, member)| self.member(self.text(key, names), member, now));
        let list = self.list.iter().filter(|row| row.1.is_there(now));
        keys.chain(list.map(|(name, member)| self.member(name.to_string(), member, now))).collect()
    }

    /// Roughly what the kernel's structures take.
    fn memory(&self) -> usize {
        match self.kind {
            Kind::BitmapPort => 72 + (usize::from(self.range.1 - self.range.0) / 64 + 1) * 8,
            Kind::ListSet => 80 + 48 * self.list.len(),
            _ => 216 + 40 * self.members.len(),
        }
    }

    /// As `ipset list` prints it.
    pub(super) fn listing(&self, out: &mut String, references: u32, terse: bool, names: &dyn Names, now: Time) {
        let members = self.members_text(names, now);
        out.push_str(&format!("Name: {}\nType: {}\n", self.name, self.kind.name()));
        out.push_str(&format!("Revision: {}\nHeader: {}\n", self.kind.revision(), self.header()));
        out.push_str(&format!("Size in memory: {}\nReferences: {references}\n", self.memory()));
        out.push_str(&format!("Number of entries: {}\n", members.len()));
        if terse {
            return;
        }
        out.push_str("Members:\n");
        for member in members {
            out.push_str(&member);
            out.push('\n');
        }
    }

    /// As `ipset save` prints it.
    pub(super) fn save(&self, out: &mut String, names: &dyn Names, now: Time) {
        out.push_str(&format!("create {} {} {}\n", self.name, self.kind.name(), self.header()));
        for member in self.members_text(names, now) {
            out.push_str(&format!("add {} {member}\n", self.name));
        }
    }
}

/// Remarks always stand in quotes.
fn quote(text: &str) -> String {
    let text = quoted(text);
    if text.starts_with('"') { text } else { format!("\"{text}\"") }
}
