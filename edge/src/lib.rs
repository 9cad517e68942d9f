//! Where clients connect, the same for every program that listens: places for connections, and a stream that lets only
//! well-formed requests through, one at a time, and only within their time.

mod framing;
mod keyed_count;
mod limits;
mod open_files;
mod places;

pub use framing::{Answer, Answering, Progress, Watched, refused_by};
pub use keyed_count::{KeyCounted, KeyedCount};
pub use limits::Limits;
pub use open_files::raise_limit_of_open_files;
pub use places::{Full, Place, Places, network};
