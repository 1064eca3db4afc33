-- Immich's own searches over its tables, in parts: store/asset_search.py puts together those that a
-- search asks for. What is written here is Immich's meaning to the letter, also where it surprises.

-- name: columns
asset.id, asset."createdAt", asset."updatedAt", asset."deletedAt", asset.checksum,
asset."duplicateId", asset.duration, asset."fileCreatedAt", asset."fileModifiedAt",
asset."isFavorite", asset."isOffline", asset."isEdited", asset.visibility::text AS visibility,
asset."libraryId", asset."livePhotoVideoId", asset."localDateTime", asset."originalFileName",
asset."originalPath", asset."ownerId", asset.thumbhash, asset.type, asset.width, asset.height

-- name: columns @2.2
asset.id, asset."createdAt", asset."updatedAt", asset."deletedAt", asset.checksum,
asset."duplicateId", asset.duration, asset."fileCreatedAt", asset."fileModifiedAt",
asset."isFavorite", asset."isOffline", asset.visibility::text AS visibility,
asset."libraryId", asset."livePhotoVideoId", asset."localDateTime", asset."originalFileName",
asset."originalPath", asset."ownerId", asset.thumbhash, asset.type,
asset."deviceAssetId", asset."deviceId"

-- name: exif_column
to_json(asset_exif) AS "exifInfo"

-- name: faces_column
(
  SELECT coalesce(json_agg(face), '[]')
  FROM (
    SELECT asset_face.*, to_json(person) AS person
    FROM asset_face LEFT JOIN person ON person.id = asset_face."personId"
    WHERE asset_face."assetId" = asset.id AND asset_face."deletedAt" IS NULL
      AND asset_face."isVisible" IS TRUE
  ) face
) AS faces

-- name: faces_column @2.2
(
  SELECT coalesce(json_agg(face), '[]')
  FROM (
    SELECT asset_face.*, to_json(person) AS person
    FROM asset_face LEFT JOIN person ON person.id = asset_face."personId"
    WHERE asset_face."assetId" = asset.id AND asset_face."deletedAt" IS NULL
  ) face
) AS faces

-- ---- The frame

-- name: select
SELECT

-- name: from_asset
FROM asset

-- name: order_by
ORDER BY

-- name: page
LIMIT :limit OFFSET :offset

-- ---- Joins

-- name: join_exif
INNER JOIN asset_exif ON asset.id = asset_exif."assetId"

-- name: join_ocr
INNER JOIN ocr_search ON asset.id = ocr_search."assetId"

-- name: join_vector
INNER JOIN smart_search ON asset.id = smart_search."assetId"

-- name: join_persons
INNER JOIN (
  SELECT "assetId" FROM asset_face
  WHERE "personId" = any(:person_ids) AND "deletedAt" IS NULL AND "isVisible" IS TRUE
  GROUP BY "assetId" HAVING count(DISTINCT "personId") = cardinality(:person_ids)
) has_people ON has_people."assetId" = asset.id

-- name: join_persons @2.2
INNER JOIN (
  SELECT "assetId" FROM asset_face
  WHERE "personId" = any(:person_ids) AND "deletedAt" IS NULL
  GROUP BY "assetId" HAVING count(DISTINCT "personId") = cardinality(:person_ids)
) has_people ON has_people."assetId" = asset.id

-- name: join_albums
INNER JOIN (
  SELECT "assetId" FROM album_asset WHERE "albumId" = any(:album_ids)
  GROUP BY "assetId" HAVING count(DISTINCT "albumId") = cardinality(:album_ids)
) has_album ON has_album."assetId" = asset.id

-- name: join_albums @2.2
INNER JOIN (
  SELECT "assetsId" FROM album_asset WHERE "albumsId" = any(:album_ids)
  GROUP BY "assetsId" HAVING count(DISTINCT "albumsId") = cardinality(:album_ids)
) has_album ON has_album."assetsId" = asset.id

-- name: join_tags
INNER JOIN (
  SELECT "assetId" FROM tag_asset
  INNER JOIN tag_closure ON tag_asset."tagId" = tag_closure.id_descendant
  WHERE tag_closure.id_ancestor = any(:tag_ids)
  GROUP BY "assetId" HAVING count(DISTINCT tag_closure.id_ancestor) >= cardinality(:tag_ids)
) has_tags ON has_tags."assetId" = asset.id

-- name: join_tags @2.2
INNER JOIN (
  SELECT "assetsId" FROM tag_asset
  INNER JOIN tag_closure ON tag_asset."tagsId" = tag_closure.id_descendant
  WHERE tag_closure.id_ancestor = any(:tag_ids)
  GROUP BY "assetsId" HAVING count(DISTINCT tag_closure.id_ancestor) >= cardinality(:tag_ids)
) has_tags ON has_tags."assetsId" = asset.id

-- name: join_encoded_video
INNER JOIN asset_file ON asset.id = asset_file."assetId" AND asset_file.type = 'encoded_video'
  AND asset_file."isEdited" = false

-- ---- Who sees what

-- name: of_users
asset."ownerId" = any(:user_ids)

-- name: not_deleted
asset."deletedAt" IS NULL

-- name: visibility
asset.visibility = :visibility::asset_visibility_enum

-- name: not_locked
asset.visibility <> 'locked'

-- ---- Filters by their names in domain/asset_search.py

-- name: id
asset.id = :id

-- name: ids
asset.id = any(:ids)

-- name: library_id
asset."libraryId" = :library_id

-- name: device_id
asset."deviceId" = :device_id

-- name: device_asset_id
asset."deviceAssetId" = :device_asset_id

-- name: type
asset.type = :type

-- name: is_favorite
asset."isFavorite" = :is_favorite

-- name: is_offline
asset."isOffline" = :is_offline

-- name: is_encoded
EXISTS (
  SELECT FROM asset_file WHERE asset_file."assetId" = asset.id AND type = 'encoded_video'
) = :is_encoded

-- name: is_encoded @2.2
(asset."encodedVideoPath" IS NOT NULL) = :is_encoded

-- name: is_motion
(asset."livePhotoVideoId" IS NOT NULL) = :is_motion

-- name: is_not_in_album
NOT EXISTS (SELECT FROM album_asset WHERE album_asset."assetId" = asset.id)

-- name: is_not_in_album @2.2
NOT EXISTS (SELECT FROM album_asset WHERE album_asset."assetsId" = asset.id)

-- name: untagged
NOT EXISTS (SELECT FROM tag_asset WHERE tag_asset."assetId" = asset.id)

-- name: untagged @2.2
NOT EXISTS (SELECT FROM tag_asset WHERE tag_asset."assetsId" = asset.id)

-- name: with_stacked
asset."stackId" IS NULL

-- name: created_before
asset."createdAt" <= :created_before

-- name: created_after
asset."createdAt" >= :created_after

-- name: updated_before
asset."updatedAt" <= :updated_before

-- name: updated_after
asset."updatedAt" >= :updated_after

-- name: trashed_before
asset."deletedAt" <= :trashed_before

-- name: trashed_after
asset."deletedAt" >= :trashed_after

-- name: taken_before
asset."fileCreatedAt" <= :taken_before

-- name: taken_after
asset."fileCreatedAt" >= :taken_after

-- name: city
asset_exif.city = :city

-- name: no_city
asset_exif.city IS NULL

-- name: state
asset_exif.state = :state

-- name: no_state
asset_exif.state IS NULL

-- name: country
asset_exif.country = :country

-- name: no_country
asset_exif.country IS NULL

-- name: make
asset_exif.make = :make

-- name: no_make
asset_exif.make IS NULL

-- name: model
asset_exif.model = :model

-- name: no_model
asset_exif.model IS NULL

-- name: lens_model
asset_exif."lensModel" = :lens_model

-- name: no_lens_model
asset_exif."lensModel" IS NULL

-- name: rating
asset_exif.rating = :rating

-- name: no_rating
asset_exif.rating IS NULL

-- name: checksum
asset.checksum = :checksum

-- name: encoded_video_path
asset_file.path = :encoded_video_path

-- name: encoded_video_path @2.2
asset."encodedVideoPath" = :encoded_video_path

-- name: original_path
f_unaccent(asset."originalPath") ILIKE '%' || f_unaccent(:original_path) || '%'

-- name: original_file_name
f_unaccent(asset."originalFileName") ILIKE '%' || f_unaccent(:original_file_name) || '%'

-- name: description
f_unaccent(asset_exif.description) ILIKE '%' || f_unaccent(:description) || '%'

-- name: ocr
f_unaccent(ocr_search.text) %>> f_unaccent(:ocr)

-- ---- Orders

-- name: newest_first
asset."fileCreatedAt" DESC, asset.id DESC

-- name: newest_first @2.2
asset."fileCreatedAt" DESC

-- name: oldest_first
asset."fileCreatedAt" ASC, asset.id ASC

-- name: oldest_first @2.2
asset."fileCreatedAt" ASC

-- name: nearest_first
smart_search.embedding <=> :embedding::vector, asset.id ASC

-- name: nearest_first @2.2
smart_search.embedding <=> :embedding::vector

-- name: one_probe
SET LOCAL vchordrq.probes = 1
