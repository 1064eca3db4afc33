-- Turns the empty tables of Immich 3.1 into those of 2.2, where they differ.

ALTER TABLE asset
  DROP COLUMN width,
  DROP COLUMN height,
  DROP COLUMN "isEdited",
  DROP COLUMN "checksumAlgorithm",
  ALTER COLUMN duration TYPE varchar,
  ADD COLUMN "deviceAssetId" varchar NOT NULL,
  ADD COLUMN "deviceId" varchar NOT NULL,
  ADD COLUMN "encodedVideoPath" varchar DEFAULT '',
  ADD COLUMN "sidecarPath" varchar;
DROP INDEX "asset_id_timeline_notDeleted_idx";
DROP TYPE asset_checksum_algorithm_enum;

ALTER TABLE asset_exif DROP COLUMN "lockedProperties", DROP COLUMN tags;

ALTER TABLE asset_file
  DROP COLUMN "isEdited",
  DROP COLUMN "isProgressive",
  DROP COLUMN "isTransparent",
  ADD CONSTRAINT "UQ_assetId_type" UNIQUE ("assetId", type);

ALTER TABLE asset_job_status
  ADD COLUMN "previewAt" timestamptz,
  ADD COLUMN "thumbnailAt" timestamptz;

ALTER TABLE asset_ocr DROP COLUMN "isVisible", DROP COLUMN "updateId";
ALTER TABLE asset_face DROP COLUMN "isVisible";

ALTER TABLE tag_asset RENAME COLUMN "assetId" TO "assetsId";
ALTER TABLE tag_asset RENAME COLUMN "tagId" TO "tagsId";

ALTER TABLE album
  ADD COLUMN "ownerId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE album_asset RENAME COLUMN "albumId" TO "albumsId";
ALTER TABLE album_asset RENAME COLUMN "assetId" TO "assetsId";
ALTER TABLE album_user RENAME COLUMN "albumId" TO "albumsId";
ALTER TABLE album_user RENAME COLUMN "userId" TO "usersId";
DROP INDEX album_user_unique_owner;
ALTER TABLE album_user
  ALTER COLUMN role DROP DEFAULT,
  ALTER COLUMN role TYPE varchar,
  ALTER COLUMN role SET DEFAULT 'editor';
DROP TYPE album_user_role_enum;

ALTER TABLE shared_link_asset RENAME COLUMN "assetId" TO "assetsId";
ALTER TABLE shared_link_asset RENAME COLUMN "sharedLinkId" TO "sharedLinksId";

ALTER TABLE session ALTER COLUMN token TYPE varchar USING encode(token, 'base64');
ALTER TABLE session DROP COLUMN "oauthSid", DROP COLUMN "oauthBearerToken";
ALTER TABLE api_key ALTER COLUMN key TYPE varchar USING encode(key, 'base64');

DROP TABLE asset_edit;
