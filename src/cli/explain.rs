//! `hopwise explain`: why packets went where they went.

use hopwise::capture::AnyLinkFilter;
use hopwise::journey::Journeys;
use hopwise_sim_core::PacketId;

use super::args::ExplainArgs;
use super::world::World;
use super::{Ended, Refusal, stage};

/// Runs a lab and tells the journeys of its packets: all in one line each, or those asked for stage by stage.
pub(super) fn explain(args: &ExplainArgs) -> Ended {
    let lab = stage::one_lab(&args.lab)?;
    let (world, _) = stage::play::<World>(Some(&lab), false, args.seed)?;
    let journeys = Journeys::of(&world.world);
    let chosen = choose(args, &journeys)?;
    let mut out = String::new();
    if args.json {
        let all: Vec<_> =
            chosen.unwrap_or_else(|| journeys.packets().collect()).into_iter().map(|p| journeys.json(p)).collect();
        out = serde_json::to_string_pretty(&all).map_err(|why| Refusal::new(why.to_string()))?;
        out.push('\n');
    } else if let Some(chosen) = chosen {
        for packet in chosen {
            out.push_str(&journeys.tell(packet));
            out.push('\n');
        }
    } else {
        for packet in journeys.packets() {
            out.push_str(&journeys.summary(packet));
            out.push('\n');
        }
    }
    anstream::print!("{out}");
    Ok(0)
}

/// The packets asked for; `None`: no wish, so a line for each.
fn choose(args: &ExplainArgs, journeys: &Journeys<'_>) -> Result<Option<Vec<PacketId>>, Refusal> {
    if let Some(number) = args.packet {
        let packet = PacketId(number);
        if !journeys.packets().any(|p| p == packet) {
            return Err(Refusal::new(format!(
                "there is no packet {number} in this lab: `hopwise explain LAB` lists them"
            )));
        }
        return Ok(Some(vec![packet]));
    }
    let Some(text) = &args.filter else { return Ok(None) };
    let filter =
        AnyLinkFilter::parse(text).map_err(|why| Refusal::new(format!("can't parse filter expression: {why}")))?;
    Ok(Some(journeys.matching(|link_type, frame| filter.matches(link_type, frame))))
}
