-- Immich 3.1's tables, as far as this product reads or writes them: names, types, keys, defaults.
-- tables_2_2.sql turns them into Immich 2.2's.

CREATE EXTENSION vector;
CREATE EXTENSION cube;
CREATE EXTENSION earthdistance;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION unaccent;

CREATE TYPE album_user_role_enum AS ENUM ('owner', 'editor', 'viewer');
CREATE TYPE asset_checksum_algorithm_enum AS ENUM ('sha1', 'sha1-path');
CREATE TYPE asset_visibility_enum AS ENUM ('archive', 'timeline', 'hidden', 'locked');
CREATE TYPE assets_status_enum AS ENUM ('active', 'trashed', 'deleted');
CREATE TYPE sourcetype AS ENUM ('machine-learning', 'exif', 'manual');

-- Immich takes it from uuid-ossp, which the embedded PostgreSQL does not have.
CREATE FUNCTION uuid_generate_v4() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
  RETURN gen_random_uuid();

-- A UUID of version 7: milliseconds first, so that later ones sort after earlier ones.
CREATE FUNCTION immich_uuid_v7(p_timestamp timestamptz DEFAULT clock_timestamp()) RETURNS uuid
  LANGUAGE sql VOLATILE PARALLEL SAFE
  RETURN uuidv7(p_timestamp - clock_timestamp());

CREATE FUNCTION f_unaccent(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN unaccent('unaccent', $1);

CREATE FUNCTION updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  this_moment timestamptz := clock_timestamp();
BEGIN
  NEW."updatedAt" = this_moment;
  NEW."updateId" = immich_uuid_v7(this_moment);
  RETURN NEW;
END $$;

CREATE TABLE "user" (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  email varchar NOT NULL UNIQUE,
  password varchar NOT NULL DEFAULT '',
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "profileImagePath" varchar NOT NULL DEFAULT '',
  "isAdmin" boolean NOT NULL DEFAULT false,
  "shouldChangePassword" boolean NOT NULL DEFAULT true,
  "deletedAt" timestamptz,
  "oauthId" varchar NOT NULL DEFAULT '',
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "storageLabel" varchar UNIQUE,
  name varchar NOT NULL DEFAULT '',
  "quotaSizeInBytes" bigint,
  "quotaUsageInBytes" bigint NOT NULL DEFAULT 0,
  status varchar NOT NULL DEFAULT 'active',
  "profileChangedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "avatarColor" varchar,
  "pinCode" varchar
);

CREATE TABLE session (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  token bytea NOT NULL,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "userId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  "deviceType" varchar NOT NULL DEFAULT '',
  "deviceOS" varchar NOT NULL DEFAULT '',
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "pinExpiresAt" timestamptz,
  "expiresAt" timestamptz,
  "parentId" uuid REFERENCES session ON UPDATE CASCADE ON DELETE CASCADE,
  "isPendingSyncReset" boolean NOT NULL DEFAULT false,
  "appVersion" varchar,
  "oauthSid" varchar,
  "oauthBearerToken" varchar
);
CREATE INDEX ON session (token);

CREATE TABLE api_key (
  name varchar NOT NULL,
  key bytea NOT NULL,
  "userId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  permissions varchar[] NOT NULL,
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7()
);
CREATE INDEX ON api_key (key);

CREATE TABLE partner (
  "sharedById" uuid NOT NULL REFERENCES "user" ON DELETE CASCADE,
  "sharedWithId" uuid NOT NULL REFERENCES "user" ON DELETE CASCADE,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "inTimeline" boolean NOT NULL DEFAULT false,
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "createId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  PRIMARY KEY ("sharedById", "sharedWithId")
);

CREATE TABLE library (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  name varchar NOT NULL,
  "ownerId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  "importPaths" text[] NOT NULL,
  "exclusionPatterns" text[] NOT NULL,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "deletedAt" timestamptz,
  "refreshedAt" timestamptz,
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7()
);

CREATE TABLE asset (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "ownerId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  type varchar NOT NULL,
  "originalPath" varchar NOT NULL,
  "fileCreatedAt" timestamptz NOT NULL,
  "fileModifiedAt" timestamptz NOT NULL,
  "isFavorite" boolean NOT NULL DEFAULT false,
  duration integer,
  checksum bytea NOT NULL,
  "livePhotoVideoId" uuid REFERENCES asset ON UPDATE CASCADE ON DELETE SET NULL,
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "originalFileName" varchar NOT NULL,
  thumbhash bytea,
  "isOffline" boolean NOT NULL DEFAULT false,
  "libraryId" uuid REFERENCES library ON UPDATE CASCADE ON DELETE CASCADE,
  "isExternal" boolean NOT NULL DEFAULT false,
  "deletedAt" timestamptz,
  "localDateTime" timestamptz NOT NULL,
  "stackId" uuid,
  "duplicateId" uuid,
  status assets_status_enum NOT NULL DEFAULT 'active',
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  visibility asset_visibility_enum NOT NULL DEFAULT 'timeline',
  width integer,
  height integer,
  "isEdited" boolean NOT NULL DEFAULT false,
  "checksumAlgorithm" asset_checksum_algorithm_enum NOT NULL
);
CREATE UNIQUE INDEX "UQ_assets_owner_checksum" ON asset ("ownerId", checksum)
  WHERE "libraryId" IS NULL;
CREATE UNIQUE INDEX "UQ_assets_owner_library_checksum" ON asset ("ownerId", "libraryId", checksum)
  WHERE "libraryId" IS NOT NULL;
CREATE INDEX ON asset ("ownerId");
CREATE INDEX ON asset ("fileCreatedAt");
CREATE INDEX ON asset (checksum);
CREATE INDEX ON asset ("livePhotoVideoId");
CREATE INDEX ON asset ("createdAt");
CREATE INDEX ON asset ("originalFileName");
CREATE INDEX ON asset ("libraryId");
CREATE INDEX ON asset ("stackId");
CREATE INDEX ON asset ("duplicateId");
CREATE INDEX ON asset ("updateId");
CREATE INDEX ON asset ("originalPath", "libraryId");
CREATE INDEX ON asset (id, "stackId");
CREATE INDEX "asset_localDateTime_idx" ON asset ((("localDateTime" AT TIME ZONE 'UTC')::date));
CREATE INDEX "asset_localDateTime_month_idx" ON asset
  ((date_trunc('MONTH', "localDateTime" AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'));
CREATE INDEX "asset_originalFilename_trigram_idx" ON asset
  USING gin (f_unaccent("originalFileName") gin_trgm_ops);
CREATE INDEX "asset_id_timeline_notDeleted_idx" ON asset (id)
  WHERE visibility = 'timeline' AND "deletedAt" IS NULL;

CREATE TABLE stack (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "primaryAssetId" uuid NOT NULL UNIQUE REFERENCES asset,
  "ownerId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7()
);
ALTER TABLE asset ADD FOREIGN KEY ("stackId") REFERENCES stack ON UPDATE CASCADE ON DELETE SET NULL;

CREATE TABLE asset_exif (
  "assetId" uuid PRIMARY KEY REFERENCES asset ON DELETE CASCADE,
  make varchar,
  model varchar,
  "exifImageWidth" integer,
  "exifImageHeight" integer,
  "fileSizeInByte" bigint,
  orientation varchar,
  "dateTimeOriginal" timestamptz,
  "modifyDate" timestamptz,
  "lensModel" varchar,
  "fNumber" double precision,
  "focalLength" double precision,
  iso integer,
  latitude double precision,
  longitude double precision,
  city varchar,
  state varchar,
  country varchar,
  description text NOT NULL DEFAULT '',
  fps double precision,
  "exposureTime" varchar,
  "livePhotoCID" varchar,
  "timeZone" varchar,
  "projectionType" varchar,
  "profileDescription" varchar,
  colorspace varchar,
  "bitsPerSample" integer,
  "autoStackId" varchar,
  rating integer,
  "updatedAt" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "lockedProperties" varchar[],
  tags varchar[]
);
CREATE INDEX ON asset_exif (city);
CREATE INDEX ON asset_exif ("updateId");

CREATE TABLE asset_file (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  type varchar NOT NULL,
  path varchar NOT NULL,
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "isEdited" boolean NOT NULL DEFAULT false,
  "isProgressive" boolean NOT NULL DEFAULT false,
  "isTransparent" boolean NOT NULL DEFAULT false,
  CONSTRAINT "asset_file_assetId_type_isEdited_uq" UNIQUE ("assetId", type, "isEdited")
);
CREATE INDEX ON asset_file ("updateId");

CREATE TABLE asset_job_status (
  "assetId" uuid PRIMARY KEY REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  "facesRecognizedAt" timestamptz,
  "metadataExtractedAt" timestamptz,
  "duplicatesDetectedAt" timestamptz,
  "ocrAt" timestamptz
);

CREATE TABLE asset_ocr (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  x1 real NOT NULL,
  y1 real NOT NULL,
  x2 real NOT NULL,
  y2 real NOT NULL,
  x3 real NOT NULL,
  y3 real NOT NULL,
  x4 real NOT NULL,
  y4 real NOT NULL,
  "boxScore" real NOT NULL,
  "textScore" real NOT NULL,
  text text NOT NULL,
  "isVisible" boolean NOT NULL DEFAULT true,
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7()
);
CREATE INDEX ON asset_ocr ("assetId");
CREATE INDEX "asset_ocr_updateId_idx" ON asset_ocr ("updateId");

CREATE TABLE ocr_search (
  "assetId" uuid PRIMARY KEY REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  text text NOT NULL
);
CREATE INDEX idx_ocr_search_text ON ocr_search USING gin (f_unaccent(text) gin_trgm_ops);

CREATE TABLE smart_search (
  "assetId" uuid PRIMARY KEY REFERENCES asset ON DELETE CASCADE,
  embedding vector(512) NOT NULL
);
ALTER TABLE smart_search ALTER COLUMN embedding SET STORAGE EXTERNAL;
CREATE INDEX clip_index ON smart_search USING hnsw (embedding vector_cosine_ops)
  WITH (ef_construction = 300, m = 16);

CREATE TABLE person (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "ownerId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  name varchar NOT NULL DEFAULT '',
  "thumbnailPath" varchar NOT NULL DEFAULT '',
  "isHidden" boolean NOT NULL DEFAULT false,
  "birthDate" date CONSTRAINT "person_birthDate_chk" CHECK ("birthDate" <= CURRENT_DATE),
  "faceAssetId" uuid,
  "isFavorite" boolean NOT NULL DEFAULT false,
  color varchar,
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7()
);

CREATE TABLE asset_face (
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  "personId" uuid REFERENCES person ON UPDATE CASCADE ON DELETE SET NULL,
  "imageWidth" integer NOT NULL DEFAULT 0,
  "imageHeight" integer NOT NULL DEFAULT 0,
  "boundingBoxX1" integer NOT NULL DEFAULT 0,
  "boundingBoxY1" integer NOT NULL DEFAULT 0,
  "boundingBoxX2" integer NOT NULL DEFAULT 0,
  "boundingBoxY2" integer NOT NULL DEFAULT 0,
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "sourceType" sourcetype NOT NULL DEFAULT 'machine-learning',
  "deletedAt" timestamptz,
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "isVisible" boolean NOT NULL DEFAULT true
);
CREATE INDEX "asset_face_assetId_personId_idx" ON asset_face ("assetId", "personId");
CREATE INDEX "asset_face_personId_assetId_notDeleted_isVisible_idx" ON asset_face
  ("personId", "assetId") WHERE "deletedAt" IS NULL AND "isVisible" IS TRUE;
CREATE INDEX ON asset_face ("personId", "assetId");
ALTER TABLE person ADD FOREIGN KEY ("faceAssetId") REFERENCES asset_face ON DELETE SET NULL;

CREATE TABLE face_search (
  "faceId" uuid PRIMARY KEY REFERENCES asset_face ON DELETE CASCADE,
  embedding vector(512) NOT NULL
);
CREATE INDEX face_index ON face_search USING hnsw (embedding vector_cosine_ops)
  WITH (ef_construction = 300, m = 16);

CREATE TABLE tag (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "userId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  value varchar NOT NULL,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  color varchar,
  "parentId" uuid REFERENCES tag ON DELETE CASCADE,
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  UNIQUE ("userId", value)
);

CREATE TABLE tag_asset (
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  "tagId" uuid NOT NULL REFERENCES tag ON UPDATE CASCADE ON DELETE CASCADE,
  PRIMARY KEY ("assetId", "tagId")
);
CREATE INDEX ON tag_asset ("tagId");

CREATE TABLE tag_closure (
  id_ancestor uuid NOT NULL REFERENCES tag ON DELETE CASCADE,
  id_descendant uuid NOT NULL REFERENCES tag ON DELETE CASCADE,
  PRIMARY KEY (id_ancestor, id_descendant)
);
CREATE INDEX ON tag_closure (id_descendant);

CREATE TABLE album (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "albumName" varchar NOT NULL DEFAULT 'Untitled Album',
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "albumThumbnailAssetId" uuid REFERENCES asset ON UPDATE CASCADE ON DELETE SET NULL,
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  description text NOT NULL DEFAULT '',
  "deletedAt" timestamptz,
  "isActivityEnabled" boolean NOT NULL DEFAULT true,
  "order" varchar NOT NULL DEFAULT 'desc',
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7()
);

CREATE TABLE album_asset (
  "albumId" uuid NOT NULL REFERENCES album ON UPDATE CASCADE ON DELETE CASCADE,
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  PRIMARY KEY ("albumId", "assetId")
);
CREATE INDEX ON album_asset ("assetId");

CREATE TABLE album_user (
  "albumId" uuid NOT NULL REFERENCES album ON UPDATE CASCADE ON DELETE CASCADE,
  "userId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  role album_user_role_enum NOT NULL DEFAULT 'editor',
  "createId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("albumId", "userId")
);
CREATE UNIQUE INDEX album_user_unique_owner ON album_user ("albumId") WHERE role = 'owner';

CREATE TABLE shared_link (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  description varchar,
  "userId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  key bytea NOT NULL UNIQUE,
  type varchar NOT NULL,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "expiresAt" timestamptz,
  "allowUpload" boolean NOT NULL DEFAULT false,
  "albumId" uuid REFERENCES album ON UPDATE CASCADE ON DELETE CASCADE,
  "allowDownload" boolean NOT NULL DEFAULT true,
  "showExif" boolean NOT NULL DEFAULT true,
  password varchar,
  slug varchar UNIQUE
);

CREATE TABLE shared_link_asset (
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  "sharedLinkId" uuid NOT NULL REFERENCES shared_link ON UPDATE CASCADE ON DELETE CASCADE,
  PRIMARY KEY ("assetId", "sharedLinkId")
);

CREATE TABLE system_metadata (
  key varchar PRIMARY KEY,
  value jsonb NOT NULL
);

CREATE TABLE asset_edit (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  action varchar NOT NULL,
  parameters jsonb NOT NULL,
  sequence integer NOT NULL,
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  UNIQUE ("assetId", sequence)
);

-- A changed row gets a new updateId, by which others follow Immich; asset_ocr has no such trigger.
DO $$
DECLARE
  changing text;
BEGIN
  FOREACH changing IN ARRAY ARRAY[
    'user', 'session', 'api_key', 'partner', 'library', 'asset', 'stack', 'asset_exif', 'asset_file',
    'person', 'asset_face', 'tag', 'album', 'album_asset', 'album_user', 'asset_edit'
  ] LOOP
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION updated_at()',
      changing || '_updatedAt', changing
    );
  END LOOP;
END $$;
