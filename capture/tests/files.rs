//! Capture files: what is written is read again, damage is told in tcpdump's words.

use hopwise_capture::file::{Error, PcapWriter, PcapngWriter, Precision, read};
use hopwise_capture::{Frame, LinkType};

fn two_packets() -> Vec<u8> {
    let mut pcap = PcapWriter::new(LinkType::ETHERNET);
    pcap.append(1_700_000_000_123_456_789, 60, &[1; 20]);
    pcap.append(1_700_000_001_000_000_000, 5, &[2; 5]);
    pcap.into_bytes()
}

#[test]
fn the_bytes_of_a_pcap() {
    let bytes = two_packets();
    let header = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    assert_eq!(bytes[..24], header);
    assert_eq!(bytes[24..40], [0x00, 0xf1, 0x53, 0x65, 0x40, 0xe2, 1, 0, 20, 0, 0, 0, 60, 0, 0, 0]);
    assert_eq!(bytes.len(), 24 + 16 + 20 + 16 + 5);
}

#[test]
fn a_pcap_is_read_again() {
    let capture = read(&two_packets()).unwrap();
    assert_eq!((capture.link_type(), capture.precision, capture.tail), (LinkType::ETHERNET, Precision::Micro, None));
    let frames: Vec<Frame> = capture.packets.into_iter().map(|packet| packet.frame).collect();
    assert_eq!(frames[0], Frame { time_ns: 1_700_000_000_123_456_000, orig_len: 60, data: vec![1; 20] });
    assert_eq!(frames[1], Frame::new(1_700_000_001_000_000_000, vec![2; 5]));
}

#[test]
fn nanoseconds_and_snapshot_lengths() {
    let mut pcap = PcapWriter::with(LinkType::RAW, Precision::Nano, 4);
    pcap.append(1_000_000_007, 9, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let capture = read(pcap.bytes()).unwrap();
    assert_eq!(capture.precision, Precision::Nano);
    assert_eq!(capture.packets[0].frame, Frame { time_ns: 1_000_000_007, orig_len: 9, data: vec![1, 2, 3, 4] });
}

#[test]
fn big_endian_files_are_read() {
    let mut bytes = Vec::new();
    bytes.extend(0xa1b2_c3d4_u32.to_be_bytes());
    bytes.extend([0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 1]);
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 9, 7, 8, 9]);
    let capture = read(&bytes).unwrap();
    assert_eq!(capture.packets[0].frame, Frame { time_ns: 1_000_002_000, orig_len: 9, data: vec![7, 8, 9] });
}

#[test]
fn damage_is_told_as_tcpdump_tells_it() {
    let bytes = two_packets();
    let tail = |len: usize| read(&bytes[..len]).map(|capture| (capture.packets.len(), capture.tail));
    assert_eq!(
        read(b"").unwrap_err().to_string(),
        "truncated dump file; tried to read 4 file header bytes, only got 0"
    );
    assert_eq!(
        read(&bytes[..6]).unwrap_err().to_string(),
        "truncated dump file; tried to read 24 file header bytes, only got 2"
    );
    assert_eq!(read(b"garbagegarbagegarbagegarbage").unwrap_err(), Error::UnknownFormat);
    assert_eq!(tail(24).unwrap(), (0, None));
    let (count, error) = tail(32).unwrap();
    assert_eq!(count, 0);
    assert_eq!(error.unwrap().to_string(), "truncated dump file; tried to read 16 header bytes, only got 8");
    let (count, error) = tail(bytes.len() - 2).unwrap();
    assert_eq!(count, 1);
    assert_eq!(error.unwrap().to_string(), "truncated dump file; tried to read 5 captured bytes, only got 3");
}

#[test]
fn a_pcapng_keeps_names_comments_and_nanoseconds() {
    let mut file = PcapngWriter::new();
    let first = file.interface("host1:eth0", LinkType::ETHERNET);
    let second = file.interface("host1/ns1:tun0", LinkType::RAW);
    file.append(first, 1, 14, &[1; 14], None);
    file.append(second, 1_700_000_000_123_456_789, 99, &[2; 3], Some("packet 2: dropped, NO_SOCKET"));
    let bytes = file.into_bytes();
    let capture = read(&bytes).unwrap();
    let names: Vec<Option<&str>> = capture.interfaces.iter().map(|interface| interface.name.as_deref()).collect();
    assert_eq!(names, [Some("host1:eth0"), Some("host1/ns1:tun0")]);
    assert_eq!(capture.interfaces[1].link_type, LinkType::RAW);
    assert_eq!(capture.packets[0].frame, Frame::new(1, vec![1; 14]));
    assert_eq!(capture.packets[1].interface, 1);
    assert_eq!(capture.packets[1].comment.as_deref(), Some("packet 2: dropped, NO_SOCKET"));
    assert_eq!(capture.packets[1].frame, Frame { time_ns: 1_700_000_000_123_456_789, orig_len: 99, data: vec![2; 3] });

    let cut = read(&bytes[..bytes.len() - 3]).unwrap();
    assert_eq!(cut.packets.len(), 1);
    let (wanted, got) = match cut.tail.unwrap() {
        Error::TruncatedBlock { wanted, got } => (wanted, got),
        other => panic!("{other}"),
    };
    assert_eq!(wanted - got, 3);
    assert_eq!(
        read(&bytes[..20]).unwrap_err().to_string(),
        "truncated pcapng dump file; tried to read 16 bytes, only got 8"
    );
}
