-- How the index follows Immich: reads of its tables, in one snapshot where several belong together.
--
-- Rows are told to be new by PostgreSQL's own number of the transaction that wrote them, xmin. So a
-- transaction that commits late, a clock that is wrong, and a change that leaves ocrAt and updateId
-- as they are, are all seen.

-- name: activity
SELECT pg_current_snapshot()::text AS activity

-- name: moment
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon,
  (SELECT system_identifier::text FROM pg_control_system())
    || ':' || 'asset_job_status'::regclass::oid || ':' || 'asset_ocr'::regclass::oid AS place

-- name: changed
SELECT "assetId" FROM asset_job_status
WHERE age(asset_job_status.xmin) <= (SELECT age(:horizon::text::xid8::xid)) AND "ocrAt" IS NOT NULL
UNION
SELECT "assetId" FROM asset_ocr
WHERE age(asset_ocr.xmin) <= (SELECT age(:horizon::text::xid8::xid))
UNION
SELECT "assetId" FROM immich_aio.document
WHERE NOT EXISTS (SELECT FROM asset_ocr WHERE asset_ocr."assetId" = document."assetId")

-- name: different
SELECT "assetId"
FROM (
  SELECT "assetId", md5(string_agg(text || chr(31) || "textScore", chr(30) ORDER BY ctid))::uuid
    AS signature
  FROM asset_ocr WHERE "isVisible" GROUP BY "assetId"
) lines
FULL JOIN immich_aio.document USING ("assetId")
WHERE lines.signature IS DISTINCT FROM document.signature

-- name: different @2.2
SELECT "assetId"
FROM (
  SELECT "assetId", md5(string_agg(text || chr(31) || "textScore", chr(30) ORDER BY ctid))::uuid
    AS signature
  FROM asset_ocr GROUP BY "assetId"
) lines
FULL JOIN immich_aio.document USING ("assetId")
WHERE lines.signature IS DISTINCT FROM document.signature

-- name: readings_of
SELECT given.id AS "assetId", lines.text, lines.confidence, lines.signature
FROM unnest(:ids::uuid[]) AS given (id)
CROSS JOIN LATERAL (
  SELECT string_agg(replace(text, chr(10), ' '), chr(10) ORDER BY ctid) AS text,
    sum("textScore" * char_length(text)) / nullif(sum(char_length(text)), 0) AS confidence,
    md5(string_agg(text || chr(31) || "textScore", chr(30) ORDER BY ctid))::uuid AS signature
  FROM asset_ocr WHERE "assetId" = given.id AND "isVisible"
) lines
LEFT JOIN immich_aio.document ON document."assetId" = given.id
WHERE lines.signature IS DISTINCT FROM document.signature

-- name: readings_of @2.2
SELECT given.id AS "assetId", lines.text, lines.confidence, lines.signature
FROM unnest(:ids::uuid[]) AS given (id)
CROSS JOIN LATERAL (
  SELECT string_agg(replace(text, chr(10), ' '), chr(10) ORDER BY ctid) AS text,
    sum("textScore" * char_length(text)) / nullif(sum(char_length(text)), 0) AS confidence,
    md5(string_agg(text || chr(31) || "textScore", chr(30) ORDER BY ctid))::uuid AS signature
  FROM asset_ocr WHERE "assetId" = given.id
) lines
LEFT JOIN immich_aio.document ON document."assetId" = given.id
WHERE lines.signature IS DISTINCT FROM document.signature

-- name: count_readings
SELECT count(DISTINCT "assetId") AS count FROM asset_ocr WHERE "isVisible"

-- name: count_readings @2.2
SELECT count(DISTINCT "assetId") AS count FROM asset_ocr

-- name: all_readings
SELECT "assetId",
  string_agg(replace(text, chr(10), ' '), chr(10) ORDER BY ctid) AS text,
  sum("textScore" * char_length(text)) / nullif(sum(char_length(text)), 0) AS confidence,
  md5(string_agg(text || chr(31) || "textScore", chr(30) ORDER BY ctid))::uuid AS signature
FROM asset_ocr WHERE "isVisible" GROUP BY "assetId"

-- name: all_readings @2.2
SELECT "assetId",
  string_agg(replace(text, chr(10), ' '), chr(10) ORDER BY ctid) AS text,
  sum("textScore" * char_length(text)) / nullif(sum(char_length(text)), 0) AS confidence,
  md5(string_agg(text || chr(31) || "textScore", chr(30) ORDER BY ctid))::uuid AS signature
FROM asset_ocr GROUP BY "assetId"
