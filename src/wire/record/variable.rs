//! Variables.

use super::define::record;
use super::{Document, Symbol};

record! {
    /// Update of the variables of a scope.
    pub struct VariableDocumentRecord {
        scope_key: i64 = "scopeKey";
        /// `PROPAGATE` or `LOCAL`.
        update_semantics: Symbol = "updateSemantics" or Symbol::Borrowed("PROPAGATE");
        variables: Document = "variables" or Document::empty();
    }
}
