//! Every fuzz target over its seeds and over generated inputs: random bytes, damaged seeds, words of its dictionary.

use std::path::{Path, PathBuf};

use hopwise_fuzzing::{TARGETS, Target};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};

/// How many generated inputs of each kind a target gets: seconds each in a debug build. A fuzzer tries millions.
const CASES: u32 = 48;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let mut seeds: Vec<_> = std::fs::read_dir(folder().join("seeds").join(target.name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

/// The words of a dictionary in libFuzzer's format: one quoted string per line, with `\xNN`.
fn words(target: &Target) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(folder().join("dictionaries").join(format!("{}.dict", target.name))).unwrap();
    let quoted = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    quoted.map(unescape).collect()
}

fn unescape(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut parts = word.split("\\x");
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (hex, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(hex, 16).unwrap());
        bytes.extend(rest.bytes());
    }
    bytes
}

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|t| t.name == name).unwrap()
}

/// Inputs for a target.
fn inputs(target: &Target) -> BoxedStrategy<Vec<u8>> {
    let seeds: Vec<Vec<u8>> = seeds(target).into_iter().map(|(_, bytes)| bytes).collect();
    let damaged =
        (prop::sample::select(seeds.clone()), prop::sample::select(seeds), any::<prop::sample::Index>(), any::<u8>())
            .prop_map(|(mut a, b, at, byte)| {
                let at = at.index(a.len() + 1);
                match byte & 3 {
                    // The front of one seed and the end of another one.
                    0 => {
                        a.truncate(at);
                        a.extend(b.get(at..).unwrap_or_default());
                    }
                    1 => a.truncate(at),
                    2 => a.insert(at, byte),
                    _ => {
                        if let Some(old) = a.get_mut(at) {
                            *old ^= byte;
                        }
                    }
                }
                a
            });
    let random = prop::collection::vec(any::<u8>(), 0..200);
    if target.text {
        let soup = prop::collection::vec(prop::sample::select(words(target)), 0..24);
        let soup = soup.prop_map(|words| words.join(&b' '));
        prop_oneof![3 => soup, 3 => damaged, 1 => random].boxed()
    } else {
        prop_oneof![3 => damaged, 1 => random].boxed()
    }
}

fn try_target(name: &str) {
    let target = target(name);
    for (_, seed) in seeds(target) {
        (target.run)(&seed);
    }
    let persistence = FileFailurePersistence::WithSource("regressions");
    let config = Config { cases: CASES, failure_persistence: Some(Box::new(persistence)), ..Config::default() };
    let config = Config { source_file: Some(file!()), ..config };
    let result = TestRunner::new(config).run(&inputs(target), |input| {
        (target.run)(&input);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{name}: {failure}");
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            try_target(stringify!($name));
        })*

        #[test]
        fn every_target_is_tried_and_has_a_binary() {
            let tried = [$(stringify!($name)),*];
            for target in TARGETS {
                assert!(tried.contains(&target.name), "{} is not tried", target.name);
                assert!(folder().join("fuzz_targets").join(format!("{}.rs", target.name)).is_file());
            }
        }
    };
}

targets! { bgp bird calico kube wire encap conntrack pcap_read filter printer lab_document shell ip_args batch cilium_args rules tcp messages router_with_bridge }
