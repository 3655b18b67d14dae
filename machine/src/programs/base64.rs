//! base64: bytes as text and back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::opts::{curly, getopt, refuse, try_help};
use crate::{Kernel, Open, Program, Read, Step, Sys, Wait};

#[derive(Clone)]
struct Base64 {
    decode: bool,
    ignore: bool,
    wrap: usize,
    file: String,
    open: Option<u32>,
    data: Vec<u8>,
}

pub(super) fn base64<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [("decode", 'd'), ("ignore-garbage", 'i'), ("wrap=", 'w')];
    let opts = match getopt(args, "diw:", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("base64", &error, 1),
    };
    let wrap = opts.value('w').unwrap_or("76");
    let Ok(wrap) = wrap.parse() else {
        return refuse(format!("base64: invalid wrap size: {}\n", curly(wrap)), 1);
    };
    let file = match opts.operands.as_slice() {
        [] => "-".to_owned(),
        [file] => file.clone(),
        [_, extra, ..] => return try_help("base64", &format!("extra operand {}", curly(extra)), 1),
    };
    Box::new(Base64 { decode: opts.has('d'), ignore: opts.has('i'), wrap, file, open: None, data: Vec::new() })
}

impl Base64 {
    fn encoded(&self) -> String {
        let text = STANDARD.encode(&self.data);
        if self.wrap == 0 {
            return text;
        }
        let lines = text.as_bytes().chunks(self.wrap).map(|line| format!("{}\n", String::from_utf8_lossy(line)));
        lines.collect()
    }

    /// What the text stands for, up to the first thing that is wrong; and whether all was right.
    fn decoded(&self) -> (Vec<u8>, bool) {
        let is_letter = |b: &u8| b.is_ascii_alphanumeric() || b"+/=".contains(b);
        let letters: Vec<u8> =
            self.data.iter().copied().filter(|b| *b != b'\n' && (!self.ignore || is_letter(b))).collect();
        let mut out = Vec::new();
        for group in letters.chunks(4) {
            match STANDARD.decode(group) {
                Ok(bytes) => out.extend(bytes),
                Err(_) => {
                    // The whole bytes of an incomplete group are still printed.
                    let good: Vec<u8> = group.iter().copied().take_while(|b| *b != b'=' && is_letter(b)).collect();
                    let bits = base64::engine::general_purpose::GeneralPurposeConfig::new()
                        .with_decode_allow_trailing_bits(true)
                        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
                    let lenient = base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, bits);
                    out.extend(lenient.decode(good).unwrap_or_default());
                    return (out, false);
                }
            }
        }
        (out, true)
    }
}

impl<K: Kernel> Program<K> for Base64 {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let Some(fd) = self.open else {
            let opened = if self.file == "-" { Ok(0) } else { sys.open(&self.file, Open::Read) };
            return match opened {
                Ok(fd) => {
                    self.open = Some(fd);
                    Step::Again
                }
                Err(errno) => {
                    sys.err(&format!("base64: {}: {errno}\n", self.file));
                    Step::Exit(1)
                }
            };
        };
        match sys.read(fd, 65536) {
            Ok(Read::Data(data)) => {
                self.data.extend(data);
                sys.hold(self.data.len());
                Step::Again
            }
            Ok(Read::WouldBlock) => Step::Block(Wait::readable(fd)),
            Err(errno) => {
                sys.err(&format!("base64: read error: {errno}\n"));
                Step::Exit(1)
            }
            Ok(Read::Eof) if self.decode => {
                let (bytes, good) = self.decoded();
                sys.out_bytes(&bytes);
                if !good {
                    sys.err("base64: invalid input\n");
                }
                Step::Exit(i32::from(!good))
            }
            Ok(Read::Eof) => {
                sys.out(&self.encoded());
                Step::Exit(0)
            }
        }
    }
}
