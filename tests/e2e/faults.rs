//! What the control plane's store loses when something goes wrong: nothing that was answered.

mod backup;
mod disk;
mod killed;
mod opening;
mod outage;
mod plane;
mod two;
mod writer;
