//! The disciplines that exist: one line each. From here come the support table and the names that `tc` knows.

/// What there is to know about one discipline.
#[derive(Debug)]
pub struct QdiscOps {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one line of the support table.
    pub summary: &'static str,
}

/// All disciplines.
pub static DISCIPLINES: &[QdiscOps] = &[
    QdiscOps { name: "netem", summary: "delay, loss, duplication, corruption, reordering, rate" },
    QdiscOps { name: "tbf", summary: "a token bucket: rate and burst" },
    QdiscOps { name: "pfifo", summary: "a queue of so many packets" },
    QdiscOps { name: "bfifo", summary: "a queue of so many bytes" },
    QdiscOps { name: "pfifo_fast", summary: "three bands by priority, the kernel's default" },
    QdiscOps { name: "fq_codel", summary: "a queue for each flow, each controlled by CoDel" },
    QdiscOps { name: "noqueue", summary: "no queue at all" },
    QdiscOps { name: "mq", summary: "a discipline for each of the link's queues" },
    QdiscOps { name: "prio", summary: "bands by priority with disciplines inside" },
];
