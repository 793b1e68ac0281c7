//! Options of an import.

use crate::known::list_kind::ListKind;
use crate::known::profile::Profile;
use crate::pdq::Geometry;

/// A format that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportFormat {
    /// JSON of the VICS data model: Project VIC and CAID.
    Vics,
    /// The lists of INTERPOL's ICSE, separated by semicolons.
    Icse,
    /// XML of NCMEC's exchange of hashes, version 2.
    Ncmec,
    /// The NSRL's RDS, version 3: a SQLite database.
    Nsrl,
    /// What hashdeep prints.
    Hashdeep,
    /// A table with a header.
    Csv,
    /// PDQ hashes, digests alone, or what md5sum, sha1sum and sha256sum print.
    List,
}

impl ImportFormat {
    /// All.
    pub const ALL: [Self; 7] =
        [Self::Vics, Self::Icse, Self::Ncmec, Self::Nsrl, Self::Hashdeep, Self::Csv, Self::List];

    /// Its name on the command line and in manifests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vics => "vics",
            Self::Icse => "icse",
            Self::Ncmec => "ncmec",
            Self::Nsrl => "nsrl",
            Self::Hashdeep => "hashdeep",
            Self::Csv => "csv",
            Self::List => "list",
        }
    }

    /// The format of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// Which column of a table holds what: (field, column), as in `--columns`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnMap(pub(super) Vec<(String, String)>);

impl ColumnMap {
    /// `field=column`, each.
    pub(super) fn shown(&self) -> Vec<String> {
        self.0.iter().map(|(field, column)| format!("{field}={column}")).collect()
    }
}

/// How sources are to be imported.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// What its categories stand for.
    pub profile: Profile,
    /// Name of the set; by default the name of the first file without its extension.
    pub name: Option<String>,
    /// Version of the set, as its publisher has it.
    pub version: Option<String>,
    /// What the files are; by default recognised by content.
    pub format: Option<ImportFormat>,
    /// Which column of a table holds what; by default recognised by name.
    pub columns: Option<ColumnMap>,
    /// What the lines of a list of bare hex digits are; 64 digits are ambiguous.
    pub list: Option<ListKind>,
    /// Count malformed records instead of refusing the import.
    pub skip_bad_records: bool,
    /// The geometry of the hashes.
    pub geometry: Geometry,
}
