//! Requests -> classes of a card: who is billed, how many, for how much.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::quantity::{DAYS_PER_MONTH, billable};
use super::sheet::{CostGroup, CostLine};
use crate::config::{RequestPrice, Window};
use crate::units::Money;

type Requests = BTreeMap<String, BTreeMap<u16, u64>>;

/// Operations that no class names.
pub(super) fn unknown(requests: &Requests, classes: &[RequestPrice]) -> Vec<String> {
    let known: BTreeSet<&str> = classes.iter().flat_map(|class| class.ops.iter().map(String::as_str)).collect();
    requests.keys().filter(|operation| !known.contains(operation.as_str())).cloned().collect()
}

/// Whether a request that ended with this status is billed. No answer (0) counts as billed: the server may have served it.
fn is_billed(class: &RequestPrice, status: u16) -> bool {
    if status < 400 {
        return true;
    }
    if class.billed_errors.is_empty() { !class.unbilled_errors.contains(&status) } else { class.billed_errors.contains(&status) }
}

/// One line for each class that is used.
pub(super) fn lines(requests: &Requests, classes: &[RequestPrice]) -> Vec<CostLine> {
    classes
        .iter()
        .filter_map(|class| {
            let statuses = class.ops.iter().filter_map(|operation| requests.get(operation)).flatten();
            let used: Decimal = statuses.filter(|(status, _)| is_billed(class, **status)).map(|(_, count)| Decimal::from(*count)).sum();
            (used > Decimal::ZERO).then(|| line(class, used))
        })
        .collect()
}

fn line(class: &RequestPrice, used: Decimal) -> CostLine {
    let windows = match class.free_window {
        Window::Month => 1,
        Window::Day => u64::from(DAYS_PER_MONTH),
    };
    let free = Decimal::from(class.free) * Decimal::from(windows);
    let quantity = billable(used, free, Decimal::from(class.round_up_to));
    CostLine {
        group: CostGroup::Requests,
        item: format!("requests {}", class.class),
        quantity,
        unit: "requests".to_owned(),
        price: format!("{} per {}", class.price, class.per),
        amount: Money(quantity / Decimal::from(class.per.get()) * class.price),
    }
}
