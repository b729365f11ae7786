//! Suite `select`: SQL over one object. Frames of the answer are checked byte by byte.

use proofmark::case::event_stream::{Frame, parse};
use proofmark::case::{Answer as _, Checked, Finding, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::Corrupt;

const NEEDS: &[&str] = &["select"];

/// The suite.
pub fn suite() -> Suite {
    refusals(expressions(formats(Suite::new("select").source("S3 API reference, SelectObjectContent, and S3 user guide, SQL reference"))))
}

const CSV: &str = "name,age,city\nann,30,Bonn\nbob,41,Köln\ncleo,28,Ulm\n";
const ROWS: &str = "{\"name\":\"ann\",\"age\":30}\n{\"name\":\"bob\",\"age\":41}\n";
const WITH_HEADER: &str = "<CSV><FileHeaderInfo>USE</FileHeaderInfo></CSV>";

/// The request's XML.
fn request(sql: &str, input: &str, output: &str) -> String {
    let sql = sql.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<SelectObjectContentRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Expression>{sql}</Expression><ExpressionType>SQL</ExpressionType>\
         <InputSerialization>{input}</InputSerialization><OutputSerialization>{output}</OutputSerialization></SelectObjectContentRequest>"
    )
}

/// The frames of an answer, with the order that clients rely on.
async fn frames(fx: &Fixture, sql: &str, input: &str, output: &str) -> Checked<Vec<Frame>> {
    let select = fx.raw_object("SelectObjectContent", "POST", "k", "?select&select-type=2").body(request(sql, input, output)).send().await;
    let answer = expect::ok(select)?;
    let frames = match parse(&answer.body) {
        Ok(frames) => frames,
        Err(wrong) => return expect::that("frames", false, "an event stream with right checksums", wrong).class(Corrupt).map(|()| Vec::new()),
    };
    if let Some(error) = frames.iter().find_map(|frame| frame.headers.get(":error-code")) {
        return expect::that("frames", false, "no error", error).map(|()| Vec::new());
    }
    expect::eq("last event", frames.last().map(Frame::event), Some("End"))?;
    Ok(frames)
}

/// All records of an answer as text.
async fn records(fx: &Fixture, sql: &str, input: &str, output: &str) -> Checked<String> {
    let frames = frames(fx, sql, input, output).await?;
    let bytes: Vec<u8> = frames.iter().filter(|frame| frame.event() == "Records").flat_map(|frame| frame.payload.clone()).collect();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same objects in every format and packing.
const INPUTS: [(&str, &str, Source); 6] = [
    ("csv", WITH_HEADER, Source::Text("name,age\nann,30\nbob,41\n")),
    ("json_lines", "<JSON><Type>LINES</Type></JSON>", Source::Text(ROWS)),
    ("json_document", "<JSON><Type>DOCUMENT</Type></JSON>", Source::Text(ROWS)),
    (
        "gzip",
        "<CompressionType>GZIP</CompressionType><CSV><FileHeaderInfo>USE</FileHeaderInfo></CSV>",
        Source::Hex("1f8b08000000000002ffcb4bcc4dd5494c4fe54acccbd33136e04aca4fd23131e402009285a7c617000000"),
    ),
    (
        "bzip2",
        "<CompressionType>BZIP2</CompressionType><CSV><FileHeaderInfo>USE</FileHeaderInfo></CSV>",
        Source::Hex("425a6839314159265359564639f500000a5900001000046c003283a0002298d0d26d4201a0030370593d929b52e487f7c5dc914e142415918e7d40"),
    ),
    ("parquet", "<Parquet/>", Source::Hex(PARQUET)),
];

#[derive(Debug, Clone, Copy)]
enum Source {
    Text(&'static str),
    Hex(&'static str),
}

impl Source {
    fn bytes(self) -> Vec<u8> {
        match self {
            Source::Text(text) => text.as_bytes().to_vec(),
            Source::Hex(text) => hex::decode(text).unwrap_or_default(),
        }
    }
}

/// Two rows (name, age) as pyarrow 21 writes them: one row group, no compression, plain values.
const PARQUET: &str = "504152311500152815282c15041500150615061c00000002000000040103000000616e6e03000000626f621500151c151c2c15041500150615061c0000000200000004011e000000290000001504193c35001806736368656d61150400150c250218046e616d6525004c1c000000150225021803616765001604191c192c26001c150c192506001918046e616d6515001604164e164e2608491c150015001502003c160c19061926000400000026001c15021925060019180361676515001604164216422656491c150015001502003c29061926000400000016900116042608169001002820706172717565742d6370702d6172726f772076657273696f6e2032362e302e31192c1c00001c000000c300000050415231";

fn formats(mut suite: Suite) -> Suite {
    for (name, input, source) in INPUTS {
        let rule = format!("Rows of a {} object are selected and come as a right event stream.", name.replace('_', " "));
        suite = suite
            .rare(&format!("select_object_content/input_{name}"), &["SEL-01"], &rule, move |fx| async move {
                fx.put("k", &source.bytes()).await?;
                let found = records(&fx, "SELECT s.name FROM S3Object s WHERE CAST(s.age AS INT) > 35", input, "<CSV/>").await?;
                expect::eq("records", found.trim(), "bob")
            })
            .needs(NEEDS);
    }
    suite
        .rare("select_object_content/output_json", &["SEL-01"], "Rows come as JSON where that is asked for.", async |fx| {
            fx.put("k", CSV.as_bytes()).await?;
            let found = records(&fx, "SELECT s.name, s.city FROM S3Object s LIMIT 1", WITH_HEADER, "<JSON/>").await?;
            expect::eq("records", found.trim(), r#"{"name":"ann","city":"Bonn"}"#)
        })
        .needs(NEEDS)
        .rare("select_object_content/output_delimiters", &["SEL-01"], "Rows come with the delimiters that are asked for.", async |fx| {
            fx.put("k", CSV.as_bytes()).await?;
            let output = "<CSV><FieldDelimiter>;</FieldDelimiter><RecordDelimiter>|</RecordDelimiter></CSV>";
            let found = records(&fx, "SELECT s.name, s.city FROM S3Object s", WITH_HEADER, output).await?;
            expect::eq("records", found.as_str(), "ann;Bonn|bob;Köln|cleo;Ulm|")
        })
        .needs(NEEDS)
        .rare(
            "select_object_content/stats",
            &["SEL-01"],
            "The stream has a Stats event before its End, with the bytes that were scanned.",
            async |fx| {
                fx.put("k", CSV.as_bytes()).await?;
                let frames = frames(&fx, "SELECT * FROM S3Object s", WITH_HEADER, "<CSV/>").await?;
                let stats = expect::some("Stats", frames.iter().find(|frame| frame.event() == "Stats"))?;
                let text = String::from_utf8_lossy(&stats.payload).into_owned();
                let due = format!("<BytesScanned>{}</BytesScanned>", CSV.len());
                expect::that("Stats", text.contains(&due), &due, text)
            },
        )
        .needs(NEEDS)
}

/// An expression and what it answers as CSV.
const EXPRESSIONS: [(&str, &str, &str); 14] = [
    ("count", "SELECT COUNT(*) FROM S3Object s", "3"),
    ("sum", "SELECT SUM(CAST(s.age AS INT)) FROM S3Object s", "99"),
    ("average", "SELECT AVG(CAST(s.age AS FLOAT)) FROM S3Object s WHERE s.name <> 'cleo'", "35.5"),
    ("min_and_max", "SELECT MIN(CAST(s.age AS INT)), MAX(CAST(s.age AS INT)) FROM S3Object s", "28,41"),
    ("upper", "SELECT UPPER(s.name) FROM S3Object s LIMIT 1", "ANN"),
    ("substring", "SELECT SUBSTRING(s.name FROM 2 FOR 2) FROM S3Object s LIMIT 1", "nn"),
    ("char_length", "SELECT CHAR_LENGTH(s.city) FROM S3Object s WHERE s.name = 'bob'", "4"),
    ("like", "SELECT s.name FROM S3Object s WHERE s.name LIKE 'c%'", "cleo"),
    ("in_list", "SELECT s.name FROM S3Object s WHERE s.name IN ('bob', 'nobody')", "bob"),
    ("between", "SELECT s.name FROM S3Object s WHERE CAST(s.age AS INT) BETWEEN 31 AND 50", "bob"),
    ("arithmetic", "SELECT CAST(s.age AS INT) * 2 + 1 FROM S3Object s LIMIT 1", "61"),
    ("coalesce", "SELECT COALESCE(NULLIF(s.name, 'cleo'), 'none') FROM S3Object s WHERE s.name = 'cleo'", "none"),
    ("date", "SELECT EXTRACT(YEAR FROM CAST('2024-02-29T' AS TIMESTAMP)) FROM S3Object s LIMIT 1", "2024"),
    ("by_position", "SELECT s._1 FROM S3Object s LIMIT 1", "ann"),
];

fn expressions(mut suite: Suite) -> Suite {
    for (name, sql, due) in EXPRESSIONS {
        let rule = format!("SQL answers what it says ({}).", name.replace('_', " "));
        suite = suite
            .rare(&format!("select_object_content/{name}"), &["SEL-02"], &rule, move |fx| async move {
                fx.put("k", CSV.as_bytes()).await?;
                let found = records(&fx, sql, WITH_HEADER, "<CSV/>").await?;
                expect::eq("records", found.trim(), due)
            })
            .needs(NEEDS);
    }
    suite
}

/// Requests that are wrong.
const WRONG: [(&str, &str, &str); 6] = [
    ("no_sql", "this is no SQL", WITH_HEADER),
    ("join", "SELECT * FROM S3Object a, S3Object b", WITH_HEADER),
    ("insert", "INSERT INTO S3Object VALUES (1)", WITH_HEADER),
    ("unknown_function", "SELECT NOSUCHFUNCTION(s.name) FROM S3Object s", WITH_HEADER),
    ("unknown_compression", "SELECT * FROM S3Object s", "<CompressionType>RAR</CompressionType><CSV/>"),
    ("no_input_format", "SELECT * FROM S3Object s", ""),
];

fn refusals(mut suite: Suite) -> Suite {
    for (name, sql, input) in WRONG {
        let rule = format!("A request that is wrong ({}) answers 400 and no stream.", name.replace('_', " "));
        suite = suite
            .rare(&format!("select_object_content/wrong_{name}"), &["SEL-03"], &rule, move |fx| async move {
                fx.put("k", CSV.as_bytes()).await?;
                let select = fx.raw_object("SelectObjectContent", "POST", "k", "?select&select-type=2").body(request(sql, input, "<CSV/>"));
                expect::error_as(select.send().await, &[(400, "")])
            })
            .needs(NEEDS);
    }
    suite
        .rare("select_object_content/missing_key", &["SEL-03"], "A select from an absent object answers 404 NoSuchKey.", async |fx| {
            let select = fx.raw_object("SelectObjectContent", "POST", "k", "?select&select-type=2");
            expect::error(select.body(request("SELECT * FROM S3Object s", WITH_HEADER, "<CSV/>")).send().await, 404, "NoSuchKey")
        })
        .needs(NEEDS)
        .rare(
            "select_object_content/clean_refusal",
            &["SEL-04"],
            "A server without select says so with 501 or 405, and stores nothing.",
            async |fx| {
                fx.put("k", CSV.as_bytes()).await?;
                let select = fx.raw_object("SelectObjectContent", "POST", "k", "?select&select-type=2");
                let answer = select.body(request("SELECT * FROM S3Object s", WITH_HEADER, "<CSV/>")).send().await.settle();
                fx.holds("k", CSV.as_bytes()).await?;
                match answer {
                    Err(Refusal::Answered { status: 405, code }) => Err(Finding::Unsupported(format!("405 {code}"))),
                    answer => expect::ok(answer).map(drop),
                }
            },
        )
}
