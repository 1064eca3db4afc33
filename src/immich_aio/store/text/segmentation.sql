-- What the segmenters ask of the database.

-- name: has_zhparser
SELECT FROM pg_ts_parser WHERE prsname = 'zhparser' AND pg_ts_parser_is_visible(oid)

-- name: has_index
SELECT FROM pg_class WHERE oid = to_regclass('immich_aio.state')

-- name: made_by
SELECT segmenter FROM immich_aio.state

-- Without these two, 发票 is no word of 增值税电子普通发票.
-- name: part_words_too
SET LOCAL zhparser.multi_short = on

-- name: parts_of_two_too
SET LOCAL zhparser.multi_duality = on

-- name: parse
SELECT ARRAY(SELECT lower(token) FROM ts_parse('zhparser', line)) AS tokens
FROM unnest(:lines::text[]) WITH ORDINALITY AS given (line, number)
ORDER BY number
