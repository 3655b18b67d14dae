//! Time, random streams, packet buffers, the agenda, drop reasons and journey records of hopwise
