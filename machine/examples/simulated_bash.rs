//! Runs a script of the real machine in a simulated one: `cargo run --example simulated_bash FILE`.

use hopwise_machine::{Machines, NoNetwork, ProgramTable, run_until_idle};

fn main() {
    let file = std::env::args().nth(1).unwrap_or_else(|| "/dev/stdin".to_owned());
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let mut machines: Machines<NoNetwork> = Machines::new(ProgramTable::default(), 1);
    let host = machines.add_machine("host", ());
    let Ok(command) = machines.run_script(host, "script", &text) else { return };
    run_until_idle(&mut machines, &mut NoNetwork);
    print!("{}", String::from_utf8_lossy(machines.output(command)));
    match machines.status(command) {
        Some(0) => {}
        Some(status) => println!("? {status}"),
        None => println!("? (still waiting)"),
    }
}
