//! The faults of one request.

use crate::fake_portal::{Fault, MessageShape, Operation};

/// An address that must not receive a request, with a word that must not appear in an error.
const ELSEWHERE: &str = "https://elsewhere.example.com/?session=hush";

/// The faults that can be injected into this request, ordered from certain to uncertain outcomes.
pub fn faults_for(operation: Operation) -> Vec<Fault> {
    use Operation::{Commit, Edit, FlowFinish, FlowRead, List, Request, Revoke, Row, Stage};
    let mut all = response_faults();
    all.extend(connection_faults());
    match operation {
        Request | Edit | Revoke | Commit => {
            all.extend(faults_after_effect());
            all.push(Fault::Twice);
            if operation == Commit {
                all.push(Fault::StatusAfter(404));
            }
        }
        List | Row => {
            all.extend([ELSEWHERE, "", "http://[", "//127.0.0.1:1/"].map(|at| Fault::NextLink(at.to_owned())));
        }
        _ => {}
    }
    if matches!(operation, Request | Edit | Revoke | Commit | Stage | FlowFinish | FlowRead) {
        all.extend([ELSEWHERE, "/nowhere", "http://["].map(|at| Fault::Location(at.to_owned())));
    }
    all
}

/// The request is not performed, and the response says so, or at least does not say the opposite.
fn response_faults() -> Vec<Fault> {
    let statuses = [400, 401, 403, 404, 409, 410, 422, 429, 500, 502, 503, 504].map(Fault::Status);
    let said = [
        MessageShape::Indicium,
        MessageShape::Application,
        MessageShape::Several,
        MessageShape::Wild,
        MessageShape::NotJson,
    ];
    let said = said.map(|how| Fault::MessageShape { status: 400, how });
    let wishes = [
        Fault::RetryAfter { status: 429, seconds: 7 },
        Fault::RetryAt { status: 503, seconds: 60 },
        Fault::RetryText { status: 503, text: "soon".to_owned() },
        Fault::Redirect { status: 302, location: ELSEWHERE.to_owned() },
        Fault::Redirect { status: 307, location: "/elsewhere".to_owned() },
        Fault::Refuse("no_more".to_owned()),
    ];
    statuses.into_iter().chain(said).chain(wishes).collect()
}

/// Faults of the connection, or of the body of a response.
fn connection_faults() -> Vec<Fault> {
    let body =
        |content_type: &str, text: &str| Fault::Body { content_type: content_type.to_owned(), text: text.to_owned() };
    vec![
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::DropLate(LATE_MILLIS),
        Fault::HangBefore,
        Fault::HangAfter,
        Fault::DelayBefore(LATE_MILLIS),
        Fault::DelayAfter(LATE_MILLIS),
        Fault::Garbage,
        body("application/json", "[]"),
        body("text/html", "<html>hush</html>"),
        Fault::ContentType("text/html".to_owned()),
        Fault::Truncated,
        Fault::BreakOff,
        Fault::Endless(5),
    ]
}

/// The request is performed, and the response does not show it, or contains too little or too much.
fn faults_after_effect() -> Vec<Fault> {
    // 408, 425 and 499 are sent by proxies that have forwarded the request.
    let statuses = [406, 408, 410, 425, 499, 500, 502, 503, 504].map(Fault::StatusAfter);
    let late = [500, 504].map(|status| Fault::StatusLate { status, millis: LATE_MILLIS });
    let without = [Fault::WithoutSecret, Fault::WithoutUsername, Fault::Without("description".to_owned())];
    let huge = [true, false].map(|announced| Fault::Huge { blanks: 2 << 20, announced });
    statuses.into_iter().chain(late).chain(without).chain(huge).collect()
}

/// In milliseconds: delayed work is done by then.
pub const LATE_MILLIS: u64 = 30;
