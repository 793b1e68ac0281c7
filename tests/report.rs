//! `tamis report`: the page of a case, by its HTML and in a browser.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::cli::{Cases, KNOWN, SEIZURE, errors, expect, tamis};
use support::python;

const PHOTO_1: &[u8] = include_bytes!("data/seizure/phone/DCIM/IMG_0001.jpg");
const PHOTO_2: &[u8] = include_bytes!("data/seizure/phone/DCIM/IMG_0002.jpg");

/// The sample, triaged and stacked.
fn sample(cases: &Cases) -> Value {
    let owner = ["--case-number", "K 17", "--exhibit", "E1", "--examiner", "A. Nalyst"];
    let summary =
        cases.summary("CASE", &[&["triage", SEIZURE, "--known", KNOWN, "--quiet"], &owner[..]].concat());
    cases.summary("CASE", &["stack", "--quiet"]);
    summary
}

/// The page that the program writes to standard output.
fn page(case: &Path, more: &[&str]) -> String {
    expect(
        0,
        &tamis()
            .args(["report", "--output", "-", "--quiet", "--case"])
            .arg(case)
            .args(more)
            .output()
            .unwrap(),
    )
}

/// The data of a table.
fn table(page: &str, id: &str) -> Value {
    let begin = format!("<script type=\"application/json\" id=\"{id}\">");
    let json = page.split(&begin).nth(1).unwrap().split("</script>").next().unwrap();
    serde_json::from_str(json).unwrap()
}

fn rows(page: &str, id: &str) -> Vec<Value> {
    table(page, id)["rows"].as_array().unwrap().clone()
}

/// Elements that are not closed, closed twice or crossed; the identifiers; the attributes that name another place; and all
/// text outside of elements for machines.
const PARSER: &str = "
import html.parser, json, sys
VOID = {'meta', 'br', 'img', 'input', 'link', 'hr'}
class Parser(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.wrong, self.ids, self.places, self.elements, self.text, self.handlers = [], [], [], [], [], [], []
    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID: self.handle_endtag(tag)
    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        for name, value in attributes:
            if name == 'id': self.ids.append(value)
            if name in ('src', 'href', 'action', 'data', 'srcset', 'poster', 'formaction'): self.places.append(value)
            if name.startswith('on') or name == 'style': self.handlers.append(name)
        if tag not in VOID: self.open.append(tag)
    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag: self.wrong.append(tag)
        else: self.open.pop()
    def handle_data(self, data):
        if self.open and self.open[-1] not in ('script', 'style'): self.text.append(data)
parser = Parser()
parser.feed(sys.stdin.read())
parser.close()
print(json.dumps({'wrong': parser.wrong + parser.open, 'ids': parser.ids, 'places': parser.places, 'elements': parser.elements,
    'text': ' '.join(parser.text), 'handlers': parser.handlers}))
";

fn parsed(page: &str) -> Option<Value> {
    if !python::has("html.parser") {
        return None;
    }
    let text =
        python::ask(PARSER, &[], |mut input| std::io::Write::write_all(&mut input, page.as_bytes()).unwrap());
    Some(serde_json::from_str(&text).unwrap())
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn the_page_has_what_the_case_has() {
    let cases = Cases::new();
    let summary = sample(&cases);
    let page = page(&cases.path("CASE"), &[]);
    for part in [
        "K 17",
        "E1",
        "A. Nalyst",
        "<bdi dir=\"ltr\">22</bdi> = <bdi dir=\"ltr\">16 + 1 + 1 + 1 + 1 + 1 + 1</bdi>",
        "8 + 10 + 4 + 0",
        "This page shows no picture.",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let sha256 = summary["hash_sets"][0]["file_sha256"].as_str().unwrap();
    assert!(page.contains(sha256));
    // The rows are those of the exports: hits in the order in which their items are to be looked at.
    let hits = rows(&page, "hits-table-rows");
    let expected = cases.rows("CASE", "hits");
    let paths = |rows: &[Value], field: &str| -> Vec<String> {
        rows.iter().map(|row| row[field].as_str().unwrap().to_string()).collect()
    };
    let first = |rows: &[Value]| -> Vec<String> {
        rows.iter().map(|row| row[0].as_str().unwrap().to_string()).collect()
    };
    let priorities = cases.rows("CASE", "priorities");
    let rank =
        |path: &str| priorities.iter().find(|row| row["path"] == path).unwrap()["rank"].as_u64().unwrap();
    let ranks: Vec<u64> = first(&hits).iter().map(|path| rank(path)).collect();
    assert!(ranks.is_sorted() && !ranks.is_empty(), "{ranks:?}");
    let mut by_path = hits.clone();
    by_path.sort_by_key(|row| (row[0].as_str().unwrap().to_string(), row[2].as_u64()));
    assert_eq!(first(&by_path), paths(&expected, "path"));
    for (row, hit) in by_path.iter().zip(&expected) {
        assert_eq!((&row[2], &row[4], &row[14]), (&hit["record"], &hit["distance"], &hit["sha256"]));
        assert_eq!(row[15], hit["listed"]);
        let known: Vec<&Value> = row.as_array().unwrap()[16..].iter().collect();
        assert!(hit["known"].as_object().unwrap().values().all(|value| known.contains(&value)), "{hit}");
    }
    let failed = cases.rows("CASE", "errors");
    assert_eq!(first(&rows(&page, "errors-table-rows")), paths(&failed, "path"));
    let reasons: Vec<&Value> = failed.iter().map(|row| &row["reason"]).collect();
    assert_eq!(
        rows(&page, "errors-table-rows")
            .iter()
            .map(|row| row[3].clone())
            .collect::<Vec<_>>()
            .iter()
            .collect::<Vec<_>>(),
        reasons
    );
    assert_eq!(rows(&page, "stacks-table-rows").len(), 1);
    // Settings, in full.
    for part in ["matching.distance", "resources.max_memory", "tests/data/known.csv", "pdq 3"] {
        assert!(page.contains(part), "{part}");
    }
    let Some(parsed) = parsed(&page) else { return };
    assert_eq!(parsed["wrong"], Value::Array(Vec::new()));
    let ids = texts(&parsed["ids"]);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "no duplicate identifiers: {ids:?}");
    let text = parsed["text"].as_str().unwrap();
    for place in texts(&parsed["places"]) {
        assert!(place.strip_prefix('#').is_some_and(|id| ids.contains(&id)), "{place}");
    }
    assert!(text.contains("Perceptual hits") && text.contains("Malformed lines skipped"));
    assert_eq!(
        parsed["handlers"],
        Value::Array(Vec::new()),
        "the policy forbids attributes with scripts or styles"
    );
    // The twin that must fail: a page with one end tag less.
    let broken = page.replacen("</section>", "", 1);
    assert_ne!(self::parsed(&broken).unwrap()["wrong"], Value::Array(Vec::new()));
}

#[test]
fn the_same_case_gives_the_same_bytes_and_asks_no_network() {
    let cases = Cases::new();
    sample(&cases);
    let case = cases.path("CASE");
    let first = page(&case, &[]);
    assert_eq!(page(&case, &["-j", "1"]), first);
    assert_ne!(page(&case, &["--lang", "fr"]), first);
    let copy = cases.path("COPY");
    fs::create_dir(&copy).unwrap();
    fs::copy(case.join("case.sqlite"), copy.join("case.sqlite")).unwrap();
    assert_eq!(page(&copy, &[]), first, "the place of the case does not matter");
    for language in ["en", "fr", "es", "ar"] {
        let page = page(&case, &["--lang", language]);
        for part in
            ["http:", "https:", "//www", "<img", "data:image", "@import", "url(http", "<link", "<iframe"]
        {
            assert!(!page.contains(part), "{language}: {part}");
        }
        assert!(page.contains("default-src 'none'") && !page.contains("unsafe"));
    }
    // Another run of a case is another page.
    cases.summary("CASE", &["match", "--known", KNOWN, "--quiet"]);
    assert_ne!(page(&case, &[]), first);
}

#[test]
fn every_language_has_the_same_sections() {
    let cases = Cases::new();
    sample(&cases);
    let pages = ["en", "fr", "es", "ar"].map(|language| page(&cases.path("CASE"), &["--lang", language]));
    for (page, head) in pages.iter().zip([
        "<html lang=\"en\" dir=\"ltr\">",
        "<html lang=\"fr\" dir=\"ltr\">",
        "<html lang=\"es\" dir=\"ltr\">",
        "<html lang=\"ar\" dir=\"rtl\">",
    ]) {
        assert!(page.contains(head));
        // No value that was to be put in, and no language in another's page.
        for part in ["{n}", "{total}", "{sum}", "{moment}", "[set]"] {
            let words = page.split("id=\"words\">").next().unwrap();
            assert!(!words.contains(part), "{head}: {part}");
        }
    }
    let sections = |page: &str| -> Vec<String> {
        page.split("<section id=\"").skip(1).map(|part| part.split('"').next().unwrap().to_string()).collect()
    };
    let expected = [
        "summary",
        "priorities",
        "hits",
        "distances",
        "qualities",
        "outcomes",
        "stacks",
        "runs",
        "settings",
        "known-sets",
        "errors",
        "limits",
    ];
    for page in &pages {
        assert_eq!(sections(page), expected);
        assert_eq!(rows(page, "hits-table-rows").len(), 8);
        if let Some(parsed) = parsed(page) {
            assert_eq!(parsed["wrong"], Value::Array(Vec::new()));
        }
    }
    assert!(
        !pages[1].contains("Hash sets") && !pages[2].contains("Hash sets") && !pages[3].contains("Hash sets")
    );
    let shaped = pages[3].matches("<bdi dir=\"ltr\">").count();
    assert!(shaped > 50, "paths, digests and numbers go from left to right: {shaped}");
}

/// Names and columns that would run, hide or turn text.
#[cfg(unix)]
#[test]
fn evidence_text_is_never_markup() {
    use tamis::source::name::path_from_bytes;
    let cases = Cases::new();
    let source = cases.path("source");
    fs::create_dir(&source).unwrap();
    let names: [&[u8]; 6] = [
        b"<script>alert(1)<%2fscript>.jpg",
        b"\"onmouseover='x' & &lt;b&gt;.jpg",
        "gpj\u{202e}exe.jpg".as_bytes(),
        b"new\nline\x1b[31m.jpg",
        b"\xff\xfe.jpg",
        b"]]><!--.jpg",
    ];
    for name in names {
        fs::write(source.join(path_from_bytes(name)), PHOTO_1).unwrap();
    }
    fs::write(source.join("<i>broken.jpg"), &PHOTO_2[..PHOTO_2.len() / 2]).unwrap();
    let known = cases.path("<b>known.csv");
    let hash = expect(0, &tamis().args(["hash", SEIZURE, "--format", "csv", "--quiet"]).output().unwrap());
    let hash = hash.lines().find(|line| line.contains("phone/DCIM/IMG_0001.jpg")).unwrap();
    let hash = hash.split(',').find(|field| field.len() == 64).unwrap();
    fs::write(
        &known,
        format!("pdq,note,<u>name\n{hash},</script><img src=x onerror=alert(1)>,<!-- \u{202e}abc\n"),
    )
    .unwrap();
    let arguments = [
        "triage",
        source.to_str().unwrap(),
        "--known",
        known.to_str().unwrap(),
        "--case-number",
        "<s>1\u{202e}</s>",
    ];
    cases.summary("CASE", &[&arguments[..], &["--quiet"]].concat());
    let database = rusqlite::Connection::open(cases.path("CASE/case.sqlite")).unwrap();
    // What another program wrote into the database, unescaped.
    database
        .execute("UPDATE run SET notices = json_array(?1)", ["<em>notice</em> \u{202e} </script>"])
        .unwrap();
    drop(database);
    let page = page(&cases.path("CASE"), &["--thumbnails"]);
    for part in
        ["<script>alert", "<img src=x", "<i>", "<b>", "<u>", "<s>", "<em>", "\u{202e}", "\u{1b}", "<!--"]
    {
        assert!(!page.contains(part), "{part}");
    }
    let data: String =
        page.split("application/json").skip(1).map(|part| part.split("</script>").next().unwrap()).collect();
    assert!(!data.contains("<") || data.matches('<').count() == 0, "no markup in the data");
    let scripts = page.matches("</script>").count();
    assert_eq!(scripts, page.matches("<script").count());
    // All of it is there, in its visible form.
    let hits = rows(&page, "hits-table-rows");
    assert_eq!(hits.len(), 6);
    let text = serde_json::to_string(&hits).unwrap();
    for part in [
        "<script>alert(1)",
        "gpj\\\\u{202e}exe.jpg",
        "new\\\\nline\\\\x1b[31m",
        "\\\\xff\\\\xfe.jpg",
        "</script><img src=x onerror=alert(1)>",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let Some(parsed) = parsed(&page) else { return };
    assert_eq!(parsed["wrong"], Value::Array(Vec::new()));
    assert_eq!(parsed["handlers"], Value::Array(Vec::new()));
    assert!(!texts(&parsed["elements"]).iter().any(|element| ["i", "b", "u", "s", "em"].contains(element)));
    assert!(parsed["text"].as_str().unwrap().contains("<em>notice</em> \\u{202e}"));
    // The twin that must fail: an element created by evidence.
    let broken = page.replacen("</h2>", "</h2><i onclick=x>", 1);
    assert_ne!(self::parsed(&broken).unwrap()["handlers"], Value::Array(Vec::new()));
}

/// Rows beyond the page's limit are left out, and the page states that.
#[test]
fn rows_are_never_left_out_in_silence() {
    let cases = Cases::new();
    sample(&cases);
    let whole = page(&cases.path("CASE"), &["--max-rows", "8"]);
    assert!(!whole.contains("This page holds the first"));
    let cut = page(&cases.path("CASE"), &["--max-rows", "3"]);
    assert!(cut.contains("This page holds the first 3 of 8 rows. All of them: <bdi dir=\"ltr\"><code>tamis export --case DIR hits</code>"));
    assert!(cut.contains("This page holds the first 3 of 4 rows. All of them: <bdi dir=\"ltr\"><code>tamis export --case DIR errors</code>"));
    assert_eq!(rows(&cut, "hits-table-rows"), rows(&whole, "hits-table-rows")[..3]);
    let output = tamis()
        .args(["report", "--max-rows", "3", "-o", "-", "--case"])
        .arg(cases.path("CASE"))
        .output()
        .unwrap();
    assert!(errors(0, &output).contains("the page holds only the first 3 rows"));
}

#[test]
fn a_page_goes_into_the_case_and_never_into_evidence() {
    let cases = Cases::new();
    let source = cases.path("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("a.jpg"), PHOTO_1).unwrap();
    cases.summary("CASE", &["triage", source.to_str().unwrap(), "--known", KNOWN, "--quiet"]);
    let case = cases.path("CASE");
    let report = |more: &[&str]| tamis().args(["report", "--case"]).arg(&case).args(more).output().unwrap();
    for (more, name) in [
        (&[][..], "report.html"),
        (&["--lang", "fr"], "report-fr.html"),
        (&["--lang", "ar", "--thumbnails"], "report-with-pictures-ar.html"),
    ] {
        assert!(errors(0, &report(more)).contains(name));
        assert!(fs::read_to_string(case.join(name)).unwrap().ends_with("</html>\n"));
    }
    // The case continues with the reports in it.
    cases.summary("CASE", &["match", "--known", KNOWN, "--quiet"]);
    for inside in [source.join("report.html"), source.join("a.jpg"), case.join("case.sqlite")] {
        assert!(!errors(2, &report(&["--output", inside.to_str().unwrap()])).is_empty());
    }
    assert_eq!(fs::read(source.join("a.jpg")).unwrap(), PHOTO_1);
    assert_eq!(fs::read_dir(&source).unwrap().count(), 1);
    let nowhere = tamis().args(["report", "--case"]).arg(cases.path("NOWHERE")).output().unwrap();
    assert!(errors(1, &nowhere).contains("there is no case"));
}

/// The embedded pictures of a page, decoded.
fn pictures(page: &str) -> Vec<image::RgbImage> {
    let python = "import base64, sys\nsys.stdout.write(base64.b64decode(sys.argv[1]).hex())";
    page.split("src=\"data:image/")
        .skip(1)
        .map(|part| {
            let data = part.split_once(";base64,").unwrap().1.split('"').next().unwrap();
            let hex = python::ask(python, &[data.to_string()], drop);
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            image::load_from_memory(&bytes).unwrap().into_rgb8()
        })
        .collect()
}

/// Differences of neighbours in a row, a pixel.
fn sharpness(picture: &image::RgbImage) -> f64 {
    let grey = image::DynamicImage::from(picture.clone()).into_luma8();
    let (width, height) = grey.dimensions();
    let pairs = (0..height).flat_map(|y| (1..width).map(move |x| (x, y)));
    let sum: f64 =
        pairs.map(|(x, y)| f64::from(grey.get_pixel(x, y)[0].abs_diff(grey.get_pixel(x - 1, y)[0]))).sum();
    sum / f64::from(width * height)
}

#[test]
fn pictures_are_shown_only_when_asked_for_and_blurred() {
    if !python::has("base64") {
        return;
    }
    let cases = Cases::new();
    let source = cases.path("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("secret name.jpg"), PHOTO_1).unwrap();
    fs::write(source.join("other.jpg"), PHOTO_2).unwrap();
    cases.summary("CASE", &["triage", source.to_str().unwrap(), "--known", KNOWN, "--quiet"]);
    let case = cases.path("CASE");
    assert_eq!(pictures(&page(&case, &[])).len(), 0);
    let blurred = page(&case, &["--thumbnails"]);
    assert_eq!(blurred, page(&case, &["--thumbnails", "blurred"]));
    let grey = page(&case, &["--thumbnails", "grey"]);
    assert!(blurred.contains("class=\"banner\"") && blurred.contains("This page shows pictures, blurred."));
    assert!(grey.contains("THIS PAGE SHOWS PICTURES, small and grey"));
    let (blurred_pictures, grey_pictures) = (pictures(&blurred), pictures(&grey));
    assert_eq!((blurred_pictures.len(), grey_pictures.len()), (2, 2));
    for (blurred, grey) in blurred_pictures.iter().zip(&grey_pictures) {
        assert!(blurred.width().max(blurred.height()) == 160 && blurred.dimensions() == grey.dimensions());
        assert!(sharpness(blurred) * 2.0 < sharpness(grey), "{} of {}", sharpness(blurred), sharpness(grey));
        // Nothing finer is in it than a picture of 20 pixels can hold.
        let image = image::DynamicImage::from(blurred.clone());
        let coarse = image.resize_exact(20, 20, image::imageops::FilterType::Triangle);
        let again = coarse
            .resize_exact(blurred.width(), blurred.height(), image::imageops::FilterType::Triangle)
            .into_rgb8();
        let off = |one: &image::RgbImage, other: &image::RgbImage| -> f64 {
            let sum: u64 =
                one.as_raw().iter().zip(other.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            sum as f64 / one.as_raw().len() as f64
        };
        assert!(off(blurred, &again) < 6.0, "{}", off(blurred, &again));
        assert!(grey.pixels().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    }
    // Alternative texts name nothing of the evidence.
    for part in blurred.split("alt=\"").skip(1) {
        assert!(part.starts_with("Picture "), "{}", &part[..40]);
    }
    // The sources are as they were.
    assert_eq!(fs::read(source.join("secret name.jpg")).unwrap(), PHOTO_1);
    // Gone, changed, and a link in its place.
    fs::remove_file(source.join("other.jpg")).unwrap();
    let mut changed = PHOTO_1.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(source.join("secret name.jpg"), changed).unwrap();
    let gone = page(&case, &["--thumbnails", "grey"]);
    assert_eq!((pictures(&gone).len(), gone.matches("the source is gone or has changed").count()), (0, 2));
    assert!(gone.contains("2 pictures could not be shown."));
    fs::write(source.join("secret name.jpg"), PHOTO_1).unwrap();
    let one = page(&case, &["--thumbnails", "grey", "--max-thumbnails", "1"]);
    assert!(one.contains("1 of 2 pictures are shown"));
}

/// 100,000 hits in a case.
fn many_hits(cases: &Cases) -> PathBuf {
    add_many_hits(cases);
    let page = cases.path("many.html");
    let output = tamis()
        .args(["report", "--case"])
        .arg(cases.path("CASE"))
        .arg("--output")
        .arg(&page)
        .output()
        .unwrap();
    expect(0, &output);
    page
}

/// The sample with 100,000 hits.
fn add_many_hits(cases: &Cases) {
    sample(cases);
    let database = rusqlite::Connection::open(cases.path("CASE/case.sqlite")).unwrap();
    database.execute_batch(include_str!("data/many_hits.sql")).unwrap();
}

/// Killed in the middle of writing, in whatever way, an export leaves nothing under its name, or what was there, and what it
/// leaves next to it is named as a part; the same command then writes all of it.
#[cfg(unix)]
#[test]
fn an_export_that_is_killed_leaves_no_half_file() {
    let cases = Cases::new();
    add_many_hits(&cases);
    let folder = cases.path("exports");
    fs::create_dir(&folder).unwrap();
    let names = || -> Vec<String> {
        let entries = fs::read_dir(&folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    for (signal, what, format, before) in [
        ("-KILL", "hits", "csv", None),
        ("-INT", "items", "jsonl", Some("the old one")),
        ("-TERM", "vics", "csv", Some("the old one")),
        ("-KILL", "hits", "parquet", None),
    ] {
        let name = format!("{what}.{format}");
        let output = folder.join(&name);
        let export = || {
            let mut export = tamis();
            export.args(["export", what, "--quiet", "--format", format, "--case"]).arg(cases.path("CASE"));
            export.arg("--output").arg(&output);
            export
        };
        let is_part =
            |part: &String| part.strip_prefix(&name).is_some_and(|rest| rest.starts_with(".tamis-partial"));
        let written = || {
            names()
                .iter()
                .filter(|name| is_part(name))
                .any(|part| fs::metadata(folder.join(part)).is_ok_and(|data| data.len() > 0))
        };
        // On a busy machine an export may be done before its killer has begun: then another one is killed.
        let killed = (0..20).any(|_| {
            names().iter().for_each(|name| fs::remove_file(folder.join(name)).unwrap());
            before.iter().for_each(|text| fs::write(&output, text).unwrap());
            let mut child = export().spawn().unwrap();
            // As soon as something is written.
            while !written() && child.try_wait().unwrap().is_none() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
            !child.wait().unwrap().success()
        });
        assert!(killed, "{name}: no export was in its middle");
        assert_eq!(fs::read(&output).ok().as_deref(), before.map(str::as_bytes), "{name}");
        assert!(names().iter().all(|other| *other == name || is_part(other)), "{:?}", names());
        expect(0, &export().output().unwrap());
        let again = fs::read(&output).unwrap();
        assert!(again.len() > 1 << 20, "{name}: {} bytes", again.len());
        names().iter().for_each(|name| fs::remove_file(folder.join(name)).unwrap());
        expect(0, &export().output().unwrap());
        assert!(fs::read(&output).unwrap() == again, "{name}: as if it had not been killed");
        fs::remove_file(&output).unwrap();
    }
}

/// As `TAMIS_BROWSER_TESTS` (`require`, `auto`, `off`) asks.
fn browser() -> bool {
    let wanted = std::env::var("TAMIS_BROWSER_TESTS").unwrap_or_else(|_| "auto".into());
    assert!(["require", "auto", "off"].contains(&wanted.as_str()), "TAMIS_BROWSER_TESTS={wanted}");
    if wanted == "off" {
        support::skip("TAMIS_BROWSER_TESTS=off");
        return false;
    }
    let find =
        "import sys; sys.path.insert(0, 'tests/support'); import devtools; sys.exit(devtools.find() is None)";
    let found = Command::new("python3").args(["-c", find]).current_dir(env!("CARGO_MANIFEST_DIR")).status();
    let found = cfg!(unix) && found.is_ok_and(|status| status.success());
    assert!(found || wanted != "require", "TAMIS_BROWSER_TESTS=require: no python3 with Chromium");
    if !found {
        support::skip("no python3 with Chromium");
    }
    found
}

#[test]
fn a_hundred_thousand_rows_are_filtered_and_sorted_in_a_browser() {
    if !browser() {
        return;
    }
    let cases = Cases::new();
    let page = many_hits(&cases);
    let script = include_str!("support/report_browser.py");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support");
    let seen = python::ask(script, &[folder.into(), page.to_str().unwrap().into()], drop);
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["complaints"], Value::Array(Vec::new()), "no error, no message, no request");
    assert_eq!(seen["ready"], "yes");
    assert_eq!(seen["all"], "Rows: 100,008 of 100,008");
    let drawn = seen["drawn"].as_u64().unwrap();
    assert!((10..100).contains(&drawn), "{drawn} rows in the document");
    // What the filter left is what the data has.
    let text = fs::read_to_string(&page).unwrap();
    let data = rows(&text, "hits-table-rows");
    let whatsapp = data.iter().filter(|row| row[0].as_str().unwrap().contains("WhatsApp_000")).count();
    assert_eq!(seen["filtered"], format!("Rows: {whatsapp} of 100,008"));
    assert!(whatsapp > 100 && texts(&seen["names"]).iter().all(|name| name.contains("WhatsApp_000")));
    assert_eq!((&seen["sort rising"], &seen["sort falling"]), (&"ascending".into(), &"descending".into()));
    assert!(texts(&seen["rising"]).iter().all(|distance| *distance == "0"), "{}", seen["rising"]);
    assert!(texts(&seen["falling"]).iter().all(|distance| *distance == "31"), "{}", seen["falling"]);
    let near = data.iter().filter(|row| row[4].as_u64().is_some_and(|distance| distance <= 3)).count();
    let grouped = format!("{},{:03}", near / 1000, near % 1000);
    assert_eq!(seen["near"], format!("Rows: {grouped} of 100,008"));
    assert!(texts(&seen["distances"]).iter().all(|distance| *distance == "3"));
    assert_eq!(seen["last"], (near - 1).to_string());
    let fields = seen["fields"].as_str().unwrap();
    assert!(fields.contains("Hash set · series") && fields.contains("SHA-256"), "{fields}");
    assert_eq!(seen["closed"], true);
    let columns = |name: &str| seen[name].as_u64().unwrap();
    assert_eq!(columns("more columns"), columns("columns") + 1);
    let stopped = texts(&seen["stopped"]);
    for what in ["inline script", "Loading the image", "inline event handler", "inline style"] {
        assert!(stopped.iter().any(|said| said.contains(what)), "{what} in {stopped:?}");
    }
    assert_eq!(seen["evil title"], "K 17 · E1 · Report on the pictures of a case");
}
