-- The index over the copies of vectors that stand beside the texts.

-- name: dimensions
-- The length of the vectors that it is over; NULL where there is none.
(
  SELECT substring(pg_get_indexdef(indexrelid) FROM 'halfvec\((\d+)\)')::int4 FROM pg_index
  WHERE indexrelid = to_regclass('immich_aio.document_meaning_idx') AND indisvalid
)

-- name: state
SELECT greatest(document.reltuples, 0)::int8 AS texts, {dimensions} AS dimensions
FROM pg_class document WHERE document.oid = 'immich_aio.document'::regclass

-- name: drop
DROP INDEX IF EXISTS immich_aio.document_meaning_idx

-- name: settings
-- By one process: several would share memory, of which a container has little by default.
SELECT set_config('maintenance_work_mem', '512MB', true),
  set_config('max_parallel_maintenance_workers', '0', true), set_config('lock_timeout', '0', true)

-- name: make
-- Copies of another length are left out, so none can fail to be written.
CREATE INDEX document_meaning_idx ON immich_aio.document
USING hnsw ((embedding::halfvec({dimensions})) halfvec_ip_ops)
WITH (m = 32, ef_construction = 200)
WHERE vector_dims(embedding) = {dimensions}
