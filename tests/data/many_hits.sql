-- 100,000 hits in a case that `tamis triage` created from the sample: as many contents, each in one file, each with one hit.
CREATE TEMP TABLE many AS
WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 100000) SELECT n FROM many;

INSERT INTO content (id, sha256, sha1, md5, size, outcome, format, width, height, taken)
SELECT 1000000 + n, CAST(printf('%032d', n) AS BLOB), CAST(printf('%020d', n) AS BLOB), CAST(printf('%016d', n) AS BLOB),
    100000 + n * 7919 % 4000000, 'hashed', CASE n % 7 WHEN 0 THEN 'png' WHEN 1 THEN 'webp' ELSE 'jpeg' END, 4000, 3000,
    printf('%d-0%d-1%d 12:00:00', 2008 + n * 13 % 17, 1 + n % 9, n % 10)
FROM many;

INSERT INTO fingerprint (content, spec, view, hashes, quality, derived_from, unstable_bits)
SELECT 1000000 + n, 'pdq', 'picture', CAST(printf('%0256d', n) AS BLOB), 50 + n * 31 % 51,
    CASE n % 10 WHEN 1 THEN 'coefficients' ELSE 'pixels' END, n % 9
FROM many;

INSERT OR IGNORE INTO match_list (id, hash_set) SELECT 1, min(id) FROM hash_set;
INSERT INTO match_state (content, list) SELECT 1000000 + n, 1 FROM many;

INSERT INTO item (source, step, name, size, modified, sha256)
SELECT (SELECT min(id) FROM source), CAST(path AS BLOB), path, 100000 + n * 7919 % 4000000, 1500000000000000000 + n * 1000000007, sha256
FROM (SELECT n, CAST(printf('%032d', n) AS BLOB) AS sha256,
          printf('phone/DCIM/%03dMEDIA/IMG_%s_%06d.jpg', n * 17 % 400, CASE n % 4 WHEN 0 THEN 'été' WHEN 1 THEN 'WhatsApp' ELSE 'X' END, n) AS path
      FROM many);

INSERT OR REPLACE INTO set_record (hash_set, record, columns)
SELECT (SELECT min(id) FROM hash_set), n, json_object('category', CAST(1 + n % 3 AS TEXT), 'series', printf('Series %02d', n % 90),
    'name', printf('series-%02d/%05d.jpg', n % 90, n), 'victim_identified', CASE n % 2 WHEN 0 THEN 'yes' ELSE 'no' END)
FROM many WHERE n < 20000;

INSERT OR IGNORE INTO listed_record (hash_set, list, record)
SELECT (SELECT min(id) FROM hash_set), CAST(printf('%016d', n) AS BLOB), n FROM many WHERE n < 20000;

INSERT INTO hit (content, hash_set, record, records, list, md5, sha1, sha256, confirmation, unconfirmed_reason, distance, orientation, known_quality, view)
SELECT 1000000 + n, (SELECT min(id) FROM hash_set), 1 + n * 13 % 19998, 1, CAST(printf('%016d', 1 + n * 13 % 19998) AS BLOB), n % 10 = 0, n % 10 = 0, n % 10 = 0,
    CASE n % 10 WHEN 0 THEN 'digest' WHEN 1 THEN 'unconfirmed' ELSE 'pixels' END, CASE n % 10 WHEN 1 THEN 'source_gone' END,
    CASE n % 10 WHEN 0 THEN NULL ELSE n * 7919 % 1009 % 32 END,
    CASE n % 10 WHEN 0 THEN NULL ELSE CASE n % 8 WHEN 0 THEN 'rotate_90' WHEN 1 THEN 'flip_y' ELSE 'original' END END, 60 + n % 41,
    CASE n % 10 WHEN 0 THEN NULL ELSE 'picture' END
FROM many;
