//! Proxies that follow a control plane, and all that can go wrong on the way: real ones of both, with calls going on.

mod change;
mod disk;
mod documents;
mod hangs;
mod join;
mod killed;
mod restart;
mod revoked;
mod setup;
mod two;
