//! Rows as Parquet, read back by pyarrow and by the crate's own reader, against the same rows as CSV and JSON Lines.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

mod support;

use support::cli::{errors, run};

/// Without the feature the form is known and refused, in words that name the feature.
#[cfg(not(feature = "parquet"))]
#[test]
fn a_program_without_the_feature_refuses_by_its_name() {
    for arguments in [&["join", "--self", "nowhere"][..], &["export", "items", "--case", "nowhere"]] {
        let told = errors(2, &run(arguments.iter().chain(&["--format", "parquet"])));
        assert!(told.contains("cargo feature `parquet`"), "{told}");
        assert!(!errors(1, &run(arguments)).contains("feature"));
    }
}

#[cfg(feature = "parquet")]
mod with_the_feature {
    use std::ffi::OsString;
    use std::fs::{self, File};
    use std::io::{self, Write};
    use std::path::Path;

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{Field, Row};
    use serde_json::Value;
    use tamis::pdq::PdqHash;
    use tamis::report::columns::{Cell, Column, Kind};
    use tamis::report::parquet::ParquetRows;

    use super::support::cli::{Cases, expect, export, tamis};
    use super::support::{clustered_hashes, python};
    use super::{errors, run};

    const PHOTO_1: &[u8] = include_bytes!("data/seizure/phone/DCIM/IMG_0001.jpg");
    const PHOTO_2: &[u8] = include_bytes!("data/seizure/phone/DCIM/IMG_0002.jpg");
    const KNOWN: &str = include_str!("data/known.csv");
    const GROUP: usize = 1 << 16;

    /// Prints names, types, rows of each group, and rows.
    const PYARROW: &str = "
import json, sys, pyarrow.parquet
file = pyarrow.parquet.ParquetFile(sys.argv[1])
table = file.read()
print(json.dumps(table.column_names))
print(json.dumps([str(field.type) + ('' if field.nullable else ' not null') for field in table.schema]))
print(json.dumps([file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]))
for row in zip(*[column.to_pylist() for column in table.columns]):
    print(json.dumps(row))
";

    /// What a reader found in a file.
    #[derive(Debug, PartialEq)]
    struct Table {
        names: Vec<String>,
        groups: Vec<usize>,
        rows: Vec<Vec<Value>>,
    }

    /// A file as the crate's own reader has it.
    fn read(path: &Path) -> Table {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        let metadata = reader.metadata();
        let created_by = metadata.file_metadata().created_by();
        assert_eq!(created_by, Some(concat!("tamis ", env!("CARGO_PKG_VERSION"))));
        let columns = metadata.file_metadata().schema_descr().columns();
        let value = |field: &Field| match field {
            Field::Null => Value::Null,
            Field::Bool(yes) => Value::from(*yes),
            Field::UInt(number) => Value::from(*number),
            Field::Long(number) => Value::from(*number),
            Field::Str(text) => Value::from(text.clone()),
            other => panic!("{other:?}"),
        };
        let values = |row: Row| row.get_column_iter().map(|(_, field)| value(field)).collect();
        Table {
            names: columns.iter().map(|column| column.name().to_string()).collect(),
            groups: metadata.row_groups().iter().map(|group| group.num_rows() as usize).collect(),
            rows: reader.get_row_iter(None).unwrap().map(|row| values(row.unwrap())).collect(),
        }
    }

    /// A file as pyarrow has it, and the types of its columns; `None` if pyarrow is not installed.
    fn ask_pyarrow(path: &Path) -> Option<(Table, Vec<String>)> {
        if !python::has("pyarrow.parquet") {
            return None;
        }
        let text = python::ask(PYARROW, &[path.to_str().unwrap().to_string()], drop);
        let mut lines = text.lines();
        let names = serde_json::from_str(lines.next().unwrap()).unwrap();
        let types = serde_json::from_str(lines.next().unwrap()).unwrap();
        let groups = serde_json::from_str(lines.next().unwrap()).unwrap();
        let rows = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        Some((Table { names, groups, rows }, types))
    }

    /// Reads a file in both ways, which must be the same.
    fn read_both(path: &Path, types: &[&str]) -> Table {
        let table = read(path);
        if let Some((other, found)) = ask_pyarrow(path) {
            assert!(table == other, "{path:?}: two readers read different things");
            assert_eq!(found, types);
        }
        table
    }

    /// Header and rows as CSV.
    fn csv_of(table: &Table) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&table.names).unwrap();
        for row in &table.rows {
            let field = |value: &Value| match value {
                Value::Null => String::new(),
                // CSV alone has an apostrophe before what a spreadsheet would calculate.
                Value::String(text) if text.starts_with('=') => format!("'{text}"),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            writer.write_record(row.iter().map(field)).unwrap();
        }
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    }

    fn list(folder: &Path, name: &str, hashes: &[PdqHash]) -> String {
        let path = folder.join(name);
        fs::write(&path, hashes.iter().map(|hash| format!("{hash}\n")).collect::<String>()).unwrap();
        path.to_str().unwrap().to_string()
    }

    /// Joins with nothing in them, one row, exactly a group, a group and more, and random ones.
    #[test]
    fn rows_of_a_join_are_those_of_csv() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows.parquet");
        let output = file.to_str().unwrap();
        let near = |count| vec![PdqHash([7, 1, 2, 3]); count];
        // 256 × 256 rows are exactly a group; 400 hashes with each other are a group and 14,264 rows.
        for (name, left, right, groups) in [
            ("nothing", near(0), None, vec![]),
            ("alone", near(1), None, vec![]),
            ("one", near(2), None, vec![1]),
            ("group", near(256), Some(near(256)), vec![GROUP]),
            ("more", near(400), None, vec![GROUP, 400 * 399 / 2 - GROUP]),
            ("random", clustered_hashes(1, 800), Some(clustered_hashes(1, 700)), vec![]),
        ] {
            let left = list(folder.path(), name, &left);
            let right = right.map(|right| list(folder.path(), &format!("{name}-right"), &right));
            let lists: Vec<&str> = match &right {
                Some(right) => vec!["join", &left, right],
                None => vec!["join", "--self", &left],
            };
            let run = |more: &[&str]| expect(0, &run(lists.iter().chain(more)));
            assert_eq!(run(&["--format", "parquet", "--output", output, "--quiet"]), "");
            let table = read_both(
                &file,
                &["uint32 not null", "uint32 not null", "uint32 not null", "string not null"],
            );
            assert!(csv_of(&table) == run(&[]), "{name}");
            if name == "random" {
                assert!(table.rows.len() > 1000);
                assert!(table.rows.iter().any(|row| row[0].as_u64() > row[1].as_u64()));
                // The twin that must fail.
                assert!(csv_of(&table) != run(&["--distance", "30"]));
            } else {
                assert_eq!(table.groups, groups, "{name}");
            }
            // The same bytes again, as a stream, whatever the threads.
            let streamed = tamis().args(&lists).args(["--format", "parquet", "-j", "1"]).output().unwrap();
            assert_eq!(streamed.status.code(), Some(0));
            assert!(streamed.stdout == fs::read(&file).unwrap(), "{name}");
        }
    }

    /// Rows that are not listed are counted for CSV and Parquet alike, outside of the rows.
    #[test]
    fn hits_beyond_the_maximum_are_counted_and_are_not_rows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows.parquet");
        let near = list(folder.path(), "near", &vec![PdqHash([7, 1, 2, 3]); 20]);
        let join = ["join", "--self", &near, "--max-hits-per-item", "3"];
        let mut command = tamis();
        command.args(join).args(["--format", "parquet", "--output"]).arg(&file);
        assert!(errors(0, &command.output().unwrap()).contains("136 more pairs are not listed"));
        let table = read(&file);
        assert_eq!(csv_of(&table), expect(0, &run(join)));
        let json = expect(0, &run(join.iter().chain(&["--format", "jsonl"])));
        assert_eq!(json.lines().filter(|line| !line.contains("more")).count(), table.rows.len());
        assert!(json.lines().count() > table.rows.len());
    }

    /// Names that Windows does not take.
    fn names_of_unix() -> Vec<OsString> {
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt;
            let raw: [&[u8]; 4] = [b"a \"b\".jpg", b"line\nbreak\r.jpg", b"latin-\xe9.jpg", b"=1+1.jpg"];
            raw.map(|name| OsString::from_vec(name.to_vec())).into()
        }
        #[cfg(not(unix))]
        Vec::new()
    }

    /// A folder whose names and files are awkward, and a hash set whose columns are.
    fn odd_case(cases: &Cases) -> String {
        let folder = cases.path("seized");
        fs::create_dir(&folder).unwrap();
        let names = ["a, b.jpg", "ä €😀.jpg"].map(OsString::from).into_iter().chain(names_of_unix());
        let names: Vec<OsString> = names.collect();
        for (number, name) in names.iter().enumerate() {
            let photo = if number % 2 == 0 { PHOTO_1 } else { PHOTO_2 };
            fs::write(folder.join(name), [photo, name.as_encoded_bytes()].concat()).unwrap();
        }
        fs::write(folder.join("photo.jpg"), PHOTO_1).unwrap();
        fs::write(folder.join("copy.jpg"), PHOTO_1).unwrap();
        fs::write(folder.join("broken.jpg"), &PHOTO_1[..PHOTO_1.len() / 2]).unwrap();
        fs::write(folder.join("empty"), "").unwrap();
        // A column whose name is like one of ours; a name, and values, with quotes; and some that are empty.
        let table = cases.path("table.csv");
        let odd = KNOWN
            .replacen("category,series", "set,\"a \"\"b\"\", c.d\"", 1)
            .replace("Series A", "\"the \"\"first\"\", or so\"")
            .replace("series-a/002.jpg", "");
        fs::write(&table, odd).unwrap();
        // Records without these columns.
        let hashes = cases.path("hashes.txt");
        let hash = KNOWN.lines().nth(1).unwrap().split(',').next().unwrap();
        fs::write(&hashes, format!("{hash},90,one\n{hash}\n")).unwrap();
        let [seized, table, hashes] =
            [&folder, &table, &hashes].map(|path| path.to_str().unwrap().to_string());
        cases.summary("CASE", &["triage", &seized, "--known", &table, &hashes, "--quiet"]);
        cases.summary("CASE", &["stack", "--quiet"]);
        cases.path("CASE").to_str().unwrap().to_string()
    }

    /// Rows of JSON Lines in the order of the CSV's header.
    fn json_rows(cases: &Cases, what: &str, names: &[String]) -> Vec<Vec<Value>> {
        let cell = |row: &Value, at: usize, name: &str| match name.strip_prefix("known_") {
            // The fields of a hit come before those of the known record.
            Some(known) if what == "hits" && at >= 24 => row["known"].get(known).cloned(),
            _ => row.get(name).cloned().or_else(|| panic!("no {name} in {row}")),
        };
        let row = |row: &Value| {
            let cells = names.iter().enumerate().map(|(at, name)| cell(row, at, name).unwrap_or_default());
            cells.collect()
        };
        cases.rows("CASE", what).iter().map(row).collect()
    }

    #[test]
    fn exports_are_those_of_csv_and_json() {
        let cases = Cases::new();
        let case = odd_case(&cases);
        for (what, least) in [("items", 6), ("hits", 6), ("errors", 2), ("stacks", 4)] {
            let file = cases.path(&format!("{what}.parquet"));
            let output = file.to_str().unwrap();
            let arguments = ["export", what, "--case", &case, "--format", "parquet"];
            expect(0, &run(arguments.iter().chain(&["--output", output])));
            let csv = export(Path::new(&case), what, "csv");
            let names: Vec<String> = csv::Reader::from_reader(csv.as_bytes())
                .headers()
                .unwrap()
                .iter()
                .map(String::from)
                .collect();
            let expected = json_rows(&cases, what, &names);
            let table = read_both(&file, &types(what, names.len()));
            assert!(table.rows.len() >= least, "{what}");
            assert!(table.rows == expected, "{what}: {:#?}\n{expected:#?}", table.rows);
            if what == "hits" {
                // A prefix distinguishes a record's own columns from those of the hit.
                assert_eq!(names.iter().filter(|name| name.starts_with("hash_set")).count(), 2);
                assert!(names.contains(&"known_set".to_string()));
                // A missing or empty value of a record is not a text.
                for (name, value) in [
                    ("known_a \"b\", c.d", "the \"first\", or so".into()),
                    ("known_a \"b\", c.d", Value::Null),
                    ("known_name", Value::Null),
                ] {
                    let at = names.iter().position(|other| other == name).unwrap();
                    assert!(table.rows.iter().any(|row| row[at] == value), "{name}: {value}");
                }
            }
            assert_eq!(csv_of(&table), csv, "{what}");
            // The twin that must fail: a cell of the last row.
            let mut other = read(&file);
            *other.rows.last_mut().unwrap().last_mut().unwrap() = "changed".into();
            assert_ne!(csv_of(&other), csv);
            let streamed = tamis().args(arguments).output().unwrap().stdout;
            assert!(streamed == fs::read(&file).unwrap(), "{what}: two runs give the same bytes");
        }
    }

    /// The types of an export's columns: text, integers, booleans, those that may be empty with a question mark.
    fn types(what: &str, columns: usize) -> Vec<&'static str> {
        let short = match what {
            "items" | "errors" => {
                "t t t t? t? t? t i? t? t? t? t? t? t? t? i? i? t? i? t? i? t? t? t? t? i? d? i? i?"
            }
            "hits" => "t t t t i i t t t t t? i? t? t? i? i? i t t?",
            _ => "i i i i b t t t t i t",
        };
        let long = |short| match short {
            "t" => "string not null",
            "t?" => "string",
            "i" => "int64 not null",
            "i?" => "int64",
            "d?" => "double",
            _ => "bool not null",
        };
        // The known records' own columns come last.
        short.split(' ').chain(std::iter::repeat("t?")).take(columns).map(long).collect()
    }

    #[test]
    fn a_case_without_hits_has_a_file_without_rows() {
        let cases = Cases::new();
        let folder = cases.path("seized");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.jpg"), PHOTO_1).unwrap();
        cases.summary("CASE", &["scan", folder.to_str().unwrap(), "--quiet"]);
        for what in ["hits", "errors"] {
            let file = cases.path("rows.parquet");
            let mut command = tamis();
            command.args(["export", what, "--format", "parquet", "--case"]).arg(cases.path("CASE"));
            expect(0, &command.arg("--output").arg(&file).output().unwrap());
            let table = read(&file);
            assert!(table.rows.is_empty() && table.groups.is_empty());
            assert_eq!(csv_of(&table), export(&cases.path("CASE"), what, "csv"));
            if let Some((other, _)) = ask_pyarrow(&file) {
                assert_eq!(other, table);
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let cases = Cases::new();
        let case = odd_case(&cases);
        let full = || File::options().write(true).open("/dev/full").unwrap();
        // A footer alone; and more than one group.
        for count in [1, 600] {
            let near = list(cases.0.path(), "near", &vec![PdqHash([7, 1, 2, 3]); count]);
            let join = ["join", "--self", &near, "--format", "parquet"];
            for output in [
                tamis().args(join).stdout(full()).output().unwrap(),
                run(join.iter().chain(&["--output", "/dev/full"])),
            ] {
                assert!(errors(1, &output).contains("No space left"));
            }
        }
        for what in ["items", "hits", "errors", "stacks"] {
            let mut command = tamis();
            command.args(["export", what, "--format", "parquet", "--case", &case]).stdout(full());
            assert!(errors(1, &command.output().unwrap()).contains("No space left"), "{what}");
        }
    }

    /// On a terminal the format is refused before any work. Python simulates one.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_terminal_is_refused() {
        if !python::has("pty") {
            return;
        }
        const ON_TERMINAL: &str = "
import os, pty, sys
status = pty.spawn(sys.argv[1:])
print('exit code', os.waitstatus_to_exitcode(status))
";
        let folder = tempfile::tempdir().unwrap();
        let near = list(folder.path(), "near", &[PdqHash([7, 1, 2, 3]); 3]);
        let told = |format: &str| {
            let join = ["join", "--self", &near, "--format", format];
            let arguments = [&[env!("CARGO_BIN_EXE_tamis")], &join[..]].concat();
            python::ask(ON_TERMINAL, &arguments.iter().map(ToString::to_string).collect::<Vec<_>>(), drop)
        };
        let refused = told("parquet");
        assert!(
            refused.contains("a terminal cannot show Parquet") && refused.contains("exit code 2"),
            "{refused}"
        );
        let shown = told("csv");
        assert!(shown.contains("0,1,0,original") && shown.contains("exit code 0"), "{shown}");
    }

    /// A sink that counts, and fails after so many bytes.
    struct Sink {
        written: usize,
        room: usize,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.written + bytes.len() > self.room {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "no room"));
            }
            self.written += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    static COLUMNS: [Column; 2] =
        [Column::new("number", Kind::Unsigned), Column::optional("text", Kind::Text)];

    /// Groups end with so many rows or so much text, and go to the sink at once.
    #[test]
    fn groups_are_bounded_in_rows_and_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        let mut file = File::create(&path).unwrap();
        let mut rows = ParquetRows::new(&COLUMNS, &mut file).unwrap();
        let length = || fs::metadata(&path).unwrap().len();
        for number in 0..GROUP as u32 {
            assert_eq!(length(), 0);
            rows.row(&[Cell::Unsigned(u32::MAX - number), Cell::Empty]).unwrap();
        }
        let first = length();
        assert!(first > 1000);
        let long = "x".repeat(1 << 20);
        for number in 0..40 {
            rows.row(&[Cell::Unsigned(number), Cell::Text(&long)]).unwrap();
        }
        assert!(length() > first);
        rows.finish().unwrap();
        let table = read_both(&path, &["uint32 not null", "string"]);
        assert_eq!(table.groups, [GROUP, 16, 16, 8]);
        assert_eq!(table.rows[0], [Value::from(u32::MAX), Value::Null]);
        assert_eq!(table.rows[GROUP + 39], [Value::from(39), Value::from(long)]);
    }

    #[test]
    fn an_error_of_the_sink_ends_the_rows_and_is_the_sinks_own() {
        let write = |count: u32, room| {
            let mut sink = Sink { written: 0, room };
            let mut rows = ParquetRows::new(&COLUMNS, &mut sink)?;
            (0..count).try_for_each(|number| rows.row(&[Cell::Unsigned(number), Cell::Empty]))?;
            rows.finish()?;
            Ok::<usize, io::Error>(sink.written)
        };
        for count in [0, 10, 200_000] {
            let whole = write(count, usize::MAX).unwrap();
            assert_eq!(write(count, whole).unwrap(), whole);
            for room in [0, whole / 2, whole - 1] {
                let error = write(count, room).unwrap_err();
                assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::StorageFull, "no room".into()));
            }
        }
    }

    #[test]
    fn cells_of_other_columns_are_refused() {
        let mut sink = io::sink();
        let mut rows = ParquetRows::new(&COLUMNS, &mut sink).unwrap();
        let number = Cell::Unsigned(1);
        for cells in [
            &[number][..],
            &[number, Cell::Empty, Cell::Empty],
            &[number, number],
            &[Cell::Integer(1), Cell::Empty],
            &[Cell::Empty, Cell::Empty],
        ] {
            assert!(rows.row(cells).is_err(), "{cells:?}");
        }
    }
}
