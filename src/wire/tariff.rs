//! What requests cost while they are sent: a bound from above for the budget, not the bill.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::config::{Gigabyte, PriceCard, Tier};

/// What requests and transfers cost at most, in the price card's currency: free allowances and cheaper tiers are left out of account,
/// and so is storage, which costs next to nothing for the hours of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tariff {
    /// Price of one request by operation in camel case.
    pub requests: BTreeMap<String, Decimal>,
    /// Price of one request of any other operation.
    pub other_request: Decimal,
    /// Price of one byte received.
    pub download_byte: Decimal,
    /// Price of one byte sent.
    pub upload_byte: Decimal,
}

impl Tariff {
    /// The tariff of a price card. An operation that it does not name costs as much as its dearest one.
    pub fn of(card: &PriceCard) -> Self {
        let mut tariff = Self::default();
        for class in &card.requests {
            let price = class.price / Decimal::from(class.per.get());
            tariff.other_request = tariff.other_request.max(price);
            for operation in &class.ops {
                let known = tariff.requests.entry(operation.clone()).or_default();
                *known = price.max(*known);
            }
        }
        let gigabyte = Decimal::from(match card.gb {
            Gigabyte::Decimal => 1_000_000_000_u64,
            Gigabyte::Binary => 1 << 30,
        });
        let dearest = |tiers: &[Tier]| tiers.iter().map(|tier| tier.price).max().unwrap_or_default();
        tariff.download_byte = (dearest(&card.egress.tiers) + card.retrieval.per_gb) / gigabyte;
        tariff.upload_byte = card.retrieval.upload_per_gb / gigabyte;
        tariff
    }
    /// The price of sending one request, before it is known what comes back.
    pub(crate) fn request(&self, operation: &str, upload: u64) -> Decimal {
        self.requests.get(operation).copied().unwrap_or(self.other_request) + self.upload_byte * Decimal::from(upload)
    }
    /// The price of what came back.
    pub(crate) fn download(&self, bytes: u64) -> Decimal {
        self.download_byte * Decimal::from(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_gives_prices_per_request_and_byte_and_the_dearest_one_for_the_unknown() {
        let card = r#"
            id = "x"
            currency = "USD"
            as_of = "2026-11-01"
            stale_after_days = 90
            sources = ["example"]
            trust = "secondary"
            gb = "decimal"
            month = "730h"
            storage = { unit = "gb_month", averaging = "byte_hours", tiers = [{ price = "0.02" }] }
            egress = { tiers = [{ up_to = "10", price = "0.09" }, { price = "0.05" }] }
            retrieval = { per_gb = "0.01", upload_per_gb = "0.02" }
            requests = [
                { class = "a", price = "0.005", per = 1000, ops = ["PutObject"] },
                { class = "b", price = "0.0004", per = 1000, ops = ["GetObject"] },
            ]
        "#;
        let tariff = Tariff::of(&toml::from_str(card).unwrap());
        let decimal = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(tariff.request("GetObject", 0), decimal("0.0000004"));
        assert_eq!(tariff.request("PutObject", 1_000_000_000), decimal("0.020005"));
        assert_eq!(tariff.request("SelectObjectContent", 0), decimal("0.000005"));
        assert_eq!(tariff.download(2_000_000_000), decimal("0.2"));
    }
}
