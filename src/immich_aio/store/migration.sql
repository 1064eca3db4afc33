-- The record of migrations, and the lock under which they run.

-- name: have_patience
SET LOCAL lock_timeout = 0

-- name: lock
SELECT pg_advisory_xact_lock(hashtext('immich_aio.migration'))

-- name: has_steps
SELECT FROM pg_class WHERE oid = to_regclass('immich_aio.migration')

-- name: current
SELECT coalesce(max(number), 0) AS number FROM immich_aio.migration

-- name: make_schema
CREATE SCHEMA IF NOT EXISTS immich_aio

-- name: make_steps
CREATE TABLE immich_aio.migration (
  number int4 PRIMARY KEY,
  "appliedAt" timestamptz NOT NULL DEFAULT now()
)

-- name: taken
INSERT INTO immich_aio.migration (number) VALUES (:number)
