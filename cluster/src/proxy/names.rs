//! Names of chains: hashes, as a chain's name has at most 28 characters.

use sha2::{Digest, Sha256, Sha512};

/// Base32 of RFC 4648, without padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::new();
    let (mut bits, mut count) = (0u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(ALPHABET[(bits >> count & 31) as usize]));
        }
    }
    if count > 0 {
        text.push(char::from(ALPHABET[(bits << (5 - count) & 31) as usize]));
    }
    text
}

/// `portProtoHash`, `servicePortEndpointChainName`: 16 characters of the hash of some words.
fn hash(words: &[&str]) -> String {
    let mut digest = Sha256::new();
    words.iter().for_each(|word| digest.update(word.as_bytes()));
    let mut text = base32(&digest.finalize());
    text.truncate(16);
    text
}

/// The chain of a Service's port: `kind` is `SVC`, `SVL`, `EXT` or `FW`; the port's name is `namespace/service:port`.
pub fn service_chain(kind: &str, name: &str, protocol: &str) -> String {
    format!("KUBE-{kind}-{}", hash(&[name, protocol]))
}

/// The chain of one of its endpoints, `10.244.1.2:80`.
pub fn endpoint_chain(name: &str, protocol: &str, endpoint: &str) -> String {
    format!("KUBE-SEP-{}", hash(&[name, protocol, endpoint]))
}

/// The chain in which the plugin `bridge` masquerades a container (`utils.FormatChainName`).
pub fn cni_chain(network: &str, container: &str) -> String {
    let digest = Sha512::digest(format!("{network}{container}").as_bytes());
    let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("CNI-{}", &text[..24])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that every cluster's `iptables-save` shows for the API server's Service and for DNS.
    #[test]
    fn the_names_of_real_clusters() {
        assert_eq!(service_chain("SVC", "default/kubernetes:https", "tcp"), "KUBE-SVC-NPX46M4PTMTKRN6Y");
        assert_eq!(service_chain("SVC", "kube-system/kube-dns:dns", "udp"), "KUBE-SVC-TCOU7JCQXEZGVUNU");
        assert_eq!(service_chain("SVC", "kube-system/kube-dns:dns-tcp", "tcp"), "KUBE-SVC-ERIFXISQEP7F7OF4");
        assert_eq!(service_chain("SVC", "kube-system/kube-dns:metrics", "tcp"), "KUBE-SVC-JD5MR3NA4I4DYORP");
    }
}
