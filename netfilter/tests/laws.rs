//! Laws of the rules: the index changes nothing; what is saved is read back the same.

use core::net::Ipv4Addr;

use hopwise_netfilter::env::Nowhere;
use hopwise_netfilter::hook::{Hook, TableId};
use hopwise_netfilter::names::NoNames;
use hopwise_netfilter::rules::{Ruleset, Way};
use hopwise_netfilter::sets::command::Place;
use hopwise_netfilter::skb::{LinkRef, Skb};
use hopwise_netfilter::xtables::restore::{self, Restore};
use hopwise_netfilter::xtables::{Tool, command, save, split};
use hopwise_netfilter::{matches, sets, targets};
use hopwise_sim_core::{IfIndex, Pool, Rng, Time};
use proptest::prelude::*;

const TOOL: Tool<'static> = Tool::new("iptables", &NoNames);

fn pick<'a>(rng: &mut Rng, words: &[&'a str]) -> &'a str {
    words[rng.below(words.len() as u32) as usize]
}

fn run(rules: &mut Ruleset, line: &str) -> bool {
    let words = split(line);
    let words: Vec<&str> = words.iter().map(|word| &**word).collect();
    command::run(rules, &words, TOOL).status == 0
}

/// A made-up rule: what it asks of the header, a match or two, a target.
fn rule(rng: &mut Rng, jumps: &[&str]) -> String {
    let mut line = String::new();
    if rng.below(2) == 0 {
        let not = if rng.below(5) == 0 { "! " } else { "" };
        line.push_str(&format!(" {not}-d 10.0.0.{}{}", rng.below(6), pick(rng, &["", "", "/30", "/255.0.255.0"])));
    }
    if rng.below(4) == 0 {
        line.push_str(&format!(" -s 10.0.1.{}", rng.below(4)));
    }
    if rng.below(4) == 0 {
        line.push_str(pick(rng, &[" -i eth0", " ! -i eth1", " -i eth+", " -o eth1", " ! -o lo", " -f", " ! -f"]));
    }
    let mut protocol = false;
    for _ in 0..rng.below(3) {
        let kind = &matches::REGISTRY[rng.below(matches::REGISTRY.len() as u32) as usize];
        let sample = (kind.sample)(rng);
        if !sample.contains("-p ") || !protocol {
            protocol |= sample.contains("-p ");
            line.push_str(&format!(" {sample}"));
        }
    }
    if rng.below(2) == 0 {
        let kind = &targets::REGISTRY[rng.below(targets::REGISTRY.len() as u32) as usize];
        let sample = (kind.sample)(rng);
        if !sample.contains("-p ") || !protocol {
            return format!("{line} {sample}");
        }
    }
    let target = pick(rng, &["-j ACCEPT", "-j DROP", "-j RETURN", "", ""]);
    if target.is_empty() && !jumps.is_empty() && rng.below(2) == 0 {
        return format!("{line} {} {}", pick(rng, &["-j", "-g"]), pick(rng, jumps));
    }
    format!("{line} {target}")
}

/// The sets that samples of rules refer to.
fn with_sets() -> Ruleset {
    let mut rules = Ruleset::default();
    let mut place = Place { rules: &mut rules, names: &NoNames, now: Time::ZERO };
    let text = "create nets hash:net timeout 30 counters\nadd nets 10.0.1.0/31\nadd nets 10.0.0.0/24\n\
                add nets 10.0.0.2 nomatch\ncreate ends hash:ip,port\nadd ends 10.0.0.1,tcp:1-90\n\
                create ports bitmap:port range 0-200\nadd ports 20-60\ncreate all list:set\nadd all nets\nadd all ports\n";
    assert_eq!(sets::command::restore(&mut place, text, false).err, "");
    rules
}

fn saved_sets(rules: &mut Ruleset, now: Time) -> String {
    sets::command::run(&mut Place { rules, names: &NoNames, now }, &["save"]).out
}

/// Made-up tables, and how many of the made-up rules were accepted.
fn ruleset(rng: &mut Rng, rules_each: u32) -> (Ruleset, u32) {
    let mut rules = with_sets();
    let mut taken = 0;
    for table in TableId::ALL {
        let name = table.name();
        for chain in ["c1", "c2", "c3"] {
            assert!(run(&mut rules, &format!("-t {name} -N {chain}")));
        }
        let base = table.hooks().iter().map(|hook| hook.chain());
        for chain in ["c3", "c2", "c1"].into_iter().chain(base) {
            let jumps: &[&str] = match chain {
                "c3" => &[],
                "c2" => &["c3"],
                "c1" => &["c2", "c3"],
                _ => &["c1", "c2", "c3"],
            };
            for _ in 0..rng.below(rules_each) {
                let line = rule(rng, jumps);
                taken += u32::from(run(&mut rules, &format!("-t {name} -A {chain}{line}")));
            }
        }
    }
    (rules, taken)
}

fn saved(rules: &Ruleset) -> String {
    save(rules, None, true, "now", &NoNames)
}

/// A made-up packet.
fn packet(rng: &mut Rng) -> Vec<u8> {
    let protocol = [6, 17, 1, 132, 50][rng.below(5) as usize];
    let mut bytes = vec![0x45, rng.below(256) as u8, 0, 60, 0, rng.below(256) as u8, 0, 0, 64, protocol, 0, 0];
    if rng.below(8) == 0 {
        bytes[7] = 1;
    }
    bytes.extend(Ipv4Addr::new(10, 0, 1, rng.below(4) as u8).octets());
    bytes.extend(Ipv4Addr::new(10, 0, 0, rng.below(6) as u8).octets());
    bytes.extend([0, rng.below(100) as u8, 0, rng.below(100) as u8]);
    bytes.resize(20 + [2, 8, 20, 40][rng.below(4) as usize], 0);
    if bytes.len() >= 40 {
        bytes[32] = 0x50;
        bytes[33] = rng.below(64) as u8;
    }
    bytes
}

fn links(hook: Hook) -> (LinkRef, LinkRef) {
    let (a, b) = (LinkRef::new(IfIndex(2), "eth0"), LinkRef::new(IfIndex(3), "eth1"));
    match hook {
        Hook::PreRouting | Hook::LocalIn => (a, LinkRef::NONE),
        Hook::Forward => (a, b),
        Hook::LocalOut | Hook::PostRouting => (LinkRef::NONE, b),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// With the index a packet meets the same rules: verdict, changes, counters, log and what is remembered are equal.
    #[test]
    fn the_index_changes_nothing(seed: u64) {
        let mut rng = Rng::stream(seed, "laws", 0);
        let (mut plain, _) = ruleset(&mut rng, 40);
        let mut indexed = plain.clone();
        let (mut one, mut other) = (Nowhere::default(), Nowhere::default());
        let mut pool = Pool::default();
        for step in 0..60 {
            let now = Time::from_nanos(step * 300_000_000);
            (one.now, other.now) = (now, now);
            let bytes = packet(&mut rng);
            for table in TableId::ALL {
                let hooks = table.hooks();
                let hook = hooks[rng.below(hooks.len() as u32) as usize];
                let mark = rng.below(4);
                let mut verdicts = Vec::new();
                for (way, rules, env) in
                    [(Way::Plain, &mut plain, &mut one), (Way::Indexed, &mut indexed, &mut other)]
                {
                    let mut packet = pool.alloc_from(&bytes);
                    packet.mark = mark;
                    let (input, output) = links(hook);
                    let mut skb = Skb::new(&mut packet, input, output);
                    let verdict = rules.run_by(way, table, hook, &mut skb, env);
                    verdicts.push((verdict, packet.mark, packet.priority, packet.conn, packet.data().to_vec()));
                    pool.consumed(packet);
                }
                prop_assert_eq!(&verdicts[0], &verdicts[1]);
            }
        }
        prop_assert_eq!(saved(&plain), saved(&indexed));
        let end = Time::from_nanos(20_000_000_000);
        prop_assert_eq!(saved_sets(&mut plain, end), saved_sets(&mut indexed, end));
        prop_assert_eq!(one.lines, other.lines);
        prop_assert_eq!(one.seed, other.seed);
    }

    /// What is saved is read back, and saved the same again; each rule is found by its own text.
    #[test]
    fn saving_and_restoring_is_the_identity(seed: u64) {
        let mut rng = Rng::stream(seed, "laws", 1);
        let (mut rules, taken) = ruleset(&mut rng, 20);
        prop_assert!(taken > 20, "only {taken} rules were accepted");
        let first = saved(&rules);
        let mut read = with_sets();
        let how = Restore { counters: true, ..Restore::default() };
        let answer = restore::run(&mut read, &first, how, TOOL);
        prop_assert_eq!(answer.status, 0, "{}\n{}", answer.err, first);
        prop_assert_eq!(&first, &saved(&read));
        let mut table = "";
        for line in first.lines() {
            if let Some(name) = line.strip_prefix('*') {
                table = name;
            } else if let Some(at) = line.find("-A ") {
                let rest = &line[at + 3..];
                prop_assert!(run(&mut rules, &format!("-t {table} -C {rest}")), "not found: -t {table} {rest}");
            }
        }
    }

    /// Whatever words come: an answer, no panic.
    #[test]
    fn any_words_are_answered(words in prop::collection::vec("-?-?[a-zA-Z0-9.,:/!+ -]{0,12}", 0..12)) {
        let mut rules = Ruleset::default();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer = command::run(&mut rules, &words, TOOL);
        prop_assert!(answer.status == 0 || !answer.err.is_empty());
    }

    /// Whatever text comes: an answer, no panic.
    #[test]
    fn any_text_is_answered(text in "(\\*filter|:INPUT ACCEPT \\[1:2\\]|-A INPUT -j DROP|COMMIT|[ -~]{0,20}|\n){0,20}") {
        let mut rules = Ruleset::default();
        let answer = restore::run(&mut rules, &text, Restore::default(), TOOL);
        prop_assert!(answer.status == 0 || !answer.err.is_empty());
    }
}

#[test]
fn every_kind_is_accepted_somewhere() {
    let mut rng = Rng::stream(7, "laws", 2);
    let places = TableId::ALL.into_iter().flat_map(|t| t.hooks().iter().map(move |h| (t.name(), h.chain())));
    let places: Vec<(&str, &str)> = places.collect();
    let match_samples = matches::REGISTRY.iter().map(|kind| (kind.name, kind.sample));
    let target_samples = targets::REGISTRY.iter().map(|kind| (kind.name, kind.sample));
    for (name, sample) in match_samples.chain(target_samples) {
        for _ in 0..40 {
            let sample = sample(&mut rng);
            let fits =
                places.iter().any(|(table, chain)| run(&mut with_sets(), &format!("-t {table} -A {chain} {sample}")));
            assert!(fits, "{name}: {sample}");
        }
    }
}
