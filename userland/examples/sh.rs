//! Runs the commands of a script, line by line, on one machine and prints each with what it printed.
//!
//! `cargo run -p hopwise-userland --example sh SCRIPT`

use hopwise_userland::World;

fn main() {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: sh SCRIPT");
        std::process::exit(2);
    };
    let script = std::fs::read_to_string(path).unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(2);
    });
    let mut world = World::new(1);
    let machine = world.add_machine("host");
    for line in script.lines().filter(|line| !line.trim().is_empty()) {
        let output = world.run(machine, line);
        print!("$ {line}\n{}", output.text);
        if output.status != 0 {
            println!("? {}", output.status);
        }
    }
}
