//! What both servers share: deadlines and further tries, TLS, passwords, slips in URLs, and every bound on what a
//! server can make us keep.

mod deadlines;
pub mod file;
pub mod limits;
mod password;
pub mod tls;
mod url;

pub use deadlines::{Attempts, Deadlines, retrying};
pub use password::Password;
pub use url::check_url;
