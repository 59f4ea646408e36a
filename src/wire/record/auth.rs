//! Who a command is sent for (command-api §2.4).

use bytes::Bytes;

use super::define::record;
use super::{Record, Symbol};

record! {
    /// Authorization data of a command.
    pub struct AuthInfo {
        format: Symbol = "format" or Symbol::Borrowed("UNKNOWN");
        auth_data: String = "authData" or String::new();
    }
}

impl AuthInfo {
    /// "Default tenant only": what REST job activation and the gateway's own commands carry.
    #[must_use]
    pub fn unknown() -> Bytes {
        Self::default().to_bytes()
    }
}
