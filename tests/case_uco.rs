//! `tamis export case-uco`: the graph against the case's own rows.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;
use support::cli::{Cases, KNOWN, SEIZURE, errors, expect, tamis, text};

const PHOTO_1: &[u8] = include_bytes!("data/seizure/phone/DCIM/IMG_0001.jpg");

fn graph(cases: &Cases, case: &str) -> (String, Vec<Value>) {
    let output = tamis().args(["export", "case-uco", "--case"]).arg(cases.path(case)).output().unwrap();
    let written = expect(0, &output);
    let graph: Value = serde_json::from_str(&written).unwrap();
    let nodes = graph["@graph"].as_array().unwrap().clone();
    (written, nodes)
}

fn sample(cases: &Cases) {
    let owner = ["--case-number", "K 17", "--exhibit", "E1", "--examiner", "A. Nalyst"];
    cases.summary("CASE", &[&["triage", SEIZURE, "--known", KNOWN, "--quiet"], &owner[..]].concat());
    cases.summary("CASE", &["stack", "--quiet"]);
}

/// Faults of the graph's links: duplicate identifiers, and links to missing nodes.
fn faults(nodes: &[Value]) -> Vec<String> {
    /// Defined identifiers and links below a value. An object with an identifier alone is a link.
    fn walk(value: &Value, defined: &mut Vec<String>, links: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(id) = fields.get("@id").and_then(Value::as_str) {
                    (if fields.len() == 1 { &mut *links } else { &mut *defined }).push(id.into());
                }
                fields.values().for_each(|value| walk(value, defined, links));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, defined, links)),
            _ => {}
        }
    }
    let (mut defined, mut links) = (Vec::new(), Vec::new());
    nodes.iter().for_each(|node| walk(node, &mut defined, &mut links));
    let known: BTreeSet<&String> = defined.iter().collect();
    let mut faults: Vec<String> =
        links.iter().filter(|link| !known.contains(link)).map(|link| format!("{link} is nowhere")).collect();
    if known.len() != defined.len() {
        faults.push(format!("{} identifiers are duplicate", defined.len() - known.len()));
    }
    faults
}

/// The facet of a class of a node.
fn facet<'a>(node: &'a Value, class: &str) -> &'a Value {
    let facets = node["uco-core:hasFacet"].as_array().unwrap();
    facets.iter().find(|facet| facet["@type"] == format!("uco-observable:{class}")).unwrap_or(&Value::Null)
}

#[test]
fn the_graph_has_what_the_case_has() {
    let cases = Cases::new();
    sample(&cases);
    let (written, nodes) = graph(&cases, "CASE");
    assert_eq!(graph(&cases, "CASE").0, written, "two runs give the same bytes");
    assert_eq!(faults(&nodes), Vec::<String>::new());
    let of = |class: &str| nodes.iter().filter(|node| node["@type"] == class).collect::<Vec<_>>();
    let items: BTreeMap<&str, &Value> = nodes
        .iter()
        .filter(|node| node.get("tamis:outcome").is_some())
        .map(|node| (facet(node, "FileFacet")["uco-observable:filePath"].as_str().unwrap(), node))
        .collect();
    let rows = cases.rows("CASE", "items");
    assert_eq!(items.len(), rows.len());
    for row in &rows {
        let node = items[text(row, "path")];
        assert_eq!(node["tamis:outcome"], row["outcome"]);
        let hashes = facet(node, "ContentDataFacet")["uco-observable:hash"].as_array().unwrap();
        for (method, field) in [("MD5", "md5"), ("SHA1", "sha1"), ("SHA256", "sha256"), ("PDQ", "pdq")] {
            let hash = hashes.iter().find(|hash| hash["uco-types:hashMethod"] == method);
            assert_eq!(hash.map_or(&Value::Null, |hash| &hash["uco-types:hashValue"]["@value"]), &row[field]);
        }
        assert_eq!(facet(node, "FileFacet")["uco-observable:sizeInBytes"], row["size"]);
        assert_eq!(facet(node, "RasterPictureFacet")["uco-observable:pictureWidth"], row["width"]);
    }
    let by_id: BTreeMap<&str, &Value> =
        nodes.iter().map(|node| (node["@id"].as_str().unwrap(), node)).collect();
    let relationships = of("uco-observable:ObservableRelationship");
    let kind = |kinds: &[&str]| -> Vec<&Value> {
        relationships
            .iter()
            .filter(|node| kinds.contains(&node["uco-core:kindOfRelationship"].as_str().unwrap()))
            .copied()
            .collect()
    };
    assert_eq!(kind(&["Contained_Within"]).len(), rows.len());
    // Item, record, kind, distance and confirmation of each hit, through the links.
    let mut found: Vec<(String, u64, bool, Value, Value)> = kind(&["Equal_Digest", "Perceptually_Near"])
        .into_iter()
        .map(|hit| {
            let end = |name: &str| by_id[hit[name]["@id"].as_str().unwrap()];
            let path = &facet(end("uco-core:source"), "FileFacet")["uco-observable:filePath"];
            let record = end("uco-core:target")["tamis:record"].as_u64().unwrap();
            let digest = hit["uco-core:kindOfRelationship"] == "Equal_Digest";
            (
                path.as_str().unwrap().into(),
                record,
                digest,
                hit["tamis:distance"].clone(),
                hit["tamis:confirmation"].clone(),
            )
        })
        .collect();
    found.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    let mut expected: Vec<(String, u64, bool, Value, Value)> = cases
        .rows("CASE", "hits")
        .iter()
        .map(|row| {
            let record = row["record"].as_u64().unwrap();
            (
                text(row, "path").into(),
                record,
                row["kind"] == "digest",
                row["distance"].clone(),
                row["confirmation"].clone(),
            )
        })
        .collect();
    expected.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    assert_eq!(found, expected);
    assert!(written.contains("victim_identified") && written.contains("Series A"));
    // The commands, their settings, and who ran them.
    let runs = of("case-investigation:InvestigativeAction");
    assert_eq!(
        runs.iter().map(|run| text(run, "uco-core:name")).collect::<Vec<_>>(),
        ["tamis triage", "tamis stack"]
    );
    let examiner = by_id[runs[0]["uco-action:performer"]["@id"].as_str().unwrap()];
    assert_eq!(examiner["uco-core:name"], "A. Nalyst");
    let tool = by_id[runs[0]["uco-action:instrument"]["@id"].as_str().unwrap()].to_string();
    assert!(tool.contains("matching.distance"));
    // The twins that must fail: one node fewer, and one node twice.
    assert_ne!(faults(&nodes[1..]), faults(&nodes[..1]));
    assert!(!faults(&nodes[..nodes.len() - 12].iter().skip(6).cloned().collect::<Vec<_>>()).is_empty());
    assert!(!faults(&[&nodes[..], &nodes[..1]].concat()).is_empty());
    validate(&cases, &written);
}

/// The validator of the ontology's makers (`pip install case-utils`), if it is installed.
fn validate(cases: &Cases, written: &str) {
    let path = cases.path("case.jsonld");
    fs::write(&path, written).unwrap();
    // A hash's name is not in the open vocabulary of hash names, which is information, not a fault.
    match Command::new("case_validate").args(["--allow-info"]).arg(&path).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(_) => {
            assert!(!support::oracles_required(), "TAMIS_ORACLE_TESTS=require: no case_validate");
            support::skip("no case_validate (pip install case-utils)");
        }
    }
}

#[test]
fn names_are_unique_and_escaped() {
    let cases = Cases::new();
    let source = cases.path("source");
    fs::create_dir(&source).unwrap();
    let mut names = vec!["a.jpg", "a.jpg ", "<b> \u{202e}'\".jpg"];
    if cfg!(unix) {
        names.push("line\n\\.jpg");
    }
    for name in &names {
        fs::write(source.join(name), PHOTO_1).unwrap();
    }
    fs::write(source.join("empty"), "").unwrap();
    cases.summary("CASE", &["triage", source.to_str().unwrap(), "--known", KNOWN, "--quiet"]);
    let (written, nodes) = graph(&cases, "CASE");
    assert_eq!(faults(&nodes), Vec::<String>::new());
    assert!(!written.contains('\u{202e}') && written.contains("\\\\u{202e}"));
    let items = nodes.iter().filter(|node| node.get("tamis:outcome").is_some()).count();
    assert_eq!(items, names.len() + 1);
    // Another case of the same files has other items, and the same known records.
    cases.summary(
        "OTHER",
        &["triage", source.to_str().unwrap(), "--known", KNOWN, "--quiet", "--exhibit", "E2"],
    );
    let (_, others) = graph(&cases, "OTHER");
    let ids = |nodes: &[Value], field: &str| -> BTreeSet<String> {
        let has = nodes.iter().filter(|node| node.get(field).is_some());
        has.map(|node| node["@id"].as_str().unwrap().to_string()).collect()
    };
    assert!(ids(&nodes, "tamis:outcome").is_disjoint(&ids(&others, "tamis:outcome")));
    assert_eq!(ids(&nodes, "tamis:record"), ids(&others, "tamis:record"));
    validate(&cases, &written);
    // It has one form.
    let form = tamis()
        .args(["export", "case-uco", "--format", "jsonl", "--case"])
        .arg(cases.path("CASE"))
        .output()
        .unwrap();
    assert!(errors(2, &form).contains("always JSON-LD"));
}

/// A run acts on the sources that it was given, not on those that came to the case later.
#[test]
fn runs_act_on_their_own_sources() {
    let cases = Cases::new();
    for source in ["one", "two"] {
        fs::create_dir(cases.path(source)).unwrap();
        fs::write(cases.path(source).join("a.txt"), source).unwrap();
        let path = cases.path(source);
        cases.summary("CASE", &["scan", path.to_str().unwrap()]);
    }
    cases.summary("CASE", &["stack"]);
    let (_, nodes) = graph(&cases, "CASE");
    assert_eq!(faults(&nodes), [""; 0]);
    let class = |node: &Value| node["@type"].as_str().unwrap_or_default().to_string();
    let actions: Vec<&Value> =
        nodes.iter().filter(|node| class(node).ends_with("InvestigativeAction")).collect();
    let objects: Vec<usize> =
        actions.iter().map(|action| action["uco-action:object"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(objects, [1, 1, 0]);
    assert_ne!(actions[0]["uco-action:object"], actions[1]["uco-action:object"]);
}
