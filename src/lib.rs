//! Linux networking inside one process.
