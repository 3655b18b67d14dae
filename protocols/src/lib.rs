//! Wire formats and protocol state machines of hopwise; knows no device
