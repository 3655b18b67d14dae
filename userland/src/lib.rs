//! The network programs of hopwise: ip, bridge, ping, tcpdump, sysctl and their kin
