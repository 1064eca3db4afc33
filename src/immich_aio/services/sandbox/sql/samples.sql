-- What fills a new library: accounts, and what stands around the photos.

-- name: is_filled
SELECT value FROM system_metadata WHERE key = 'sandbox'

-- name: mark_filled
INSERT INTO system_metadata (key, value) VALUES ('sandbox', '{"filled": true}')

-- name: empty
TRUNCATE "user" CASCADE

-- name: add_user
INSERT INTO "user" (email, name, password, "pinCode", "isAdmin", "shouldChangePassword", "storageLabel")
VALUES (:email, :name, :password, :pin, :admin, false, :label)
RETURNING id

-- name: add_key
INSERT INTO api_key (key, name, "userId", permissions) VALUES (:hash, 'sandbox', :user_id, '{all}')

-- name: add_key @2.2
INSERT INTO api_key (key, name, "userId", permissions)
VALUES (encode(:hash, 'base64'), 'sandbox', :user_id, '{all}')

-- name: add_partner
INSERT INTO partner ("sharedById", "sharedWithId", "inTimeline") VALUES (:by, :with, :in_timeline)

-- name: describe
UPDATE asset_exif SET city = :city, state = :state, country = :country, rating = :rating,
  description = :description
WHERE "assetId" = :id

-- name: trash
UPDATE asset SET "deletedAt" = now(), status = 'trashed' WHERE id = :id

-- name: add_stack
INSERT INTO stack ("primaryAssetId", "ownerId") VALUES (:primary, :owner_id) RETURNING id

-- name: put_in_stack
UPDATE asset SET "stackId" = :stack_id WHERE id = any(:ids)

-- name: add_album
WITH made AS (INSERT INTO album ("albumName") VALUES (:name) RETURNING id)
INSERT INTO album_user ("albumId", "userId", role) SELECT id, :owner_id, 'owner' FROM made
RETURNING "albumId" AS id

-- name: add_album @2.2
INSERT INTO album ("albumName", "ownerId") VALUES (:name, :owner_id) RETURNING id

-- name: share_album
INSERT INTO album_user ("albumId", "userId", role) VALUES (:id, :user_id, 'viewer')

-- name: share_album @2.2
INSERT INTO album_user ("albumsId", "usersId", role) VALUES (:id, :user_id, 'viewer')

-- name: put_in_album
INSERT INTO album_asset ("albumId", "assetId") VALUES (:album_id, :id)

-- name: put_in_album @2.2
INSERT INTO album_asset ("albumsId", "assetsId") VALUES (:album_id, :id)

-- name: link_album
INSERT INTO shared_link ("userId", key, type, "albumId", slug)
VALUES (:user_id, decode(md5(random()::text) || md5(random()::text), 'hex'), 'ALBUM', :id, :slug)

-- name: add_tag
INSERT INTO tag ("userId", value, "parentId") VALUES (:user_id, :value, :parent_id) RETURNING id

-- name: close_tag
INSERT INTO tag_closure (id_ancestor, id_descendant)
SELECT :id::uuid, :id::uuid
UNION ALL
SELECT id_ancestor, :id::uuid FROM tag_closure WHERE id_descendant = :parent_id

-- name: put_tag
INSERT INTO tag_asset ("assetId", "tagId") VALUES (:id, :tag_id)

-- name: put_tag @2.2
INSERT INTO tag_asset ("assetsId", "tagsId") VALUES (:id, :tag_id)

-- name: add_person
INSERT INTO person (name, "ownerId") VALUES (:name, :owner_id) RETURNING id

-- name: put_face
INSERT INTO asset_face (
  "assetId", "personId", "imageWidth", "imageHeight", "boundingBoxX1", "boundingBoxY1",
  "boundingBoxX2", "boundingBoxY2", "sourceType"
) VALUES (:id, :person_id, 1120, 840, :x, 100, :x + 120, 240, 'manual')

-- name: known_files
SELECT "originalPath" AS path, "fileModifiedAt" AS modified FROM asset WHERE "ownerId" = :owner_id

-- name: unread
SELECT asset.id FROM asset LEFT JOIN asset_job_status ON asset_job_status."assetId" = asset.id
WHERE asset_job_status."metadataExtractedAt" IS NULL
ORDER BY asset."fileCreatedAt" DESC, asset.id

-- name: admin
SELECT id FROM "user" WHERE "isAdmin" AND "deletedAt" IS NULL ORDER BY "createdAt" LIMIT 1
