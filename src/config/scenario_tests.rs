//! Tests of which kind of throughput scenario a file is, and of its larger values.

use super::*;

const HEAD: &str = "title = \"t\"\ncode = \"A17\"\nabout = \"a\"\nduration = \"2 s\"\n";
const STORM: &str = "[list_storm]\nkeys = 5000\nranks = [8]\n";
const MIX: &str = "mix = [[{ operation = \"get_object\" }]]\nobject_size = [\"4 MiB\"]\nobjects = 10\nconcurrency = [1]\nwarm_up = \"1 s\"\n";

fn read(text: &str, scale: Scale) -> Result<ScenarioSpec, ConfigError> {
    throughput(Path::new("scenarios/throughput/t.toml"), text, scale)
}

#[test]
fn a_file_is_a_mix_or_one_program() {
    assert!(matches!(read(&format!("{HEAD}{MIX}"), Scale::Default), Ok(ScenarioSpec::Throughput(_))));
    assert!(matches!(read(&format!("{HEAD}{STORM}"), Scale::Default), Ok(ScenarioSpec::Program(_))));
    let refused = |text: &str| read(text, Scale::Default).unwrap_err().to_string();
    let neither = refused(HEAD);
    assert!(neither.contains("expected mix or one of [dataloader], [windows]"), "{neither}");
    let both = refused(&format!("{HEAD}{MIX}{STORM}"));
    assert!(both.contains("here are mix, [list_storm]: split the file"), "{both}");
    let two = refused(&format!("{HEAD}{STORM}[windows]\nobject_size = \"1 MiB\"\n"));
    assert!(two.contains("here are [windows], [list_storm]"), "{two}");
}

#[test]
fn an_error_names_field_and_line_in_the_head_the_program_and_the_larger_values() {
    let text = format!("{HEAD}{STORM}[scale]\nduration = \"9 s\"\n[scale.list_storm]\nkeys = 10\n");
    assert!(read(&text, Scale::Scale).is_ok());
    for (from, to, scale, field, line) in [
        ("title = \"t\"", "titel = \"t\"", Scale::Default, "titel", 1),
        ("\"2 s\"", "\"2 seconds\"", Scale::Default, "duration", 4),
        ("keys = 5000", "keys = 0", Scale::Default, "list_storm.keys", 6),
        ("keys = 5000", "keis = 5000", Scale::Default, "list_storm.keis", 6),
        ("ranks = [8]", "ranks = [8]\npage_size = 1001", Scale::Default, "list_storm.page_size", 8),
        ("\"9 s\"", "9", Scale::Scale, "scale.duration", 9),
        ("keys = 10\n", "keys = 0\n", Scale::Scale, "scale.list_storm.keys", 11),
        ("keys = 10\n", "keis = 10\n", Scale::Scale, "scale.list_storm.keis", 11),
        ("keys = 10\n", "page_size = 1001\n", Scale::Scale, "scale.list_storm.page_size", 11),
        ("ranks = [8]", "ranks = [8, 8]", Scale::Default, "list_storm", 5),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let error = read(&changed, scale).unwrap_err();
        assert_eq!(error.field.as_deref(), Some(field), "{error}");
        assert!(error.line == Some(line) || field == "list_storm" && error.line.is_none(), "{error}");
    }
}

#[test]
fn the_larger_values_take_the_place_of_the_others_in_every_form() {
    let text = format!("{HEAD}{MIX}[scale]\nobjects = 999\n");
    let objects = |scale| match read(&text, scale).unwrap() {
        ScenarioSpec::Throughput(spec) => (spec.objects, spec.concurrency),
        other => panic!("{other:?}"),
    };
    assert_eq!((objects(Scale::Default), objects(Scale::Scale)), ((10, vec![1]), (999, vec![1])));
    let error = read(&format!("{HEAD}{MIX}"), Scale::Scale).unwrap_err();
    assert!(error.to_string().contains("scale: the profile says scale = \"scale\", and there is no [scale] table"), "{error}");
}
