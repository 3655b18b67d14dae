//! bash scripts of any content, on a machine without a network.

use hopwise_machine::{Machines, NoNetwork, ProgramTable};
use hopwise_sim_core::Time;

/// Longer scripts say nothing new.
const LIMIT: usize = 2 << 10;

/// At most this many instants in which something happens.
const INSTANTS: usize = 2_000;

/// Runs `data` as a script, on each of two equal machines: they must print the same.
pub fn run(data: &[u8]) {
    let text = super::text(data, LIMIT);
    let (first, second) = (script(&text), script(&text));
    assert_eq!(first, second, "two runs of the same script differ");
}

/// What a script printed and how it ended, if it did.
fn script(text: &str) -> (String, Option<i32>) {
    let mut kernel = NoNetwork;
    let mut machines: Machines<NoNetwork> = Machines::new(ProgramTable::default(), 7);
    let host = machines.add_machine("host", ());
    let Ok(command) = machines.run_script(host, "fuzz.sh", text) else { return (String::new(), None) };
    for _ in 0..INSTANTS {
        match machines.next_wake() {
            Some(time) if time < Time::NEVER && machines.status(command).is_none() => {
                machines.step_ready(time, &mut kernel);
            }
            _ => break,
        }
    }
    let output = String::from_utf8_lossy(machines.output(command)).into_owned();
    (output, machines.status(command))
}
