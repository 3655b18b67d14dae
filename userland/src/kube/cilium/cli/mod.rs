//! The command `cilium` of Cilium 1.11, which asks the agent of its machine.
