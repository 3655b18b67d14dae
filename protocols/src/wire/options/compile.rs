//! What a header's options ask of the host that has the packet, and how it answers: checked and filled in on arrival
//! ([`compile`]), by the sender ([`build`]), when forwarded ([`forward`]) and in an answer ([`echo`]). Models
//! `net/ipv4/ip_options.c`; the layout is RFC 791's, section 3.1.
//!
//! Each of the three options that are filled in has, in its third byte, a pointer: the place of the next free slot,
//! counted from 1 at the option's type.

use core::net::Ipv4Addr;

use super::{IPOPT_END, IPOPT_LSRR, IPOPT_NOOP, IPOPT_RA, IPOPT_RR, IPOPT_SSRR, IPOPT_TIMESTAMP, Options};
use crate::wire::ipv4::IP_HLEN;

/// Timestamps alone.
pub const IPOPT_TS_TSONLY: u8 = 0;
/// Addresses and timestamps.
pub const IPOPT_TS_TSANDADDR: u8 = 1;
/// Timestamps of the hosts that the sender has named.
pub const IPOPT_TS_PRESPEC: u8 = 3;

/// What compiled options ask for. `struct ip_options`; places count from the first byte of the options.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IpOptions {
    /// Where the record route option is.
    pub rr: Option<usize>,
    /// Where the timestamp option is.
    pub ts: Option<usize>,
    /// Where the source route is.
    pub srr: Option<usize>,
    /// The source route is a strict one.
    pub is_strictroute: bool,
    /// Every router should look at this packet.
    pub router_alert: bool,
    /// The last slot taken of the record route wants the address of whoever sends the packet on.
    pub rr_needaddr: bool,
    /// The last slot taken of the timestamp wants an address.
    pub ts_needaddr: bool,
    /// The last slot taken of the timestamp wants the time.
    pub ts_needtime: bool,
    /// Bytes have changed: the header's checksum is to be made anew before the packet is sent on.
    pub is_changed: bool,
}

/// Options that a host refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Where the option begins that is wrong, from the first byte of the options; those before it are all right.
    pub option: usize,
    /// The byte that is wrong, from the first byte of the header: the pointer of the ICMP error (RFC 792).
    pub pointer: u8,
}

/// The host that compiles options.
pub struct Host<'a> {
    /// For a packet that arrived: the address by which its sender knows this host (`fib_compute_spec_dst`), and the
    /// time in milliseconds since midnight UTC. `None`: the options of a packet that is made here, which [`build`] fills.
    pub arrived: Option<(Ipv4Addr, u32)>,
    /// Whether an address is a single other host's: not one of this host, not a group (`inet_addr_type`).
    pub is_unicast: &'a dyn Fn(Ipv4Addr) -> bool,
}

/// One option compiled; a problem is the place of the wrong byte within it.
type Problem = Result<(), usize>;

/// Checks options and, in those of a packet that arrived, takes the slots that are this host's. `__ip_options_compile`.
///
/// # Errors
/// [`Refused`] for a list that is malformed; options before the bad one are compiled already, as the kernel does.
pub fn compile(options: &mut [u8], host: &Host<'_>) -> Result<IpOptions, Refused> {
    let mut found = IpOptions::default();
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        let refused = |byte: usize| Refused { option: at, pointer: (IP_HLEN + at + byte) as u8 };
        match kind {
            IPOPT_END => {
                // Nothing but zeros may follow: whatever hides there is wiped out.
                let rest = options.get_mut(at..).unwrap_or_default();
                found.is_changed |= rest.iter().any(|b| *b != IPOPT_END);
                rest.fill(IPOPT_END);
                break;
            }
            IPOPT_NOOP => {
                at += 1;
                continue;
            }
            _ => {}
        }
        let len = options.get(at + 1).copied().map_or(0, usize::from);
        let Some(option) = options.get_mut(at..at + len).filter(|_| len >= 2) else {
            return Err(refused(0));
        };
        match kind {
            IPOPT_SSRR | IPOPT_LSRR => source_route(option, &found).map_err(refused)?,
            IPOPT_RR => record_route(option, &mut found, host).map_err(refused)?,
            IPOPT_TIMESTAMP => timestamp(option, &mut found, host).map_err(refused)?,
            IPOPT_RA if len < 4 => return Err(refused(1)),
            _ => {}
        }
        match kind {
            IPOPT_SSRR | IPOPT_LSRR => (found.srr, found.is_strictroute) = (Some(at), kind == IPOPT_SSRR),
            IPOPT_RR => found.rr = Some(at),
            IPOPT_TIMESTAMP => found.ts = Some(at),
            IPOPT_RA => found.router_alert |= matches!(option, [_, _, 0, 0, ..]),
            _ => {}
        }
        at += len;
    }
    Ok(found)
}

/// The pointer of an option whose first slot may be at `first`. A problem with the length is shown at the length.
fn pointer(option: &[u8], first: u8) -> Result<usize, usize> {
    match option.get(2) {
        None => Err(1),
        Some(&pointer) if pointer < first => Err(2),
        Some(&pointer) => Ok(usize::from(pointer)),
    }
}

/// Writes into the slot to which a pointer points. The caller has seen that it fits.
fn put(option: &mut [u8], pointer: usize, bytes: [u8; 4]) {
    if let Some(slot) = option.get_mut(pointer - 1..pointer + 3) {
        slot.copy_from_slice(&bytes);
    }
}

/// Moves the pointer on.
fn advance(option: &mut [u8], by: u8) {
    if let Some(pointer) = option.get_mut(2) {
        *pointer = pointer.saturating_add(by);
    }
}

fn source_route(option: &[u8], found: &IpOptions) -> Problem {
    pointer(option, 4)?;
    // RFC 1812, section 5.2.4.1: there is one at most.
    if found.srr.is_some() { Err(0) } else { Ok(()) }
}

fn record_route(option: &mut [u8], found: &mut IpOptions, host: &Host<'_>) -> Problem {
    if found.rr.is_some() {
        return Err(0);
    }
    let pointer = pointer(option, 4)?;
    if pointer > option.len() {
        return Ok(());
    }
    if pointer + 3 > option.len() {
        return Err(2);
    }
    if let Some((own, _)) = host.arrived {
        put(option, pointer, own.octets());
        found.is_changed = true;
    }
    advance(option, 4);
    found.rr_needaddr = true;
    Ok(())
}

fn timestamp(option: &mut [u8], found: &mut IpOptions, host: &Host<'_>) -> Problem {
    if found.ts.is_some() {
        return Err(0);
    }
    let &[_, _, _, flags, ..] = &*option else { return Err(1) };
    let pointer = pointer(option, 5)?;
    let sort = flags & 0xf;
    if pointer > option.len() {
        return overflow(option, flags, found, host);
    }
    let slot = if matches!(sort, IPOPT_TS_TSANDADDR | IPOPT_TS_PRESPEC) { 8 } else { 4 };
    if pointer + slot - 1 > option.len() {
        return Err(2);
    }
    match sort {
        IPOPT_TS_TSONLY => {}
        IPOPT_TS_TSANDADDR => {
            if let Some((own, _)) = host.arrived {
                put(option, pointer, own.octets());
            }
            found.ts_needaddr = true;
        }
        IPOPT_TS_PRESPEC if !address_at(option, pointer).is_some_and(host.is_unicast) => found.ts_needaddr = true,
        _ => return Ok(()),
    }
    if let Some((_, time)) = host.arrived {
        put(option, pointer + slot - 4, time.to_be_bytes());
        found.is_changed = true;
    }
    found.ts_needtime = true;
    advance(option, slot as u8);
    Ok(())
}

/// No slot is free: the hosts that found none are counted, up to 15.
fn overflow(option: &mut [u8], flags: u8, found: &mut IpOptions, host: &Host<'_>) -> Problem {
    if flags & 0xf == IPOPT_TS_PRESPEC {
        return Ok(());
    }
    if flags >> 4 == 15 {
        return Err(3);
    }
    if host.arrived.is_some() {
        option[3] = flags + 0x10;
        found.is_changed = true;
    }
    Ok(())
}

fn address_at(option: &[u8], pointer: usize) -> Option<Ipv4Addr> {
    let slot = option.get(pointer.checked_sub(1)?..)?.first_chunk::<4>()?;
    Some(Ipv4Addr::from_octets(*slot))
}

/// Writes four bytes that begin `back` bytes before the place that the pointer of the option at `at` names.
fn put_before_pointer(options: &mut [u8], at: Option<usize>, back: usize, bytes: [u8; 4]) {
    let Some(option) = at.and_then(|at| options.get_mut(at..)) else { return };
    let Some(begin) = option.get(2).and_then(|p| usize::from(*p).checked_sub(1 + back)) else { return };
    if let Some(slot) = option.get_mut(begin..begin + 4) {
        slot.copy_from_slice(&bytes);
    }
}

/// Fills in what the sender owes: its address and the time (milliseconds since midnight UTC). `ip_options_build`.
pub fn build(options: &mut [u8], compiled: &IpOptions, src: Ipv4Addr, time: u32) {
    if compiled.rr_needaddr {
        put_before_pointer(options, compiled.rr, 4, src.octets());
    }
    if compiled.ts_needaddr {
        put_before_pointer(options, compiled.ts, 8, src.octets());
    }
    if compiled.ts_needtime {
        put_before_pointer(options, compiled.ts, 4, time.to_be_bytes());
    }
}

/// A router's slot of the record route shows the address that it has on the way out; a timestamp keeps the address by
/// which the sender knows it. `ip_forward_options`.
pub fn forward(options: &mut [u8], compiled: &IpOptions, out: Ipv4Addr) {
    if compiled.rr_needaddr {
        put_before_pointer(options, compiled.rr, 4, out.octets());
    }
}

/// The options of an answer to a packet whose options were compiled here, for [`build`]: record route and timestamp go
/// on where they are, everything else is left out. `None`: there is no room where there should be, so there is no
/// answer. `__ip_options_echo`.
///
/// What the kernel keeps beside the packet is seen from the bytes here: a slot was taken if the pointer is not beyond
/// the end. `is_unicast`: see [`Host`].
pub fn echo(received: &[u8], is_unicast: &dyn Fn(Ipv4Addr) -> bool) -> Option<(Vec<u8>, IpOptions)> {
    let mut options = Vec::new();
    let mut answer = IpOptions::default();
    let find = |kind| Options::new(received).map_while(Result::ok).find(|o| o.kind == kind).map(|o| o.bytes);
    if let Some(option) = find(IPOPT_RR) {
        answer.rr = Some(options.len());
        options.extend_from_slice(option);
        let pointer = usize::from(*option.get(2)?);
        if pointer <= option.len() {
            (pointer + 3 <= option.len()).then_some(())?;
            answer.rr_needaddr = true;
            advance(&mut options, 4);
        }
    }
    if let Some(option) = find(IPOPT_TIMESTAMP) {
        let at = options.len();
        answer.ts = Some(at);
        options.extend_from_slice(option);
        let by = echo_timestamp(option, is_unicast, &mut answer)?;
        advance(options.get_mut(at..)?, by);
    }
    options.resize(options.len().next_multiple_of(4), IPOPT_END);
    Some((options, answer))
}

/// How far the pointer of an echoed timestamp moves. After this host's slot in a list of named hosts, Linux looks for
/// the next name in the place of the first one's time; that is kept.
fn echo_timestamp(option: &[u8], is_unicast: &dyn Fn(Ipv4Addr) -> bool, answer: &mut IpOptions) -> Option<u8> {
    let (len, pointer, sort) = (option.len(), usize::from(*option.get(2)?), option.get(3)? & 0xf);
    let own = |pointer| address_at(option, pointer).is_some_and(|addr| !is_unicast(addr));
    let mut moved = 0;
    if pointer <= len {
        let room = |moved: usize| (pointer + moved + 3 <= len).then_some(());
        match sort {
            IPOPT_TS_TSONLY | IPOPT_TS_TSANDADDR => {
                answer.ts_needtime = true;
                answer.ts_needaddr = sort == IPOPT_TS_TSANDADDR;
                moved = if answer.ts_needaddr { 8 } else { 4 };
                room(moved - 4)?;
            }
            IPOPT_TS_PRESPEC if pointer > 12 && own(pointer - 8) => {
                answer.ts_needaddr = true;
                moved = 4;
                room(moved)?;
                if pointer + moved + 7 <= len && own(pointer + moved) {
                    answer.ts_needtime = true;
                    moved += 8;
                }
            }
            _ => {}
        }
    }
    u8::try_from(moved).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SENDER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const OUT: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);

    fn other(addr: Ipv4Addr) -> bool {
        addr != HERE && addr != OUT
    }

    fn arriving(time: u32) -> Host<'static> {
        Host { arrived: Some((HERE, time)), is_unicast: &other }
    }

    const MADE_HERE: Host<'static> = Host { arrived: None, is_unicast: &other };

    fn refused(bytes: &[u8]) -> Option<u8> {
        compile(&mut bytes.to_vec(), &arriving(0)).err().map(|r| r.pointer)
    }

    #[test]
    fn the_route_is_recorded_by_sender_router_and_receiver() {
        let mut options = vec![0; 20];
        options[..4].copy_from_slice(&[IPOPT_NOOP, IPOPT_RR, 19, 4]);
        let compiled = compile(&mut options, &MADE_HERE).unwrap();
        build(&mut options, &compiled, SENDER, 0);
        assert_eq!(options[..12], [1, 7, 19, 8, 10, 0, 0, 1, 0, 0, 0, 0]);
        let mut at_router = options.clone();
        let compiled = compile(&mut at_router, &arriving(0)).unwrap();
        forward(&mut at_router, &compiled, OUT);
        assert_eq!(at_router[..12], [1, 7, 19, 12, 10, 0, 0, 1, 10, 0, 1, 2]);
        let compiled = compile(&mut options, &arriving(0)).unwrap();
        assert!(compiled.rr_needaddr);
        let (mut answer, compiled) = echo(&options, &other).unwrap();
        build(&mut answer, &compiled, HERE, 0);
        let expected = [7, 19, 16, 10, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 2, 0, 0, 0, 0, 0];
        assert_eq!(answer[..], expected, "filler is left out in front and added behind");
    }

    #[test]
    fn a_timestamp_that_is_full_counts_those_without_room() {
        let mut options = vec![IPOPT_TIMESTAMP, 12, 5, IPOPT_TS_TSANDADDR, 0, 0, 0, 0, 0, 0, 0, 0];
        compile(&mut options, &arriving(0x01020304)).unwrap();
        assert_eq!(options, [68, 12, 13, 1, 10, 0, 0, 2, 1, 2, 3, 4]);
        for n in 1..=15 {
            compile(&mut options, &arriving(9)).unwrap();
            assert_eq!(options, [68, 12, 13, 1 | n << 4, 10, 0, 0, 2, 1, 2, 3, 4]);
        }
        assert_eq!(refused(&options), Some(23));
    }

    #[test]
    fn a_named_host_answers_when_its_turn_has_come() {
        let mut options = vec![68, 20, 5, 3, 10, 0, 1, 3, 0, 0, 0, 0, 10, 0, 1, 2, 0, 0, 0, 0];
        let before = options.clone();
        assert_eq!(compile(&mut options, &arriving(7)).unwrap().ts, Some(0));
        assert_eq!(options, before, "10.0.1.3 is first");
        options[2] = 13;
        compile(&mut options, &arriving(7)).unwrap();
        assert_eq!((options[2], &options[16..]), (21, &[0, 0, 0, 7][..]));
    }

    #[test]
    fn the_pointer_of_an_error_names_the_wrong_byte() {
        assert_eq!(refused(&[7, 1, 4, 0]), Some(20), "a length below two");
        assert_eq!(refused(&[1, 7, 9, 4]), Some(21), "longer than the header");
        assert_eq!(refused(&[1, 1, 1, 7]), Some(23), "no length");
        assert_eq!(refused(&[7, 2, 0, 0]), Some(21), "no pointer");
        assert_eq!(refused(&[7, 7, 3, 0, 0, 0, 0, 0]), Some(22), "a pointer into the option's head");
        assert_eq!(refused(&[7, 7, 5, 0, 0, 0, 0, 0]), Some(22), "half a slot");
        assert_eq!(refused(&[7, 7, 8, 0, 0, 0, 0, 7, 3, 4, 0, 0]), Some(27), "twice");
        assert_eq!(refused(&[68, 3, 5, 0]), Some(21));
        assert_eq!(refused(&[68, 8, 5, 1, 0, 0, 0, 0]), Some(22), "no room for address and time");
        assert_eq!(refused(&[148, 3, 0, 0]), Some(21));
        assert_eq!(refused(&[131, 7, 4, 1, 1, 1, 1, 137, 7, 4, 1, 1, 1, 1, 0, 0]), Some(27), "two source routes");
    }

    #[test]
    fn what_hides_behind_the_end_is_wiped_out() {
        let mut options = vec![1, 0, 5, 5];
        assert!(compile(&mut options, &arriving(0)).unwrap().is_changed);
        assert_eq!(options, [1, 0, 0, 0]);
        let alert = compile(&mut [148, 4, 0, 0], &arriving(0)).unwrap();
        assert!(alert.router_alert && !alert.is_changed);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_compiled_forwarded_and_answered(
            mut bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0u8..40, Just(7), Just(68)], 0..=40),
            made_here: bool,
        ) {
            let len = bytes.len();
            let host = if made_here { MADE_HERE } else { arriving(1) };
            if let Ok(compiled) = compile(&mut bytes, &host) {
                forward(&mut bytes, &compiled, OUT);
                if let Some((mut answer, compiled)) = echo(&bytes, &other) {
                    build(&mut answer, &compiled, HERE, 2);
                    prop_assert!(answer.len() % 4 == 0 && answer.len() <= len.next_multiple_of(4));
                }
            }
            prop_assert_eq!(bytes.len(), len);
        }
    }
}
