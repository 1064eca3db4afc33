-- Back-fills: the photos they are about, in Immich's tables, and how far they are, in ours.

-- ---- Photos

-- name: from_asset
FROM asset

-- name: select_hindered
SELECT asset.visibility = 'hidden' AS hidden, least(preview.previews, 2) AS previews,
  least(preview.unedited, 1) AS unedited, count(*) AS photos

-- name: group_hindered
GROUP BY 1, 2, 3

-- name: join_previews
-- An edited photo has two. Before 2.5 there were no edits, and no column that tells of them.
CROSS JOIN LATERAL (
  SELECT count(*) AS previews, count(*) FILTER (
    WHERE NOT coalesce((to_jsonb(file) ->> 'isEdited')::boolean, false)
  ) AS unedited
  FROM asset_file AS file WHERE file."assetId" = asset.id AND file.type = 'preview'
) AS preview

-- name: here_before
-- What comes later is read and encoded by Immich itself.
asset."createdAt" <= :started_at

-- name: missing_ocr
NOT EXISTS (
  SELECT FROM asset_job_status AS status
  WHERE status."assetId" = asset.id AND status."ocrAt" IS NOT NULL
)

-- name: missing_clip
NOT EXISTS (SELECT FROM smart_search WHERE smart_search."assetId" = asset.id)

-- name: possible_ocr
asset.visibility <> 'hidden' AND preview.unedited > 0

-- name: possible_clip
asset.visibility <> 'hidden' AND preview.unedited > 0 AND preview.previews = 1

-- name: beyond
:reached_id::uuid IS NULL OR (asset."createdAt", asset.id) < (:reached_at::timestamptz, :reached_id::uuid)

-- name: select_next
SELECT asset.id, asset."createdAt" AS at

-- name: newest_first
ORDER BY asset."createdAt" DESC, asset.id DESC LIMIT :limit

-- name: proven_ocr
SELECT status."assetId" AS id FROM asset_job_status AS status
JOIN asset ON asset.id = status."assetId"
WHERE status."ocrAt" IS NOT NULL AND asset."deletedAt" IS NULL AND asset.visibility <> 'hidden'
  AND NOT EXISTS (SELECT FROM immich_aio.backfill_photo AS photo WHERE photo."assetId" = asset.id)
ORDER BY status."ocrAt" DESC LIMIT 1

-- name: proven_clip
SELECT asset.id FROM smart_search JOIN asset ON asset.id = smart_search."assetId"
WHERE asset."deletedAt" IS NULL AND asset.visibility <> 'hidden'
  AND (SELECT count(*) FROM asset_file WHERE "assetId" = asset.id AND type = 'preview') = 1
  AND NOT EXISTS (SELECT FROM immich_aio.backfill_photo AS photo WHERE photo."assetId" = asset.id)
LIMIT 1

-- name: switches
SELECT value #>> '{machineLearning,enabled}' AS everything,
  value #>> '{machineLearning,ocr,enabled}' AS ocr,
  value #>> '{machineLearning,clip,enabled}' AS clip
FROM system_metadata WHERE key = 'system-config'

-- name: has_settings
SELECT FROM pg_class WHERE oid = to_regclass('system_metadata')

-- ---- How far it is

-- name: has_table
SELECT FROM pg_class WHERE oid = to_regclass('immich_aio.backfill')

-- name: lock
SELECT pg_try_advisory_lock(hashtext('immich_aio.backfill'), hashtext(:task)) AS held

-- name: unlock
SELECT pg_advisory_unlock(hashtext('immich_aio.backfill'), hashtext(:task))

-- name: is_locked
SELECT EXISTS (
  SELECT FROM pg_locks
  WHERE locktype = 'advisory' AND granted AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = (hashtext('immich_aio.backfill')::int8 & 4294967295)::oid
    AND objid = (hashtext(:task)::int8 & 4294967295)::oid
) AS held

-- name: now
SELECT now() AS now

-- name: begin
INSERT INTO immich_aio.backfill (task, wish, "startedAt", total)
VALUES (:task, :wish, :started_at, :total)

-- name: run
SELECT run.*, count(photo."assetId") FILTER (WHERE photo.failed) AS failed
FROM immich_aio.backfill AS run
LEFT JOIN immich_aio.backfill_photo AS photo ON photo.task = run.task
WHERE run.task = :task GROUP BY run.task

-- name: forget
DELETE FROM immich_aio.backfill WHERE task = :task

-- name: forget_photos
DELETE FROM immich_aio.backfill_photo WHERE task = :task

-- name: pause
UPDATE immich_aio.backfill SET paused = :paused WHERE task = :task AND "finishedAt" IS NULL

-- name: finish
-- Photos that were deleted before it was their turn are missing in the sum.
UPDATE immich_aio.backfill
SET "finishedAt" = now(), total = done + (
  SELECT count(*) FROM immich_aio.backfill_photo AS photo WHERE photo.task = :task
)
WHERE task = :task

-- name: under_way
SELECT "assetId" AS id, mark FROM immich_aio.backfill_photo WHERE task = :task AND NOT failed

-- name: reach
UPDATE immich_aio.backfill
SET "reachedAt" = :reached_at, "reachedId" = :reached_id, done = done + :done
WHERE task = :task

-- name: take
INSERT INTO immich_aio.backfill_photo (task, "assetId", mark)
SELECT run.task, taken.id, taken.mark
FROM immich_aio.backfill AS run, unnest(:ids::uuid[], :marks::text[]) AS taken (id, mark)
WHERE run.task = :task
ON CONFLICT DO NOTHING

-- name: take_again
UPDATE immich_aio.backfill_photo AS photo SET tries = tries + 1, failed = false, mark = taken.mark
FROM unnest(:ids::uuid[], :marks::text[]) AS taken (id, mark)
WHERE photo.task = :task AND photo."assetId" = taken.id

-- name: failed_once
SELECT "assetId" AS id FROM immich_aio.backfill_photo
WHERE task = :task AND failed AND tries < :tries ORDER BY "assetId" LIMIT :limit

-- name: failed
SELECT photo."assetId" AS id, asset."originalFileName" AS name
FROM immich_aio.backfill_photo AS photo JOIN asset ON asset.id = photo."assetId"
WHERE photo.task = :task AND photo.failed ORDER BY name, id

-- name: settle_done
DELETE FROM immich_aio.backfill_photo WHERE task = :task AND "assetId" = any(:ids)

-- name: settle_failed
UPDATE immich_aio.backfill_photo SET failed = true WHERE task = :task AND "assetId" = any(:ids)

-- name: settle_gone
-- Photos that were deleted meanwhile.
DELETE FROM immich_aio.backfill_photo AS photo
WHERE task = :task AND "assetId" = any(:ids)
  AND NOT EXISTS (SELECT FROM asset WHERE asset.id = photo."assetId")

-- name: count
UPDATE immich_aio.backfill
SET done = done + :done, total = total - :gone, seconds = seconds + :seconds WHERE task = :task

-- name: forgive
UPDATE immich_aio.backfill_photo SET tries = tries - 1
WHERE task = :task AND "assetId" = any(:ids) AND failed
