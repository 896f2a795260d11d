//! Who may ask what.

use holdfast_rpc::admin::Caller;
use holdfast_rpc::{Request, Status};
use holdfast_security::PeerRole;

/// Refuses a caller whose certificate names none of the roles.
///
/// # Errors
/// `permission_denied`, with the roles that may.
pub(super) fn only<T>(request: &Request<T>, allowed: &[PeerRole]) -> Result<(), Status> {
    let caller = request.extensions().get::<Caller>();
    match caller {
        Some(caller) if allowed.contains(&caller.role) => Ok(()),
        Some(caller) => Err(Status::permission_denied(format!(
            "this needs a certificate of {}, not of {}",
            names(allowed),
            name(caller.role)
        ))),
        None => Err(Status::unauthenticated("no certificate")),
    }
}

fn name(role: PeerRole) -> &'static str {
    match role {
        PeerRole::Broker => "a broker",
        PeerRole::Operator => "the operator",
        PeerRole::Admin => "an administrator",
    }
}

fn names(roles: &[PeerRole]) -> String {
    let names: Vec<&str> = roles.iter().map(|role| name(*role)).collect();
    names.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(role: Option<PeerRole>) -> Request<()> {
        let mut request = Request::new(());
        if let Some(role) = role {
            request.extensions_mut().insert(Caller { role });
        }
        request
    }

    #[test]
    fn a_broker_looks_and_changes_nothing() {
        only(&of(Some(PeerRole::Broker)), super::super::ALL).unwrap();
        let refused = only(&of(Some(PeerRole::Broker)), super::super::RULERS).unwrap_err();
        assert!(
            refused
                .message()
                .contains("of the operator or an administrator, not of a broker"),
            "{}",
            refused.message()
        );
        only(&of(Some(PeerRole::Operator)), super::super::RULERS).unwrap();
        only(&of(Some(PeerRole::Operator)), super::super::PEOPLE).unwrap_err();
        only(&of(Some(PeerRole::Admin)), super::super::PEOPLE).unwrap();
        only(&of(None), super::super::ALL).unwrap_err();
    }
}
