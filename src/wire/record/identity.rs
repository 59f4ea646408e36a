//! Users and their permissions (brokers 8.6 and 8.7).

use super::Symbol;
use super::define::record;

record! {
    /// A user.
    pub struct UserRecord {
        user_key: i64 = "userKey" or -1;
        username: String = "username";
        name: String = "name" or String::new();
        email: String = "email" or String::new();
        /// A bcrypt hash.
        password: String = "password" or String::new();
        user_type: Symbol = "userType" or Symbol::Borrowed("REGULAR");
    }

    /// What may be done with which resources.
    pub struct Permission {
        permission_type: Symbol = "permissionType";
        resource_ids: Vec<String> = "resourceIds" or Vec::new();
    }

    /// Permissions given to an owner, or taken back.
    pub struct AuthorizationRecord {
        /// `ADD` or `REMOVE`.
        action: Symbol = "action";
        owner_type: Symbol = "ownerType" or Symbol::Borrowed("UNSPECIFIED");
        owner_key: i64 = "ownerKey";
        resource_type: Symbol = "resourceType";
        permissions: Vec<Permission> = "permissions" or Vec::new();
    }
}
