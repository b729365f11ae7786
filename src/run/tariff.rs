//! What a request and a byte cost at most, from a price card: what the budget's `money` is counted with while a run goes on.
//!
//! The bill itself is [`crate::cost`]'s; here free allowances and cheaper tiers are left out, so that the limit holds for sure.

use rust_decimal::Decimal;

use crate::config::{Gigabyte, PriceCard};
use crate::wire::Tariff;

/// The dearest price of each thing on the card.
pub fn tariff_of(card: &PriceCard) -> Tariff {
    let gigabyte = Decimal::from(match card.gb {
        Gigabyte::Decimal => 1_000_000_000u64,
        Gigabyte::Binary => 1 << 30,
    });
    let price_of = |class: &crate::config::RequestPrice| class.price / Decimal::from(class.per.get());
    let requests = card.requests.iter().flat_map(|class| class.ops.iter().map(move |operation| (operation.clone(), price_of(class)))).collect();
    let egress = card.egress.tiers.iter().map(|tier| tier.price).max().unwrap_or_default();
    Tariff {
        requests,
        other_request: card.requests.iter().map(price_of).max().unwrap_or_default(),
        download_byte: (egress + card.retrieval.per_gb) / gigabyte,
        upload_byte: card.retrieval.upload_per_gb / gigabyte,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_costs_its_class_and_an_unknown_one_the_dearest() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/vendors/aws-s3.toml");
        let vendor: crate::config::Vendor = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let tariff = tariff_of(&vendor.pricing.unwrap());
        assert_eq!(tariff.requests["PutObject"], Decimal::new(5, 6));
        assert_eq!(tariff.requests["GetObject"], Decimal::new(4, 7));
        assert!(tariff.other_request >= tariff.requests["PutObject"] && tariff.download_byte > Decimal::ZERO);
    }
}
