//! The readable trace of a schedule.

use super::schedule::{Event, State};
use registry_token_operator::domain::protocol::Request;

/// The line of the next event, with the request that it performs.
pub fn event_line(state: &State, event: Event) -> String {
    let request = match event {
        Event::StepPass { operator, slot, .. } => {
            state.operators[operator].passes[slot].as_ref().map(|running| describe_request(&running.request))
        }
        Event::StepAudit { operator, .. } => {
            let process = &state.operators[operator];
            let login =
                process.running_login_audit.as_ref().map(|audit| format!("VerifyLogin({:?})", audit.remaining.last()));
            process.running_audit.as_ref().map(|auditing| format!("{:?}", auditing.request)).or(login)
        }
        _ => None,
    };
    let request: String = request.unwrap_or_default().chars().take(240).collect();
    format!("{:>6} s  {event:?}  {request}", state.world.clock)
}

/// The request; of a status write only tokens and conditions.
fn describe_request(request: &Request) -> String {
    let Request::WriteStatus(status) = request else { return format!("{request:?}") };
    let token = status.token.as_ref().map(|token| &token.id);
    let retiring: Vec<&String> = status.retiring.iter().map(|token| &token.id).collect();
    let conditions: Vec<String> =
        status.conditions.iter().map(|one| format!("{}={}/{}", one.type_, one.status, one.reason)).collect();
    format!("Status(token {token:?}, retiring {retiring:?}, {})", conditions.join(" "))
}
