//! The labs of this repository can be read to their end, and say nothing that has no effect.

use std::path::PathBuf;

use hopwise_scenarios::document::Form;
use hopwise_scenarios::run::{discover, load};

#[test]
fn every_lab_is_readable() {
    let folder = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/labs"))];
    let labs = load(&discover(&folder, None).unwrap(), &folder).unwrap();
    assert!(!labs.is_empty());
    for lab in labs {
        let complaints: Vec<String> =
            lab.error.iter().chain(&lab.notes).map(|d| d.render(&lab.path, &lab.source, false)).collect();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
        let file = lab.path.rsplit('/').next().unwrap_or("");
        let stem = Form::of(file).map_or(file, |(_, stem)| stem);
        assert_eq!(lab.name, stem, "a lab is called as its file is");
        assert!(!lab.steps.is_empty());
    }
}
