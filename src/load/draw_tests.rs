//! Tests of the draw.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::config::MixEntry;
use crate::load::zipf::{Keys, Popularity};
use crate::units::Bytes;

fn entry(operation: Operation, share: u32) -> MixEntry {
    MixEntry::new(operation, share)
}

fn spec(work: Work) -> Arc<MixSpec> {
    Arc::new(MixSpec {
        prefix: "p/".into(),
        work,
        size: 4096,
        objects: 20,
        existing: Arc::default(),
        concurrency: 2,
        pace: None,
        keys: Keys::uniform(20),
        prefixes: 0,
        cached: Some(16),
        verify_share: 0.001,
        seed: 3,
    })
}

fn drain(draw: &mut Draw, count: usize) -> Vec<Request> {
    let mut drawn = Vec::new();
    let mut request = Request::default();
    while drawn.len() < count && draw.next(&mut request) {
        draw.done(&request, true);
        drawn.push(request.clone());
    }
    drawn
}

#[test]
fn a_mix_follows_its_shares_and_the_same_seed_draws_the_same() {
    let spec = spec(Work::Mix { mix: vec![entry(Operation::GetObject, 80), entry(Operation::HeadObject, 20)], doomed: false });
    let drawn = drain(&mut Draw::new(Arc::clone(&spec), 0), 5000);
    let gets = drawn.iter().filter(|planned| planned.operation == Operation::GetObject).count();
    assert!((3900..4100).contains(&gets), "{gets}");
    assert_eq!(drawn, drain(&mut Draw::new(Arc::clone(&spec), 0), 5000));
    assert_ne!(drawn, drain(&mut Draw::new(spec, 1), 5000));
}

#[test]
fn a_fill_writes_each_object_once_over_all_slots() {
    let spec = spec(Work::Fill { set: "read", numbers: (0..20).collect() });
    let keys: Vec<String> = (0..2).flat_map(|slot| drain(&mut Draw::new(Arc::clone(&spec), slot), 100)).map(|planned| planned.key).collect();
    assert_eq!((keys.len(), keys.iter().collect::<BTreeSet<_>>().len()), (20, 20));
    assert!(keys.contains(&"p/read/00000019".to_owned()));
}

#[test]
fn written_objects_never_exceed_their_number_and_deletions_hit_what_exists() {
    let mix = vec![entry(Operation::PutObject, 60), entry(Operation::DeleteObject, 40)];
    let mut draw = Draw::new(spec(Work::Mix { mix, doomed: false }), 1);
    let mut live = BTreeSet::new();
    for planned in drain(&mut draw, 2000) {
        if planned.operation == Operation::PutObject {
            live.insert(planned.key);
        } else {
            assert!(live.remove(&planned.key), "{} did not exist", planned.key);
        }
        assert!(live.len() <= 10, "{live:?}");
    }
}

#[test]
fn a_write_frees_an_object_exactly_when_it_existed() {
    let base = spec(Work::Mix { mix: vec![entry(Operation::PutObject, 1)], doomed: false });
    let existing: Arc<BTreeSet<u64>> = Arc::new([0, 2, 5].into());
    let mut draw = Draw::new(Arc::new(MixSpec { existing, ..MixSpec::clone(&base) }), 0);
    let frees: Vec<bool> = drain(&mut draw, 12).iter().map(|planned| planned.frees > 0).collect();
    // Ten of the twenty objects are this slot's; two of them exist.
    assert_eq!(frees, [[false; 8].as_slice(), &[true; 4]].concat());
    assert_eq!(draw.left().count(), 10);
}

#[test]
fn objects_to_delete_are_used_up_once() {
    let spec = spec(Work::Mix { mix: vec![entry(Operation::DeleteObject, 100)], doomed: true });
    let keys: Vec<String> = (0..2).flat_map(|slot| drain(&mut Draw::new(Arc::clone(&spec), slot), 100)).map(|planned| planned.key).collect();
    assert_eq!((keys.len(), keys.iter().collect::<BTreeSet<_>>().len()), (20, 20));
}

#[test]
fn ranges_are_aligned_and_inside_the_object() {
    let mix = vec![MixEntry { range: Some(Bytes(1024)), ..entry(Operation::GetObject, 1) }];
    let mut starts: BTreeMap<u64, u32> = BTreeMap::new();
    for planned in drain(&mut Draw::new(spec(Work::Mix { mix, doomed: false }), 0), 400) {
        let (start, end) = planned.range.unwrap();
        assert_eq!(end - start + 1, 1024);
        *starts.entry(start).or_default() += 1;
    }
    assert_eq!(starts.keys().copied().collect::<Vec<_>>(), [0, 1024, 2048, 3072]);
}

#[test]
fn the_first_read_of_a_slot_is_verified_even_if_no_share_is() {
    let spec = spec(Work::Mix { mix: vec![entry(Operation::GetObject, 1)], doomed: false });
    let verified: Vec<bool> = drain(&mut Draw::new(spec, 0), 50).iter().map(|planned| planned.verify).collect();
    assert_eq!(verified.iter().filter(|verify| **verify).count(), 1);
    assert!(verified[0]);
}

#[test]
fn popular_keys_are_read_more_often_and_all_slots_agree_on_which() {
    let base = spec(Work::Mix { mix: vec![entry(Operation::GetObject, 1)], doomed: false });
    let keys = Keys::new(20, Popularity::Zipf { theta: 0.99 }, 3).unwrap();
    let skewed = Arc::new(MixSpec { keys: keys.clone(), ..MixSpec::clone(&base) });
    let top = |spec: &Arc<MixSpec>, slot| {
        let mut counts: BTreeMap<u64, u32> = BTreeMap::new();
        drain(&mut Draw::new(Arc::clone(spec), slot), 4000).iter().for_each(|planned| *counts.entry(planned.number).or_default() += 1);
        counts.into_iter().max_by_key(|(_, count)| *count).unwrap()
    };
    // 1 / (sum of 1 / k^0.99 for 20 keys) = 0.276.
    for slot in 0..2 {
        let (number, count) = top(&skewed, slot);
        assert_eq!(Some(number), keys.of_rank(0));
        assert!((1000..1210).contains(&count), "{count}");
    }
    assert!(top(&base, 0).1 < 300);
}

#[test]
fn listings_ask_for_what_their_options_say_and_keys_lie_in_their_folders() {
    let query = |list: ListOptions| {
        let mix = vec![MixEntry { list, ..entry(Operation::ListObjectsV2, 1) }];
        let base = spec(Work::Mix { mix, doomed: false });
        drain(&mut Draw::new(Arc::new(MixSpec { prefixes: 4, ..MixSpec::clone(&base) }), 0), 50).pop().unwrap().query
    };
    let plain = ListOptions::default();
    assert!(query(plain).starts_with("list-type=2&max-keys=1000&prefix=p%2Fread%2F&start-after=p%2Fread%2F00000"));
    assert_eq!(query(ListOptions { delimiter: true, ..plain }), "delimiter=%2F&list-type=2&max-keys=1000&prefix=p%2Fread%2F");
    let deep = query(ListOptions { in_prefix: true, max_keys: 100, ..plain });
    assert!(deep.starts_with("list-type=2&max-keys=100&prefix=p%2Fread%2F00000") && deep.ends_with("%2F"), "{deep}");
    let mut key = String::new();
    MixSpec { prefixes: 4, ..MixSpec::clone(&spec(Work::Fill { set: "read", numbers: Vec::new() })) }.write_key(&mut key, "read", 7);
    assert_eq!(key, "p/read/000003/00000007");
}
