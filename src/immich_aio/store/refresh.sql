-- Photos that are to be read or encoded again.

-- name: subjects
-- Before 2.5 there were no edits, and no column that tells of them.
SELECT
  asset.id,
  asset.visibility = 'hidden' AS hidden,
  count(file."assetId") AS previews,
  count(file."assetId") FILTER (
    WHERE NOT coalesce((to_jsonb(file) ->> 'isEdited')::boolean, false)
  ) AS unedited
FROM asset
LEFT JOIN asset_file AS file ON file."assetId" = asset.id AND file.type = 'preview'
WHERE asset.id = any(:ids) AND asset."ownerId" = :owner
  AND (:elevated OR asset.visibility <> 'locked')
GROUP BY asset.id

-- ---- What changes when the job was done. A vector may come out as it was, and Immich does not
-- ---- note when it was made; but whoever writes a row leaves the transaction's number in it.

-- name: marks_ocr
SELECT "assetId" AS id, "ocrAt"::text AS mark FROM asset_job_status
WHERE "assetId" = any(:ids) AND "ocrAt" IS NOT NULL

-- name: marks_smart_search
SELECT "assetId" AS id, xmin::text AS mark FROM smart_search WHERE "assetId" = any(:ids)
