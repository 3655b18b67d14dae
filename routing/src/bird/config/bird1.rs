//! The language of BIRD 1, which had no channels: `import all;` stood in the protocol itself, and each protocol had one table.
//!
//! BIRD 2 refuses such files. Tutorials are full of them, so that they are taken here, with a warning for each word that is meant.

use super::lexer::{Place, Token};
use super::parser::Parser;
use super::{Channel, Error, Kind, Protocol};

/// Whether a protocol of the file says what it imports or exports, and no channel is named anywhere.
pub(super) fn is_bird1(words: &[(Token, Place)]) -> bool {
    let (mut depth, mut in_protocol, mut found) = (0_u32, false, false);
    for (word, _) in words {
        match word {
            Token::Key("ipv4" | "ipv6") => return false,
            Token::Key("protocol" | "template") if depth == 0 => in_protocol = true,
            Token::Key("import" | "export") => found |= depth == 1 && in_protocol,
            Token::Mark("{") => depth += 1,
            Token::Mark("}") => {
                depth = depth.saturating_sub(1);
                in_protocol &= depth != 0;
            }
            _ => {}
        }
    }
    found
}

impl Parser {
    /// Whether a word in a protocol is an option of the channel that BIRD 1 did not name.
    pub(super) fn is_silent_channels(&self, word: &str, kind: &Kind) -> bool {
        match (word, kind) {
            (_, Kind::Device { .. }) => false,
            ("import" | "export" | "table" | "preference", _) => true,
            ("next" | "gateway" | "igp" | "add", Kind::Bgp(_)) => self.bird1,
            _ => false,
        }
    }

    pub(super) fn warn_of_bird1(&mut self, word: &str) {
        let place = self.place();
        let text =
            format!("`{word}' outside of a channel is BIRD 1's language, which BIRD 2 refuses; it is taken as ipv4's");
        self.config.warnings.push(Error { place, text });
    }

    /// Gives a protocol of BIRD 1 the channel that it had there without saying so: all is taken in, nothing given out.
    pub(super) fn silent_channel(&self, protocol: &mut Protocol) {
        if !self.bird1 || matches!(protocol.kind, Kind::Device { .. }) {
            return;
        }
        let channel = protocol.channel.get_or_insert_with(|| Channel::new(&protocol.kind));
        channel.explicit = (true, true);
    }
}
