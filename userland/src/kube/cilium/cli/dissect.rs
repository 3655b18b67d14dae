//! Packets as `cilium monitor` prints them: each layer in the words of gopacket's `LayerString`, or on one line.

use core::fmt::Write;

use hopwise_protocols::wire::ethernet::{self, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6};
use hopwise_protocols::wire::ipv4::{self, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP};
use hopwise_protocols::wire::split;

/// `GetConnectionSummary`.
pub(super) fn summary(data: &[u8]) -> String {
    let Ok((eth, rest)) = ethernet::parse(data) else { return "[unknown]".to_owned() };
    let ip = (eth.ethertype.get() == ETH_P_IP).then(|| split::<ipv4::Header>(rest).ok()).flatten();
    let Some((ip, _)) = ip else {
        return format!("{} -> {} {}", eth.src, eth.dst, ether_type(eth.ethertype.get()));
    };
    let (src, dst) = (ip.src(), ip.dst());
    let l4 = rest.get(ip.header_len()..).unwrap_or_default();
    let word = |at: usize| l4.get(at..at + 2).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]));
    match ip.protocol {
        IPPROTO_ICMP if l4.len() >= 8 => format!("{src} -> {dst} {}", icmp_type(l4[0], l4[1])),
        IPPROTO_TCP if l4.len() >= 20 => {
            let names = [(0x02, "SYN"), (0x10, "ACK"), (0x04, "RST"), (0x01, "FIN")];
            let flags: Vec<&str> = names.iter().filter(|(bit, _)| l4[13] & bit != 0).map(|(_, name)| *name).collect();
            format!("{src}:{} -> {dst}:{} tcp {}", word(0), word(2), flags.join(", "))
        }
        IPPROTO_UDP if l4.len() >= 8 => format!("{src}:{} -> {dst}:{} udp", word(0), word(2)),
        _ => format!("{src} -> {dst}"),
    }
}

/// All layers, one per line, and why it stops (`Dissect`).
pub(super) fn layers(data: &[u8]) -> String {
    let mut text = String::new();
    let Ok((eth, rest)) = ethernet::parse(data) else { return text };
    let kind = eth.ethertype.get();
    let _ = writeln!(
        text,
        "Ethernet {{Contents={} Payload={} SrcMAC={} DstMAC={} EthernetType={} Length=0}}",
        bytes(14),
        bytes(rest.len()),
        eth.src,
        eth.dst,
        ether_type(kind)
    );
    if kind != ETH_P_IP {
        stops(&mut text, &ether_type(kind));
        return text;
    }
    let Ok((ip, _)) = split::<ipv4::Header>(rest) else { return text };
    let (header, length) = (ip.header_len(), usize::from(ip.total_len.get()));
    let end = length.clamp(header.min(rest.len()), rest.len());
    let payload = rest.get(header..end).unwrap_or_default();
    let _ = writeln!(
        text,
        "IPv4 {{Contents={} Payload={} Version=4 IHL={} TOS={} Length={length} Id={} Flags={} FragOffset={} TTL={} \
         Protocol={} Checksum={} SrcIP={} DstIP={} Options=[] Padding=[]}}",
        bytes(header),
        bytes(payload.len()),
        header / 4,
        ip.tos,
        ip.id.get(),
        match (ip.dont_fragment(), ip.more_fragments()) {
            (true, false) => "DF",
            (false, true) => "MF",
            (true, true) => "DF|MF",
            (false, false) => "",
        },
        ip.fragment_offset() / 8,
        ip.ttl,
        ip_protocol(ip.protocol),
        ip.check.get(),
        ip.src(),
        ip.dst()
    );
    if ip.fragment_offset() > 0 {
        stops(&mut text, "Fragment");
        return text;
    }
    match ip.protocol {
        IPPROTO_ICMP => icmp(&mut text, payload),
        IPPROTO_TCP => tcp(&mut text, payload),
        IPPROTO_UDP => udp(&mut text, payload),
        other => stops(&mut text, &ip_protocol(other)),
    }
    if length > rest.len() {
        text.push_str("  Packet has been truncated\n");
    }
    text
}

/// A slice of bytes: what they are if they are few, else how many.
fn bytes(count: usize) -> String {
    if count == 0 { "[]".to_owned() } else { format!("[..{count}..]") }
}

fn stops(text: &mut String, at: &str) {
    let _ = writeln!(text, "  Failed to decode layer: No decoder for layer type {at}");
}

/// What follows the last layer that is known.
fn after(text: &mut String, payload: &[u8]) {
    if !payload.is_empty() {
        stops(text, "Payload");
    }
}

fn word(data: &[u8], at: usize) -> u16 {
    data.get(at..at + 2).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]))
}

fn long(data: &[u8], at: usize) -> u32 {
    u32::from(word(data, at)) << 16 | u32::from(word(data, at + 2))
}

fn icmp(text: &mut String, data: &[u8]) {
    let Some((header, rest)) = data.split_first_chunk::<8>() else { return };
    let _ = writeln!(
        text,
        "ICMPv4 {{Contents={} Payload={} TypeCode={} Checksum={} Id={} Seq={}}}",
        bytes(8),
        bytes(rest.len()),
        icmp_type(header[0], header[1]),
        word(data, 2),
        word(data, 4),
        word(data, 6)
    );
    after(text, rest);
}

fn udp(text: &mut String, data: &[u8]) {
    let Some((_, rest)) = data.split_first_chunk::<8>() else { return };
    let (source, destination) = (word(data, 0), word(data, 2));
    let _ = writeln!(
        text,
        "UDP {{Contents={} Payload={} SrcPort={} DstPort={} Length={} Checksum={}}}",
        bytes(8),
        bytes(rest.len()),
        port(source, UDP_PORTS),
        port(destination, UDP_PORTS),
        word(data, 4),
        word(data, 6)
    );
    if rest.is_empty() {
        return;
    }
    let dns = [source, destination].contains(&53);
    stops(text, if dns { "DNS" } else { "Payload" });
}

fn tcp(text: &mut String, data: &[u8]) {
    let offset = data.get(12).map_or(0, |byte| usize::from(byte >> 4));
    let (Some(options), Some(rest)) = (data.get(20..offset * 4), data.get(offset * 4..)) else { return };
    let flags = word(data, 12);
    let _ = write!(
        text,
        "TCP {{Contents={} Payload={} SrcPort={} DstPort={} Seq={} Ack={} DataOffset={offset}",
        bytes(offset * 4),
        bytes(rest.len()),
        port(word(data, 0), TCP_PORTS),
        port(word(data, 2), TCP_PORTS),
        long(data, 4),
        long(data, 8)
    );
    let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS"];
    for (bit, name) in names.iter().enumerate() {
        let _ = write!(text, " {name}={}", flags >> bit & 1 == 1);
    }
    let _ = writeln!(
        text,
        " Window={} Checksum={} Urgent={} Options={} Padding=[]}}",
        word(data, 14),
        word(data, 16),
        word(data, 18),
        tcp_options(options)
    );
    after(text, rest);
}

/// The options one by one, or how many if they are more than four.
fn tcp_options(mut data: &[u8]) -> String {
    let mut all = Vec::new();
    while let Some((&kind, rest)) = data.split_first() {
        if kind <= 1 {
            all.push(format!("TCPOption({}:)", if kind == 0 { "EndList" } else { "NOP" }));
            data = if kind == 0 { &[] } else { rest };
            continue;
        }
        let Some((&len, _)) = rest.split_first() else { break };
        let Some(value) = data.get(2..usize::from(len)).filter(|_| len >= 2) else { break };
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let hex = if hex.is_empty() { hex } else { format!(" 0x{hex}") };
        all.push(match (kind, value.len()) {
            (2, 2) => format!("TCPOption(MSS:{}{hex})", word(value, 0)),
            (3, _) => format!("TCPOption(WindowScale:{hex})"),
            (4, _) => format!("TCPOption(SACKPermitted:{hex})"),
            (5, _) => format!("TCPOption(SACK:{hex})"),
            (8, 8) => format!("TCPOption(Timestamps:{}/{}{hex})", long(value, 0), long(value, 4)),
            _ => format!("TCPOption(Unknown({kind}):{hex})"),
        });
        data = &data[usize::from(len)..];
    }
    if all.len() > 4 { format!("[..{}..]", all.len()) } else { format!("[{}]", all.join(", ")) }
}

const TCP_PORTS: &[(u16, &str)] = &[
    (20, "ftp-data"),
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (53, "domain"),
    (80, "http"),
    (179, "bgp"),
    (443, "https"),
    (8080, "http-alt"),
];
const UDP_PORTS: &[(u16, &str)] = &[(53, "domain"), (67, "bootps"), (68, "bootpc"), (123, "ntp"), (4789, "vxlan")];

fn port(number: u16, names: &[(u16, &str)]) -> String {
    match names.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => format!("{number}({name})"),
        None => number.to_string(),
    }
}

fn ether_type(kind: u16) -> String {
    match kind {
        ETH_P_IP => "IPv4".to_owned(),
        ETH_P_ARP => "ARP".to_owned(),
        ETH_P_IPV6 => "IPv6".to_owned(),
        other => format!("UnknownEthernetType({other:#x})"),
    }
}

fn ip_protocol(number: u8) -> String {
    match number {
        IPPROTO_ICMP => "ICMPv4".to_owned(),
        IPPROTO_TCP => "TCP".to_owned(),
        IPPROTO_UDP => "UDP".to_owned(),
        4 => "IPv4".to_owned(),
        47 => "GRE".to_owned(),
        132 => "SCTP".to_owned(),
        other => format!("UnknownIPProtocol({other})"),
    }
}

/// `ICMPv4TypeCode`.
fn icmp_type(kind: u8, code: u8) -> String {
    let named = match kind {
        0 => "EchoReply",
        3 => "DestinationUnreachable",
        5 => "Redirect",
        8 => "EchoRequest",
        11 => "TimeExceeded",
        12 => "ParameterProblem",
        13 => "TimestampRequest",
        14 => "TimestampReply",
        _ => return format!("{kind}({code})"),
    };
    let code = match (kind, code) {
        (3, 0) => "Net",
        (3, 1) => "Host",
        (3, 2) => "Protocol",
        (3, 3) => "Port",
        (3, 4) => "FragmentationNeeded",
        (3, 13) => "CommAdminProhibited",
        (5, 0) => "Network",
        (5, 1) => "Host",
        (11, 0) => "TTLExceeded",
        (11, 1) => "FragmentReassemblyTimeExceeded",
        (_, 0) => return named.to_owned(),
        (_, other) => return format!("{named}(Code: {other})"),
    };
    format!("{named}({code})")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame between the hosts of the document, with this protocol and what follows the IPv4 header.
    fn frame(protocol: u8, l4: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x42, 0xef, 0xf8, 0x7a, 0x9e, 0xf7, 0xca, 0x0e, 0xfa, 0x6c, 0x0f, 0x30, 8, 0];
        let length = (20 + l4.len()) as u16;
        bytes.extend([0x45, 0]);
        bytes.extend(length.to_be_bytes());
        bytes.extend([0xb2, 0x94, 0x40, 0, 62, protocol, 0x74, 0x44, 10, 0, 0, 85, 10, 0, 1, 124]);
        bytes.extend(l4);
        bytes
    }

    /// The packet that the document prints, with the two bytes that its sample is padded with.
    #[test]
    fn the_echo_request_of_the_document() {
        let mut echo = vec![8, 0, 0x51, 0x7d, 0x0c, 0, 0, 0];
        echo.extend([0; 56]);
        let mut bytes = frame(1, &echo);
        assert_eq!(summary(&bytes), "10.0.0.85 -> 10.0.1.124 EchoRequest");
        bytes.extend([0; 2]);
        assert_eq!(
            layers(&bytes),
            "Ethernet {Contents=[..14..] Payload=[..86..] SrcMAC=ca:0e:fa:6c:0f:30 DstMAC=42:ef:f8:7a:9e:f7 EthernetType=IPv4 Length=0}\n\
             IPv4 {Contents=[..20..] Payload=[..64..] Version=4 IHL=5 TOS=0 Length=84 Id=45716 Flags=DF FragOffset=0 TTL=62 \
             Protocol=ICMPv4 Checksum=29764 SrcIP=10.0.0.85 DstIP=10.0.1.124 Options=[] Padding=[]}\n\
             ICMPv4 {Contents=[..8..] Payload=[..56..] TypeCode=EchoRequest Checksum=20861 Id=3072 Seq=0}\n  \
             Failed to decode layer: No decoder for layer type Payload\n"
        );
    }

    #[test]
    fn segments_and_datagrams() {
        let mut syn = vec![0x9c, 0x40, 0, 80, 0, 0, 0, 7, 0, 0, 0, 0, 0x60, 2, 0xfa, 0xf0, 0x12, 0x34, 0, 0];
        syn.extend([2, 4, 5, 0xb4]);
        let bytes = frame(6, &syn);
        assert_eq!(summary(&bytes), "10.0.0.85:40000 -> 10.0.1.124:80 tcp SYN");
        let text = layers(&bytes);
        assert_eq!(
            text.lines().last(),
            Some(
                "TCP {Contents=[..24..] Payload=[] SrcPort=40000 DstPort=80(http) Seq=7 Ack=0 DataOffset=6 FIN=false SYN=true \
                 RST=false PSH=false ACK=false URG=false ECE=false CWR=false NS=false Window=64240 Checksum=4660 Urgent=0 \
                 Options=[TCPOption(MSS:1460 0x05b4)] Padding=[]}"
            )
        );
        let bytes = frame(17, &[0x9c, 0x40, 0, 53, 0, 9, 0, 0, 1]);
        assert_eq!(summary(&bytes), "10.0.0.85:40000 -> 10.0.1.124:53 udp");
        assert!(layers(&bytes).ends_with("Failed to decode layer: No decoder for layer type DNS\n"));
    }

    #[test]
    fn broken_frames_do_no_harm() {
        let mut syn = vec![0; 20];
        syn[12] = 0xf0;
        let whole = frame(6, &syn);
        for len in 0..whole.len() {
            layers(&whole[..len]);
            summary(&whole[..len]);
        }
    }
}
