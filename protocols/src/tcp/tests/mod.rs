//! Dialogues of segments, and the law of the machine.

mod dialogue;
mod wire;
