//! `/v2/authentication`, as 8.8 has it.

use super::super::json::Object;
use super::super::tenant::Tenancy;
use crate::model::DEFAULT_TENANT;
use crate::wire::DecodeError;

/// Who the caller is, as far as the token says: groups and roles are unknown here. Where nobody is
/// asked who they are, everybody is the same (rest-v2 §4).
pub(in crate::api::http) fn myself(
    answer: &mut Object<'_>,
    caller: &Tenancy,
) -> Result<(), DecodeError> {
    answer.text("username", caller.name().unwrap_or("anonymous"));
    answer.text("displayName", caller.name().unwrap_or("Anonymous"));
    answer.raw("email", "null");
    answer.array("authorizedComponents", |_| Ok(()))?;
    answer.array("tenants", |tenants| {
        caller.tenants().try_for_each(|id| {
            tenants.object(|tenant| {
                tenant.text("tenantId", id);
                tenant.text("name", if id == DEFAULT_TENANT { "Default" } else { id });
                Ok(())
            })
        })
    })?;
    answer.array("groups", |_| Ok(()))?;
    answer.array("roles", |_| Ok(()))?;
    answer.raw("salesPlanType", "null");
    answer.object("c8Links", |_| Ok(()))?;
    answer.bool("canLogout", false);
    Ok(())
}
