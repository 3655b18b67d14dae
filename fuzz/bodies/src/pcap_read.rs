//! Capture files of any content.

use hopwise_capture::file::{PcapWriter, PcapngWriter, read};

/// Reads `data` as a capture; what could be read is written and read again.
pub fn run(data: &[u8]) {
    let Ok(capture) = read(data) else { return };
    let mut pcap = PcapWriter::new(capture.link_type());
    let mut pcapng = PcapngWriter::new();
    let interface = pcapng.interface("eth0", capture.link_type());
    for frame in capture.frames() {
        pcap.append(frame.time_ns, frame.orig_len, &frame.data);
        pcapng.append(interface, frame.time_ns, frame.orig_len, &frame.data, Some("again"));
    }
    for bytes in [pcap.into_bytes(), pcapng.into_bytes()] {
        let again = read(&bytes).unwrap_or_else(|error| panic!("what was written cannot be read: {error}"));
        // Stamps before 1970 and after 2106 do not fit; bytes always do, up to the largest snapshot length.
        let kept = again.frames().zip(capture.frames()).all(|(a, b)| b.data.starts_with(&a.data));
        assert!(kept, "the frames changed on their way through a file");
        assert_eq!(again.packets.len(), capture.packets.len(), "a frame was lost: {:?}", again.tail);
    }
}
