-- The text index in the schema immich_aio, which migrations/ makes.

-- name: state
SELECT segmenter, format, "followedAt", horizon::text, place,
  coalesce(pg_snapshot_xmax(pg_current_snapshot())::text::numeric - horizon::text::numeric
    BETWEEN 0 AND 2e9, false) AS "horizonCounts"
FROM immich_aio.state

-- name: remember
UPDATE immich_aio.state SET segmenter = :segmenter, format = :format, "followedAt" = now(),
  horizon = :horizon::text::xid8, place = :place

-- name: make_incoming
CREATE TEMPORARY TABLE incoming (LIKE immich_aio.document) ON COMMIT DROP

-- name: copy_incoming
COPY incoming ("assetId", folded, words, confidence, grams, signature, "wordBits") FROM STDIN (FORMAT binary)

-- name: upsert
INSERT INTO immich_aio.document AS known (
  "assetId", folded, words, confidence, grams, signature, "wordBits",
  embedding, "embeddingVersion", "takenAt"
)
SELECT incoming."assetId", folded, words, confidence, grams || :half::int4, signature, "wordBits",
  immich_aio.copy_of(smart_search.embedding), smart_search.xmin, asset."fileCreatedAt"
FROM incoming
LEFT JOIN smart_search ON smart_search."assetId" = incoming."assetId"
LEFT JOIN asset ON asset.id = incoming."assetId"
ON CONFLICT ("assetId") DO UPDATE SET folded = excluded.folded, words = excluded.words,
  confidence = excluded.confidence, grams = excluded.grams, signature = excluded.signature,
  "wordBits" = excluded."wordBits",
  embedding = excluded.embedding, "embeddingVersion" = excluded."embeddingVersion",
  "takenAt" = excluded."takenAt"

-- name: delete
DELETE FROM immich_aio.document WHERE "assetId" = any(:ids)

-- ---- A new index beside the old one, and its taking over

-- name: drop_new
DROP TABLE IF EXISTS immich_aio.document_copied, immich_aio.document_new

-- name: make_new
-- What almost every search reads of very many texts stands first.
CREATE UNLOGGED TABLE immich_aio.document_copied (LIKE immich_aio.document);
CREATE TABLE immich_aio.document_new AS
SELECT "assetId", "takenAt", confidence, "embeddingVersion", signature, "wordBits", embedding, folded,
  words, grams
FROM immich_aio.document WITH NO DATA;
ALTER TABLE immich_aio.document_new
  ALTER COLUMN confidence SET NOT NULL, ALTER COLUMN signature SET NOT NULL,
  ALTER COLUMN "wordBits" SET NOT NULL, ALTER COLUMN "wordBits" SET STORAGE EXTERNAL,
  ALTER COLUMN embedding SET STORAGE PLAIN,
  ALTER COLUMN folded SET NOT NULL, ALTER COLUMN folded SET STORAGE EXTERNAL,
  ALTER COLUMN words SET NOT NULL, ALTER COLUMN words SET STORAGE EXTERNAL,
  ALTER COLUMN grams SET NOT NULL, ALTER COLUMN grams SET STATISTICS 300

-- name: copy_new
COPY immich_aio.document_copied (
  "assetId", folded, words, confidence, grams, signature, "wordBits"
) FROM STDIN (FORMAT binary)

-- name: how_to_lay_out
-- The vector and an ordinary text stay in the row, for every search reads them; grams do not.
SELECT 'ALTER TABLE immich_aio.document_new SET (toast_tuple_target = '
  || least(CASE WHEN to_regtype('halfvec') IS NULL THEN 4 ELSE 2 END * atttypmod + 1000, 8160)
  || ')' AS statement
FROM pg_attribute WHERE attrelid = 'smart_search'::regclass AND attname = 'embedding'

-- name: fill_new
-- (Texts of one half, of grams.HALVES, stand together on a hundred pages and more.)
INSERT INTO immich_aio.document_new (
  "assetId", folded, words, confidence, grams, signature, "wordBits",
  embedding, "embeddingVersion", "takenAt"
)
SELECT copied."assetId", folded, words, confidence,
  grams || (1 + mod(row_number() OVER () / 512, 2))::int4, signature, "wordBits",
  immich_aio.copy_of(smart_search.embedding), smart_search.xmin, asset."fileCreatedAt"
FROM immich_aio.document_copied copied
LEFT JOIN smart_search ON smart_search."assetId" = copied."assetId"
LEFT JOIN asset ON asset.id = copied."assetId"

-- name: drop_copied
DROP TABLE immich_aio.document_copied

-- name: more_memory
SET LOCAL maintenance_work_mem = '256MB'

-- name: key_of_new
ALTER TABLE immich_aio.document_new ADD CONSTRAINT document_new_pkey PRIMARY KEY ("assetId")

-- name: index_new
CREATE INDEX document_new_grams_idx ON immich_aio.document_new USING gin (grams)
WITH (fastupdate = off)

-- name: dimensions_of_new
CREATE INDEX document_new_dimensions_idx ON immich_aio.document_new ((vector_dims(embedding)))

-- name: dates_of_new
CREATE INDEX document_new_date_idx ON immich_aio.document_new ("takenAt")

-- name: analyze_new
ANALYZE immich_aio.document_new

-- name: drop_old
DROP TABLE immich_aio.document

-- name: take_over
ALTER TABLE immich_aio.document_new RENAME TO document

-- name: take_over_key
ALTER INDEX immich_aio.document_new_pkey RENAME TO document_pkey

-- name: take_over_grams
ALTER INDEX immich_aio.document_new_grams_idx RENAME TO document_grams_idx

-- name: take_over_dimensions
ALTER INDEX immich_aio.document_new_dimensions_idx RENAME TO document_dimensions_idx

-- name: take_over_dates
ALTER INDEX immich_aio.document_new_date_idx RENAME TO document_date_idx

-- ---- What stands beside the texts

-- name: refresh_copies
WITH stale AS (
  SELECT document."assetId"
  FROM immich_aio.document
  JOIN asset ON asset.id = document."assetId"
  LEFT JOIN smart_search ON smart_search."assetId" = document."assetId"
  WHERE document."embeddingVersion" IS DISTINCT FROM smart_search.xmin
    OR document."takenAt" IS DISTINCT FROM asset."fileCreatedAt"
  LIMIT :limit
)
UPDATE immich_aio.document
SET embedding = immich_aio.copy_of(smart_search.embedding),
  "embeddingVersion" = smart_search.xmin,
  "takenAt" = asset."fileCreatedAt"
FROM stale
JOIN asset ON asset.id = stale."assetId"
LEFT JOIN smart_search ON smart_search."assetId" = stale."assetId"
WHERE document."assetId" = stale."assetId"

-- ---- About it

-- name: have_patience
SET lock_timeout = 0

-- name: have_none
RESET lock_timeout

-- name: have_patience_here
-- For what is ours alone.
SET LOCAL lock_timeout = 0

-- name: lock
SELECT pg_advisory_lock(hashtext('immich_aio.document'))

-- name: try_lock
SELECT pg_try_advisory_lock(hashtext('immich_aio.document')) AS held

-- name: unlock
SELECT pg_advisory_unlock(hashtext('immich_aio.document'))

-- name: has_index
SELECT FROM pg_class WHERE oid = to_regclass('immich_aio.document')

-- name: has_schema
SELECT FROM pg_namespace WHERE nspname = 'immich_aio'

-- name: status
SELECT state.segmenter, state.format, state."followedAt",
  (SELECT count(*) FROM immich_aio.document) AS documents,
  pg_total_relation_size('immich_aio.document') AS bytes,
  (SELECT max(number) FROM immich_aio.migration) AS form
FROM immich_aio.state

-- name: drop
DROP SCHEMA IF EXISTS immich_aio CASCADE
