//! The laws of the Border Gateway Protocol, over generated messages, routes and networks.

mod codec;
mod decision;
mod export;
mod outbox;
mod replay;
mod routes;
mod tables;
