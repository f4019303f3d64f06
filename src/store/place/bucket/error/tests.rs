//! What a service answers, as it is told.

use super::*;

/// What a store says of an answer, as far as it is looked at here.
#[derive(Debug, thiserror::Error)]
#[error("Error performing PUT http://h/b/k in 1ms - Server returned non-2xx status code: {0}")]
struct Answered(String);

fn store(answer: &str) -> object_store::Error {
    let source = Box::new(Answered(answer.to_owned()));
    match answer.get(..3) {
        Some("404") => object_store::Error::NotFound { path: "k".to_owned(), source },
        Some("409") => object_store::Error::AlreadyExists { path: "k".to_owned(), source },
        Some("412") => object_store::Error::Precondition { path: "k".to_owned(), source },
        Some("403") => object_store::Error::PermissionDenied { path: "k".to_owned(), source },
        _ => object_store::Error::Generic { store: "S3", source },
    }
}

fn of(answer: &str) -> BucketError {
    let tried = Tried { url: "s3://b", doing: "write", object: "s3://b/k", is_conditional: true };
    BucketError::of(&store(answer), tried)
}

/// What passes by itself is not told as an object's damage, and what has to be configured not as what passes.
#[test]
fn numbers_and_codes_are_told_apart() {
    let body = |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
    for answer in
        ["408 Request Timeout", "429 Too Many", "500 Internal", "520 Unknown", "522 Timed Out", "530 Frozen", "409 Conflict"]
    {
        assert!(matches!(of(&format!("{answer}: ")), BucketError::Busy { .. }), "{answer}");
        assert!(of(&format!("{answer}: ")).is_of_the_place() && of(&format!("{answer}: ")).may_pass(), "{answer}");
    }
    for code in ["ConditionalRequestConflict", "OperationAborted"] {
        assert!(matches!(of(&format!("409 Conflict: {}", body(code))), BucketError::Busy { .. }), "{code}");
    }
    assert!(matches!(of(&format!("599 Odd: {}", body("Odd"))), BucketError::Busy { .. }));
    assert!(matches!(of(&format!("409 Conflict: {}", body("ObjectAlreadyExists"))), BucketError::Taken { .. }));
    assert!(matches!(of(&format!("412 No: {}", body("PreconditionFailed"))), BucketError::Taken { .. }));
    assert!(matches!(of("412 Precondition Failed: "), BucketError::Taken { .. }));
    for answer in ["301 Moved: ", "302 Found: ", "307 Temporary Redirect: "] {
        assert!(matches!(of(answer), BucketError::Elsewhere { .. }), "{answer}");
    }
    assert!(matches!(of("507 Insufficient Storage: "), BucketError::Full { .. }));
    assert!(matches!(of(&format!("403 No: {}", body("InvalidObjectState"))), BucketError::Cold { .. }));
    assert!(matches!(of(&format!("400 No: {}", body("InvalidToken"))), BucketError::BadKey { .. }));
    assert!(matches!(of(&format!("501 No: {}", body("NotImplemented"))), BucketError::Other { .. }));
    assert!(matches!(of("501 Not Implemented: "), BucketError::Other { .. }));
}

/// Only what was asked on a condition says whether conditions are known.
#[test]
fn a_service_knows_no_conditions_where_one_was_asked() {
    let refused = store("501 No: <Error><Code>NotImplemented</Code></Error>");
    assert_eq!((other_way(&refused, true), other_way(&refused, false)), (Some(Way::Unconditional), None));
}

/// Whoever lacks a right is told which there are to be.
#[test]
fn a_missing_right_names_the_least_rights() {
    let denied = of("403 Forbidden: <Error><Code>AccessDenied</Code></Error>").needing("{\"Action\":\n  \"s3:PutObject\"}");
    assert!(denied.hints()[0].ends_with("{\"Action\": \"s3:PutObject\"}"), "{:?}", denied.hints());
}
