//! A network namespace of hopwise: the packet path, the control operations, sockets
