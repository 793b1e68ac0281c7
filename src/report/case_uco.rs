//! A case as a CASE/UCO graph in JSON-LD, for case management and for exchange: `docs/case-uco.md` maps its
//! classes.
//!
//! Nodes are written while the case is read; memory does not grow with the case. Identifiers are UUIDs of version 5 (RFC 9562),
//! derived from what a node stands for, so the same case gives the same bytes and two exports of it merge.

use std::io::{self, Write};

use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::export::ExportError;
use super::page::flat_settings;
use super::summary::escaped;
use crate::case::{CaseReader, HitRow, ItemRow, RunRow, SetRecordRow};
use crate::outcome::Outcome;

/// The ontology that the graph is written for.
pub const ONTOLOGY: &str = "CASE 1.5.0, UCO 1.5.0";

/// The namespace of the identifiers: a random UUID that never changes.
const NAMESPACE: [u8; 16] =
    [0x6f, 0x1d, 0x0c, 0x5e, 0x93, 0x2a, 0x4b, 0x77, 0xa4, 0x58, 0x3d, 0xe1, 0x70, 0xb2, 0x9c, 0x06];

/// Counts of what was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GraphCounts {
    /// Nodes of items.
    pub items: u64,
    /// Nodes of known records.
    pub records: u64,
    /// Relationships of items to known records.
    pub hits: u64,
    /// Actions: commands that wrote to the case.
    pub runs: u64,
}

/// Writes the graph.
///
/// # Errors
/// If the case cannot be read, or the sink fails.
pub fn write(case: &CaseReader, out: &mut dyn Write) -> Result<GraphCounts, ExportError> {
    let _snapshot = case.snapshot()?;
    let mut graph = Graph::begin(case, out)?;
    let mut counts = GraphCounts::default();
    graph.frame(case)?;
    for run in case.runs()? {
        counts.runs += 1;
        graph.run(case, &run)?;
    }
    case.for_each_item(|item| {
        counts.items += 1;
        graph.item(&item)
    })?;
    case.for_each_set_record(|record| {
        counts.records += 1;
        graph.set_record(&record)
    })?;
    case.for_each_hit(|hit| {
        counts.hits += 1;
        graph.hit(&hit)
    })?;
    graph.out.write_all(b"\n]}\n")?;
    Ok(counts)
}

/// A graph that is being written.
struct Graph<'a> {
    out: &'a mut dyn Write,
    /// Distinguishes this case's items from those of others, for their identifiers.
    case: String,
    first: bool,
}

impl<'a> Graph<'a> {
    fn begin(case: &CaseReader, out: &'a mut dyn Write) -> Result<Self, ExportError> {
        let (identity, origin) = (case.identity()?, case.origin()?);
        let parts = [origin.created, identity.case_number, identity.exhibit].map(Option::unwrap_or_default);
        out.write_all(b"{\"@context\":")?;
        put(out, &context())?;
        out.write_all(b",\"@graph\":[\n")?;
        Ok(Self { out, case: parts.join("\0"), first: true })
    }

    fn node(&mut self, node: &Value) -> Result<(), ExportError> {
        if !self.first {
            self.out.write_all(b",\n")?;
        }
        self.first = false;
        put(self.out, node)
    }

    /// The identifier of something of this case.
    fn own(&self, kind: &str, names: &[&str]) -> String {
        let mut parts = vec![self.case.as_str()];
        parts.extend(names);
        identifier(kind, &parts)
    }

    /// The investigation, the tool, the sources, the hash sets, and who examined them.
    fn frame(&mut self, case: &CaseReader) -> Result<(), ExportError> {
        let (identity, spec) = (escaped(case.identity()?), case.spec()?);
        let sources = case.sources()?;
        let named = |text: &Option<String>, otherwise: &str| text.clone().unwrap_or_else(|| otherwise.into());
        let links: Vec<Value> = sources.iter().map(|source| link(&self.own("source", &[source]))).collect();
        self.node(&json!({
            "@id": self.own("investigation", &[]),
            "@type": "case-investigation:Investigation",
            "uco-core:name": named(&identity.case_number, "case"),
            "uco-core:object": link(&self.own("exhibit", &[])),
        }))?;
        let mut exhibit = json!({
            "@id": self.own("exhibit", &[]),
            "@type": "case-investigation:ProvenanceRecord",
            "uco-core:description": "the sources of the case",
            "uco-core:object": links,
        });
        if let Some(number) = &identity.exhibit {
            exhibit["case-investigation:exhibitNumber"] = json!(number);
        }
        self.node(&exhibit)?;
        self.node(&json!({
            "@id": identifier("tool", &[env!("CARGO_PKG_VERSION")]),
            "@type": "uco-tool:AnalyticTool",
            "uco-core:name": "Tamis",
            "uco-core:description": format!(
                "{} {}, geometry {}, decoding {}",
                spec.algorithm, spec.version, spec.geometry.name(), spec.decode.name()
            ),
            "uco-tool:toolType": "perceptual hashing and matching",
            "uco-tool:version": env!("CARGO_PKG_VERSION"),
        }))?;
        if let Some(examiner) = &identity.examiner {
            self.node(&json!({
                "@id": self.own("examiner", &[]),
                "@type": "uco-identity:Person",
                "uco-core:name": examiner,
            }))?;
        }
        for source in &sources {
            let id = self.own("source", &[source]);
            self.node(&json!({
                "@id": id,
                "@type": "uco-observable:FileSystemObject",
                "uco-core:hasFacet": [{
                    "@id": part(&id, "file"), "@type": "uco-observable:FileFacet", "uco-observable:filePath": source,
                }],
            }))?;
        }
        for set in case.set_counts()? {
            let id = identifier("known-set", &[&set.file_sha256]);
            self.node(&json!({
                "@id": id,
                "@type": "uco-observable:File",
                "uco-core:name": set.name,
                "uco-core:hasFacet": [
                    {
                        "@id": part(&id, "file"), "@type": "uco-observable:FileFacet",
                        "uco-observable:filePath": set.path,
                    },
                    {
                        "@id": part(&id, "content"), "@type": "uco-observable:ContentDataFacet",
                        "uco-observable:hash": [hash(&id, "SHA256", &set.file_sha256)],
                    },
                ],
                "tamis:records": set.records,
                "tamis:distance": set.distance,
                "tamis:minQuality": set.min_quality,
                "tamis:verify": set.verify,
            }))?;
        }
        Ok(())
    }

    /// A command that wrote to the case, and the tool as it was set for it.
    fn run(&mut self, case: &CaseReader, run: &RunRow) -> Result<(), ExportError> {
        let number = run.number.to_string();
        let (id, tool) = (self.own("run", &[&number]), self.own("configured-tool", &[&number]));
        let settings = flat_settings(&run.settings)?;
        let entries: Vec<Value> = settings
            .iter()
            .map(|(name, value)| {
                json!({
                    "@id": part(&tool, &format!("setting {name}")),
                    "@type": "uco-configuration:ConfigurationEntry",
                    "uco-configuration:itemName": name,
                    "uco-configuration:itemValue": value,
                })
            })
            .collect();
        let version =
            settings.iter().find(|(name, _)| name == "program").map(|(_, version)| version.as_str());
        self.node(&json!({
            "@id": tool,
            "@type": ["uco-tool:AnalyticTool", "uco-tool:ConfiguredTool"],
            "uco-core:name": "Tamis",
            "uco-tool:version": version.unwrap_or("unknown"),
            "uco-configuration:isConfigurationOf": link(&identifier("tool", &[env!("CARGO_PKG_VERSION")])),
            "uco-configuration:usesConfiguration": {
                "@id": part(&tool, "configuration"),
                "@type": "uco-configuration:Configuration",
                "uco-configuration:configurationEntry": entries,
            },
        }))?;
        // The run's own sources as typed; the case's sources end in them.
        let typed: Vec<&str> = settings
            .iter()
            .filter(|(name, _)| name.starts_with("sources["))
            .map(|(_, value)| value.trim_start_matches("./").trim_end_matches('/'))
            .collect();
        let mut sources = case.sources()?;
        sources.retain(|source| {
            typed.iter().any(|typed| {
                source == typed || source.strip_suffix(typed).is_some_and(|before| before.ends_with('/'))
            })
        });
        let mut action = json!({
            "@id": id,
            "@type": "case-investigation:InvestigativeAction",
            "uco-core:name": format!("tamis {}", run.command),
            "uco-action:actionStatus": status(&run.state),
            "uco-action:startTime": moment(&run.started),
            "uco-action:instrument": link(&tool),
            "tamis:state": run.state,
        });
        if !sources.is_empty() {
            let objects: Vec<_> = sources.iter().map(|source| link(&self.own("source", &[source]))).collect();
            action["uco-action:object"] = objects.into();
        }
        if let Some(ended) = &run.ended {
            action["uco-action:endTime"] = moment(ended);
        }
        if case.identity()?.examiner.is_some() {
            action["uco-action:performer"] = link(&self.own("examiner", &[]));
        }
        self.node(&action)
    }

    /// A file, and its relationship to its source.
    fn item(&mut self, item: &ItemRow) -> Result<(), ExportError> {
        let id = self.own("item", &[&item.source, &item.path]);
        let class = match (item.outcome.as_str(), &item.format) {
            (outcome, _)
                if [Outcome::NotFollowed, Outcome::NotAFile].map(Outcome::name).contains(&outcome) =>
            {
                "uco-observable:FileSystemObject"
            }
            (_, Some(_)) => "uco-observable:RasterPicture",
            (_, None) => "uco-observable:File",
        };
        let mut facets = vec![file_facet(&id, item)];
        if item.sha256.is_some() {
            facets.push(content_facet(&id, item));
        }
        if let (Some(width), Some(height)) = (item.width, item.height) {
            facets.push(json!({
                "@id": part(&id, "picture"),
                "@type": "uco-observable:RasterPictureFacet",
                "uco-observable:pictureWidth": width,
                "uco-observable:pictureHeight": height,
            }));
        }
        facets.extend(exif_facet(&id, item));
        let mut node =
            json!({ "@id": id, "@type": class, "uco-core:hasFacet": facets, "tamis:outcome": item.outcome });
        for (name, value) in [
            ("tamis:stage", item.stage.as_deref().map(Value::from)),
            ("tamis:reason", item.reason.as_deref().map(Value::from)),
            ("tamis:quality", item.quality.map(Value::from)),
            ("tamis:derivedFrom", item.derived_from.as_deref().map(Value::from)),
            ("tamis:unstableBits", item.unstable_bits.map(Value::from)),
        ] {
            if let Some(value) = value {
                node[name] = value;
            }
        }
        self.node(&node)?;
        self.node(&json!({
            "@id": part(&id, "within"),
            "@type": "uco-observable:ObservableRelationship",
            "uco-core:source": link(&id),
            "uco-core:target": link(&self.own("source", &[&item.source])),
            "uco-core:kindOfRelationship": "Contained_Within",
            "uco-core:isDirectional": true,
        }))
    }

    /// A known record that has a hit, with its own columns.
    fn set_record(&mut self, record: &SetRecordRow) -> Result<(), ExportError> {
        let id = set_record(&record.hash_set_sha256, record.record);
        let entries: Vec<Value> = record
            .columns
            .iter()
            .map(|(name, value)| {
                json!({
                    "@id": part(&id, &format!("column {name}")),
                    "@type": "uco-types:DictionaryEntry",
                    "uco-types:key": name,
                    "uco-types:value": value,
                })
            })
            .collect();
        let mut node = json!({
            "@id": id,
            "@type": "uco-observable:ObservableObject",
            "uco-core:name": format!("{} {}", record.hash_set, record.record),
            "tamis:hashSet": link(&identifier("known-set", &[&record.hash_set_sha256])),
            "tamis:record": record.record,
        });
        if !entries.is_empty() {
            node["tamis:columns"] = json!({
                "@id": part(&id, "columns"), "@type": "uco-types:Dictionary", "uco-types:entry": entries,
            });
        }
        self.node(&node)
    }

    /// The relationship of an item to its hit.
    fn hit(&mut self, hit: &HitRow) -> Result<(), ExportError> {
        let record = hit.record.to_string();
        let item = self.own("item", &[&hit.source, &hit.path]);
        let mut node = json!({
            "@id": self.own("hit", &[&hit.source, &hit.path, &hit.hash_set_sha256, &record]),
            "@type": "uco-observable:ObservableRelationship",
            "uco-core:source": link(&item),
            "uco-core:target": link(&set_record(&hit.hash_set_sha256, hit.record)),
            "uco-core:kindOfRelationship": if hit.kind == "digest" { "Equal_Digest" } else { "Perceptually_Near" },
            "uco-core:isDirectional": hit.kind != "digest",
            "tamis:confirmation": hit.confirmation,
        });
        for (name, value) in [
            ("tamis:distance", hit.distance.map(Value::from)),
            ("tamis:orientation", hit.orientation.as_deref().map(Value::from)),
            ("tamis:unconfirmedReason", hit.unconfirmed_reason.as_deref().map(Value::from)),
            ("tamis:knownQuality", hit.known_quality.map(Value::from)),
            ("tamis:records", Some(hit.records).filter(|records| *records > 1).map(Value::from)),
            ("tamis:listedRecords", listed(hit)),
            ("tamis:moreNear", Some(hit.more).filter(|more| *more > 0).map(Value::from)),
            ("tamis:digests", Some(hit.digests.as_str()).filter(|names| !names.is_empty()).map(Value::from)),
        ] {
            if let Some(value) = value {
                node[name] = value;
            }
        }
        self.node(&node)
    }
}

/// The records listed by a hit of several; `None` for a single one.
fn listed(hit: &HitRow) -> Option<Value> {
    let numbers = hit.listed.split("; ").filter_map(|number| number.parse().ok());
    let links: Vec<Value> = numbers.map(|record| link(&set_record(&hit.hash_set_sha256, record))).collect();
    (hit.records > 1).then(|| links.into())
}

/// Prefixes of the names in the graph.
fn context() -> Value {
    json!({
        "kb": "urn:uuid:",
        "tamis": "urn:tamis:terms:",
        "case-investigation": "https://ontology.caseontology.org/case/investigation/",
        "uco-action": "https://ontology.unifiedcyberontology.org/uco/action/",
        "uco-configuration": "https://ontology.unifiedcyberontology.org/uco/configuration/",
        "uco-core": "https://ontology.unifiedcyberontology.org/uco/core/",
        "uco-identity": "https://ontology.unifiedcyberontology.org/uco/identity/",
        "uco-observable": "https://ontology.unifiedcyberontology.org/uco/observable/",
        "uco-tool": "https://ontology.unifiedcyberontology.org/uco/tool/",
        "uco-types": "https://ontology.unifiedcyberontology.org/uco/types/",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    })
}

/// Name, place, size and times.
fn file_facet(id: &str, item: &ItemRow) -> Value {
    let path = if item.path.is_empty() { &item.source } else { &item.path };
    let mut facet = json!({
        "@id": part(id, "file"),
        "@type": "uco-observable:FileFacet",
        "uco-observable:filePath": path,
        "uco-observable:fileName": path.rsplit('/').next().unwrap_or(path),
    });
    for (name, time) in [
        ("uco-observable:modifiedTime", &item.modified),
        ("uco-observable:accessedTime", &item.accessed),
        ("uco-observable:observableCreatedTime", &item.created),
    ] {
        if let Some(time) = time {
            facet[name] = moment(time);
        }
    }
    if let Some(size) = item.size {
        facet["uco-observable:sizeInBytes"] = json!(size);
    }
    facet
}

/// Digests, and the hash of a picture.
fn content_facet(id: &str, item: &ItemRow) -> Value {
    let hashes: Vec<Value> =
        [("MD5", &item.md5), ("SHA1", &item.sha1), ("SHA256", &item.sha256), ("PDQ", &item.pdq)]
            .into_iter()
            .filter_map(|(method, value)| Some(hash(id, method, value.as_deref()?)))
            .collect();
    let mut facet = json!({
        "@id": part(id, "content"),
        "@type": "uco-observable:ContentDataFacet",
        "uco-observable:hash": hashes,
    });
    if let Some(size) = item.size {
        facet["uco-observable:sizeInBytes"] = json!(size);
    }
    if let Some(media_type) = item.format.as_deref().and_then(media_type) {
        facet["uco-observable:mimeType"] = json!(media_type);
    }
    facet
}

/// The file's EXIF data about its capture; `None` where there is none.
fn exif_facet(id: &str, item: &ItemRow) -> Option<Value> {
    let orientation = item.exif_orientation.map(|orientation| orientation.to_string());
    let entries: Vec<Value> = [
        ("DateTimeOriginal", &item.taken),
        ("Make", &item.camera_make),
        ("Model", &item.camera_model),
        ("Orientation", &orientation),
    ]
    .into_iter()
    .filter_map(|(name, value)| {
        Some(json!({
            "@id": part(id, &format!("EXIF {name}")),
            "@type": "uco-types:ControlledDictionaryEntry",
            "uco-types:key": name,
            "uco-types:value": value.as_deref()?,
        }))
    })
    .collect();
    (!entries.is_empty()).then(|| {
        json!({
            "@id": part(id, "EXIF"),
            "@type": "uco-observable:EXIFFacet",
            "uco-observable:exifData": {
                "@id": part(id, "EXIF data"), "@type": "uco-types:ControlledDictionary", "uco-types:entry": entries,
            },
        })
    })
}

fn hash(id: &str, method: &str, value: &str) -> Value {
    json!({
        "@id": part(id, method),
        "@type": "uco-types:Hash",
        "uco-types:hashMethod": method,
        "uco-types:hashValue": { "@type": "xsd:hexBinary", "@value": value },
    })
}

fn link(id: &str) -> Value {
    json!({ "@id": id })
}

fn moment(iso: &str) -> Value {
    json!({ "@type": "xsd:dateTime", "@value": iso })
}

/// A run's state in UCO's words.
fn status(state: &str) -> &'static str {
    match state {
        "done" => "Success",
        "failed" => "Fail",
        "died" => "Error",
        // Also a run that died, until the next command detects it.
        "running" => "Ongoing",
        "interrupted" => "Pending",
        _ => "Unknown",
    }
}

/// The registered media type of a format; `None` where there is none.
fn media_type(format: &str) -> Option<&'static str> {
    Some(match format {
        "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "tiff" => "image/tiff",
        "ico" => "image/vnd.microsoft.icon",
        "avif" => "image/avif",
        "heic" => "image/heic",
        "jxl" => "image/jxl",
        "jpeg2000" => "image/jp2",
        "psd" => "image/vnd.adobe.photoshop",
        "dds" => "image/vnd-ms.dds",
        _ => return None,
    })
}

/// A known record's identifier is the same in every case.
fn set_record(set_sha256: &str, record: i64) -> String {
    identifier("known-record", &[set_sha256, &record.to_string()])
}

/// A part of a node.
fn part(id: &str, name: &str) -> String {
    identifier("part", &[id, name])
}

/// A UUID of version 5 of a kind and the names of what it stands for.
fn identifier(kind: &str, names: &[&str]) -> String {
    let mut digest = Sha1::new_with_prefix(NAMESPACE);
    digest.update(kind.as_bytes());
    for name in names {
        // With lengths, so that no two lists of names give the same text.
        digest.update((name.len() as u64).to_be_bytes());
        digest.update(name.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = crate::source::digest::hex(&bytes);
    format!("kb:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn put(out: &mut dyn Write, value: &Value) -> Result<(), ExportError> {
    Ok(serde_json::to_writer(out, value).map_err(io::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_of_version_five_and_of_what_they_stand_for() {
        let one = identifier("item", &["a", "b"]);
        assert_eq!(one, identifier("item", &["a", "b"]));
        for other in
            [identifier("item", &["ab", ""]), identifier("item", &["", "ab"]), identifier("hit", &["a", "b"])]
        {
            assert_ne!(other, one);
        }
        let uuid = one.strip_prefix("kb:").unwrap();
        assert_eq!(uuid.len(), 36);
        assert_eq!((&uuid[14..15], "89ab".contains(&uuid[19..20])), ("5", true));
    }
}
