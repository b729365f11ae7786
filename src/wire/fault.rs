//! Faults inside our own code: named points that a test or a failure scenario can set, over the `fail` crate.
//!
//! A point does nothing until it is set. Points are named `<module>.<place>`, e.g. `wire.send`. What a point can be told is the syntax
//! of `fail`: `return(TEXT)`, `sleep(MS)`, `panic`, `1*return(TEXT)` and so on. The load engine has none: it must measure, not ask.

/// Asks whether the point is set. Gives the text of `return(TEXT)`; the caller documents which texts it knows.
/// `return(abort)` ends the process here and now, as a crash would.
pub fn at(point: &str) -> Option<String> {
    let told = fail::eval(point, Option::unwrap_or_default)?;
    if told == "abort" {
        std::process::abort();
    }
    Some(told)
}

/// A point that is set until this is dropped.
#[must_use = "the point is unset when this is dropped"]
pub struct Armed {
    _guard: fail::FailGuard,
}

/// Sets one point.
///
/// # Errors
/// When `actions` is not in the syntax of the `fail` crate.
pub fn arm(point: &str, actions: &str) -> Result<Armed, String> {
    fail::FailGuard::new(point, actions).map(|guard| Armed { _guard: guard })
}

/// Sets points from text: `point=actions;point=actions`. They stay set until the process ends.
///
/// # Errors
/// When the text is not in that form; the points before the bad one are set.
pub fn arm_all(text: &str) -> Result<(), String> {
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (point, actions) = part.split_once('=').ok_or_else(|| format!("{part:?} is not POINT=ACTIONS"))?;
        fail::cfg(point.trim(), actions.trim())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_speaks_only_while_it_is_set() {
        assert_eq!(at("wire.test.scoped"), None);
        let armed = arm("wire.test.scoped", "1*return(reset)->off").unwrap();
        assert_eq!(at("wire.test.scoped").as_deref(), Some("reset"));
        assert_eq!(at("wire.test.scoped"), None);
        drop(armed);
        let armed = arm("wire.test.scoped", "return").unwrap();
        assert_eq!(at("wire.test.scoped").as_deref(), Some(""));
        drop(armed);
        assert_eq!(at("wire.test.scoped"), None);
        assert!(arm("wire.test.scoped", "nonsense(").is_err());
    }

    #[test]
    fn points_are_set_from_text() {
        arm_all("wire.test.a=return(x); wire.test.b=off;").unwrap();
        assert_eq!(at("wire.test.a").as_deref(), Some("x"));
        assert_eq!(at("wire.test.b"), None);
        assert!(arm_all("wire.test.a").is_err());
        fail::remove("wire.test.a");
    }
}
