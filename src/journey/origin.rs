//! Who put the routes and rules there that a packet met, and who the identities are that programs spoke of.

use hopwise_machine::MachineId;
use hopwise_sim_core::{Detail, Maker, NsId, Origin, OriginId, ProgramNote, Record, Refused, RuleNote};
use hopwise_userland::World;
use hopwise_userland::ip::names::protocol_word;
use hopwise_userland::kube::cilium;

/// What is known of the maker of what a record tells; nothing rather than a guess.
pub(super) fn of(world: &World, record: &Record) -> Option<Origin> {
    match &record.detail {
        Detail::Route { maker, .. } | Detail::NoRoute { refused: Some(Refused { maker, .. }), .. } => {
            route(world, record.ns, *maker)
        }
        Detail::Rule(note) => rule(world, note),
        Detail::Program(note) => program(world, record, note),
        _ => None,
    }
}

fn said(world: &World, id: OriginId) -> Option<&Origin> {
    world.net().origins.get(id)
}

fn route(world: &World, ns: NsId, maker: Maker) -> Option<Origin> {
    match maker {
        Maker::Unknown => None,
        Maker::Said(id) => said(world, id).cloned(),
        Maker::Proto(number) => Some(Origin { by: "proto", why: protocol_word(number).into() }),
        Maker::Kernel(address, link) => {
            // The link may be gone by now.
            let link = world.net().ns(ns).and_then(|space| space.devs.get(link));
            let on = link.map(|dev| format!(" on {}", dev.name)).unwrap_or_default();
            Some(Origin { by: "kernel", why: format!("address {address}{on}").into() })
        }
    }
}

/// The purpose of a chain explains the rules of those who made it. What others put there speaks for itself.
fn rule(world: &World, note: &RuleNote) -> Option<Origin> {
    let maker = said(world, note.origin)?;
    let purpose = said(world, note.purpose).filter(|purpose| purpose.by == maker.by);
    Some(purpose.unwrap_or(maker).clone())
}

fn program(world: &World, record: &Record, note: &ProgramNote) -> Option<Origin> {
    let machine = MachineId(world.net().ns(record.ns)?.host.0);
    let (from, to) = note.identity;
    let mut met: Vec<u32> = [from, to].into_iter().filter(|number| *number != 0).collect();
    met.dedup();
    let meaning = |number: u32| {
        let meaning = cilium::meaning(&world.kernel, machine, number, record.at)?;
        Some(format!("identity {number} is {meaning}"))
    };
    let known: Vec<String> = met.into_iter().filter_map(meaning).collect();
    (!known.is_empty()).then(|| Origin { by: "cilium", why: known.join(", ").into() })
}
