//! A simulated machine of hopwise: its file tree, processes, pipes, bash and the everyday text programs; knows no network
