-- What the guard looks at: PostgreSQL's catalogue, and no row of Immich's.

-- name: columns
SELECT wanted.name AS table, attname AS column, format_type(atttypid, atttypmod) AS type
FROM unnest(:tables::text[]) AS wanted (name)
JOIN pg_attribute ON attrelid = to_regclass(quote_ident(wanted.name))
WHERE attnum > 0 AND NOT attisdropped

-- name: about
SELECT
  (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector,
  EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm')
    AND to_regprocedure('f_unaccent(text)') IS NOT NULL AS has_trigrams,
  ARRAY(
    SELECT amname::text
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
    WHERE indrelid = to_regclass('smart_search') AND indisvalid
  ) AS vector_indexes
