//! The options consistency check: without TLS each end asks the other one for its options, ten seconds after the start.
//! Models `occ.c` of openvpn.

use super::options::Options;

/// What a message of the check begins with.
const MAGIC: [u8; 16] =
    [0x28, 0x7f, 0x34, 0x6b, 0xd4, 0xef, 0x7a, 0x81, 0x2d, 0x56, 0xb8, 0xd3, 0xaf, 0xc5, 0x45, 0x9c];

/// What a keepalive of `--ping` is.
pub(super) const PING: [u8; 16] =
    [0x2a, 0x18, 0x7b, 0xf3, 0x64, 0x1e, 0xb4, 0xcb, 0x07, 0xed, 0x2d, 0x0a, 0x98, 0x1f, 0xc7, 0x48];

const REQUEST: u8 = 0;
const REPLY: u8 = 1;

/// What a datagram is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Message {
    /// A packet of the tunnel.
    Data,
    /// A keepalive.
    Ping,
    /// The other end wants to know the options.
    Request,
    /// The other end's options.
    Reply,
    /// A message of the check that means nothing here.
    Other,
}

/// Tells what a datagram is.
pub(super) fn classify(bytes: &[u8]) -> Message {
    if bytes == PING {
        return Message::Ping;
    }
    match bytes.strip_prefix(&MAGIC).map(|rest| rest.first().copied()) {
        None => Message::Data,
        Some(Some(REQUEST)) => Message::Request,
        Some(Some(REPLY)) => Message::Reply,
        Some(_) => Message::Other,
    }
}

/// The question.
pub(super) fn request() -> Vec<u8> {
    [&MAGIC[..], &[REQUEST]].concat()
}

/// The answer: the options as the other end should have them, with a zero at the end (`options_string`).
pub(super) fn reply(options: &Options) -> Vec<u8> {
    let kind = if options.tap { "tap" } else { "tun" };
    let mtu = if options.tap { options.mtu + 32 } else { options.mtu };
    let mut text = format!("V4,dev-type {kind},link-mtu {mtu},tun-mtu {mtu},proto UDPv4");
    if let Some((local, remote)) = options.ifconfig {
        if options.tap {
            let network = std::net::Ipv4Addr::from_bits(local.to_bits() & remote.to_bits());
            text.push_str(&format!(",ifconfig {network} {remote}"));
        } else {
            text.push_str(&format!(",ifconfig {remote} {local}"));
        }
    }
    [&MAGIC[..], &[REPLY], text.as_bytes(), &[0]].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_answer_is_that_of_openvpn_2_6() {
        let options = Options { ifconfig: Some(([10, 8, 0, 1].into(), [10, 8, 0, 2].into())), ..Options::default() };
        let bytes = reply(&options);
        assert_eq!(bytes.len(), 99);
        assert_eq!(
            &bytes[17..],
            b"V4,dev-type tun,link-mtu 1500,tun-mtu 1500,proto UDPv4,ifconfig 10.8.0.2 10.8.0.1\0"
        );
        assert_eq!(
            (classify(&bytes), classify(&request()), classify(&PING)),
            (Message::Reply, Message::Request, Message::Ping)
        );
    }

    proptest! {
        /// Any datagram is something.
        #[test]
        fn any_datagram_is_something(bytes in prop::collection::vec(any::<u8>(), 0..40), magic in any::<bool>()) {
            let bytes = if magic { [&MAGIC[..], &bytes].concat() } else { bytes };
            let is_data = classify(&bytes) == Message::Data;
            prop_assert!(is_data != magic || bytes.starts_with(&MAGIC));
        }
    }
}
