//! What openvpn says: to standard output or into a file, each line with the time, as far as `--verb` wants it.

use hopwise_machine::clock::strftime;
use hopwise_machine::{Open, Sys};

use super::options::Options;
use crate::kernel::SimKernel;

/// The first line of every run.
const TITLE: &str =
    "OpenVPN 2.6.14 x86_64-pc-linux-gnu [SSL (OpenSSL)] [LZO] [LZ4] [EPOLL] [PKCS11] [MH/PKTINFO] [AEAD] [DCO]";

/// The libraries of Debian 12.
const LIBRARIES: &str = "library versions: OpenSSL 3.0.19 27 Jan 2026, LZO 2.10";

/// What `--version` prints, without how it was compiled.
pub(super) fn version() -> String {
    format!(
        "{TITLE}\n{LIBRARIES}\nDCO version: N/A\nOriginally developed by James Yonan\n\
         Copyright (C) 2002-2024 OpenVPN Inc <sales@openvpn.net>\n"
    )
}

/// Where lines go.
#[derive(Clone, Debug)]
pub(super) struct Log {
    /// The file's descriptor; 1: standard output.
    fd: u32,
    /// How much is said.
    verb: u32,
}

impl Log {
    /// Opens the file of `--log` or `--log-append`.
    pub(super) fn open(sys: &mut Sys<'_, SimKernel>, options: &Options) -> Result<Log, String> {
        let fd = match &options.log {
            None => 1,
            Some((path, append)) => {
                let how = if *append { Open::Append } else { Open::Write };
                let opened = sys.open(path, how);
                opened.map_err(|errno| format!("Options error: --log fails with '{path}': {errno}\n{}", super::HELP))?
            }
        };
        Ok(Log { fd, verb: options.verb })
    }

    /// Says a line if `--verb` is `level` at least.
    pub(super) fn line(&mut self, sys: &mut Sys<'_, SimKernel>, level: u32, text: &str) {
        if self.verb < level {
            return;
        }
        let seconds = i64::try_from(sys.now().unix_nanos() / 1_000_000_000).unwrap_or(0);
        let line = format!("{} {text}\n", strftime("%Y-%m-%d %H:%M:%S", seconds, 0));
        // Whoever read it may be gone.
        let _ = sys.write(self.fd, line.as_bytes());
    }

    /// What is said at the start.
    pub(super) fn title(&mut self, sys: &mut Sys<'_, SimKernel>, no_cipher: bool) {
        let dco = if no_cipher {
            "Note: --data-ciphers-fallback with cipher 'none' disables data channel offload."
        } else {
            "No tls-client or tls-server option in configuration detected. Disabling data channel offload."
        };
        self.line(sys, 3, dco);
        self.line(
            sys,
            1,
            "DEPRECATION: No tls-client or tls-server option in configuration detected. OpenVPN 2.7 will remove the \
             functionality to run a VPN without TLS. See the examples section in the manual page for examples of a \
             similar quick setup with peer-fingerprint.",
        );
        for text in [TITLE, LIBRARIES, "DCO version: N/A"] {
            self.line(sys, 1, text);
        }
        for text in [
            "'--cipher none' was specified. This means NO encryption will be performed and tunnelled data WILL be \
             transmitted in clear text over the network! PLEASE DO RECONSIDER THIS SETTING!",
            "'--auth none' was specified. This means no authentication will be performed on received packets, meaning \
             you CANNOT trust that the data received by the remote side have NOT been manipulated. PLEASE DO RECONSIDER \
             THIS SETTING!",
            "All encryption and authentication features disabled -- All data will be tunnelled as clear text and will \
             not be protected against man-in-the-middle changes. PLEASE DO RECONSIDER THIS CONFIGURATION!",
        ] {
            self.line(sys, 0, &format!("******* WARNING *******: {text}"));
        }
    }
}
