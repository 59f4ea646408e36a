//! Who a call is made for: the tenants it may name and the authorization its commands carry
//! (gateway-behaviour §6, command-api §2.4, §2.6).

use bytes::Bytes;

use crate::error::GatewayError;
use crate::model::DEFAULT_TENANT;
use crate::wire::record::AuthInfo;

/// Longest tenant identifier, in characters.
const MAX_TENANT_LENGTH: usize = 31;

/// The identity behind a connection or call. Cheap to share behind an `Arc`.
#[derive(Clone, Debug)]
pub struct Caller {
    multi_tenancy: bool,
    tenants: Option<Vec<String>>,
    authorization: Bytes,
}

impl Caller {
    /// A caller nobody authenticated.
    #[must_use]
    pub fn anonymous(multi_tenancy: bool) -> Self {
        Self::new(multi_tenancy, None)
    }

    /// A caller whose tenants an identity provider named; without multi-tenancy they are ignored.
    #[must_use]
    pub fn new(multi_tenancy: bool, tenants: Option<Vec<String>>) -> Self {
        let authorization = if multi_tenancy {
            AuthInfo::for_tenants(tenants.as_deref().unwrap_or_default())
        } else {
            AuthInfo::default_tenant()
        };
        Self { multi_tenancy, tenants, authorization }
    }

    /// The MsgPack AuthInfo of this caller's commands.
    #[must_use]
    pub fn authorization(&self) -> Bytes {
        self.authorization.clone()
    }

    /// The tenant a request is made for.
    ///
    /// # Errors
    /// [`GatewayError::InvalidArgument`] or [`GatewayError::TenantNotAuthorized`].
    pub fn tenant(&self, rpc: &str, tenant: String) -> Result<String, GatewayError> {
        if !self.multi_tenancy {
            if is_blank(&tenant) || tenant == DEFAULT_TENANT {
                return Ok(DEFAULT_TENANT.to_owned());
            }
            return Err(refused(rpc, &tenant, "multi-tenancy is disabled"));
        }
        self.check(rpc, &tenant)?;
        Ok(tenant)
    }

    /// The tenants a request takes jobs from; they are sent as given.
    ///
    /// # Errors
    /// As [`Caller::tenant`], for the first tenant that offends.
    pub fn tenants(&self, rpc: &str, tenants: Vec<String>) -> Result<Vec<String>, GatewayError> {
        if tenants.is_empty() {
            if !self.multi_tenancy {
                return Ok(vec![DEFAULT_TENANT.to_owned()]);
            }
            return Err(GatewayError::InvalidArgument(format!(
                "Expected to handle gRPC request {rpc} with tenant identifiers '[]', but no \
                 tenant identifiers were provided."
            )));
        }
        for tenant in &tenants {
            if self.multi_tenancy {
                self.check(rpc, tenant)?;
            } else {
                self.tenant(rpc, tenant.clone())?;
            }
        }
        Ok(tenants)
    }

    /// The checks with multi-tenancy on, in the order their answers are recorded.
    fn check(&self, rpc: &str, tenant: &str) -> Result<(), GatewayError> {
        if is_blank(tenant) {
            return Err(refused(rpc, tenant, "no tenant identifier was provided."));
        }
        if tenant.chars().count() > MAX_TENANT_LENGTH {
            return Err(refused(rpc, tenant, "tenant identifier is longer than 31 characters"));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if tenant != DEFAULT_TENANT && !tenant.chars().all(legal) {
            return Err(refused(rpc, tenant, "tenant identifier contains illegal characters"));
        }
        let Some(granted) = &self.tenants else {
            let why = "tenant could not be retrieved from the request context";
            return Err(refused(rpc, tenant, why));
        };
        if !granted.iter().any(|one| one == tenant) {
            let why = "tenant is not authorized to perform this request";
            return Err(GatewayError::TenantNotAuthorized(refusal(rpc, tenant, why)));
        }
        Ok(())
    }
}

/// Blank as Java's `String.isBlank`: nothing but white space.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

fn refused(rpc: &str, tenant: &str, why: &str) -> GatewayError {
    GatewayError::InvalidArgument(refusal(rpc, tenant, why))
}

fn refusal(rpc: &str, tenant: &str, why: &str) -> String {
    format!("Expected to handle gRPC request {rpc} with tenant identifier '{tenant}', but {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T: std::fmt::Debug>(result: Result<T, GatewayError>) -> String {
        result.expect_err("must be refused").to_string()
    }

    #[test]
    fn without_multi_tenancy_only_the_default_tenant_is_taken() {
        let caller = Caller::anonymous(false);
        assert_eq!(caller.tenant("DeployResource", " ".into()).unwrap(), DEFAULT_TENANT);
        assert_eq!(
            text(caller.tenant("DeployResource", "foo".into())),
            "Expected to handle gRPC request DeployResource with tenant identifier 'foo', but \
             multi-tenancy is disabled"
        );
        assert_eq!(caller.tenants("ActivateJobs", vec![]).unwrap(), [DEFAULT_TENANT]);
        assert_eq!(caller.tenants("ActivateJobs", vec![String::new()]).unwrap(), [""]);
        assert!(caller.tenants("ActivateJobs", vec!["<default>".into(), "x".into()]).is_err());
    }

    #[test]
    fn with_multi_tenancy_the_checks_keep_their_order() {
        let anonymous = Caller::anonymous(true);
        let ends = |caller: &Caller, tenant: &str, end: &str| {
            let text = text(caller.tenant("PublishMessage", tenant.into()));
            assert!(text.ends_with(end), "{text}");
        };
        ends(&anonymous, " ", "no tenant identifier was provided.");
        ends(&anonymous, &"!".repeat(32), "longer than 31 characters");
        ends(&anonymous, "ä", "contains illegal characters");
        ends(&anonymous, "a", "could not be retrieved from the request context");
        let granted = Caller::new(true, Some(vec!["a".into()]));
        assert_eq!(granted.tenant("PublishMessage", "a".into()).unwrap(), "a");
        let error = granted.tenant("PublishMessage", "b".into()).unwrap_err();
        assert!(matches!(error, GatewayError::TenantNotAuthorized(_)));
        assert!(text(anonymous.tenants("ActivateJobs", vec![])).contains("'[]'"));
    }

    #[test]
    fn commands_name_the_granted_tenants() {
        let both = vec!["tenant-a".to_owned(), "tenant.b".to_owned()];
        let caller = Caller::new(true, Some(both.clone()));
        assert_eq!(AuthInfo::authorized_tenants(&caller.authorization()).unwrap(), both);
        let ignored = Caller::new(false, Some(both));
        assert_eq!(ignored.authorization(), AuthInfo::default_tenant());
    }
}
