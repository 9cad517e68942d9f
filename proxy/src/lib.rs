//! The data plane: takes calls, decides them, forwards what it may, records everything.
//!
//! Workers (one thread each) carry traffic; files, the admin address and the link to the control plane run on the
//! caller's runtime. [`gate`] is the way of one request, top to bottom.

mod admin;
mod admission;
mod approvals;
mod audit;
mod authorization;
mod batch;
mod body;
mod caller;
mod candidate;
mod causes;
mod clock;
mod connection;
mod cors;
mod definitions;
mod discovery;
mod entropy;
mod events;
mod exchange;
mod fetch;
mod files;
mod forward;
mod gate;
mod header;
mod hold;
mod host;
mod http_sse;
mod listen;
mod listings;
mod metrics;
mod open_files;
mod policy_age;
mod protected;
mod rates;
mod recognise;
mod refusal;
mod relay;
mod respond;
mod running;
mod spiffe;
mod stamp;
mod state;
mod sync;
mod tls;
mod transparent;
mod upstream;
mod websocket;
mod worker;

pub use refusal::{RefusalRow, refusals};
pub use running::{Running, StartError, start};
pub use sync::policy_keys;
pub use watched_files::FileError;
