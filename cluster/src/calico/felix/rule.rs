//! Rules, chains and tables as Felix renders them: options spelled in its way and order, the hash that names a rule, and the text for
//! `iptables-restore --noflush`.

use core::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha224, Sha256};

/// The longest name of a chain.
const MAX_CHAIN: usize = 28;

/// One rule: what it says in a comment, what it demands, what it does.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Rule {
    comment: String,
    demands: Vec<String>,
    action: String,
}

impl Rule {
    /// A rule with this action: what stands behind `--jump` or `--goto`, the option included.
    fn new(action: String) -> Self {
        Rule { action, ..Rule::default() }
    }

    pub(super) fn jump(target: &str) -> Self {
        Rule::new(format!("--jump {target}"))
    }

    pub(super) fn goto(chain: &str) -> Self {
        Rule::new(format!("--goto {chain}"))
    }

    pub(super) fn set_mark(mark: u32) -> Self {
        Rule::jump(&format!("MARK --set-mark {mark:#x}/{mark:#x}"))
    }

    pub(super) fn clear_mark(mark: u32) -> Self {
        Rule::jump(&format!("MARK --set-mark 0/{mark:#x}"))
    }

    pub(super) fn set_masked_mark(mark: u32, mask: u32) -> Self {
        Rule::jump(&format!("MARK --set-mark {mark:#x}/{mask:#x}"))
    }

    pub(super) fn masquerade() -> Self {
        Rule::jump("MASQUERADE --random-fully")
    }

    /// With something said about it.
    pub(super) fn saying(mut self, comment: &str) -> Self {
        self.comment = comment.to_owned();
        self
    }

    /// With one more demand, in Felix's spelling.
    pub(super) fn when(mut self, demand: impl Into<String>) -> Self {
        self.demands.push(demand.into());
        self
    }

    pub(super) fn on_input(self, name: &str) -> Self {
        self.when(format!("--in-interface {name}"))
    }

    pub(super) fn on_output(self, name: &str) -> Self {
        self.when(format!("--out-interface {name}"))
    }

    pub(super) fn when_marked(self, mark: u32) -> Self {
        self.when(format!("-m mark --mark {mark:#x}/{mark:#x}"))
    }

    pub(super) fn when_unmarked(self, mark: u32) -> Self {
        self.when(format!("-m mark --mark 0/{mark:#x}"))
    }

    pub(super) fn returns(&self) -> bool {
        self.action == "--jump RETURN"
    }

    fn render(&self, verb: &str, chain: &str, prefix: &str) -> String {
        let mut text = format!("{verb} {chain} {prefix}");
        if !self.comment.is_empty() {
            let _ = write!(text, " -m comment --comment \"{}\"", self.comment);
        }
        for word in self.demands.iter().chain([&self.action]).filter(|word| !word.is_empty()) {
            let _ = write!(text, " {word}");
        }
        text
    }
}

/// A chain of Felix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// Its name: `cali-` and more.
    pub name: String,
    /// Its rules.
    pub rules: Vec<Rule>,
}

impl Chain {
    pub(super) fn new(name: impl Into<String>, rules: Vec<Rule>) -> Self {
        Chain { name: name.into(), rules }
    }

    fn lines(&self, text: &mut String) {
        for (rule, hash) in self.rules.iter().zip(hashes(&self.name, &self.rules)) {
            let _ = writeln!(text, "{}", rule.render("-A", &self.name, &remark(&hash)));
        }
    }
}

fn remark(hash: &str) -> String {
    format!("-m comment --comment \"cali:{hash}\"")
}

/// The names of the rules of a chain: each depends on the chain's name and on the rules before it (`Chain.RuleHashes`).
pub(super) fn hashes(chain: &str, rules: &[Rule]) -> Vec<String> {
    let mut hash = Sha224::digest(chain);
    let mut next = |rule: &Rule| {
        hash = Sha224::new().chain_update(hash).chain_update(rule.render("-A", chain, "HASH")).finalize();
        URL_SAFE_NO_PAD.encode(hash)[..16].to_owned()
    };
    rules.iter().map(&mut next).collect()
}

/// A name of at most `longest` bytes: what does not fit is replaced by its hash (`GetLengthLimitedID`).
pub(super) fn limited(prefix: &str, name: &str, longest: usize) -> String {
    let whole = prefix.len() + name.len();
    if whole < longest || (whole == longest && !name.starts_with('_')) {
        return format!("{prefix}{name}");
    }
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(name));
    format!("{prefix}_{}", &hash[..longest - 1 - prefix.len()])
}

/// The name of a chain for an endpoint, a policy or a profile.
pub(super) fn chain_name(prefix: &str, name: &str) -> String {
    limited(prefix, name, MAX_CHAIN)
}

/// What Felix puts into a chain of the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Base {
    /// `FORWARD`
    pub name: &'static str,
    /// The rules that stand first.
    pub first: Vec<Rule>,
    /// The rules that stand last.
    pub last: Vec<Rule>,
}

/// One table.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Table {
    /// What stands in the kernel's chains.
    pub bases: Vec<Base>,
    /// Felix's own chains.
    pub chains: Vec<Chain>,
}

/// All tables.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tables {
    /// `raw`
    pub raw: Table,
    /// `mangle`
    pub mangle: Table,
    /// `nat`
    pub nat: Table,
    /// `filter`
    pub filter: Table,
}

impl Table {
    /// What to feed to `iptables-restore --noflush` so that a table that has `before` has this. Chains that stay as they are are not
    /// touched, and neither are their counters. Nothing if all is there.
    fn update(&self, name: &str, before: &Table) -> Option<String> {
        if self == before {
            return None;
        }
        let is_new = |chain: &&Chain| !before.chains.contains(chain);
        let gone: Vec<&Chain> =
            before.chains.iter().filter(|old| !self.chains.iter().any(|new| new.name == old.name)).collect();
        let mut text = format!("*{name}\n");
        for chain in self.chains.iter().filter(is_new).chain(gone.iter().copied()) {
            let _ = writeln!(text, ":{} - -", chain.name);
        }
        self.chains.iter().filter(is_new).for_each(|chain| chain.lines(&mut text));
        for base in self.bases.iter().filter(|base| !before.bases.contains(base)) {
            base.lines(&mut text);
        }
        for chain in gone {
            let _ = writeln!(text, "-X {}", chain.name);
        }
        Some(text + "COMMIT\n")
    }
}

impl Base {
    fn lines(&self, text: &mut String) {
        let named = self.first.iter().zip(hashes(self.name, &self.first));
        for (rule, hash) in named.rev() {
            let _ = writeln!(text, "{}", rule.render("-I", self.name, &remark(&hash)));
        }
        for (rule, hash) in self.last.iter().zip(hashes(&format!("{}*appends*", self.name), &self.last)) {
            let _ = writeln!(text, "{}", rule.render("-A", self.name, &remark(&hash)));
        }
    }
}

impl Tables {
    /// The text for all tables, see `Table::update`.
    pub fn update(&self, before: &Tables) -> String {
        let all = [
            self.raw.update("raw", &before.raw),
            self.mangle.update("mangle", &before.mangle),
            self.nat.update("nat", &before.nat),
            self.filter.update("filter", &before.filter),
        ];
        all.into_iter().flatten().collect()
    }
}
