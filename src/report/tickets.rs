//! `tickets-<vendor>.md`: one ticket per cause, ready to be sent to the vendor.

use super::view::causes::{Cause, VendorCauses};

/// The tickets of one vendor.
pub fn markdown(vendor: &VendorCauses, run: &str) -> String {
    let mut text = format!("# Tickets for {}\n\nFrom run `{run}`. ", line(&vendor.title));
    if vendor.causes.is_empty() {
        text.push_str("No case failed.\n");
        return text;
    }
    text.push_str(&format!(
        "{} causes explain {} cases. Secrets are replaced by names of environment variables.\n",
        vendor.causes.len(),
        vendor.explained
    ));
    for (index, cause) in vendor.causes.iter().enumerate() {
        text.push_str(&ticket(index + 1, cause));
    }
    text
}

fn ticket(number: usize, cause: &Cause) -> String {
    let ticket = &cause.ticket;
    let mut text = format!("\n## {number}. {}\n\n", line(&cause.title));
    let mut item = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("- {name}: {}\n", line(value)));
        }
    };
    item("Class", &format!("{} ({} level), explains {} cases", cause.class.replace('_', " "), cause.level, cause.cases.len()));
    item("Rule", &ticket.rule);
    item("Source", &ticket.source);
    item("Looked at", &ticket.seen.claim);
    item("Expected", &ticket.seen.expected);
    item("Observed", &ticket.seen.observed);
    item("Request id", &ticket.trace.request_id);
    if let Some(link) = &ticket.trace.evidence {
        text.push_str(&format!("- Transcript: `{}`\n", link.href.replace('`', "")));
    }
    text.push_str(&format!("- Cases: `{}`\n", cause.cases.join("`, `")));
    if ticket.curl.is_empty() {
        text.push_str(
            "- Replay: not possible with curl (nothing was sent, or the signature or its chunks are what is tested); the transcript has every byte\n",
        );
    } else {
        let fence = "`".repeat(longest_run(&ticket.curl).max(2) + 1);
        text.push_str(&format!("\n{fence}sh\n{}\n{fence}\n", ticket.curl));
    }
    text
}

/// The longest run of backticks: a fence must be longer.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// One line in which nothing that a server said is markup.
fn line(text: &str) -> String {
    super::summary::inline(text)
}

#[cfg(test)]
mod tests {
    use crate::report::{sample, view};

    #[test]
    fn a_ticket_holds_what_a_vendor_needs_and_nothing_that_a_server_said_is_markup() {
        let view = view(&sample::full()).unwrap();
        let hasty = view.causes.iter().find(|vendor| vendor.key == "hasty").unwrap();
        let text = super::markdown(hasty, "run-1");
        for part in ["run-1", "- Rule: ", "- Expected: ", "- Observed: ", "- Request id: 17F3-ABC", "- Cases: `", "curl -i -X GET"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("````sh\n"), "a fence longer than any run of backticks inside");
        assert!(!text.lines().any(|line| line.starts_with("<script")), "{text}");
        let explained: usize = hasty.causes.iter().map(|cause| cause.cases.len()).sum();
        assert_eq!((hasty.explained, hasty.causes[0].class), (explained, "corrupt"));
    }
}
