//! The modules of Tamis that list and open evidence and write outputs next to their names, without the rest. Their own tests run too.

#![allow(dead_code, reason = "the rest of the program uses the rest")]

#[path = "../../src/outcome.rs"]
pub mod outcome;
#[path = "../../src/partial.rs"]
mod partial;

#[path = "../../src/source"]
pub mod source {
    mod folder;
    mod holes;
    pub mod identity;
    pub mod medium;
    pub mod name;
    mod open;
    pub mod provenance;
    pub mod read;
    pub mod stamp;
    pub mod tree;
    mod verbatim;
    pub mod walk;
}

#[cfg(all(test, windows))]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::{Path, PathBuf};

    use crate::source::identity::{FileId, real_path};
    use crate::source::name::{escape_path, for_system, path_bytes, path_from_bytes};
    use crate::source::medium::Medium;
    use crate::source::provenance::Provenance;
    use crate::source::read::SourceFile;
    use crate::source::walk::{EntryKind, walk};

    /// Names that Windows takes apart, each with its neighbours, and what is in them.
    const NAMES: [&str; 9] =
        ["photo.jpg.", "photo.jpg", "photo.jpg ", "photo.jpg. .", "aux.png", "NUL.jpg", "con", "COM1.txt", "..."];

    fn content(path: &Path) -> String {
        let mut file = SourceFile::open(path).unwrap();
        let mut bytes = vec![0; file.len() as usize];
        file.fill(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn made() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let real = real_path(folder.path()).unwrap();
        for name in NAMES {
            fs::write(real.join(name), format!("this is `{name}`")).unwrap();
        }
        (folder, real)
    }

    #[test]
    fn each_name_is_its_own_file() {
        let (folder, real) = made();
        let mut seen = BTreeMap::new();
        walk(&real, &mut |entry| {
            assert_eq!(entry.kind, EntryKind::File);
            // By the walk's path, and by the provenance that it becomes.
            let place = Provenance::of_file(real.as_path().into(), entry.relative.clone());
            assert_eq!(content(&entry.path(&real)), content(&place.file().unwrap()));
            seen.insert(String::from_utf8(entry.relative.clone()).unwrap(), content(&entry.path(&real)));
            true
        })
        .unwrap();
        let expected: BTreeMap<String, String> =
            NAMES.iter().map(|name| (name.to_string(), format!("this is `{name}`"))).collect();
        assert_eq!(seen, expected);
        // As it is typed, and as a case keeps it.
        for name in NAMES {
            let typed = folder.path().join(name);
            assert_eq!(content(&for_system(&typed)), format!("this is `{name}`"));
            let kept = path_bytes(&real).into_owned();
            assert!(!kept.starts_with(br"\\?\"));
            let opened = path_from_bytes(&kept).join(path_from_bytes(name.as_bytes()));
            assert_eq!(content(&opened), format!("this is `{name}`"));
        }
        // This is what it is for: the system's own reading of such names is of other files.
        let wrong = fs::read_to_string(folder.path().join("photo.jpg.")).unwrap();
        assert_eq!(wrong, "this is `photo.jpg`", "the system reads names as they are: this shows nothing");
    }

    #[test]
    fn a_path_of_any_length_is_walked() {
        let folder = tempfile::tempdir().unwrap();
        let mut deep = real_path(folder.path()).unwrap();
        for _ in 0..20 {
            deep.push("a".repeat(100));
            fs::create_dir(&deep).unwrap();
        }
        fs::write(deep.join("bottom"), "deep").unwrap();
        let mut found = Vec::new();
        let real = real_path(folder.path()).unwrap();
        walk(&real, &mut |entry| {
            let place = Provenance::of_file(real.as_path().into(), entry.relative);
            found.push(content(&place.file().unwrap()));
            true
        })
        .unwrap();
        assert_eq!(found, ["deep"]);
    }

    #[test]
    fn one_folder_is_one_source_however_it_is_spelled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Exhibit");
        fs::create_dir(&path).unwrap();
        let other = folder.path().join("EXHIBIT");
        assert_eq!(real_path(&path).unwrap(), real_path(&other).unwrap());
        let id = |path: &Path| FileId::of(path).unwrap();
        assert!(id(&path).is_same_place(&id(&other)));
        assert!(!escape_path(&real_path(&path).unwrap()).contains("\\\\?\\"));
    }
}
