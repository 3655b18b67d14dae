//! Messages: what is written is read again, any octets are borne, and another implementation agrees.

use std::net::Ipv4Addr;
use std::sync::Arc;

use hopwise_routing::attrs::code;
use hopwise_routing::bgp::error::ErrorCode;
use hopwise_routing::bgp::wire::{
    Capability, Family, GracefulFamily, LongLivedFamily, Message, Notification, Open, Options, Refresh, RestartFlags,
    RouteRefresh, Update, decode, encode, frame,
};
use ipnet::Ipv4Net;
use netgauze_bgp_pkt::BgpMessage;
use netgauze_bgp_pkt::wire::deserializer::BgpParsingContext;
use netgauze_parse_utils::WritablePdu;
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::ParseFromWithOneInput;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::routes::{attrs, prefix};

const AS4: Options = Options { as4: true, extended: false, enhanced_refresh: true };

fn options() -> impl Strategy<Value = Options> {
    any::<[bool; 2]>().prop_map(|[as4, extended]| Options { as4, extended, enhanced_refresh: true })
}

fn family() -> impl Strategy<Value = Family> {
    (any::<u16>(), any::<u8>()).prop_map(|(afi, safi)| Family { afi, safi })
}

fn capability() -> impl Strategy<Value = Capability> {
    let graceful = (family(), any::<u8>()).prop_map(|(family, flags)| GracefulFamily { family, flags });
    let long_lived = (family(), any::<u8>(), 0u32..1 << 24).prop_map(|(family, flags, stale_time)| LongLivedFamily {
        family,
        flags,
        stale_time,
    });
    prop_oneof![
        family().prop_map(Capability::Multiprotocol),
        Just(Capability::RouteRefresh),
        Just(Capability::ExtendedMessage),
        (0u8..16, 0u16..4096, vec(graceful, 0..3)).prop_map(|(flags, time, families)| {
            Capability::GracefulRestart { flags: RestartFlags(flags), time, families }
        }),
        any::<u32>().prop_map(Capability::FourOctetAs),
        Just(Capability::EnhancedRefresh),
        vec(long_lived, 0..3).prop_map(Capability::LongLived),
        (72u8.., vec(any::<u8>(), 0..9)).prop_map(|(code, value)| Capability::Other { code, value }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let open = (any::<u16>(), any::<u16>(), any::<u32>(), vec(capability(), 0..8)).prop_map(
        |(asn, hold_time, id, capabilities)| Open { version: 4, asn, hold_time, id: id.into(), capabilities },
    );
    let routes = (vec(prefix(), 0..5), attrs(), vec(prefix(), 1..9)).prop_map(|(withdrawn, attrs, nlri)| Update {
        withdrawn,
        attrs: Some(Arc::new(attrs)),
        nlri,
        fault: None,
    });
    let withdrawals = vec(prefix(), 0..20).prop_map(|withdrawn| Update { withdrawn, ..Update::default() });
    let notification = (any::<[u8; 2]>(), vec(any::<u8>(), 0..40))
        .prop_map(|([code, subcode], data)| Notification { code: ErrorCode::new(code, subcode), data });
    let refresh =
        prop_oneof![Just(Refresh::Request), Just(Refresh::Begin), Just(Refresh::End), (3u8..).prop_map(Refresh::Other)];
    prop_oneof![
        1 => open.prop_map(Message::Open),
        4 => routes.prop_map(Message::Update),
        1 => withdrawals.prop_map(Message::Update),
        1 => notification.prop_map(Message::Notification),
        1 => Just(Message::Keepalive),
        1 => (family(), refresh).prop_map(|(family, refresh)| Message::RouteRefresh(RouteRefresh { family, refresh })),
    ]
}

/// A path of two octets loses nothing as long as its complement can be put in again: not with sets in between, which count as
/// one AS, nor with an aggregator that hides the complement (RFC 6793 section 4.2.3).
fn survives_two_octets(message: &Message) -> bool {
    let Message::Update(Update { attrs: Some(attrs), .. }) = message else { return true };
    let needs = |asn: u32| asn > 0xffff || asn == 23456;
    let path = attrs.as_path.as_ref().unwrap();
    match attrs.aggregator.map(|a| a.asn) {
        Some(23456) => false,
        Some(asn) if asn <= 0xffff => !path.numbers().any(needs),
        _ => true,
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(message in message(), options in options()) {
        prop_assume!(options.as4 || survives_two_octets(&message));
        let mut bytes = Vec::new();
        encode(&message, options, &mut bytes).unwrap();
        prop_assert_eq!(frame(&bytes, options), Ok(Some(bytes.len())));
        prop_assert_eq!(decode(&bytes, options), Ok(message));
    }

    #[test]
    fn any_octets_are_borne(kind in 0u8..7, body in vec(any::<u8>(), 0..200), options in options()) {
        let mut bytes = vec![0xff; 16];
        bytes.extend(((body.len() + 19) as u16).to_be_bytes());
        bytes.push(kind);
        bytes.extend(body);
        if let Ok(message) = decode(&bytes, options) {
            // What was understood can be said, and means the same.
            let mut again = Vec::new();
            let faulty = matches!(&message, Message::Update(u) if u.fault.is_some());
            if !faulty && survives_two_octets(&message) && encode(&message, options, &mut again).is_some() {
                prop_assert_eq!(decode(&again, options), Ok(message));
            }
        }
        let _ = decode(&bytes[..bytes.len() / 2], options);
        let _ = frame(&bytes[3..], options);
    }

    #[test]
    fn damaged_messages_are_borne(message in message(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = Vec::new();
        encode(&message, AS4, &mut bytes).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode(&bytes, AS4);
        let _ = decode(&bytes, Options::default());
    }

    /// `netgauze-bgp-pkt` reads what is written here, and writes the same octets.
    #[test]
    fn another_implementation_agrees(mut message in message()) {
        tame(&mut message);
        let mut bytes = Vec::new();
        encode(&message, AS4, &mut bytes).unwrap();
        let read = BgpMessage::parse(&mut SliceReader::new(&bytes), &mut BgpParsingContext::default());
        let read = read.map_err(|e| TestCaseError::fail(format!("{e}: {message:?}")))?;
        let mut again = Vec::new();
        read.write(&mut again).map_err(|e| TestCaseError::fail(format!("{e:?}")))?;
        prop_assert_eq!(again, bytes);
    }
}

/// Leaves of a message what the other implementation takes: families and errors that it knows, addresses that are unicast. It has
/// opinions on the inside of extended communities and of some attributes that are opaque here.
fn tame(message: &mut Message) {
    let unicast = |a: Ipv4Addr| Ipv4Addr::from(u32::from(a) & 0x7fff_ffff | 0x0100_0000);
    match message {
        Message::Open(open) => {
            open.id = unicast(open.id);
            open.capabilities.retain(|c| !matches!(c, Capability::Other { .. }));
            for capability in &mut open.capabilities {
                match capability {
                    Capability::Multiprotocol(family) => *family = Family::IPV4,
                    Capability::GracefulRestart { flags, families, .. } => {
                        flags.0 &= 8;
                        families.iter_mut().for_each(|f| (f.family, f.flags) = (Family::IPV4, f.flags & 0x80));
                    }
                    Capability::LongLived(families) => families.clear(),
                    _ => {}
                }
            }
        }
        Message::Update(update) => {
            for prefix in update.nlri.iter_mut().chain(&mut update.withdrawn) {
                *prefix = Ipv4Net::new(unicast(prefix.addr()), prefix.prefix_len().max(8)).unwrap().trunc();
            }
            if let Some(attrs) = &mut update.attrs {
                let attrs = Arc::make_mut(attrs);
                attrs.unknown.clear();
                attrs.extended_communities.clear();
                attrs.partial.set(code::EXTENDED_COMMUNITIES, false);
                attrs.next_hop = attrs.next_hop.map(unicast);
                attrs.originator_id = attrs.originator_id.map(unicast);
                attrs.cluster_list.iter_mut().for_each(|id| *id = unicast(*id));
            }
        }
        Message::Notification(notification) => {
            let codes = [
                ErrorCode::NOT_SYNCHRONIZED,
                ErrorCode::BAD_PEER_AS,
                ErrorCode::MALFORMED_LIST,
                ErrorCode::BAD_NETWORK,
                ErrorCode::ADMIN_RESET,
                ErrorCode::COLLISION,
            ];
            notification.code = codes[usize::from(notification.code.code) % codes.len()];
        }
        Message::Keepalive => {}
        Message::RouteRefresh(refresh) => {
            refresh.family = Family::IPV4;
            if let Refresh::Other(_) = refresh.refresh {
                refresh.refresh = Refresh::Request;
            }
        }
    }
}
