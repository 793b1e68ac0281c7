//! The tables and views of a case. `docs/case-schema.md` is the description for examiners.

/// Marks a SQLite file as a case of Tamis: "TAMI".
pub(super) const APPLICATION_ID: i32 = 0x5441_4d49;
/// Changes when a case of an older program could not be read any more.
pub(super) const SCHEMA_VERSION: i32 = 3;

/// An integer expression of nanoseconds since 1970 as ISO 8601 text, UTC, with all nine decimals.
macro_rules! iso {
    ($column:literal) => {
        concat!(
            "strftime('%Y-%m-%dT%H:%M:%S', (",
            $column,
            " - ((",
            $column,
            " % 1000000000) + 1000000000) % 1000000000) / 1000000000, 'unixepoch') || printf('.%09dZ', ((",
            $column,
            " % 1000000000) + 1000000000) % 1000000000)"
        )
    };
}

pub(super) use iso;

/// Of a `content`: an item has it. What a file held before it changed has none; it is kept for when it comes back, and does not exist for
/// figures, stacks, rules, reports and exports.
macro_rules! has_item {
    () => {
        "EXISTS (SELECT 1 FROM item WHERE item.sha256 = content.sha256)"
    };
}

pub(super) use has_item;

/// The common table `member`: the contents in stacks that items have, each with its place in its stack and how many there are in that. The
/// first stands for the others: it is the medoid, as long as an item has that. Less than two are no stack.
macro_rules! stack_members {
    () => {
        concat!(
            "member AS (
                 SELECT stack_member.stack AS stack, stack_member.content AS content, stack_member.distance AS distance,
                     row_number() OVER (PARTITION BY stack_member.stack ORDER BY stack_member.distance, content.sha256) AS place,
                     count(*) OVER (PARTITION BY stack_member.stack) AS contents
                 FROM stack_member JOIN content ON content.id = stack_member.content WHERE ",
            $crate::case::schema::has_item!(),
            ")"
        )
    };
}

pub(super) use stack_members;

/// The stacks of a case, made by `tamis stack`.
pub(super) const STACKS: &str = "
CREATE TABLE IF NOT EXISTS stack_settings (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    distance    INTEGER NOT NULL,
    min_quality INTEGER NOT NULL,
    contents    INTEGER NOT NULL,
    low_quality INTEGER NOT NULL,
    null_hashes  INTEGER NOT NULL,
    last_content INTEGER NOT NULL,
    made        TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS stack (
    number   INTEGER PRIMARY KEY,
    medoid   INTEGER NOT NULL REFERENCES content(id),
    contents INTEGER NOT NULL,
    diameter INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS stack_member (
    content  INTEGER PRIMARY KEY REFERENCES content(id),
    stack    INTEGER NOT NULL REFERENCES stack(number),
    distance INTEGER NOT NULL
);

-- A stack by its members, and by the content that stands for it.
CREATE INDEX IF NOT EXISTS stack_member_stack ON stack_member(stack);
CREATE INDEX IF NOT EXISTS stack_medoid ON stack(medoid);
";

/// The priorities of a case's items, set by `tamis triage` and `tamis match`.
pub(super) const PRIORITIES: &str = "
CREATE TABLE IF NOT EXISTS priority_rule (
    rank  INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    title TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS priority (
    item INTEGER PRIMARY KEY REFERENCES item(id),
    rank INTEGER NOT NULL REFERENCES priority_rule(rank)
);
";

/// The records of a hit that say something, sorted and distinct, as one text; `$of` is a column of theirs. Where the hit has
/// one record its own value, which needs no look at the list.
macro_rules! said {
    ($of:literal) => {
        concat!(
            "iif(hit.records = 1, first.",
            $of,
            ", (SELECT group_concat(value, '; ') FROM (SELECT DISTINCT known_record.",
            $of,
            " AS value FROM listed_record JOIN known_record USING (hash_set, record)
          WHERE listed_record.hash_set = hit.hash_set AND listed_record.list = hit.list AND known_record.",
            $of,
            " IS NOT NULL ORDER BY value)))"
        )
    };
}

/// [`said`] of a yes or no.
macro_rules! said_yes {
    ($of:literal) => {
        concat!(
            "iif(hit.records = 1, CASE first.",
            $of,
            " WHEN 1 THEN 'yes' WHEN 0 THEN 'no' END, (SELECT group_concat(value, '; ') FROM (
          SELECT DISTINCT iif(known_record.",
            $of,
            ", 'yes', 'no') AS value FROM listed_record JOIN known_record USING (hash_set, record)
          WHERE listed_record.hash_set = hit.hash_set AND listed_record.list = hit.list AND known_record.",
            $of,
            " IS NOT NULL ORDER BY value)))"
        )
    };
}

/// Everything a new case begins with.
pub(super) const SCHEMA: &str = concat!(
    "
CREATE TABLE case_info (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE run (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    command  TEXT NOT NULL,
    settings TEXT NOT NULL,
    started  TEXT NOT NULL,
    ended    TEXT,
    state    TEXT NOT NULL,
    notices  TEXT NOT NULL DEFAULT '[]'
);

CREATE TABLE source (
    id       INTEGER PRIMARY KEY,
    path_raw BLOB NOT NULL UNIQUE,
    path     TEXT NOT NULL,
    complete INTEGER NOT NULL DEFAULT 0
);

-- AUTOINCREMENT: a number is never used again, so that hash_set.matched_through keeps its meaning.
CREATE TABLE content (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256           BLOB NOT NULL UNIQUE,
    sha1             BLOB NOT NULL,
    md5              BLOB NOT NULL,
    size             INTEGER NOT NULL,
    outcome          TEXT NOT NULL,
    stage            TEXT,
    reason           TEXT,
    memory_limit     INTEGER,
    format           TEXT,
    width            INTEGER,
    height           INTEGER,
    taken            TEXT,
    camera_make      TEXT,
    camera_model     TEXT,
    exif_orientation INTEGER,
    hashes            BLOB,
    quality          INTEGER,
    derived_from      TEXT,
    unstable_bits    INTEGER,
    fallback_reason   TEXT,
    trivial          INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE item (
    id       INTEGER PRIMARY KEY,
    source   INTEGER NOT NULL REFERENCES source(id),
    path_raw BLOB NOT NULL,
    path     TEXT NOT NULL,
    size     INTEGER,
    modified INTEGER,
    accessed INTEGER,
    created  INTEGER,
    sha256   BLOB,
    outcome  TEXT,
    stage    TEXT,
    reason   TEXT,
    UNIQUE (source, path_raw),
    CHECK ((sha256 IS NULL) <> (outcome IS NULL))
);
CREATE INDEX item_sha256 ON item(sha256) WHERE sha256 IS NOT NULL;

CREATE TABLE hash_set (
    id                    INTEGER PRIMARY KEY,
    file_sha256           BLOB NOT NULL UNIQUE,
    name                  TEXT NOT NULL,
    path                  TEXT NOT NULL,
    geometry              TEXT NOT NULL,
    distance              INTEGER NOT NULL,
    min_quality           INTEGER NOT NULL,
    verify                TEXT NOT NULL,
    max_hits              INTEGER NOT NULL,
    records               INTEGER NOT NULL,
    hashes                 INTEGER NOT NULL,
    hashes_without_quality INTEGER NOT NULL,
    with_digests          INTEGER NOT NULL,
    low_quality           INTEGER NOT NULL,
    null_hashes            INTEGER NOT NULL,
    bad_lines             INTEGER NOT NULL,
    matched_through       INTEGER NOT NULL DEFAULT 0,
    version               TEXT,
    profile               TEXT
);

CREATE TABLE known_record (
    hash_set INTEGER NOT NULL REFERENCES hash_set(id),
    record    INTEGER NOT NULL,
    columns   TEXT NOT NULL,
    category           TEXT,
    category_label     TEXT,
    category_raw       TEXT,
    victim_identified  INTEGER,
    offender_identified INTEGER,
    distributed        INTEGER,
    precategorized     INTEGER,
    series             TEXT,
    fields             TEXT,
    PRIMARY KEY (hash_set, record)
) WITHOUT ROWID;

-- One row for a content and a set by digest, with all records that have one of its digests; and one for a content and a
-- hash of the set that it is near to, with all records that have that hash. `record` is the lowest of them that no other hit of the
-- content and set has, `records` how many there are, `list` names them.
CREATE TABLE hit (
    content             INTEGER NOT NULL REFERENCES content(id),
    hash_set           INTEGER NOT NULL REFERENCES hash_set(id),
    record              INTEGER NOT NULL,
    records             INTEGER NOT NULL CHECK (records > 0),
    list                BLOB NOT NULL,
    md5                 INTEGER NOT NULL,
    sha1                INTEGER NOT NULL,
    sha256              INTEGER NOT NULL,
    confirmation             TEXT NOT NULL,
    unconfirmed_reason TEXT,
    distance            INTEGER,
    orientation         TEXT,
    known_quality       INTEGER,
    PRIMARY KEY (content, hash_set, record),
    CHECK ((confirmation = 'digest') = (md5 OR sha1 OR sha256)),
    CHECK ((confirmation = 'unconfirmed') = (unconfirmed_reason IS NOT NULL))
) WITHOUT ROWID;
CREATE INDEX hit_unconfirmed ON hit(hash_set, content) WHERE confirmation = 'unconfirmed';
CREATE INDEX hit_digest ON hit(content, hash_set) WHERE confirmation = 'digest';

-- The records of a list that the case keeps: the first of it, and the first of each that says something else.
CREATE TABLE listed_record (
    hash_set INTEGER NOT NULL REFERENCES hash_set(id),
    list      BLOB NOT NULL,
    record    INTEGER NOT NULL,
    PRIMARY KEY (hash_set, list, record)
) WITHOUT ROWID;

-- Contents that are near to more hashes of a set than are listed (hash_set.max_hits): how many more.
CREATE TABLE saturated (
    content   INTEGER NOT NULL REFERENCES content(id),
    hash_set INTEGER NOT NULL REFERENCES hash_set(id),
    more      INTEGER NOT NULL CHECK (more > 0),
    PRIMARY KEY (content, hash_set)
) WITHOUT ROWID;
CREATE INDEX saturated_set ON saturated(hash_set, content);

-- Trivial contents whose digest a set has, which says nothing of them: they are no hits.
CREATE TABLE set_aside (
    content   INTEGER NOT NULL REFERENCES content(id),
    hash_set INTEGER NOT NULL REFERENCES hash_set(id),
    records   INTEGER NOT NULL CHECK (records > 0),
    PRIMARY KEY (content, hash_set)
) WITHOUT ROWID;
CREATE INDEX set_aside_set ON set_aside(hash_set, content);

-- Every record that the hits of a content list, once: one that is hit by digest is not listed again as near.
CREATE VIEW hit_record AS
SELECT hit.content AS content, hit.hash_set AS hash_set, listed_record.record AS record, hit.record AS hit,
    hit.md5 AS md5, hit.sha1 AS sha1, hit.sha256 AS sha256, hit.confirmation AS confirmation,
    hit.unconfirmed_reason AS unconfirmed_reason, hit.distance AS distance, hit.orientation AS orientation,
    hit.known_quality AS known_quality
FROM hit JOIN listed_record ON listed_record.hash_set = hit.hash_set AND listed_record.list = hit.list
WHERE hit.confirmation = 'digest' OR listed_record.record = hit.record OR NOT EXISTS (
    SELECT 1 FROM hit AS certain INDEXED BY hit_digest JOIN listed_record AS own
        ON own.hash_set = certain.hash_set AND own.list = certain.list
    WHERE certain.content = hit.content AND certain.hash_set = hit.hash_set AND certain.confirmation = 'digest'
        AND own.record = listed_record.record);

-- The first item of each content, by the bytes of its source's path and its own, has rank 1; the others are its
-- copies.
CREATE VIEW ranked_item AS
SELECT item.*, source.path AS source_path, source.path_raw AS source_path_raw,
    CASE WHEN item.sha256 IS NULL THEN 1
         ELSE row_number() OVER (PARTITION BY item.sha256 ORDER BY source.path_raw, item.path_raw) END AS rank,
    first_value(CASE WHEN item.path = '' THEN source.path ELSE source.path || '/' || item.path END)
        OVER (PARTITION BY item.sha256 ORDER BY source.path_raw, item.path_raw) AS first_path
FROM item JOIN source ON source.id = item.source;

CREATE VIEW items AS
SELECT ranked.source_path_raw, ranked.path_raw, ranked.source_path AS source, ranked.path AS path,
    CASE WHEN ranked.sha256 IS NULL THEN ranked.outcome
         -- What failed is shown for every copy: each is a file that somebody may have to look at.
         WHEN ranked.rank > 1 AND content.outcome IN ('hashed', 'other') THEN 'duplicate'
         ELSE content.outcome END AS outcome,
    coalesce(ranked.stage, content.stage) AS stage,
    coalesce(ranked.reason, content.reason) AS reason,
    CASE WHEN ranked.rank > 1 THEN ranked.first_path END AS duplicate_of,
    ranked.size AS size,
    ",
    iso!("ranked.modified"),
    " AS modified,
    ",
    iso!("ranked.accessed"),
    " AS accessed,
    ",
    iso!("ranked.created"),
    " AS created,
    lower(hex(content.md5)) AS md5,
    lower(hex(content.sha1)) AS sha1,
    lower(hex(content.sha256)) AS sha256,
    content.format AS format, content.width AS width, content.height AS height,
    lower(hex(substr(content.hashes, 1, 32))) AS pdq, content.quality AS quality,
    content.derived_from AS derived_from, content.unstable_bits AS unstable_bits,
    content.fallback_reason AS fallback_reason,
    content.taken AS taken, content.camera_make AS camera_make, content.camera_model AS camera_model,
    content.exif_orientation AS exif_orientation
FROM ranked_item AS ranked LEFT JOIN content ON content.sha256 = ranked.sha256
WHERE ranked.sha256 IS NULL OR content.id IS NOT NULL;


CREATE VIEW hits AS
SELECT source.path_raw AS source_path_raw, item.path_raw AS path_raw,
    hash_set.file_sha256 AS file_sha256, source.path AS source, item.path AS path,
    hash_set.name AS hash_set, hit.record + 1 AS record, hit.records AS records,
    iif(hit.records = 1, (hit.record + 1) || '', (SELECT group_concat(record + 1, '; ') FROM (SELECT record FROM listed_record
        WHERE listed_record.hash_set = hit.hash_set AND listed_record.list = hit.list ORDER BY record))) AS listed,
    CASE WHEN hit.confirmation = 'digest' THEN 'digest' ELSE 'perceptual' END AS kind,
    ltrim(CASE WHEN hit.md5 THEN ' md5' ELSE '' END || CASE WHEN hit.sha1 THEN ' sha1' ELSE '' END
        || CASE WHEN hit.sha256 THEN ' sha256' ELSE '' END) AS digests,
    hit.confirmation AS confirmation, hit.unconfirmed_reason AS unconfirmed_reason,
    hit.distance AS distance, hit.orientation AS orientation, content.quality AS quality,
    hit.known_quality AS known_quality,
    coalesce((SELECT more FROM saturated WHERE saturated.content = hit.content
        AND saturated.hash_set = hit.hash_set), 0) AS more,
    lower(hex(content.sha256)) AS sha256, lower(hex(substr(content.hashes, 1, 32))) AS pdq,
    content.derived_from AS derived_from,
    first.columns AS columns,
    ",
    said!("category"),
    " AS category,
    ",
    said!("category_label"),
    " AS category_label,
    ",
    said!("category_raw"),
    " AS category_raw,
    ",
    said_yes!("victim_identified"),
    " AS victim_identified,
    ",
    said_yes!("offender_identified"),
    " AS offender_identified,
    ",
    said_yes!("distributed"),
    " AS distributed,
    ",
    said_yes!("precategorized"),
    " AS precategorized,
    ",
    said!("series"),
    " AS series,
    first.fields AS fields, item.id AS item, hit.hash_set AS hash_set_id, hit.list AS list
FROM hit
JOIN content ON content.id = hit.content
JOIN item ON item.sha256 = content.sha256
JOIN source ON source.id = item.source
JOIN hash_set ON hash_set.id = hit.hash_set
LEFT JOIN known_record AS first ON first.hash_set = hit.hash_set AND first.record = hit.record;
"
);
