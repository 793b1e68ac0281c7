//! The tables and views of a case. `docs/case-schema.md` is the description for examiners.

/// Marks a SQLite file as a case of Tamis: "TAMI".
pub(super) const APPLICATION_ID: i32 = 0x5441_4d49;
/// Changes when this program can no longer read the cases of an older one.
pub(super) const SCHEMA_VERSION: i32 = 4;
/// Cases of this version can be upgraded: `super::upgrade`.
pub(super) const UPGRADED_VERSION: i32 = 3;

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

/// Whether an item has a `content`. What a file held before it changed has no item; it is kept in case it returns, and does not exist for
/// figures, stacks, rules, reports and exports.
macro_rules! has_item {
    () => {
        "EXISTS (SELECT 1 FROM live_item WHERE live_item.sha256 = content.sha256)"
    };
}

pub(super) use has_item;

/// The table of a left join that gives a `content` its whole picture's fingerprint, as `picture`.
macro_rules! picture {
    () => {
        "fingerprint AS picture ON picture.content = content.id AND picture.spec = 'pdq' AND picture.view = 'picture'"
    };
}

pub(super) use picture;

/// The common table `member`: the contents in stacks that items have, each with its place in its stack and how many there are in that. The
/// first represents the others: it is the medoid, as long as an item has that. Fewer than two are not a stack.
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

/// The stacks of a case, built by `tamis stack`.
pub(super) const STACKS: &str = "
CREATE TABLE IF NOT EXISTS stack_settings (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    distance    INTEGER NOT NULL,
    min_quality INTEGER NOT NULL,
    contents    INTEGER NOT NULL,
    low_quality INTEGER NOT NULL,
    null_hashes  INTEGER NOT NULL,
    last_content INTEGER NOT NULL,
    created     TEXT NOT NULL
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
";

/// A stack by its members, and by the content that represents it. Made anew whenever stacks are.
pub(super) const STACK_INDEXES: &str = "
CREATE INDEX stack_member_stack ON stack_member(stack);
CREATE INDEX stack_medoid ON stack(medoid);
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

/// The values of a hit's records in column `$of`, sorted and distinct, as one text. If the hit has one record, its value, without a look
/// at the list.
macro_rules! values {
    ($of:literal) => {
        concat!(
            "iif(hit.records = 1, first.",
            $of,
            ", (SELECT group_concat(value, '; ') FROM (SELECT DISTINCT set_record.",
            $of,
            " AS value FROM listed_record JOIN set_record USING (hash_set, record)
          WHERE listed_record.hash_set = hit.hash_set AND listed_record.list = hit.list AND set_record.",
            $of,
            " IS NOT NULL ORDER BY value)))"
        )
    };
}

/// [`values`] of a yes or no.
macro_rules! yes_no_values {
    ($of:literal) => {
        concat!(
            "iif(hit.records = 1, CASE first.",
            $of,
            " WHEN 1 THEN 'yes' WHEN 0 THEN 'no' END, (SELECT group_concat(value, '; ') FROM (
          SELECT DISTINCT iif(set_record.",
            $of,
            ", 'yes', 'no') AS value FROM listed_record JOIN set_record USING (hash_set, record)
          WHERE listed_record.hash_set = hit.hash_set AND listed_record.list = hit.list AND set_record.",
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

-- What the examiner named.
CREATE TABLE source (
    id       INTEGER PRIMARY KEY,
    path_raw BLOB NOT NULL UNIQUE,
    path     TEXT NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('folder', 'file')),
    complete INTEGER NOT NULL DEFAULT 0
);

-- Distinct bytes. Their SHA-256 identifies them; `id` is for this file alone.
CREATE TABLE content (
    id               INTEGER PRIMARY KEY,
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
    duration         INTEGER,
    taken            TEXT,
    camera_make      TEXT,
    camera_model     TEXT,
    exif_orientation INTEGER,
    partial          REAL,
    children         INTEGER NOT NULL DEFAULT 0,
    refused          INTEGER NOT NULL DEFAULT 0,
    trivial          INTEGER NOT NULL DEFAULT 0
);

-- One view of a content: what it looks like.
CREATE TABLE fingerprint (
    content         INTEGER NOT NULL REFERENCES content(id),
    spec            TEXT NOT NULL,
    view            TEXT NOT NULL,
    hashes          BLOB NOT NULL,
    quality         INTEGER NOT NULL,
    derived_from    TEXT NOT NULL,
    unstable_bits   INTEGER NOT NULL,
    fallback_reason TEXT,
    PRIMARY KEY (content, spec, view)
) WITHOUT ROWID;

-- One place where bytes were found: below a source, or in a container, whose content `parent` names by its SHA-256. So a container that
-- occurs twice has its children once.
CREATE TABLE item (
    id       INTEGER PRIMARY KEY,
    source   INTEGER REFERENCES source(id),
    parent   BLOB,
    step     BLOB NOT NULL,
    name     TEXT NOT NULL,
    state    TEXT NOT NULL DEFAULT 'live',
    size     INTEGER,
    modified INTEGER,
    accessed INTEGER,
    created  INTEGER,
    sha256   BLOB,
    outcome  TEXT,
    stage    TEXT,
    reason   TEXT,
    CHECK ((source IS NULL) <> (parent IS NULL)),
    CHECK ((sha256 IS NULL) <> (outcome IS NULL))
);
CREATE UNIQUE INDEX item_of_source ON item(source, step) WHERE source IS NOT NULL;
CREATE UNIQUE INDEX item_of_container ON item(parent, step) WHERE parent IS NOT NULL;
-- With `parent`, so that whether a content has an item is answered by the index alone.
CREATE INDEX item_sha256 ON item(sha256, parent) WHERE sha256 IS NOT NULL;

-- Where the children of a container are listed: under the first of its items. `path` and `sort` are that item's, with what separates a
-- child's own from them.
CREATE TABLE container (
    sha256 BLOB PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES source(id),
    path   TEXT NOT NULL,
    sort   BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE hash_set (
    id                     INTEGER PRIMARY KEY,
    file_sha256            BLOB NOT NULL UNIQUE,
    name                   TEXT NOT NULL,
    path                   TEXT NOT NULL,
    geometry               TEXT NOT NULL,
    distance               INTEGER NOT NULL,
    min_quality            INTEGER NOT NULL,
    verify                 TEXT NOT NULL,
    max_hits               INTEGER NOT NULL,
    records                INTEGER NOT NULL,
    hashes                 INTEGER NOT NULL,
    hashes_without_quality INTEGER NOT NULL,
    with_digests           INTEGER NOT NULL,
    low_quality            INTEGER NOT NULL,
    null_hashes            INTEGER NOT NULL,
    malformed_lines        INTEGER NOT NULL,
    version                TEXT,
    profile                TEXT
);

-- What was matched against what: for each content a list of sets, each under the settings that its row has. Contents share lists;
-- list 0 is empty.
CREATE TABLE match_list (
    id       INTEGER NOT NULL,
    hash_set INTEGER NOT NULL REFERENCES hash_set(id),
    PRIMARY KEY (id, hash_set)
) WITHOUT ROWID;
CREATE INDEX match_list_set ON match_list(hash_set);
CREATE TABLE match_state (
    content INTEGER PRIMARY KEY REFERENCES content(id),
    list    INTEGER NOT NULL
);

CREATE TABLE set_record (
    hash_set            INTEGER NOT NULL REFERENCES hash_set(id),
    record              INTEGER NOT NULL,
    columns             TEXT NOT NULL,
    category            TEXT,
    category_label      TEXT,
    category_raw        TEXT,
    victim_identified   INTEGER,
    offender_identified INTEGER,
    distributed         INTEGER,
    precategorized      INTEGER,
    series              TEXT,
    fields              TEXT,
    PRIMARY KEY (hash_set, record)
) WITHOUT ROWID;

-- One row for a content and a set by digest, with all records that have one of its digests; and one for a content and a
-- hash of the set that it is near to, with all records that have that hash and the view that is nearest. `record` is the lowest
-- of them that no other hit of the content and set has, `records` how many there are, `list` names them.
CREATE TABLE hit (
    content             INTEGER NOT NULL REFERENCES content(id),
    hash_set            INTEGER NOT NULL REFERENCES hash_set(id),
    record              INTEGER NOT NULL,
    records             INTEGER NOT NULL CHECK (records > 0),
    list                BLOB NOT NULL,
    md5                 INTEGER NOT NULL,
    sha1                INTEGER NOT NULL,
    sha256              INTEGER NOT NULL,
    confirmation        TEXT NOT NULL,
    unconfirmed_reason  TEXT,
    distance            INTEGER,
    orientation         TEXT,
    known_quality       INTEGER,
    view                TEXT,
    PRIMARY KEY (content, hash_set, record),
    CHECK ((confirmation = 'digest') = (md5 OR sha1 OR sha256)),
    CHECK ((confirmation = 'unconfirmed') = (unconfirmed_reason IS NOT NULL))
) WITHOUT ROWID;
CREATE INDEX hit_unconfirmed ON hit(hash_set, content) WHERE confirmation = 'unconfirmed';
CREATE INDEX hit_digest ON hit(content, hash_set) WHERE confirmation = 'digest';

-- The records of a list that the case keeps: the first of it, and each that differs from those before it.
CREATE TABLE listed_record (
    hash_set  INTEGER NOT NULL REFERENCES hash_set(id),
    list      BLOB NOT NULL,
    record    INTEGER NOT NULL,
    PRIMARY KEY (hash_set, list, record)
) WITHOUT ROWID;

-- Contents that are near to more hashes of a set than are listed (hash_set.max_hits): how many more.
CREATE TABLE saturated (
    content   INTEGER NOT NULL REFERENCES content(id),
    hash_set  INTEGER NOT NULL REFERENCES hash_set(id),
    more      INTEGER NOT NULL CHECK (more > 0),
    PRIMARY KEY (content, hash_set)
) WITHOUT ROWID;
CREATE INDEX saturated_set ON saturated(hash_set, content);

-- Trivial contents whose digest a set has, which identifies nothing: they are not hits.
CREATE TABLE set_aside (
    content   INTEGER NOT NULL REFERENCES content(id),
    hash_set  INTEGER NOT NULL REFERENCES hash_set(id),
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

-- Items that are there: in a source, or in a container that an item has.
CREATE VIEW live_item AS
SELECT item.* FROM item
WHERE item.parent IS NULL OR EXISTS (SELECT 1 FROM container WHERE container.sha256 = item.parent);

-- Where these are: the source, the steps below it, both as they are printed and as they are ordered.
CREATE VIEW place AS
SELECT item.id AS item, item.sha256 AS sha256, source.id AS source_id, source.path AS source, source.path_raw AS source_sort,
    coalesce(container.path, '') || item.name AS path,
    CASE WHEN container.sha256 IS NULL THEN item.step ELSE CAST(container.sort || item.name AS BLOB) END AS path_sort,
    CASE WHEN container.path LIKE '//%' THEN source.path || container.path || item.name
         WHEN item.name = '' AND item.parent IS NULL THEN source.path
         ELSE source.path || iif(source.path LIKE '%/', '', '/') || coalesce(container.path, '') || item.name END AS whole_path
FROM item LEFT JOIN container ON container.sha256 = item.parent
JOIN source ON source.id = coalesce(item.source, container.source);

-- The first item of each content, in the order of places, has rank 1; the others are its copies.
CREATE VIEW ranked_item AS
SELECT item.*, place.source AS source_path, place.source_sort AS source_sort, place.path AS path, place.path_sort AS path_sort,
    CASE WHEN item.sha256 IS NULL THEN 1
         ELSE row_number() OVER (PARTITION BY item.sha256 ORDER BY place.source_sort, place.path_sort) END AS rank,
    first_value(place.whole_path) OVER (PARTITION BY item.sha256 ORDER BY place.source_sort, place.path_sort) AS first_path
FROM place JOIN item ON item.id = place.item;

CREATE VIEW items AS
SELECT ranked.source_sort, ranked.path_sort, ranked.source_path AS source, ranked.path AS path, ranked.state AS state,
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
    lower(hex(substr(picture.hashes, 1, 32))) AS pdq, picture.quality AS quality,
    picture.derived_from AS derived_from, picture.unstable_bits AS unstable_bits,
    picture.fallback_reason AS fallback_reason, content.partial AS partial,
    content.children AS children, content.refused AS refused,
    content.taken AS taken, content.camera_make AS camera_make, content.camera_model AS camera_model,
    content.exif_orientation AS exif_orientation
FROM ranked_item AS ranked LEFT JOIN content ON content.sha256 = ranked.sha256
LEFT JOIN ",
    picture!(),
    "
WHERE ranked.sha256 IS NULL OR content.id IS NOT NULL;

CREATE VIEW hits AS
SELECT place.source_sort AS source_sort, place.path_sort AS path_sort,
    hash_set.file_sha256 AS file_sha256, place.source AS source, place.path AS path, hit.view AS view,
    hash_set.name AS hash_set, hit.record + 1 AS record, hit.records AS records,
    iif(hit.records = 1, (hit.record + 1) || '', (SELECT group_concat(record + 1, '; ') FROM (SELECT record FROM listed_record
        WHERE listed_record.hash_set = hit.hash_set AND listed_record.list = hit.list ORDER BY record))) AS listed,
    CASE WHEN hit.confirmation = 'digest' THEN 'digest' ELSE 'perceptual' END AS kind,
    ltrim(CASE WHEN hit.md5 THEN ' md5' ELSE '' END || CASE WHEN hit.sha1 THEN ' sha1' ELSE '' END
        || CASE WHEN hit.sha256 THEN ' sha256' ELSE '' END) AS digests,
    hit.confirmation AS confirmation, hit.unconfirmed_reason AS unconfirmed_reason,
    hit.distance AS distance, hit.orientation AS orientation, seen.quality AS quality,
    hit.known_quality AS known_quality,
    coalesce((SELECT more FROM saturated WHERE saturated.content = hit.content
        AND saturated.hash_set = hit.hash_set), 0) AS more,
    lower(hex(content.sha256)) AS sha256, lower(hex(substr(seen.hashes, 1, 32))) AS pdq,
    seen.derived_from AS derived_from,
    first.columns AS columns,
    ",
    values!("category"),
    " AS category,
    ",
    values!("category_label"),
    " AS category_label,
    ",
    values!("category_raw"),
    " AS category_raw,
    ",
    yes_no_values!("victim_identified"),
    " AS victim_identified,
    ",
    yes_no_values!("offender_identified"),
    " AS offender_identified,
    ",
    yes_no_values!("distributed"),
    " AS distributed,
    ",
    yes_no_values!("precategorized"),
    " AS precategorized,
    ",
    values!("series"),
    " AS series,
    first.fields AS fields, place.item AS item, hit.hash_set AS hash_set_id, hit.list AS list
FROM hit
JOIN content ON content.id = hit.content
JOIN place ON place.sha256 = content.sha256
JOIN hash_set ON hash_set.id = hit.hash_set
LEFT JOIN fingerprint AS seen ON seen.content = hit.content AND seen.spec = 'pdq' AND seen.view = coalesce(hit.view, 'picture')
LEFT JOIN set_record AS first ON first.hash_set = hit.hash_set AND first.record = hit.record;
"
);
