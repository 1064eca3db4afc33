-- What the miniature asks its database, apart from searches (store/asset_search.sql).

-- ---- Who is calling

-- name: session_by_token
SELECT session.id AS session_id, "pinExpiresAt", u.id, u."isAdmin", u.name, u.email
FROM session JOIN "user" u ON u.id = session."userId" AND u."deletedAt" IS NULL
WHERE session.token = :hash AND ("expiresAt" IS NULL OR "expiresAt" > now())

-- name: session_by_token @2.2
SELECT session.id AS session_id, "pinExpiresAt", u.id, u."isAdmin", u.name, u.email
FROM session JOIN "user" u ON u.id = session."userId" AND u."deletedAt" IS NULL
WHERE session.token = encode(:hash, 'base64') AND ("expiresAt" IS NULL OR "expiresAt" > now())

-- name: key_by_token
SELECT k.id AS key_id, k.permissions, u.id, u."isAdmin", u.name, u.email
FROM api_key k JOIN "user" u ON u.id = k."userId" AND u."deletedAt" IS NULL
WHERE k.key = :hash

-- name: key_by_token @2.2
SELECT k.id AS key_id, k.permissions, u.id, u."isAdmin", u.name, u.email
FROM api_key k JOIN "user" u ON u.id = k."userId" AND u."deletedAt" IS NULL
WHERE k.key = encode(:hash, 'base64')

-- name: link_by_key
SELECT l.id AS link_id, l."showExif", l."allowUpload", l."allowDownload",
  u.id, u."isAdmin", u.name, u.email
FROM shared_link l JOIN "user" u ON u.id = l."userId" AND u."deletedAt" IS NULL
WHERE l.key = :key AND (l."expiresAt" IS NULL OR l."expiresAt" > now())

-- name: link_by_slug
SELECT l.id AS link_id, l."showExif", l."allowUpload", l."allowDownload",
  u.id, u."isAdmin", u.name, u.email
FROM shared_link l JOIN "user" u ON u.id = l."userId" AND u."deletedAt" IS NULL
WHERE l.slug = :slug AND (l."expiresAt" IS NULL OR l."expiresAt" > now())

-- ---- Accounts

-- name: user_by_email
SELECT * FROM "user" WHERE email = :email AND "deletedAt" IS NULL

-- name: user_by_id
SELECT * FROM "user" WHERE id = :id AND "deletedAt" IS NULL

-- name: session
SELECT id, "expiresAt", "pinExpiresAt" FROM session WHERE id = :id

-- name: add_session
INSERT INTO session (token, "userId") VALUES (:hash, :user_id)

-- name: add_session @2.2
INSERT INTO session (token, "userId") VALUES (encode(:hash, 'base64'), :user_id)

-- name: delete_session
DELETE FROM session WHERE id = :id

-- name: unlock_session
UPDATE session SET "pinExpiresAt" = now() + interval '15 minutes' WHERE id = :id

-- name: lock_session
UPDATE session SET "pinExpiresAt" = NULL WHERE id = :id

-- name: keys_of_user
SELECT id, name, "createdAt", "updatedAt", permissions FROM api_key WHERE "userId" = :user_id
ORDER BY "createdAt" DESC

-- name: key_of_user
SELECT id, name, "createdAt", "updatedAt", permissions FROM api_key
WHERE "userId" = :user_id AND id = :id

-- name: add_key
INSERT INTO api_key (key, name, "userId", permissions)
VALUES (:hash, :name, :user_id, :permissions)
RETURNING id, name, "createdAt", "updatedAt", permissions

-- name: add_key @2.2
INSERT INTO api_key (key, name, "userId", permissions)
VALUES (encode(:hash, 'base64'), :name, :user_id, :permissions)
RETURNING id, name, "createdAt", "updatedAt", permissions

-- name: partners_sharing_with
SELECT u.*, p."inTimeline" FROM partner p JOIN "user" u ON u.id = p."sharedById"
WHERE p."sharedWithId" = :user_id AND u."deletedAt" IS NULL
ORDER BY p."createdAt", u.id

-- name: partners_shared_with
SELECT u.*, p."inTimeline" FROM partner p JOIN "user" u ON u.id = p."sharedWithId"
WHERE p."sharedById" = :user_id AND u."deletedAt" IS NULL
ORDER BY p."createdAt", u.id

-- name: timeline_partner_ids
SELECT p."sharedById" AS id FROM partner p JOIN "user" u ON u.id = p."sharedById"
WHERE p."sharedWithId" = :user_id AND p."inTimeline" AND u."deletedAt" IS NULL

-- name: add_partner
INSERT INTO partner ("sharedById", "sharedWithId") VALUES (:by, :with) ON CONFLICT DO NOTHING

-- name: set_partner_in_timeline
UPDATE partner SET "inTimeline" = :in_timeline WHERE "sharedById" = :by AND "sharedWithId" = :with

-- name: delete_partner
DELETE FROM partner WHERE "sharedById" = :by AND "sharedWithId" = :with

-- ---- Access: which of some assets or albums one may see

-- name: own_assets
SELECT id FROM asset
WHERE id = any(:ids) AND "ownerId" = :user_id AND (:elevated OR visibility <> 'locked')

-- name: album_assets
SELECT one.id FROM album
JOIN album_asset ON album_asset."albumId" = album.id
JOIN asset ON asset.id = album_asset."assetId" AND asset."deletedAt" IS NULL
JOIN album_user ON album_user."albumId" = album.id AND album_user."userId" = :user_id
CROSS JOIN LATERAL (VALUES (asset.id), (asset."livePhotoVideoId")) one (id)
WHERE album."deletedAt" IS NULL AND one.id = any(:ids)

-- name: album_assets @2.2
SELECT one.id FROM album
JOIN album_asset ON album_asset."albumsId" = album.id
JOIN asset ON asset.id = album_asset."assetsId" AND asset."deletedAt" IS NULL
LEFT JOIN album_user ON album_user."albumsId" = album.id AND album_user."usersId" = :user_id
CROSS JOIN LATERAL (VALUES (asset.id), (asset."livePhotoVideoId")) one (id)
WHERE album."deletedAt" IS NULL AND one.id = any(:ids)
  AND (album."ownerId" = :user_id OR album_user."usersId" IS NOT NULL)

-- name: partner_assets
SELECT asset.id FROM partner
JOIN "user" u ON u.id = partner."sharedById" AND u."deletedAt" IS NULL
JOIN asset ON asset."ownerId" = u.id AND asset."deletedAt" IS NULL
WHERE partner."sharedWithId" = :user_id AND asset.visibility IN ('timeline', 'hidden')
  AND asset.id = any(:ids)

-- name: link_assets
SELECT one.id FROM shared_link
LEFT JOIN album ON album.id = shared_link."albumId" AND album."deletedAt" IS NULL
LEFT JOIN shared_link_asset ON shared_link_asset."sharedLinkId" = shared_link.id
LEFT JOIN album_asset ON album_asset."albumId" = album.id
JOIN asset ON asset.id IN (shared_link_asset."assetId", album_asset."assetId")
  AND asset."deletedAt" IS NULL
CROSS JOIN LATERAL (VALUES (asset.id), (asset."livePhotoVideoId")) one (id)
WHERE shared_link.id = :link_id AND one.id = any(:ids)

-- name: link_assets @2.2
SELECT one.id FROM shared_link
LEFT JOIN album ON album.id = shared_link."albumId" AND album."deletedAt" IS NULL
LEFT JOIN shared_link_asset ON shared_link_asset."sharedLinksId" = shared_link.id
LEFT JOIN album_asset ON album_asset."albumsId" = album.id
JOIN asset ON asset.id IN (shared_link_asset."assetsId", album_asset."assetsId")
  AND asset."deletedAt" IS NULL
CROSS JOIN LATERAL (VALUES (asset.id), (asset."livePhotoVideoId")) one (id)
WHERE shared_link.id = :link_id AND one.id = any(:ids)

-- name: readable_albums
SELECT album.id FROM album JOIN album_user ON album_user."albumId" = album.id
WHERE album.id = any(:ids) AND album."deletedAt" IS NULL AND album_user."userId" = :user_id

-- name: link_albums
SELECT "albumId" AS id FROM shared_link WHERE id = :link_id AND "albumId" = any(:ids)

-- ---- Assets

-- name: asset_details
SELECT to_json(asset_exif) AS "exifInfo",
  (
    SELECT json_build_object(
      'id', u.id, 'email', u.email, 'name', u.name, 'profileImagePath', u."profileImagePath",
      'avatarColor', u."avatarColor", 'profileChangedAt', u."profileChangedAt"
    ) FROM "user" u WHERE u.id = asset."ownerId"
  ) AS owner,
  (
    SELECT coalesce(json_agg(tag), '[]')
    FROM tag JOIN tag_asset ON tag_asset."tagId" = tag.id WHERE tag_asset."assetId" = asset.id
  ) AS tags,
  (
    SELECT json_build_object(
      'id', stack.id, 'primaryAssetId', stack."primaryAssetId", 'assetCount', 1 + (
        SELECT count(*) FROM asset other
        WHERE other."stackId" = stack.id AND other.id <> stack."primaryAssetId"
          AND other."deletedAt" IS NULL AND other.visibility = 'timeline'
      )
    ) FROM stack WHERE stack.id = asset."stackId"
  ) AS stack
FROM asset LEFT JOIN asset_exif ON asset_exif."assetId" = asset.id
WHERE asset.id = :id

-- name: asset_details @2.2
SELECT to_json(asset_exif) AS "exifInfo",
  (
    SELECT json_build_object(
      'id', u.id, 'email', u.email, 'name', u.name, 'profileImagePath', u."profileImagePath",
      'avatarColor', u."avatarColor", 'profileChangedAt', u."profileChangedAt"
    ) FROM "user" u WHERE u.id = asset."ownerId"
  ) AS owner,
  (
    SELECT coalesce(json_agg(tag), '[]')
    FROM tag JOIN tag_asset ON tag_asset."tagsId" = tag.id WHERE tag_asset."assetsId" = asset.id
  ) AS tags,
  (
    SELECT json_build_object(
      'id', stack.id, 'primaryAssetId', stack."primaryAssetId", 'assetCount', 1 + (
        SELECT count(*) FROM asset other
        WHERE other."stackId" = stack.id AND other.id <> stack."primaryAssetId"
          AND other."deletedAt" IS NULL AND other.visibility = 'timeline'
      )
    ) FROM stack WHERE stack.id = asset."stackId"
  ) AS stack
FROM asset LEFT JOIN asset_exif ON asset_exif."assetId" = asset.id
WHERE asset.id = :id

-- name: asset_paths
SELECT asset."originalPath", asset."originalFileName", (
  SELECT path FROM asset_file
  WHERE asset_file."assetId" = asset.id AND asset_file.type = :type AND NOT "isEdited"
) AS path
FROM asset WHERE asset.id = :id

-- name: asset_paths @2.2
SELECT asset."originalPath", asset."originalFileName", (
  SELECT path FROM asset_file
  WHERE asset_file."assetId" = asset.id AND asset_file.type = :type
) AS path
FROM asset WHERE asset.id = :id

-- name: ocr_lines
SELECT id, "assetId", x1, y1, x2, y2, x3, y3, x4, y4, "boxScore", "textScore", text, "isVisible",
  "updateId"
FROM asset_ocr WHERE "assetId" = :id AND "isVisible"

-- name: ocr_lines @2.2
SELECT id, "assetId", x1, y1, x2, y2, x3, y3, x4, y4, "boxScore", "textScore", text
FROM asset_ocr WHERE "assetId" = :id

-- name: embedding
SELECT embedding::text AS embedding FROM smart_search WHERE "assetId" = :id

-- name: asset_by_checksum
SELECT id FROM asset WHERE "ownerId" = :user_id AND checksum = :checksum AND "libraryId" IS NULL

-- ---- Adding an asset

-- name: add_asset
INSERT INTO asset (
  id, "ownerId", type, "originalPath", "originalFileName", "fileCreatedAt", "fileModifiedAt",
  "localDateTime", checksum, "checksumAlgorithm", "isFavorite", visibility, duration,
  "livePhotoVideoId"
) VALUES (
  :id, :owner_id, :type, :path, :name, :created_at, :modified_at, :created_at, :checksum, 'sha1',
  :favorite, :visibility, :duration, :live_photo_video_id
)
ON CONFLICT DO NOTHING

-- name: add_asset @2.2
INSERT INTO asset (
  id, "ownerId", type, "originalPath", "originalFileName", "fileCreatedAt", "fileModifiedAt",
  "localDateTime", checksum, "isFavorite", visibility, duration, "livePhotoVideoId",
  "deviceAssetId", "deviceId"
) VALUES (
  :id, :owner_id, :type, :path, :name, :created_at, :modified_at, :created_at, :checksum,
  :favorite, :visibility, :duration, :live_photo_video_id,
  :device_asset_id, :device_id
)
ON CONFLICT DO NOTHING

-- name: add_exif
INSERT INTO asset_exif ("assetId", "fileSizeInByte") VALUES (:id, :size)

-- name: add_usage
UPDATE "user" SET "quotaUsageInBytes" = "quotaUsageInBytes" + :size WHERE id = :user_id

-- ---- Jobs

-- name: asset_for_job
SELECT asset.id, asset."originalPath", asset."ownerId", asset.type, asset.visibility::text,
  (
    SELECT coalesce(array_agg(path ORDER BY "isEdited"), '{}') FROM asset_file
    WHERE asset_file."assetId" = asset.id AND asset_file.type = 'preview'
  ) AS previews
FROM asset WHERE asset.id = :id

-- name: asset_for_job @2.2
SELECT asset.id, asset."originalPath", asset."ownerId", asset.type, asset.visibility::text,
  (
    SELECT coalesce(array_agg(path), '{}') FROM asset_file
    WHERE asset_file."assetId" = asset.id AND asset_file.type = 'preview'
  ) AS previews
FROM asset WHERE asset.id = :id

-- name: save_exif
INSERT INTO asset_exif (
  "assetId", make, model, "exifImageWidth", "exifImageHeight", "fileSizeInByte", orientation,
  "dateTimeOriginal", "modifyDate", "lensModel", "fNumber", "focalLength", iso, latitude, longitude,
  "exposureTime"
) VALUES (
  :id, :make, :model, :width, :height, :size, :orientation, :taken_at, :modified_at, :lens_model,
  :f_number, :focal_length, :iso, :latitude, :longitude, :exposure_time
)
ON CONFLICT ("assetId") DO UPDATE SET
  make = excluded.make, model = excluded.model, "exifImageWidth" = excluded."exifImageWidth",
  "exifImageHeight" = excluded."exifImageHeight", "fileSizeInByte" = excluded."fileSizeInByte",
  orientation = excluded.orientation, "dateTimeOriginal" = excluded."dateTimeOriginal",
  "modifyDate" = excluded."modifyDate", "lensModel" = excluded."lensModel",
  "fNumber" = excluded."fNumber", "focalLength" = excluded."focalLength", iso = excluded.iso,
  latitude = excluded.latitude, longitude = excluded.longitude,
  "exposureTime" = excluded."exposureTime"

-- name: save_dates
UPDATE asset SET "fileCreatedAt" = :taken_at, "localDateTime" = :taken_at WHERE id = :id

-- name: save_size
UPDATE asset SET width = :width, height = :height WHERE id = :id

-- name: save_thumbhash
UPDATE asset SET thumbhash = :thumbhash WHERE id = :id

-- name: save_file
INSERT INTO asset_file ("assetId", type, path) VALUES (:id, :type, :path)
ON CONFLICT ("assetId", type, "isEdited") DO UPDATE SET path = excluded.path

-- name: save_file @2.2
INSERT INTO asset_file ("assetId", type, path) VALUES (:id, :type, :path)
ON CONFLICT ("assetId", type) DO UPDATE SET path = excluded.path

-- name: metadata_done
INSERT INTO asset_job_status ("assetId", "metadataExtractedAt") VALUES (:id, now())
ON CONFLICT ("assetId") DO UPDATE SET "metadataExtractedAt" = excluded."metadataExtractedAt"

-- name: ocr_done
INSERT INTO asset_job_status ("assetId", "ocrAt") VALUES (:id, now())
ON CONFLICT ("assetId") DO UPDATE SET "ocrAt" = excluded."ocrAt"

-- name: faces_done
INSERT INTO asset_job_status ("assetId", "facesRecognizedAt") VALUES (:id, now())
ON CONFLICT ("assetId") DO UPDATE SET "facesRecognizedAt" = excluded."facesRecognizedAt"

-- name: forget_lines
DELETE FROM asset_ocr WHERE "assetId" = :id

-- name: add_lines
INSERT INTO asset_ocr (
  "assetId", x1, y1, x2, y2, x3, y3, x4, y4, "boxScore", "textScore", text
)
SELECT :id, box[1], box[2], box[3], box[4], box[5], box[6], box[7], box[8], box_score, text_score, line
FROM unnest(:texts::text[], :box_scores::real[], :text_scores::real[]) WITH ORDINALITY
  AS lines (line, box_score, text_score, number)
CROSS JOIN LATERAL (
  SELECT (:boxes::real[])[number * 8 - 7 : number * 8] AS box
) boxes

-- name: save_ocr_search
INSERT INTO ocr_search ("assetId", text) VALUES (:id, :text)
ON CONFLICT ("assetId") DO UPDATE SET text = excluded.text

-- name: forget_ocr_search
DELETE FROM ocr_search WHERE "assetId" = :id

-- name: save_embedding
INSERT INTO smart_search ("assetId", embedding) VALUES (:id, :embedding::vector)
ON CONFLICT ("assetId") DO UPDATE SET embedding = excluded.embedding

-- name: faces_of_asset
SELECT id, "imageWidth", "imageHeight", "boundingBoxX1", "boundingBoxY1", "boundingBoxX2",
  "boundingBoxY2", "sourceType"::text AS source
FROM asset_face WHERE "assetId" = :id

-- name: add_face
INSERT INTO asset_face (
  id, "assetId", "imageWidth", "imageHeight", "boundingBoxX1", "boundingBoxY1", "boundingBoxX2",
  "boundingBoxY2"
) VALUES (:face_id, :id, :width, :height, :x1, :y1, :x2, :y2)

-- name: save_face_embedding
INSERT INTO face_search ("faceId", embedding) VALUES (:face_id, :embedding::vector)
ON CONFLICT ("faceId") DO UPDATE SET embedding = excluded.embedding

-- name: forget_faces
DELETE FROM asset_face WHERE id = any(:face_ids)

-- name: forget_all_ocr
TRUNCATE asset_ocr, ocr_search

-- name: all_for_ocr
SELECT asset.id::text FROM asset WHERE asset."deletedAt" IS NULL AND asset.visibility <> 'hidden'

-- name: missing_for_ocr
SELECT asset.id::text FROM asset JOIN asset_job_status ON asset_job_status."assetId" = asset.id
WHERE asset_job_status."ocrAt" IS NULL AND asset."deletedAt" IS NULL AND asset.visibility <> 'hidden'

-- name: forget_all_embeddings
TRUNCATE smart_search

-- name: forget_embeddings
DELETE FROM smart_search

-- name: all_with_preview
SELECT asset.id::text FROM asset JOIN asset_job_status ON asset_job_status."assetId" = asset.id
WHERE asset."deletedAt" IS NULL AND asset.visibility <> 'hidden' AND EXISTS (
  SELECT FROM asset_file WHERE asset_file."assetId" = asset.id AND asset_file.type = 'preview'
)

-- name: missing_embedding
SELECT asset.id::text FROM asset JOIN asset_job_status ON asset_job_status."assetId" = asset.id
WHERE asset."deletedAt" IS NULL AND asset.visibility <> 'hidden' AND EXISTS (
  SELECT FROM asset_file WHERE asset_file."assetId" = asset.id AND asset_file.type = 'preview'
) AND NOT EXISTS (SELECT FROM smart_search WHERE smart_search."assetId" = asset.id)

-- name: missing_faces
SELECT asset.id::text FROM asset JOIN asset_job_status ON asset_job_status."assetId" = asset.id
WHERE asset."deletedAt" IS NULL AND asset.visibility <> 'hidden' AND EXISTS (
  SELECT FROM asset_file WHERE asset_file."assetId" = asset.id AND asset_file.type = 'preview'
) AND asset_job_status."facesRecognizedAt" IS NULL

-- name: all_assets
SELECT id::text FROM asset WHERE "deletedAt" IS NULL

-- name: missing_preview
SELECT asset.id::text FROM asset
WHERE asset."deletedAt" IS NULL AND NOT EXISTS (
  SELECT FROM asset_file WHERE asset_file."assetId" = asset.id AND asset_file.type = 'preview'
)

-- name: missing_metadata
SELECT asset.id::text FROM asset
LEFT JOIN asset_job_status ON asset_job_status."assetId" = asset.id
WHERE asset."deletedAt" IS NULL AND asset_job_status."metadataExtractedAt" IS NULL

