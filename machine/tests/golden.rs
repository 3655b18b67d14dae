//! Scripts whose output was taken from bash 5.2, GNU's and Debian's programs (`bash script`), run in the simulated machine.
//! To take a new one: put `NAME.sh` into `tests/golden`, run `bash script` on Linux, write its output (and `? STATUS`) to `NAME.txt`.

use std::path::Path;

use hopwise_machine::{Machines, NoNetwork, ProgramTable, run_until_idle};

fn simulate(text: &str) -> String {
    let mut machines: Machines<NoNetwork> = Machines::new(ProgramTable::default(), 1);
    let host = machines.add_machine("host", ());
    let command = machines.run_script(host, "script", text).expect("the machine exists");
    run_until_idle(&mut machines, &mut NoNetwork);
    let mut out = String::from_utf8_lossy(machines.output(command)).into_owned();
    match machines.status(command) {
        Some(0) => {}
        Some(status) => out.push_str(&format!("? {status}\n")),
        None => out.push_str("? still waiting\n"),
    }
    out
}

#[test]
fn scripts_print_what_they_print_on_linux() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).expect("the folder exists").filter_map(|e| Some(e.ok()?.path())).collect();
    names.retain(|p| p.extension().is_some_and(|e| e == "sh"));
    names.sort();
    assert!(names.len() > 30);
    let mut wrong = Vec::new();
    for script in names {
        let text = std::fs::read_to_string(&script).expect("readable");
        let expected =
            std::fs::read_to_string(script.with_extension("txt")).expect("every script has its output beside it");
        let printed = simulate(&text);
        if printed != expected {
            let pair = expected.lines().zip(printed.lines()).find(|(a, b)| a != b);
            wrong.push(format!("{}: {pair:?}", script.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
