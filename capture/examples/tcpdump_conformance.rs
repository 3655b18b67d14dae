//! Runs tcpdump's own test cases: `cargo run -p hopwise-capture --example tcpdump_conformance -- DIR`, where DIR holds a
//! TESTLIST and the files it names. Reports how many cases agree and where the others begin to differ.

use std::path::Path;
use std::process::ExitCode;

use hopwise_capture::print::{Dump, PrintOptions, Printer};
use hopwise_capture::{Meta, file};

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: tcpdump_conformance DIR");
        return ExitCode::from(2);
    };
    match run(Path::new(&folder)) {
        Ok((agreeing, cases)) => {
            println!("{agreeing} of {cases} cases agree");
            if agreeing == cases { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn run(folder: &Path) -> Result<(usize, usize), String> {
    let list = String::from_utf8_lossy(&read(&folder.join("TESTLIST"))?).into_owned();
    let (mut agreeing, mut cases) = (0, 0);
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, capture, expected, letters @ ..] = words.as_slice() else { continue };
        cases += 1;
        let expected = String::from_utf8_lossy(&read(&folder.join(expected))?).into_owned();
        let found = print(&read(&folder.join(capture))?, letters)?;
        if found == expected {
            agreeing += 1;
            continue;
        }
        let differing = expected.lines().zip(found.lines().chain(std::iter::repeat(""))).find(|(a, b)| a != b);
        println!("{name}:");
        if let Some((expected, found)) = differing {
            println!("  tcpdump: {expected}\n  here:    {found}");
        }
    }
    Ok((agreeing, cases))
}

fn print(capture: &[u8], letters: &[&str]) -> Result<String, String> {
    let mut options = PrintOptions { numeric: true, number: true, ..PrintOptions::default() };
    for letter in letters.iter().flat_map(|word| word.chars()) {
        match letter {
            '-' => {}
            'v' => options.verbose += 1,
            'e' => options.link_header = true,
            'b' => options.as_dot = true,
            'x' if options.dump == Dump::Hex => options.dump = Dump::HexLink,
            'x' => options.dump = Dump::Hex,
            'X' if options.dump == Dump::HexAscii => options.dump = Dump::HexAsciiLink,
            'X' => options.dump = Dump::HexAscii,
            'A' if options.dump == Dump::Ascii => options.dump = Dump::AsciiLink,
            'A' => options.dump = Dump::Ascii,
            other => return Err(format!("option -{other} is not known here")),
        }
    }
    let capture = file::read(capture).map_err(|error| error.to_string())?;
    let mut printer = Printer::new(options);
    Ok(capture.frames().map(|frame| printer.line(frame, capture.link_type(), &Meta::default())).collect())
}
