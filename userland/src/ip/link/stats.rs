//! The counters of a link: `print_stats64` of iproute2's `ipaddress.c`.

use hopwise_stack::Dev;

use crate::ip::Options;
use crate::ip::out::Out;

/// The least widths of the columns; they grow with the numbers.
const WIDTHS: [usize; 7] = [10, 7, 6, 7, 7, 7, 10];

/// Prints the counters (`ip -s`), with the sorts of errors if `-s` was given twice.
pub fn print(out: &mut Out, dev: &Dev, opt: &Options) {
    if out.is_json() { json(out, dev, opt.stats > 1) } else { text(out, dev, opt) }
}

fn json(out: &mut Out, dev: &Dev, more: bool) {
    let s = &dev.stats;
    let rx: &[(&str, u64)] = &[
        ("bytes", s.rx_bytes),
        ("packets", s.rx_packets),
        ("errors", s.rx_errors),
        ("dropped", s.rx_dropped),
        ("over_errors", 0),
        ("multicast", s.multicast),
        ("length_errors", 0),
        ("crc_errors", 0),
        ("frame_errors", s.rx_frame_errors),
        ("fifo_errors", 0),
        ("missed_errors", 0),
    ];
    let tx: &[(&str, u64)] = &[
        ("bytes", s.tx_bytes),
        ("packets", s.tx_packets),
        ("errors", s.tx_errors),
        ("dropped", s.tx_dropped),
        ("carrier_errors", s.tx_carrier),
        ("collisions", s.collisions),
        ("aborted_errors", 0),
        ("fifo_errors", 0),
        ("window_errors", 0),
        ("heartbeat_errors", 0),
        ("carrier_changes", dev.carrier_changes.into()),
    ];
    out.object(Some("stats64"), |out| {
        for (key, all) in [("rx", rx), ("tx", tx)] {
            out.object(Some(key), |out| {
                for (key, value) in all.iter().take(if more { all.len() } else { 6 }) {
                    out.field(key, *value);
                }
            });
        }
    });
}

fn text(out: &mut Out, dev: &Dev, opt: &Options) {
    let s = &dev.stats;
    let rx = [s.rx_bytes, s.rx_packets, s.rx_errors, s.rx_dropped, 0, s.multicast];
    let tx = [s.tx_bytes, s.tx_packets, s.tx_errors, s.tx_dropped, s.tx_carrier, s.collisions];
    let rx_errors = [0, 0, s.rx_frame_errors, 0, 0];
    let tx_errors = [0, 0, 0, 0, u64::from(dev.carrier_changes)];
    let mut widths = WIDTHS;
    let mut fit = |from: usize, numbers: &[u64]| {
        for (width, number) in widths.iter_mut().skip(from).zip(numbers) {
            *width = (*width).max(shown(*number, opt).len());
        }
    };
    fit(0, &rx);
    fit(0, &tx);
    if opt.stats > 1 {
        fit(1, &rx_errors);
        fit(1, &tx_errors);
    }
    heading(out, &widths, "RX", ["bytes", "packets", "errors", "dropped", "missed", "mcast"]);
    numbers(out, 4, &widths, &rx, opt);
    if opt.stats > 1 {
        out.line();
        error_heading(out, &widths, "RX", ["length", "crc", "frame", "fifo", "overrun"]);
        out.text(format_args!("{:1$}", "", widths[0] + 5));
        numbers(out, 0, &widths[1..], &rx_errors, opt);
    }
    out.line();
    heading(out, &widths, "TX", ["bytes", "packets", "errors", "dropped", "carrier", "collsns"]);
    numbers(out, 4, &widths, &tx, opt);
    if opt.stats > 1 {
        out.line();
        error_heading(out, &widths, "TX", ["aborted", "fifo", "window", "heartbt", "transns"]);
        out.text(format_args!("{:1$}", "", widths[0] + 5));
        numbers(out, 0, &widths[1..], &tx_errors, opt);
    }
}

fn heading(out: &mut Out, widths: &[usize; 7], side: &str, words: [&str; 6]) {
    out.text(format_args!("    {side}: {:>1$}", words[0], widths[0] - 4));
    for (word, width) in words.iter().zip(widths).skip(1) {
        out.text(format_args!(" {word:>width$}"));
    }
    // The column of compressed packets, which do not exist here.
    out.text(format_args!(" {:1$}", "", widths[6]));
    out.line();
}

fn error_heading(out: &mut Out, widths: &[usize; 7], side: &str, words: [&str; 5]) {
    out.text(format_args!("    {side} errors:{:1$}", "", widths[0] - 10));
    for (word, width) in words.iter().zip(&widths[1..]) {
        out.text(format_args!(" {word:>width$}"));
    }
    out.line();
}

fn numbers(out: &mut Out, indent: usize, widths: &[usize], numbers: &[u64], opt: &Options) {
    out.text(format_args!("{:indent$}", ""));
    for (number, width) in numbers.iter().zip(widths) {
        out.text(format_args!("{:>width$} ", shown(*number, opt)));
    }
}

/// A number; with `-h` in units of 1000 (or 1024 with `-iec`), as `print_num` writes it.
fn shown(number: u64, opt: &Options) -> String {
    let base: u64 = if opt.iec { 1024 } else { 1000 };
    if !opt.human || number < base {
        return number.to_string();
    }
    let mut power = base;
    let mut unit = 0;
    while number / base >= power && unit < UNITS.len() - 1 {
        power *= base;
        unit += 1;
    }
    let suffix = if opt.iec { "i" } else { "" };
    let hundredths = number % power * 100 / power;
    let precision = if number / power < 10 {
        2
    } else if number / power < 100 {
        1
    } else {
        0
    };
    match precision {
        2 => format!("{}.{hundredths:02}{}{suffix}", number / power, UNITS[unit]),
        1 => format!("{}.{}{}{suffix}", number / power, hundredths / 10, UNITS[unit]),
        _ => format!("{}{}{suffix}", number / power, UNITS[unit]),
    }
}

const UNITS: [char; 5] = ['k', 'M', 'G', 'T', 'P'];
