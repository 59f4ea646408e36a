//! Which tenant a request is for (rest-v2 §4).

use std::sync::Arc;

use actix_web::http::StatusCode;
use bytes::Bytes;

use super::problem::Problem;
use crate::auth::Identity;
use crate::model::DEFAULT_TENANT;
use crate::wire::record::AuthInfo;

const TENANT_LENGTH_MAX: usize = 31;

/// The rules of this gateway and the rights of the caller.
#[derive(Clone, Debug)]
pub(super) struct Tenancy {
    /// Whether tenants other than the default one exist.
    enabled: bool,
    /// The caller's tenants; nobody was asked for them where there is no authentication, and every
    /// caller has the default tenant only.
    granted: Option<Arc<[String]>>,
    /// The caller's name, where it is known.
    name: Option<Arc<str>>,
}

impl Tenancy {
    /// The rules with or without multi-tenancy, for a caller nobody authenticated.
    pub(super) fn anonymous(enabled: bool) -> Self {
        Self { enabled, granted: None, name: None }
    }

    /// The rules for a caller whose token was verified.
    pub(super) fn of(identity: Identity, enabled: bool) -> Self {
        Self { enabled, granted: identity.tenants, name: identity.name }
    }

    /// The caller's name, where it is known.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The tenants the caller may use.
    pub(super) fn tenants(&self) -> impl Iterator<Item = &str> {
        let granted = self.granted.as_deref().unwrap_or_default();
        let default = self.granted.is_none().then_some(DEFAULT_TENANT);
        granted.iter().map(String::as_str).chain(default)
    }

    /// The tenant to use for `given`; `request` is the command's name in messages.
    pub(super) fn tenant(&self, request: &str, given: Option<&str>) -> Result<String, Problem> {
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
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if tenant != DEFAULT_TENANT && !tenant.bytes().all(legal) {
            let why = "tenant identifier contains illegal characters";
            return Err(Problem::invalid(format!("{expected} '{shown}', but {why}.")));
        }
        if self.has(tenant) {
            return Ok(tenant.to_owned());
        }
        let why = "tenant is not authorized to perform this request";
        let detail = format!("{expected} '{shown}', but {why}");
        Err(Problem::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", detail))
    }

    /// Checks the tenants of a poll for jobs, and gives what it carries as authorization. Brokers take
    /// an empty list for the default tenant, so it needs the right to that one.
    pub(super) fn activation(&self, tenants: &[String]) -> Result<Bytes, Problem> {
        if !self.enabled {
            return Ok(AuthInfo::unknown());
        }
        if tenants.is_empty() {
            self.tenant("Activate Jobs", Some(DEFAULT_TENANT))?;
        }
        for tenant in tenants {
            self.tenant("Activate Jobs", Some(tenant))?;
        }
        Ok(self.granted.as_ref().map_or_else(AuthInfo::unknown, |_| self.authorization()))
    }

    fn has(&self, tenant: &str) -> bool {
        self.tenants().any(|one| one == tenant)
    }

    /// What commands carry as authorization.
    pub(super) fn authorization(&self) -> Bytes {
        match &self.granted {
            Some(granted) if self.enabled => AuthInfo::for_tenants(granted),
            _ => AuthInfo::default_tenant(),
        }
    }
}
