//! Any bytes: the reader of packages ends with all that was signed or a fault, and never panics. Where the first byte is even they are the
//! package itself, which a signature keeps from going deep; else the rows of one whose signer signs everything.
#![no_main]

use std::io::Cursor;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tamis::share::container::{END, header, padding};
use tamis::share::keys::PrivateKey;
use tamis::share::package::Manifest;
use tamis::share::read::PackageReader;
use tamis::source::digest::{hex, sha256_of};

static KEY: LazyLock<PrivateKey> = LazyLock::new(|| {
    PrivateKey::of(&[7; 32], age::x25519::Identity::generate(), "name", "agency", "contact").unwrap()
});

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let package = if first % 2 == 0 { rest.to_vec() } else { signed(rest) };
    if let Ok(mut reader) = PackageReader::new(Box::new(Cursor::new(package)), "P", Some(&KEY)) {
        while let Ok(Some(_)) = reader.next_item() {}
        while let Ok(Some(_)) = reader.next_hit() {}
        let _ = reader.finish();
    }
});

/// A package with these rows: items, and hits behind the first byte of zero.
fn signed(rows: &[u8]) -> Vec<u8> {
    let mut parts = rows.splitn(2, |byte| *byte == 0);
    let parts =
        [("items.jsonl", parts.next().unwrap_or_default()), ("hits.jsonl", parts.next().unwrap_or_default())];
    let entries: Vec<String> = parts
        .iter()
        .map(|(name, rows)| {
            let lines = rows.iter().filter(|byte| **byte == b'\n').count();
            let digest = hex(&sha256_of(rows));
            format!(r#"{{"name":"{name}","bytes":{},"rows":{lines},"sha256":"{digest}"}}"#, rows.len())
        })
        .collect();
    let manifest = format!(
        r#"{{"format":"tamis-share-package","version":2,"program":"fuzz","case":{{"number":null,"exhibit":null,"as_of":null}},
        "purpose":null,"signer":{},"hash_spec":{{"algorithm":"pdq","version":3,"geometry":"full","decode":"auto"}},
        "names_included":false,"columns_included":false,
        "counts":{{"contents":1,"pictures":1,"from_coefficients":0,"files":1,"hits":0}},"parts":[{}]}}"#,
        KEY.public().to_json().unwrap(),
        entries.join(",")
    );
    let signature = KEY.sign(&Manifest::signed(manifest.as_bytes()));
    let mut package = Vec::new();
    for (name, content) in
        [("manifest.json", manifest.as_bytes()), ("signature", &signature)].into_iter().chain(parts)
    {
        package.extend(header(name, content.len() as u64));
        package.extend(content);
        package.extend(&END[..padding(content.len() as u64)]);
    }
    package.extend(END);
    package
}
