-- Immich's users, as far as searching as one of them needs it.

-- name: users
SELECT id, email FROM "user" WHERE "deletedAt" IS NULL ORDER BY email

-- name: timeline_partners
SELECT partner."sharedById" AS id
FROM partner JOIN "user" ON "user".id = partner."sharedById"
WHERE partner."sharedWithId" = :user_id AND partner."inTimeline" AND "user"."deletedAt" IS NULL

-- name: labels
SELECT id, "originalFileName" AS name, "localDateTime" AS taken FROM asset WHERE id = any(:ids)

-- name: key_owner
SELECT "userId" AS id FROM api_key WHERE id = :id

-- ---- Immich's settings; what is at its default does not stand there

-- name: has_settings
SELECT FROM pg_class WHERE oid = to_regclass('system_metadata')

-- name: clip_model
SELECT value #>> '{machineLearning,clip,modelName}' AS name
FROM system_metadata WHERE key = 'system-config'
