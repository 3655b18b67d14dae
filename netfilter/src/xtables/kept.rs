//! `iptables-restore` of one text in many namespaces: where the tables are the very ones that the text was carried out on before, they
//! become the very ones that came of it. What a namespace has counted is its own.
//!
//! The result is what reading the text would have given: it is kept only if nothing was asked that may be answered otherwise elsewhere
//! (names of the machine's files, sets), nothing was printed and nothing refused.

use core::cell::Cell;
use core::net::Ipv4Addr;
use std::collections::VecDeque;
use std::sync::Arc;

use hopwise_sim_core::OriginId;

use super::restore::{self, Restore};
use super::{Answer, Tool};
use crate::hook::TableId;
use crate::names::Names;
use crate::rules::{Replaced, Ruleset, Table};

/// How many texts are kept.
const TEXTS_MAX: usize = 16;
/// How much of them, if there is more than one.
const BYTES_MAX: usize = 8 << 20;

/// As agents call it: `iptables-restore --noflush`.
const HOW: Restore<'_> = Restore { counters: false, noflush: true, test: false, verbose: false, only: None };

/// The texts that were carried out last, and what came of them.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    done: VecDeque<Arc<Work>>,
}

/// The names of chains, and what each is for. Who says the same of many namespaces hands out the same list.
pub type ChainPurposes = Arc<Vec<(String, String)>>;

/// What chains of a table are for: told to them once the text was carried out. Those that are not there are passed over.
pub struct Purposes<'p> {
    /// The table.
    pub table: TableId,
    /// Each chain's name, and what it is for.
    pub chains: &'p ChainPurposes,
    /// The number under which something is said.
    pub say: &'p mut dyn FnMut(&str) -> OriginId,
}

#[derive(Debug)]
struct Work {
    text: Arc<str>,
    by: OriginId,
    purposes: Option<(TableId, ChainPurposes)>,
    tables: Vec<Replaced>,
}

impl Kept {
    /// Gives a text to `iptables-restore --noflush`, and tells chains what they are for.
    pub fn restore(
        &mut self,
        rules: &mut Ruleset,
        text: &Arc<str>,
        tool: Tool<'_>,
        purposes: Option<Purposes<'_>>,
    ) -> Answer {
        let wish = purposes.as_ref().map(|purposes| (purposes.table, purposes.chains.clone()));
        if let Some(work) = self.done.iter().rev().find(|work| work.fits(rules, text, tool.by, wish.as_ref())) {
            work.tables.iter().for_each(|table| rules.repeat(table));
            return Answer::default();
        }
        let asked = Asked { names: tool.names, was: Cell::new(false) };
        let mut tables = Vec::new();
        let answer = restore::run_noting(rules, text, HOW, Tool { names: &asked, ..tool }, Some(&mut tables));
        if answer.status == 0
            && let Some(Purposes { table, chains, say }) = purposes
            && rules.table(table).is_some()
        {
            tell(rules.table_mut(table), chains, say);
            tables.iter_mut().for_each(|table| table.renew(rules));
        }
        if answer == Answer::default() && !asked.was.get() && each_once(&tables) {
            self.keep(Work { text: text.clone(), by: tool.by, purposes: wish, tables });
        }
        answer
    }

    fn keep(&mut self, work: Work) {
        self.done.push_back(Arc::new(work));
        let size = |done: &VecDeque<Arc<Work>>| done.iter().map(|work| work.text.len()).sum::<usize>();
        while self.done.len() > TEXTS_MAX || self.done.len() > 1 && size(&self.done) > BYTES_MAX {
            self.done.pop_front();
        }
    }
}

impl Work {
    /// Whether it is the same work on the same tables.
    fn fits(
        &self,
        rules: &Ruleset,
        text: &Arc<str>,
        by: OriginId,
        purposes: Option<&(TableId, ChainPurposes)>,
    ) -> bool {
        let same = |(a, b): (&Arc<_>, &Arc<_>)| Arc::ptr_eq(a, b) || a == b;
        let told = match (&self.purposes, purposes) {
            (Some((table, chains)), Some((other, others))) => table == other && same((chains, others)),
            (None, None) => true,
            _ => false,
        };
        self.by == by
            && self.tables.iter().all(|table| rules.is_before(table))
            && (Arc::ptr_eq(&self.text, text) || self.text == *text)
            && told
    }
}

fn tell(table: &mut Table, chains: &[(String, String)], say: &mut dyn FnMut(&str) -> OriginId) {
    for (chain, purpose) in chains {
        if table.find(chain).is_some() {
            table.set_purpose(chain, say(purpose));
        }
    }
}

/// Whether no table occurs twice in a text.
fn each_once(tables: &[Replaced]) -> bool {
    tables.iter().enumerate().all(|(at, table)| tables[..at].iter().all(|other| other.id() != table.id()))
}

/// Names, and whether they were asked for.
pub(super) struct Asked<'n> {
    names: &'n dyn Names,
    was: Cell<bool>,
}

impl Asked<'_> {
    fn names(&self) -> &dyn Names {
        self.was.set(true);
        self.names
    }
}

impl Names for Asked<'_> {
    fn addrs_of(&self, host: &str) -> Vec<Ipv4Addr> {
        self.names().addrs_of(host)
    }
    fn host_name(&self, addr: Ipv4Addr) -> Option<String> {
        self.names().host_name(addr)
    }
    fn network_name(&self, addr: Ipv4Addr) -> Option<String> {
        self.names().network_name(addr)
    }
    fn port_of(&self, service: &str, protocol: Option<u8>) -> Option<u16> {
        self.names().port_of(service, protocol)
    }
    fn port_name(&self, port: u16, protocol: u8) -> Option<String> {
        self.names().port_name(port, protocol)
    }
    fn protocol_of(&self, name: &str) -> Option<u8> {
        self.names().protocol_of(name)
    }
    fn protocol_name(&self, number: u8) -> Option<String> {
        self.names().protocol_name(number)
    }
    fn uid_of(&self, user: &str) -> Option<u32> {
        self.names().uid_of(user)
    }
    fn user_name(&self, uid: u32) -> Option<String> {
        self.names().user_name(uid)
    }
    fn gid_of(&self, group: &str) -> Option<u32> {
        self.names().gid_of(group)
    }
    fn group_name(&self, gid: u32) -> Option<String> {
        self.names().group_name(gid)
    }
    fn set_dimension(&self, name: &str) -> Option<u8> {
        self.names().set_dimension(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::NoNames;
    use crate::xtables::{command, save};

    const TOOL: Tool<'_> = Tool::new("iptables-restore", &NoNames);
    const TEXT: &str = "*nat\n:A - [0:0]\n:B - [0:0]\n-A A -d 10.96.0.1 -p tcp --dport 80 -j B\n-A B -j ACCEPT\nCOMMIT\n\
                        *filter\n:C - [0:0]\n-A C -m limit --limit 1/s -j ACCEPT\n-I FORWARD 1 -j C\nCOMMIT\n";

    fn saved(rules: &Ruleset) -> String {
        save(rules, None, true, "now", &NoNames)
    }

    fn run(rules: &mut Ruleset, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = command::run(rules, &words, TOOL);
        assert_eq!(answer.err, "");
    }

    /// The same text on the same tables, counters apart: what is repeated is what is read.
    #[test]
    fn what_is_repeated_is_what_is_read() {
        let (mut kept, text) = (Kept::default(), Arc::<str>::from(TEXT));
        let again = Arc::<str>::from(format!("{TEXT}*nat\n:A - [0:0]\n-A B -j DROP\nCOMMIT\n"));
        let mut first = Ruleset::default();
        assert_eq!(kept.restore(&mut first, &text, TOOL, None), Answer::default());
        let before = first.clone();
        let mut second = Ruleset::default();
        kept.restore(&mut second, &text, TOOL, None);
        assert!(first.shares_with(&second), "the second was read anew");
        run(&mut second, "-Z FORWARD");
        assert_eq!(saved(&first), saved(&second));
        // A text that has a table twice is read each time.
        let mut third = before.clone();
        kept.restore(&mut third, &again, TOOL, None);
        let mut fourth = before.clone();
        let tool = TOOL;
        restore::run(&mut fourth, &again, HOW, tool);
        assert_eq!(saved(&third), saved(&fourth));
        // Other tables are not the ones.
        run(&mut second, "-A FORWARD -j DROP");
        kept.restore(&mut second, &text, TOOL, None);
        let mut fifth = before;
        run(&mut fifth, "-A FORWARD -j DROP");
        restore::run(&mut fifth, &text, HOW, tool);
        assert_eq!(saved(&second), saved(&fifth));
    }

    /// What was counted stays where a rule stays, and goes with the rule.
    #[test]
    fn what_was_counted_is_each_namespaces_own() {
        let begin =
            Arc::<str>::from("*filter\n-A INPUT -j ACCEPT\n-A OUTPUT -j ACCEPT\n-A FORWARD -j ACCEPT\nCOMMIT\n");
        let more = Arc::<str>::from(
            "*filter\n-I INPUT 1 -j DROP\n-D OUTPUT 1\n-R FORWARD 1 -j DROP\n-A FORWARD -j DROP\nCOMMIT\n",
        );
        let (mut kept, mut spaces) = (Kept::default(), [Ruleset::default(), Ruleset::default()]);
        for (at, rules) in spaces.iter_mut().enumerate() {
            kept.restore(rules, &begin, TOOL, None);
            rules.count_all(100 * at as u64);
            kept.restore(rules, &more, TOOL, None);
        }
        assert!(spaces[0].shares_with(&spaces[1]));
        let text = |of: u64| {
            format!(
                "[0:0] -A INPUT -j DROP\n[{of}:{of}] -A INPUT -j ACCEPT\n[0:0] -A FORWARD -j DROP\n[0:0] -A FORWARD -j DROP\nCOMMIT\n"
            )
        };
        assert!(saved(&spaces[0]).contains(&text(0)), "{}", saved(&spaces[0]));
        assert!(saved(&spaces[1]).contains(&text(100)), "{}", saved(&spaces[1]));
    }

    /// Who gives the text and what the chains are for belong to what came of it.
    #[test]
    fn who_and_what_for_are_part_of_it() {
        let (mut kept, text) = (Kept::default(), Arc::<str>::from(TEXT));
        let mut origins = hopwise_sim_core::Origins::default();
        let mut spaces: Vec<Ruleset> = Vec::new();
        for (by, purpose) in [("a", "web"), ("a", "web"), ("b", "web"), ("b", "mail")] {
            let mut rules = Ruleset::default();
            let chains = Arc::new(vec![("A".to_owned(), purpose.to_owned()), ("NOSUCH".to_owned(), "x".to_owned())]);
            let tool = Tool { by: origins.add(by, ""), ..TOOL };
            let mut say = |why: &str| origins.add(by, why);
            let purposes = Purposes { table: TableId::Nat, chains: &chains, say: &mut say };
            kept.restore(&mut rules, &text, tool, Some(purposes));
            let nat = rules.table(TableId::Nat).unwrap();
            let chain = nat.chain(nat.find("A").unwrap());
            assert_eq!((chain.purpose, chain.rules()[0].origin), (origins.add(by, purpose), origins.add(by, "")));
            spaces.push(rules);
        }
        let shared: Vec<bool> = spaces.windows(2).map(|two| two[0].shares_with(&two[1])).collect();
        assert_eq!(shared, [true, false, false]);
    }

    /// A set's name is one, too.
    #[test]
    fn sets_are_asked_each_time() {
        let (mut kept, mut rules) = (Kept::default(), Ruleset::default());
        let mut place = crate::sets::command::Place { rules: &mut rules, names: &NoNames, now: Default::default() };
        assert_eq!(crate::sets::command::run(&mut place, &["create", "s", "hash:ip"]).err, "");
        let text = Arc::<str>::from("*filter\n-A INPUT -m set --match-set s src -j ACCEPT\nCOMMIT\n");
        assert_eq!(kept.restore(&mut rules, &text, TOOL, None).err, "");
        assert_ne!(kept.restore(&mut Ruleset::default(), &text, TOOL, None).status, 0);
    }

    /// What depends on the machine's names is read each time.
    #[test]
    fn names_are_asked_each_time() {
        struct Web(u16);
        impl Names for Web {
            fn port_of(&self, _: &str, _: Option<u8>) -> Option<u16> {
                Some(self.0)
            }
        }
        let mut kept = Kept::default();
        let text = Arc::<str>::from("*filter\n-A INPUT -p tcp -m tcp --dport web -j ACCEPT\nCOMMIT\n");
        for port in [80, 81] {
            let mut rules = Ruleset::default();
            let names = Web(port);
            kept.restore(&mut rules, &text, Tool::new("iptables-restore", &names), None);
            assert!(saved(&rules).contains(&format!("--dport {port} ")));
        }
    }
}
