-- Made-up assets in bulk: copied without indexes, triggers and foreign keys, which come back after.

-- name: is_made
SELECT value FROM system_metadata WHERE key = 'sandbox-assets'

-- name: mark_made
INSERT INTO system_metadata (key, value) VALUES ('sandbox-assets', jsonb_build_object('count', :count::int))

-- name: no_triggers
SET LOCAL session_replication_role = replica

-- name: secondary_indexes
SELECT 'DROP INDEX ' || indexrelid::regclass AS drop, pg_get_indexdef(indexrelid) AS definition
FROM pg_index
WHERE indrelid = any(ARRAY['asset', 'asset_exif', 'asset_ocr', 'ocr_search', 'smart_search']::regclass[])
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
ORDER BY indexrelid

-- name: big_memory
SET LOCAL maintenance_work_mem = '1GB'

-- name: make_ids
CREATE TEMPORARY TABLE synthetic (number int, id uuid) ON COMMIT DROP

-- name: copy_ids
COPY synthetic (number, id) FROM STDIN (FORMAT binary)

-- name: add_assets
INSERT INTO asset (
  id, "ownerId", type, "originalPath", "originalFileName", "fileCreatedAt", "fileModifiedAt",
  "localDateTime", checksum, "isFavorite", visibility, width, height, "checksumAlgorithm"
)
SELECT id, :owner_id, 'IMAGE', '/synthetic/' || number || '.jpg', 'IMG_' || number || '.jpg',
  taken, taken, taken, substring(sha256(number::text::bytea) for 20), number % 20 = 0,
  CASE WHEN number % 200 = 1 THEN 'locked' WHEN number % 50 = 0 THEN 'archive' ELSE 'timeline' END
    ::asset_visibility_enum,
  4032, 3024, 'sha1'
FROM synthetic
CROSS JOIN LATERAL (
  SELECT timestamptz '2016-01-01Z' + interval '10 years' * (number::bigint * 7919 % :count) / :count
) dates (taken)

-- name: add_assets @2.2
INSERT INTO asset (
  id, "ownerId", type, "originalPath", "originalFileName", "fileCreatedAt", "fileModifiedAt",
  "localDateTime", checksum, "isFavorite", visibility, "deviceAssetId", "deviceId"
)
SELECT id, :owner_id, 'IMAGE', '/synthetic/' || number || '.jpg', 'IMG_' || number || '.jpg',
  taken, taken, taken, substring(sha256(number::text::bytea) for 20), number % 20 = 0,
  CASE WHEN number % 200 = 1 THEN 'locked' WHEN number % 50 = 0 THEN 'archive' ELSE 'timeline' END
    ::asset_visibility_enum,
  number::text, 'synthetic'
FROM synthetic
CROSS JOIN LATERAL (
  SELECT timestamptz '2016-01-01Z' + interval '10 years' * (number::bigint * 7919 % :count) / :count
) dates (taken)

-- name: add_exif
INSERT INTO asset_exif (
  "assetId", make, model, "exifImageWidth", "exifImageHeight", "fileSizeInByte", city, country, rating
)
SELECT id, 'Synthetic', 'Model ' || number % 7, 4032, 3024, 2000000 + number % 1000000,
  'City ' || number % 97, 'Country ' || number % 13, nullif(number % 6, 0)
FROM synthetic

-- name: add_status
INSERT INTO asset_job_status ("assetId", "metadataExtractedAt", "facesRecognizedAt", "ocrAt")
SELECT id, now(), now(), now() FROM synthetic

-- name: copy_vectors
COPY smart_search ("assetId", embedding) FROM STDIN (FORMAT binary)

-- name: copy_lines
COPY asset_ocr (
  "assetId", x1, y1, x2, y2, x3, y3, x4, y4, "boxScore", "textScore", text
) FROM STDIN

-- name: copy_search
COPY ocr_search ("assetId", text) FROM STDIN

-- name: analyze
ANALYZE
