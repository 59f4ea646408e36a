//! Which tenant a request is for (rest-v2 §4).

use actix_web::http::StatusCode;
use bytes::Bytes;

use super::problem::Problem;
use crate::model::DEFAULT_TENANT;
use crate::wire::record::AuthInfo;

const TENANT_LENGTH_MAX: usize = 31;

/// The rules of this gateway and the rights of the caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tenancy {
    /// Whether tenants other than the default one exist.
    pub(super) enabled: bool,
}

impl Tenancy {
    /// The tenant to use for `given`; `request` is the command's name in messages.
    pub(super) fn tenant(self, request: &str, given: Option<&str>) -> Result<String, Problem> {
        let shown = given.unwrap_or("null");
        let expected = format!("Expected to handle request {request} with tenant identifier");
        let given = given.filter(|tenant| !tenant.trim().is_empty());
        if !self.enabled {
            return match given {
                None | Some(DEFAULT_TENANT) => Ok(DEFAULT_TENANT.to_owned()),
                Some(_) => Err(Problem::invalid(format!(
                    "{expected} '{shown}', but multi-tenancy is disabled"
                ))),
            };
        }
        let Some(tenant) = given else {
            let why = "no tenant identifier was provided";
            return Err(Problem::invalid(format!("{expected} '{shown}', but {why}.")));
        };
        if tenant.chars().count() > TENANT_LENGTH_MAX {
            let why = "tenant identifier is longer than 31 characters";
            return Err(Problem::invalid(format!("{expected} '{shown}', but {why}.")));
        }
        if tenant == DEFAULT_TENANT {
            return Ok(tenant.to_owned());
        }
        if !tenant.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
            let why = "tenant identifier contains illegal characters";
            return Err(Problem::invalid(format!("{expected} '{shown}', but {why}.")));
        }
        // Without authentication every caller has the default tenant only.
        let why = "tenant is not authorized to perform this request";
        let detail = format!("{expected} '{shown}', but {why}");
        Err(Problem::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", detail))
    }

    /// What commands carry as authorization.
    pub(super) fn authorization(self) -> Bytes {
        AuthInfo::default_tenant()
    }
}
