//! `tcpdump -r` over this crate: `cargo run -p hopwise-capture --example tcpdump -- [OPTIONS] -r FILE [EXPRESSION]`.
//!
//! Takes the options of tcpdump that change the text, and `-w -`; made for comparing the two programs.

use std::io::Write as _;
use std::process::ExitCode;

use hopwise_capture::file::{self, PcapWriter};
use hopwise_capture::filter::{Filter, Source};
use hopwise_capture::print::{Dump, PrintOptions, Printer, TimeStamp};
use hopwise_capture::{LinkType, Meta};

#[derive(Default)]
struct Arguments {
    options: PrintOptions,
    file: String,
    write: bool,
    count: Option<usize>,
    expression: String,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("tcpdump: {message}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments::default();
    let mut words = Vec::new();
    let (mut stamps, mut dump) = (0, String::new());
    while let Some(argument) = arguments.next() {
        let Some(letters) = argument.strip_prefix('-').filter(|_| words.is_empty()) else {
            words.push(argument);
            continue;
        };
        for letter in letters.chars() {
            let options = &mut parsed.options;
            match letter {
                'n' => options.numeric = true,
                'e' => options.link_header = true,
                'v' => options.verbose += 1,
                'q' => options.quiet += 1,
                'S' => options.absolute_seq = true,
                'K' => options.no_checksums = true,
                'b' => options.as_dot = true,
                '#' => options.number = true,
                't' => stamps += 1,
                'x' | 'X' | 'A' => dump.push(letter),
                'r' => parsed.file = arguments.next().ok_or("-r needs a file")?,
                'c' => parsed.count = arguments.next().and_then(|count| count.parse().ok()),
                'w' => parsed.write = arguments.next().is_some(),
                other => return Err(format!("invalid option -- '{other}'")),
            }
        }
    }
    parsed.options.time_stamp = match stamps {
        0 => TimeStamp::TimeOfDay,
        1 => TimeStamp::None,
        2 => TimeStamp::Epoch,
        3 => TimeStamp::SincePrevious,
        4 => TimeStamp::Date,
        _ => TimeStamp::SinceFirst,
    };
    parsed.options.dump = match dump.as_str() {
        "" => Dump::None,
        "x" => Dump::Hex,
        "xx" => Dump::HexLink,
        "X" => Dump::HexAscii,
        "XX" => Dump::HexAsciiLink,
        "A" => Dump::Ascii,
        _ => Dump::AsciiLink,
    };
    parsed.expression = words.join(" ");
    Ok(parsed)
}

fn run(arguments: Arguments) -> Result<(), String> {
    let bytes = std::fs::read(&arguments.file).map_err(|error| format!("{}: {error}", arguments.file))?;
    let capture = file::read(&bytes).map_err(|error| error.to_string())?;
    let link_type: LinkType = capture.link_type();
    let filter = Filter::with(&arguments.expression, link_type, Source { file: true, ..Source::default() })
        .map_err(|error| error.to_string())?;
    let mut printer = Printer::new(arguments.options);
    let mut writer = PcapWriter::new(link_type);
    let mut output = std::io::stdout().lock();
    let matching = capture.frames().filter(|frame| filter.matches(&frame.data, frame.orig_len, &Meta::default()));
    for frame in matching.take(arguments.count.unwrap_or(usize::MAX)) {
        if arguments.write {
            writer.append(frame.time_ns, frame.orig_len, &frame.data);
        } else {
            let text = printer.line(frame, link_type, &Meta::default());
            output.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
        }
    }
    if arguments.write {
        output.write_all(writer.bytes()).map_err(|error| error.to_string())?;
    }
    match capture.tail {
        Some(error) => Err(format!("pcap_loop: {error}")),
        None => Ok(()),
    }
}
