//! Captures of hopwise: pcap and pcapng files, the pcap-filter language, packets as tcpdump prints them
