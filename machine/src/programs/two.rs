//! What comm and join have in common: two sorted inputs, read whole.

use crate::{Errno, Kernel, Open, Read, Sys, Wait};

/// Two files (one may be standard input) on their way into memory.
#[derive(Clone, Default)]
pub(super) struct TwoFiles {
    names: Vec<String>,
    open: Option<u32>,
    texts: Vec<Vec<u8>>,
    text: Vec<u8>,
}

/// How reading goes on.
pub(super) enum Reading {
    More,
    Wait(Wait),
    /// The lines of both.
    Done([Vec<Vec<u8>>; 2]),
    Failed(String, Errno),
}

impl TwoFiles {
    pub(super) fn new(names: &[String]) -> Self {
        TwoFiles { names: names.to_vec(), ..TwoFiles::default() }
    }

    pub(super) fn read<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) -> Reading {
        let Some(name) = self.names.get(self.texts.len()).filter(|_| self.texts.len() < 2).cloned() else {
            let mut lines = self.texts.iter().map(|text| lines(text));
            return Reading::Done([lines.next().unwrap_or_default(), lines.next().unwrap_or_default()]);
        };
        let Some(fd) = self.open else {
            return match if name == "-" { Ok(0) } else { sys.open(&name, Open::Read) } {
                Ok(fd) => {
                    self.open = Some(fd);
                    Reading::More
                }
                Err(errno) => Reading::Failed(name, errno),
            };
        };
        match sys.read(fd, 65536) {
            Ok(Read::Data(data)) => {
                self.text.extend(data);
                sys.hold(self.text.len());
            }
            Ok(Read::WouldBlock) => return Reading::Wait(Wait::readable(fd)),
            Ok(Read::Eof) => {
                if fd != 0 {
                    sys.close(fd);
                }
                self.open = None;
                self.texts.push(std::mem::take(&mut self.text));
            }
            Err(errno) => return Reading::Failed(name, errno),
        }
        Reading::More
    }
}

fn lines(text: &[u8]) -> Vec<Vec<u8>> {
    if text.is_empty() {
        return Vec::new();
    }
    text.strip_suffix(b"\n").unwrap_or(text).split(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
}
