//! Who makes a call: nothing else is done with it before that is known (gateway-behaviour §6).

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tonic::Status;

use super::caller::Caller;
use crate::auth::Authenticator;

/// Turns the headers of a call into its caller.
#[derive(Clone, Debug)]
pub struct Guard {
    authenticator: Authenticator,
    multi_tenancy: bool,
}

impl Guard {
    /// A guard for a gateway with or without tenants.
    #[must_use]
    pub fn new(authenticator: Authenticator, multi_tenancy: bool) -> Self {
        Self { authenticator, multi_tenancy }
    }

    /// The caller of a call with these headers.
    ///
    /// # Errors
    /// UNAUTHENTICATED, without details.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Status> {
        // Of several values the JVM gateway takes the last.
        let value = headers.get_all(AUTHORIZATION).iter().next_back();
        match self.authenticator.authenticate(value.map(http::HeaderValue::as_bytes)).await {
            Ok(identity) => {
                let tenants = identity.tenants.map(|tenants| tenants.to_vec());
                Ok(Arc::new(Caller::new(self.multi_tenancy, tenants)))
            }
            Err(refusal) => {
                log::debug!("event=grpc_unauthenticated cause=\"{refusal}\"");
                Err(Status::unauthenticated(refusal.grpc_message()))
            }
        }
    }
}
