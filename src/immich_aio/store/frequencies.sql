-- How many texts and assets there are, and in how many texts a word occurs.

-- name: sizes
SELECT
  CASE WHEN documents.reltuples > 20000 THEN documents.reltuples::int8
    ELSE (SELECT count(*) FROM immich_aio.document) END AS documents,
  CASE WHEN vectors.reltuples > 20000 THEN vectors.reltuples::int8
    ELSE (SELECT count(*) FROM smart_search) END AS assets,
  {meaning_dimensions} AS meaning_dimensions,
  (SELECT format FROM immich_aio.state) AS format,
  most_common_elems::text::int4[] AS grams,
  most_common_elem_freqs AS shares
FROM pg_class documents CROSS JOIN pg_class vectors LEFT JOIN pg_stats
  ON schemaname = 'immich_aio' AND tablename = 'document' AND attname = 'grams'
WHERE documents.oid = 'immich_aio.document'::regclass AND vectors.oid = 'smart_search'::regclass

-- name: count
SELECT count(*) FROM (
  SELECT FROM immich_aio.document d WHERE d.grams @> :grams::int4[] LIMIT :limit
) counted
