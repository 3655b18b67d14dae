//! Packing: what the neighbour has at the end is what was said last, in few messages, as BIRD packs them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hopwise_routing::attrs::Attrs;
use hopwise_routing::bgp::outbox::Outbox;
use hopwise_routing::bgp::wire::{Message, Options, Update, decode};
use ipnet::Ipv4Net;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::routes::attrs;

const AS4: Options = Options { as4: true, extended: false, enhanced_refresh: true };

fn prefix(n: u32) -> Ipv4Net {
    Ipv4Net::new((0x0a00_0000 + (n << 8)).into(), 24).unwrap()
}

fn updates(outbox: &mut Outbox) -> Vec<(usize, Update)> {
    let messages = std::iter::from_fn(|| outbox.pack(AS4)).filter(|p| !p.message.is_empty());
    messages
        .map(|packed| match decode(&packed.message, AS4) {
            Ok(Message::Update(update)) => (packed.message.len(), update),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// BIRD 2.0.12 was seen to withdraw 1,505 routes of 24 bits in messages of 4,063 and 2,003 octets.
#[test]
fn messages_are_as_full_as_those_of_bird() {
    let mut outbox = Outbox::default();
    (0..1505).for_each(|n| outbox.withdraw(prefix(n)));
    let lengths: Vec<_> = updates(&mut outbox).iter().map(|(length, _)| *length).collect();
    assert_eq!(lengths, [4063, 2003]);
}

#[test]
fn routes_of_one_kind_share_messages_and_kinds_take_turns() {
    let mut outbox = Outbox::default();
    let kind = |med| Arc::new(Attrs { med: Some(med), ..full() });
    (0..1500).for_each(|n| outbox.announce(prefix(n), kind(1)));
    outbox.announce(prefix(2000), kind(2));
    let sent = updates(&mut outbox);
    let shape: Vec<_> = sent.iter().map(|(_, u)| (u.attrs.as_ref().unwrap().med.unwrap(), u.nlri.len())).collect();
    assert_eq!(shape, [(1, 1004), (2, 1), (1, 496)]);
    assert!(outbox.is_empty());
}

fn full() -> Attrs {
    use hopwise_routing::attrs::{AsPath, Origin};
    Attrs {
        origin: Some(Origin::Igp),
        as_path: Some(AsPath::default()),
        next_hop: Some([192, 0, 2, 1].into()),
        ..Attrs::default()
    }
}

#[test]
fn attributes_that_are_too_long_withdraw() {
    use hopwise_routing::attrs::Community;
    let mut outbox = Outbox::default();
    let long = Attrs { communities: (0..800).map(Community).collect(), ..full() };
    outbox.announce(prefix(1), Arc::new(long));
    let packed = outbox.pack(AS4).unwrap();
    assert_eq!((packed.too_long, packed.message.len()), (vec![prefix(1)], 0));
    let sent = updates(&mut outbox);
    assert_eq!(sent[0].1.withdrawn, [prefix(1)]);
}

proptest! {
    #[test]
    fn the_last_word_counts(
        kinds in vec(attrs().prop_map(Arc::new), 1..4),
        steps in vec((0u32..12, proptest::option::of(any::<prop::sample::Index>()), any::<bool>()), 0..60),
    ) {
        let mut outbox = Outbox::default();
        let (mut meant, mut has) = (BTreeMap::new(), BTreeMap::new());
        for (n, kind, deliver) in steps {
            let prefix = prefix(n);
            match kind {
                Some(kind) => {
                    let attrs = kind.get(&kinds).clone();
                    meant.insert(prefix, attrs.clone());
                    outbox.announce(prefix, attrs);
                }
                None => {
                    meant.remove(&prefix);
                    outbox.withdraw(prefix);
                }
            }
            if deliver && let Some(packed) = outbox.pack(AS4) {
                let Ok(Message::Update(update)) = decode(&packed.message, AS4) else { panic!("an UPDATE") };
                apply(&mut has, update);
            }
        }
        for (_, update) in updates(&mut outbox) {
            apply(&mut has, update);
        }
        prop_assert_eq!(has, meant);
        prop_assert_eq!(outbox.len(), 0);
    }
}

fn apply(has: &mut BTreeMap<Ipv4Net, Arc<Attrs>>, update: Update) {
    for prefix in update.withdrawn {
        has.remove(&prefix);
    }
    for prefix in update.nlri {
        has.insert(prefix, update.attrs.clone().unwrap());
    }
}
