//! Who put a rule there and what its chain is for: what an observer is told, and what does not depend on it.

use core::net::Ipv4Addr;

use hopwise_netfilter::env::Nowhere;
use hopwise_netfilter::hook::{Hook, TableId};
use hopwise_netfilter::names::NoNames;
use hopwise_netfilter::rules::Ruleset;
use hopwise_netfilter::skb::{LinkRef, Skb};
use hopwise_netfilter::xtables::restore::{self, Restore};
use hopwise_netfilter::xtables::{Tool, command, save};
use hopwise_sim_core::{OriginId, Origins, Pool};

const TEXT: &str =
    "*filter\n:SVC - [0:0]\n:SEP - [0:0]\n-A INPUT -j SVC\n-A SVC -j SEP\n-A SEP -m mark --mark 7\nCOMMIT\n";

fn restored(rules: &mut Ruleset, by: OriginId) {
    let how = Restore { noflush: true, ..Restore::default() };
    let answer = restore::run(rules, TEXT, how, Tool { by, ..Tool::new("iptables-restore", &NoNames) });
    assert_eq!((answer.status, &*answer.err), (0, ""));
}

/// Chain, maker and purpose of all that a packet to this host met.
fn met(rules: &mut Ruleset) -> Vec<(String, OriginId, OriginId)> {
    let mut header = [0u8; 20];
    header[..10].copy_from_slice(&[0x45, 0, 0, 20, 0, 0, 0, 0, 64, 253]);
    header[12..16].copy_from_slice(&Ipv4Addr::new(192, 0, 2, 1).octets());
    header[16..20].copy_from_slice(&Ipv4Addr::new(192, 0, 2, 2).octets());
    let mut pool = Pool::default();
    let mut packet = pool.alloc_from(&header);
    packet.mark = 7;
    let mut skb = Skb::new(&mut packet, LinkRef::NONE, LinkRef::NONE);
    let mut env = Nowhere { watch: true, ..Nowhere::default() };
    let _ = rules.run(TableId::Filter, Hook::LocalIn, &mut skb, &mut env);
    pool.consumed(packet);
    env.traces.into_iter().map(|trace| (trace.chain, trace.origin, trace.purpose)).collect()
}

#[test]
fn the_closest_purpose_is_told_beside_the_maker() {
    let mut origins = Origins::default();
    let (proxy, service, endpoint) = (origins.add("p", ""), origins.add("p", "service"), origins.add("p", "endpoint"));
    let typed = origins.add("typed", "iptables -A SEP");
    let mut rules = Ruleset::default();
    restored(&mut rules, proxy);
    let table = rules.table_mut(TableId::Filter);
    table.set_purpose("SVC", service);
    table.set_purpose("SEP", endpoint);
    table.set_purpose("GONE", endpoint);
    let tool = Tool { by: typed, ..Tool::new("iptables", &NoNames) };
    assert_eq!(command::run(&mut rules, &["-A", "SEP", "-m", "mark", "--mark", "7"], tool).status, 0);
    let at = |chain: &str, origin, purpose| (chain.to_owned(), origin, purpose);
    let expected = [
        at("INPUT", proxy, service),
        at("SVC", proxy, endpoint),
        at("SEP", proxy, endpoint),
        at("SEP", typed, endpoint),
        at("INPUT", OriginId::NONE, OriginId::NONE),
    ];
    assert_eq!(met(&mut rules), expected);
    assert_eq!(met(&mut rules.clone()), expected);
    // Emptied and filled again, a chain serves the same purpose; deleted and made anew, it serves none.
    restored(&mut rules, proxy);
    assert_eq!(met(&mut rules)[1], at("SVC", proxy, endpoint));
    for words in [&["-F"][..], &["-X"]] {
        assert_eq!(command::run(&mut rules, words, Tool::new("iptables", &NoNames)).status, 0);
    }
    restored(&mut rules, typed);
    assert_eq!(met(&mut rules)[..2], [at("INPUT", typed, OriginId::NONE), at("SVC", typed, OriginId::NONE)]);
}

#[test]
fn rules_are_the_same_whoever_made_them() {
    let mut origins = Origins::default();
    let (one, two) = (origins.add("one", ""), origins.add("two", ""));
    let saved = |by| {
        let mut rules = Ruleset::default();
        restored(&mut rules, by);
        save(&rules, None, false, "", &NoNames)
    };
    assert_eq!(saved(one), saved(two));
}
