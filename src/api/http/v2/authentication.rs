//! `/v2/authentication`, as 8.8 has it.

use super::super::json::Object;
use crate::model::DEFAULT_TENANT;
use crate::wire::DecodeError;

/// Who the caller is. Nobody is asked for a name here, so everybody is the same: without groups and
/// roles, in the one tenant that such callers can use (rest-v2 §4).
pub(in crate::api::http) fn myself(answer: &mut Object<'_>) -> Result<(), DecodeError> {
    answer.text("username", "anonymous");
    answer.text("displayName", "Anonymous");
    answer.raw("email", "null");
    answer.array("authorizedComponents", |_| Ok(()))?;
    answer.array("tenants", |tenants| {
        tenants.object(|tenant| {
            tenant.text("tenantId", DEFAULT_TENANT);
            tenant.text("name", "Default");
            Ok(())
        })
    })?;
    answer.array("groups", |_| Ok(()))?;
    answer.array("roles", |_| Ok(()))?;
    answer.raw("salesPlanType", "null");
    answer.object("c8Links", |_| Ok(()))?;
    answer.bool("canLogout", false);
    Ok(())
}
