//! The vendors' own worked examples, and workload H by hand, to the cent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rust_decimal::Decimal;

use super::*;
use crate::config::{CostWorkload, PriceCard, Vendor, parse};
use crate::model::Usage;
use crate::units::Money;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn card(vendor: &str) -> PriceCard {
    parse::<Vendor>(&root().join(format!("vendors/{vendor}.toml"))).unwrap().pricing.unwrap()
}

fn workload_h() -> CostWorkload {
    parse(&root().join("scenarios/cost/workload-h.toml")).unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn requests(counts: &[(&str, u64)]) -> BTreeMap<String, BTreeMap<u16, u64>> {
    counts.iter().map(|(operation, count)| ((*operation).to_owned(), BTreeMap::from([(200, *count)]))).collect()
}

fn total(card: &PriceCard, use_: &MonthlyUse) -> String {
    price(card, use_).unwrap().total.to_string()
}

fn amount(sheet: &CostSheet, item: &str) -> Decimal {
    sheet.lines.iter().find(|line| line.item == item).map_or(Decimal::ZERO, |line| line.amount.0)
}

/// Infrequent access of the R2 page: dearer requests, no free allowance, 30 days, a retrieval fee.
fn r2_infrequent() -> PriceCard {
    let mut card = card("cloudflare-r2");
    card.storage.free = Decimal::ZERO;
    card.storage.tiers[0].price = decimal("0.010");
    card.storage.min_duration_days = 30;
    card.retrieval.per_gb = decimal("0.01");
    for (class, price) in card.requests.iter_mut().zip(["9.00", "0.90", "0"]) {
        class.price = decimal(price);
        class.free = 0;
    }
    card
}

#[test]
fn aws_faq_byte_hours_of_a_31_day_month() {
    let spans = [(100, 15 * 24), (100 * 1024, 16 * 24)].map(|(gb, hours)| StoredSpan { gb: Decimal::from(gb), hours });
    let sheet = price(&card("aws-s3"), &MonthlyUse { stored: Stored::Course(spans.to_vec()), month_days: 31, ..MonthlyUse::default() }).unwrap();
    assert_eq!(sheet.lines[0].quantity, Decimal::from(52_900));
    assert_eq!(sheet.total.to_string(), "1215.00");
    let gib = decimal("1073741824");
    let metered = Stored::Metered { byte_hours: decimal("42259901212262400"), peak_bytes: 0 };
    assert_eq!(decimal("42259901212262400") / gib / Decimal::from(744), Decimal::from(52_900));
    assert_eq!(total(&card("aws-s3"), &MonthlyUse { stored: metered, month_days: 31, ..MonthlyUse::default() }), "1215.00");
}

#[test]
fn r2_page_standard_storage_and_free_reads() {
    let use_ = MonthlyUse { stored: Stored::Level(Decimal::from(1000)), requests: requests(&[("GetObject", 1_000_000)]), ..MonthlyUse::default() };
    assert_eq!(total(&card("cloudflare-r2"), &use_), "14.85");
    let reads = MonthlyUse { requests: requests(&[("GetObject", 300_000_000)]), ..MonthlyUse::default() };
    assert_eq!(total(&card("cloudflare-r2"), &reads), "104.40");
}

#[test]
fn r2_page_infrequent_access_for_five_days() {
    let gb = Decimal::from(1000);
    let use_ = MonthlyUse {
        stored: Stored::Course(vec![StoredSpan { gb, hours: 5 * 24 }]),
        requests: requests(&[("PutObject", 1_000), ("GetObject", 1_000)]),
        retrieval_gb: gb,
        deletes: vec![EarlyDelete { age_days: 5, gb }],
        ..MonthlyUse::default()
    };
    let sheet = price(&r2_infrequent(), &use_).unwrap();
    assert_eq!(sheet.group(CostGroup::Storage), Money(decimal("10")));
    assert_eq!(
        (amount(&sheet, "requests A"), amount(&sheet, "requests B"), amount(&sheet, "retrieval")),
        (decimal("9"), decimal("0.9"), decimal("10"))
    );
    assert_eq!(sheet.total.to_string(), "29.90");
}

#[test]
fn a_million_multipart_uploads_cost_129_million_requests_more_than_the_free_ones() {
    let million = 1_000_000;
    let multipart = requests(&[("CreateMultipartUpload", million), ("UploadPart", 128 * million), ("CompleteMultipartUpload", million)]);
    assert_eq!(total(&card("cloudflare-r2"), &MonthlyUse { requests: multipart, ..MonthlyUse::default() }), "580.50");
    assert_eq!(total(&card("cloudflare-r2"), &MonthlyUse { requests: requests(&[("PutObject", million)]), ..MonthlyUse::default() }), "0.00");
}

#[test]
fn s3_express_faq() {
    let mut card = card("aws-s3");
    card.storage.tiers = vec![crate::config::Tier { up_to: None, price: decimal("0.11") }];
    card.requests[0].price = decimal("0.00113");
    card.requests[1].price = decimal("0.00003");
    card.retrieval.per_gb = decimal("0.0006");
    card.retrieval.upload_per_gb = decimal("0.0032");
    let gib_of_10_kib_objects = |count: u64| Decimal::from(count * 10) / Decimal::from(1024 * 1024);
    let use_ = MonthlyUse {
        stored: Stored::Level(Decimal::TEN),
        requests: requests(&[("PutObject", 1_000_000), ("GetObject", 9_000_000)]),
        retrieval_gb: gib_of_10_kib_objects(9_000_000),
        upload_gb: gib_of_10_kib_objects(1_000_000),
        ..MonthlyUse::default()
    };
    let sheet = price(&card, &use_).unwrap();
    let amounts: Vec<String> = sheet.lines.iter().map(|line| line.amount.to_string()).collect();
    assert_eq!(amounts, ["1.10", "1.13", "0.27", "0.05", "0.03"]);
    assert_eq!(sheet.total.to_string(), "2.58");
}

#[test]
fn wasabi_minimum_month_and_minimum_duration() {
    let mut old = card("wasabi");
    old.storage.tiers[0].price = decimal("5.99");
    let sheet = price(&old, &MonthlyUse { stored: Stored::Level(Decimal::from(750)), ..MonthlyUse::default() }).unwrap();
    assert_eq!((Money(amount(&sheet, "storage")).to_string(), Money(amount(&sheet, "monthly minimum")).to_string()), ("4.39".into(), "1.60".into()));
    assert_eq!(sheet.total.to_string(), "5.99");

    let gb = Decimal::from(1024);
    let half_month = MonthlyUse {
        stored: Stored::Course(vec![StoredSpan { gb, hours: 15 * 24 }]),
        deletes: vec![EarlyDelete { age_days: 15, gb }],
        ..MonthlyUse::default()
    };
    let sheet = price(&card("wasabi"), &half_month).unwrap();
    assert_eq!((amount(&sheet, "storage"), amount(&sheet, "early deletion")), (decimal("3.995"), decimal("19.975")));
    assert_eq!(sheet.total.0, decimal("23.97"));
}

#[test]
fn workload_h_on_four_vendors_component_by_component() {
    let table: [(&str, [&str; 6]); 4] = [
        ("aws-s3", ["2251.20", "50.00", "40.00", "1742.70", "4083.90", "40.84"]),
        ("cloudflare-r2", ["1499.85", "40.50", "32.40", "0.00", "1572.75", "15.73"]),
        ("backblaze-b2", ["599.94", "0.00", "39.97", "0.00", "639.91", "6.40"]),
        ("wasabi", ["780.27", "0.00", "0.00", "0.00", "780.27", "7.80"]),
    ];
    for (vendor, [storage, writes, reads, egress, total, per_tb]) in table {
        let card = card(vendor);
        let sheet = price(&card, &MonthlyUse::from_workload(&workload_h(), &card)).unwrap();
        let class_of = |operation: &str| {
            let class = card.requests.iter().find(|class| class.ops.iter().any(|known| known == operation)).unwrap();
            if vendor == "wasabi" { Decimal::ZERO } else { amount(&sheet, &format!("requests {}", class.class)) }
        };
        let found = [
            sheet.group(CostGroup::Storage),
            Money(class_of("PutObject")),
            Money(class_of("GetObject")),
            sheet.group(CostGroup::Egress),
            sheet.total,
            Money(sheet.usd_per_tb_month.unwrap()),
        ];
        for (found, expected) in found.into_iter().zip([storage, writes, reads, egress, total, per_tb]) {
            assert!((found.0 - decimal(expected)).abs() <= decimal("0.01"), "{vendor}: {found} is not {expected}");
        }
    }
}

#[test]
fn every_card_has_a_class_for_every_operation_of_every_other_card() {
    let operations = |vendor: &str| {
        let mut all: Vec<String> = card(vendor).requests.into_iter().flat_map(|class| class.ops).collect();
        all.sort();
        all
    };
    let aws = operations("aws-s3");
    assert!(aws.len() > 110);
    assert!(["Preflight", "Unknown", "PostObject"].iter().all(|metered| aws.iter().any(|known| known == metered)), "the meter uses these too");
    for vendor in ["cloudflare-r2", "backblaze-b2", "wasabi"] {
        assert_eq!(operations(vendor), aws, "{vendor}");
    }
}

#[test]
fn operations_without_a_class_are_refused_all_at_once() {
    let use_ = MonthlyUse { requests: requests(&[("PutObject", 1), ("MakeCoffee", 1), ("AnswerMail", 1)]), ..MonthlyUse::default() };
    let error = price(&card("aws-s3"), &use_).unwrap_err();
    assert!(error.to_string().contains("no request class names AnswerMail, MakeCoffee:"), "{error}");
}

#[test]
fn a_card_that_is_not_valid_is_refused_with_its_field() {
    let mut card = card("wasabi");
    card.storage.tiers.clear();
    assert!(price(&card, &MonthlyUse::default()).unwrap_err().to_string().contains("storage.tiers: is empty"));
}

#[test]
fn small_objects_are_billed_at_the_minimum_size_and_with_the_overhead() {
    let small = MonthlyUse { stored: Stored::Level(Decimal::from(1024)), object_bytes: Some(1024), ..MonthlyUse::default() };
    let mut card = card("wasabi");
    assert_eq!(price(&card, &small).unwrap().total.0, decimal("31.96"));
    card.storage.object_overhead_bytes = 1024;
    assert_eq!(price(&card, &small).unwrap().total.0, decimal("39.95"));
    let large = MonthlyUse { object_bytes: Some(4096), ..small };
    assert_eq!(price(&card, &large).unwrap().lines[0].quantity, decimal("1.25"));
}

#[test]
fn gib_hours_follow_the_length_of_the_month() {
    let mut card = card("aws-s3");
    card.storage.unit = crate::config::StorageUnit::GibHour;
    card.storage.tiers = vec![crate::config::Tier { up_to: None, price: decimal("0.000027397") }];
    card.month = crate::config::Month::Hours730;
    let sheet = price(&card, &MonthlyUse { stored: Stored::Level(Decimal::from(1000)), ..MonthlyUse::default() }).unwrap();
    assert_eq!((sheet.lines[0].quantity, sheet.total.to_string()), (Decimal::from(730_000), "20.00".to_owned()));
}

#[test]
fn a_daily_peak_bills_the_whole_day_and_byte_hours_only_what_was_stored() {
    let stored = Stored::Course(vec![StoredSpan { gb: Decimal::from(300), hours: 36 }]);
    let use_ = MonthlyUse { stored, ..MonthlyUse::default() };
    let mut card = card("cloudflare-r2");
    assert_eq!(price(&card, &use_).unwrap().lines[0].quantity, Decimal::TEN, "two days of 300 GB are 20 GB-months, 10 of them free");
    card.storage.averaging = crate::config::Averaging::ByteHours;
    assert_eq!(price(&card, &use_).unwrap().lines[0].quantity, Decimal::from(5), "36 hours are 15 GB-months, 10 of them free");
}

#[test]
fn errors_are_billed_unless_the_card_says_otherwise() {
    let mut card = card("cloudflare-r2");
    let used = |card: &PriceCard| {
        let statuses = BTreeMap::from([(200, 10_000_000), (403, 5_000_000), (412, 2_000_000), (0, 1_000_000)]);
        let use_ = MonthlyUse { requests: BTreeMap::from([("GetObject".to_owned(), statuses)]), ..MonthlyUse::default() };
        price(card, &use_).unwrap().lines.into_iter().find(|line| line.group == CostGroup::Requests).unwrap().quantity
    };
    assert_eq!(used(&card), Decimal::from(3_000_000), "412 and no answer are billed, 403 is not");
    card.requests[1].billed_errors = vec![403];
    assert_eq!(used(&card), Decimal::from(6_000_000), "a list of billed errors is complete; no answer is no error status");
}

#[test]
fn egress_above_the_policy_is_reported_and_not_priced() {
    let card = card("wasabi");
    let use_ = |egress: i64| MonthlyUse { stored: Stored::Level(Decimal::from(1024)), egress_gb: Decimal::from(egress), ..MonthlyUse::default() };
    let over = price(&card, &use_(1500)).unwrap();
    assert!(over.warnings[0].contains("policy violation: 1500 GB out is 476 GB more"), "{:?}", over.warnings);
    assert_eq!(over.total, price(&card, &use_(1024)).unwrap().total);
    assert_eq!(price(&card, &use_(1024)).unwrap().warnings, Vec::<String>::new());
}

#[test]
fn egress_above_three_times_the_stored_data_is_priced() {
    let use_ = MonthlyUse { stored: Stored::Level(Decimal::from(10)), egress_gb: Decimal::from(130), ..MonthlyUse::default() };
    assert_eq!(total(&card("backblaze-b2"), &use_), "1.00");
}

#[test]
fn a_run_is_priced_without_allowances_and_per_million_that_succeeded() {
    let mut usage = Usage {
        upload_bytes: 1_000_000_000,
        download_bytes: 2_000_000_000,
        stored_byte_hours: 1e9,
        stored_bytes_peak: 1_000_000_000,
        ..Usage::default()
    };
    for (operation, status, count) in [("PutObject", 200, 1_000), ("PutObject", 503, 1_000), ("GetObject", 200, 1_000), ("GetObject", 403, 7)] {
        usage.requests.entry(operation.to_owned()).or_default().insert(status, count);
    }
    let sheet = price_usage(&card("cloudflare-r2"), &usage).unwrap();
    assert_eq!(amount(&sheet, "requests A"), decimal("0.009"));
    assert_eq!(amount(&sheet, "requests B"), decimal("0.00036"));
    assert_eq!(sheet.requests_per_million_ok, Some(Money(decimal("4.68"))));
    assert_eq!(sheet.usd_per_tb_month, None);
    let wasabi = price_usage(&card("wasabi"), &usage).unwrap();
    assert!(amount(&wasabi, "early deletion") > decimal("0.02"), "1 GB for 90 days");
    assert!(wasabi.warnings.iter().any(|warning| warning.contains("90 days")));
    assert!(price_usage(&card("wasabi"), &Usage { stored_byte_hours: f64::NAN, ..Usage::default() }).is_err());
}

#[test]
fn prices_grow_stale_by_the_day_of_the_run() {
    let sheet = price(&card("aws-s3"), &MonthlyUse::default()).unwrap();
    assert!(!sheet.is_stale(jiff::civil::date(2026, 11, 10)), "180 days");
    assert!(sheet.is_stale(jiff::civil::date(2026, 11, 11)), "181 days");
}

#[test]
fn a_card_in_another_currency_has_no_dollar_figure() {
    let mut card = card("wasabi");
    card.currency = "EUR".to_owned();
    let sheet = price(&card, &MonthlyUse::from_workload(&workload_h(), &card)).unwrap();
    assert_eq!((sheet.usd_per_tb_month, sheet.rows()[0][7].as_str()), (None, "EUR"));
}

#[test]
fn the_table_lists_the_cheapest_first_with_date_and_source() {
    let cards = ["aws-s3", "backblaze-b2"].map(card);
    let text = table(&compare(&cards, &workload_h()).unwrap());
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].starts_with("b2-pay-as-you-go") && lines[1].contains("639.91") && lines[1].contains("2026-05-01"), "{text}");
    assert!(lines[2].starts_with("aws-s3-standard") && lines[2].contains("4083.90") && lines[2].contains("40.84"), "{text}");
    assert!(text.contains("prices from"), "{text}");
}

#[test]
fn a_workload_that_is_not_valid_is_refused_with_its_field() {
    let mut workload = workload_h();
    workload.deleted_gb_by_age_days.insert("soon".to_owned(), Decimal::ONE);
    assert_eq!(compare(&[], &workload).unwrap_err().to_string(), "deleted_gb_by_age_days: \"soon\" is not an age in whole days");
}

#[test]
fn rows_add_up_to_the_total() {
    let card = card("aws-s3");
    let rows = price(&card, &MonthlyUse::from_workload(&workload_h(), &card)).unwrap().rows();
    let (last, lines) = rows.split_last().unwrap();
    let sum: Decimal = lines.iter().map(|row| decimal(&row[6])).sum();
    assert_eq!((last[1].as_str(), sum), ("total", decimal(&last[6])));
    assert_eq!(rows[0].len(), COST_COLUMNS.len());
}

/// The largest use that a workload file may name, on the dearest card that a vendor file may hold.
#[test]
fn the_largest_use_on_the_dearest_card_is_priced_without_overflow() {
    let mut card = card("wasabi");
    card.storage.unit = crate::config::StorageUnit::GibHour;
    card.storage.min_object_bytes = 10_000_000;
    card.storage.min_duration_days = 3_650;
    card.storage.tiers[0].price = Decimal::from(1_000_000);
    card.egress.tiers[0].price = Decimal::from(1_000_000);
    card.egress.over_ratio = crate::config::OverRatio::Price;
    card.requests[0].price = Decimal::from(1_000_000);
    card.requests[0].per = std::num::NonZeroU64::MIN;
    let text = "title = \"t\"\nabout = \"a\"\nstored_gb = 1e10\nobject_bytes = 1\negress_gb = 1e10\ndeleted_gb_by_age_days = { 0 = 1e10 }\n";
    let mut workload: CostWorkload = toml::from_str(text).unwrap();
    workload.requests = ["PutObject", "GetObject"].map(|operation| (operation.to_owned(), u64::MAX)).into();
    assert_eq!((workload.validate(), card.validate()), (Ok(()), Ok(())));
    assert!(price(&card, &MonthlyUse::from_workload(&workload, &card)).unwrap().total.0 > decimal("1e27"));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn used(stored: u32, puts: u32, gets: u32, egress: u32) -> MonthlyUse {
        MonthlyUse {
            stored: Stored::Level(Decimal::from(stored)),
            requests: requests(&[("PutObject", u64::from(puts)), ("GetObject", u64::from(gets))]),
            egress_gb: Decimal::from(egress),
            ..MonthlyUse::default()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_total_is_the_sum_of_the_lines_and_more_requests_never_cost_less(
            (stored, puts, gets, egress) in (0..2_000_000_u32, any::<u32>(), any::<u32>(), 0..1_000_000_u32),
            more in 0..1_000_000_u32,
        ) {
            for vendor in ["aws-s3", "cloudflare-r2", "backblaze-b2", "wasabi"] {
                let card = card(vendor);
                let sheet = price(&card, &used(stored, puts, gets, egress)).unwrap();
                prop_assert_eq!(sheet.lines.iter().map(|line| line.amount).sum::<Money>(), sheet.total);
                prop_assert!(sheet.lines.iter().all(|line| line.amount >= Money::ZERO));
                let larger = price(&card, &used(stored, puts.saturating_add(more), gets.saturating_add(more), egress.saturating_add(more))).unwrap();
                prop_assert!(larger.total >= sheet.total || larger.warnings != sheet.warnings, "{vendor}");
            }
        }
    }
}
