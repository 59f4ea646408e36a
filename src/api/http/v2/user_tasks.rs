//! `/v2/user-tasks`, also under `/v1`.

use super::super::endpoint::Input;
use super::super::json::{Variables, document, request};
use super::super::problem::{Problem, Violations};
use crate::model::{Command, CommandKind};
use crate::wire::record::UserTaskRecord;

request! {
    struct CompleteRequest<'a> {
        variables: Variables<'a> = "variables";
        action: String = "action";
    }

    struct AssignRequest<'a> {
        assignee: String = "assignee";
        allow_override: bool = "allowOverride";
        action: String = "action";
    }

    struct UpdateRequest<'a> {
        changeset: Changeset<'a> = "changeset";
        action: String = "action";
    }

    struct Changeset<'a> {
        candidate_groups: Vec<String> = "candidateGroups";
        candidate_users: Vec<String> = "candidateUsers";
        due_date: String = "dueDate";
        follow_up_date: String = "followUpDate";
        priority: i32 = "priority";
    }
}

fn record(input: &Input<'_>) -> UserTaskRecord {
    UserTaskRecord { user_task_key: input.key.0, ..UserTaskRecord::default() }
}

pub(super) fn complete(input: &Input<'_>) -> Result<Command, Problem> {
    let request: CompleteRequest<'_> = input.optional()?;
    let record = UserTaskRecord {
        variables: document(request.variables)?,
        action: request.action.unwrap_or_default(),
        ..record(input)
    };
    Ok(input.keyed(CommandKind::CompleteUserTask, &record))
}

/// A user task that may not be taken from somebody else is claimed instead of assigned.
pub(super) fn assign(input: &Input<'_>) -> Result<Command, Problem> {
    let request: AssignRequest<'_> = input.required()?;
    let assignee = request.assignee.unwrap_or_default();
    if assignee.trim().is_empty() {
        return Err(Problem::invalid("No assignee provided"));
    }
    let action = request.action.filter(|action| !action.trim().is_empty());
    let record = UserTaskRecord {
        assignee,
        action: action.unwrap_or_else(|| "assign".to_owned()),
        ..record(input)
    };
    let kind = match request.allow_override {
        Some(false) => CommandKind::ClaimUserTask,
        Some(true) | None => CommandKind::AssignUserTask,
    };
    Ok(input.keyed(kind, &record))
}

pub(super) fn unassign(input: &Input<'_>) -> Result<Command, Problem> {
    let record = UserTaskRecord { action: "unassign".to_owned(), ..record(input) };
    Ok(input.keyed(CommandKind::AssignUserTask, &record))
}

/// Whether `text` is a date and time with offset, or empty, which resets the date.
fn is_date(text: &str) -> bool {
    text.is_empty() || text.parse::<jiff::Timestamp>().is_ok()
}

pub(super) fn update(input: &Input<'_>) -> Result<Command, Problem> {
    let request: UpdateRequest<'_> = input.optional()?;
    let changes = request.changeset.unwrap_or_default();
    let empty = changes.candidate_groups.is_none()
        && changes.candidate_users.is_none()
        && changes.due_date.is_none()
        && changes.follow_up_date.is_none()
        && changes.priority.is_none();
    let mut violations = Violations::default();
    if request.action.is_none() && empty {
        violations.add(
            "No update data provided. Provide at least an \"action\" or a non-null value for a \
             supported attribute in the \"changeset\"",
        );
    }
    for (name, date) in
        [("due date", &changes.due_date), ("follow-up date", &changes.follow_up_date)]
    {
        if let Some(date) = date.as_deref().filter(|date| !is_date(date)) {
            violations.add(format!(
                "The provided {name} '{date}' cannot be parsed as a date according to RFC 3339, \
                 section 5.6"
            ));
        }
    }
    if let Some(priority) = changes.priority.filter(|p| !(0..=100).contains(p)) {
        violations.value("priority", priority, "within the [0,100] range");
    }
    violations.check()?;
    let mut record = record(input);
    record.action = request.action.unwrap_or_default();
    apply(changes, &mut record);
    Ok(input.keyed(CommandKind::UpdateUserTask, &record))
}

/// Sets what changes and names it, in the order the JVM gateway writes (command-api §2.7).
fn apply(changes: Changeset<'_>, record: &mut UserTaskRecord) {
    let mut changed = |name: &str| record.changed_attributes.push(name.to_owned());
    if let Some(groups) = changes.candidate_groups {
        changed("candidateGroupsList");
        record.candidate_groups_list = groups;
    }
    if let Some(users) = changes.candidate_users {
        changed("candidateUsersList");
        record.candidate_users_list = users;
    }
    if let Some(date) = changes.due_date {
        changed("dueDate");
        record.due_date = date;
    }
    if let Some(date) = changes.follow_up_date {
        changed("followUpDate");
        record.follow_up_date = date;
    }
    if let Some(priority) = changes.priority {
        changed("priority");
        record.priority = priority;
    }
}
