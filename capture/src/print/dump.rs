//! Dumps of whole packets: `-x`, `-X` and `-A`.

use std::fmt::Write as _;

const BYTES_PER_LINE: usize = 16;
/// Width of the hexadecimal column: eight groups of a space and four digits.
const HEX_WIDTH: usize = 40;

/// Hexadecimal alone, each line after `indent`.
pub(super) fn hex(out: &mut String, indent: &str, bytes: &[u8]) {
    for (index, line) in bytes.chunks(BYTES_PER_LINE).enumerate() {
        let _infallible = write!(out, "{indent}0x{:04x}: {}", index * BYTES_PER_LINE, hex_column(line));
    }
}

/// Hexadecimal and, beside it, what is printable.
pub(super) fn hex_and_ascii(out: &mut String, indent: &str, bytes: &[u8]) {
    for (index, line) in bytes.chunks(BYTES_PER_LINE).enumerate() {
        let shown: String = line.iter().map(|&b| if b.is_ascii_graphic() { char::from(b) } else { '.' }).collect();
        let column = hex_column(line);
        let _infallible = write!(out, "{indent}0x{:04x}: {column:<HEX_WIDTH$}  {shown}", index * BYTES_PER_LINE);
    }
}

fn hex_column(line: &[u8]) -> String {
    let mut column = String::with_capacity(HEX_WIDTH);
    for (index, byte) in line.iter().enumerate() {
        let _infallible = write!(column, "{}{byte:02x}", if index % 2 == 0 { " " } else { "" });
    }
    column
}

/// The bytes as text with their own line ends.
pub(super) fn ascii(out: &mut String, bytes: &[u8]) {
    out.push('\n');
    for (index, &byte) in bytes.iter().enumerate() {
        match byte {
            // A carriage return before a line feed is the line's end, not a character.
            b'\r' if matches!(bytes.get(index + 1), None | Some(b'\n')) => {}
            b'\t' | b' ' | b'\n' => out.push(char::from(byte)),
            _ if byte.is_ascii_graphic() => out.push(char::from(byte)),
            _ => out.push('.'),
        }
    }
}
