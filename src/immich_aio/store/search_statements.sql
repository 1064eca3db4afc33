-- The statements of a search; store/search_statements.py fills in what stands in braces:
-- {selection} restricts asset, {texts} are the texts that count, scored.
-- Each gives id, cosine, text_score and every (whether all words are there). A vector without a
-- direction has no cosine: NaN would be above all others.

-- name: counted
SELECT count(*) FROM (SELECT FROM asset {selection} LIMIT :limit) counted

-- name: matched
-- Best first by text and meaning. Assets are looked at last, and only those of the first texts. A
-- copy of a text's vector stands beside it, for the order; where it does not yet, and for what is
-- told in the end, Immich's own is read. (:rounded is :embedding again, for PostgreSQL would round
-- both if they were one parameter.) With each comes how many texts those were, and how many of them
-- the filters keep; where that is few, what they took away follows, without an id.
SELECT best.id, nullif(1 - (smart_search.embedding <=> :embedding::vector), 'NaN') AS cosine,
  best.text_score, best.every, best.looked_at, best.kept, true
FROM (
  SELECT kept.id, found.text_score, found.every, looked_at, count(kept.id) OVER () AS kept,
    found.score
  FROM (
    SELECT *, count(*) OVER () AS looked_at
    FROM (
      (
        SELECT "assetId", text_score, every, :text_weight * text_score + {closeness} AS score
        FROM {texts_with_copy} d
        ORDER BY score DESC, "assetId" LIMIT :first
      ) UNION ALL (
        SELECT d."assetId", text_score, every,
          :text_weight * text_score + {own_closeness} AS score
        FROM {texts_without_copy} d
        LEFT JOIN smart_search ON smart_search."assetId" = d."assetId"
        ORDER BY score DESC, d."assetId" LIMIT :first
      )
    ) texts
  ) found
  LEFT JOIN LATERAL (SELECT id FROM asset {selection} AND id = found."assetId") kept ON true
  ORDER BY kept.id IS NULL, found.score DESC, kept.id LIMIT :limit
) best LEFT JOIN smart_search ON smart_search."assetId" = best.id
ORDER BY best.id IS NULL, best.score DESC, best.id

-- name: bounds
-- Texts by what they score at most with their meaning, which none is read for, the highest first:
-- that negated, 0, the ID, and the text's part of it.
SELECT -at_most, 0, "assetId", bound
FROM (
  (
    SELECT "assetId", text_score AS bound, :text_weight * text_score + {closeness} AS at_most
    FROM {bounds_with_copy} d
    ORDER BY at_most DESC, "assetId" LIMIT :first
  ) UNION ALL (
    SELECT d."assetId", text_score, :text_weight * text_score + {own_closeness} AS at_most
    FROM {bounds_without_copy} d
    LEFT JOIN smart_search ON smart_search."assetId" = d."assetId"
    ORDER BY at_most DESC, d."assetId" LIMIT :first
  )
  ORDER BY at_most DESC, "assetId" LIMIT :first
) texts

-- name: outlined
-- What matched gives, of those with the highest bounds. Each tells whether it scores at least what
-- all others do at most.
SELECT best.id, nullif(1 - (smart_search.embedding <=> :embedding::vector), 'NaN') AS cosine,
  best.text_score, best.every, best.looked_at, best.kept, best.score >= best.others
FROM (
  SELECT kept.id, kept.text_score, kept.every, looked_at, count(kept.id) OVER () AS kept, others,
    at_most + :text_weight * (kept.text_score - bound) AS score
  FROM {outline} LEFT JOIN LATERAL (
    SELECT id, text_score, every FROM asset CROSS JOIN LATERAL {texts_of_outline} found
    {selection} AND id = outline."assetId"
  ) kept ON true
  ORDER BY kept.id IS NULL, score DESC, kept.id LIMIT :limit
) best LEFT JOIN smart_search ON smart_search."assetId" = best.id
ORDER BY best.id IS NULL, best.score DESC, best.id

-- name: outline
(
  SELECT *, count(*) OVER () AS looked_at, min(at_most) OVER () AS others
  FROM unnest(:asset_ids::uuid[], :bounds::float8[], :at_most::float8[])
    AS texts ("assetId", bound, at_most)
) outline

-- name: closeness
-- (Copies are directions, of which the product is the cosine; 0 where there is none.)
-(d.embedding <#> :rounded::{copy_type})

-- name: own_closeness
coalesce(nullif(1 - (smart_search.embedding <=> :embedding::vector), 'NaN'), 0)

-- name: texts
-- Best first by text alone, then newest first; with each what matched has.
SELECT kept.id, NULL AS cosine, found.text_score, found.every, looked_at,
  count(kept.id) OVER () AS kept, true
FROM (
  SELECT *, count(*) OVER () AS looked_at
  FROM (
    SELECT "assetId", text_score, every, "takenAt" FROM {texts} d
    ORDER BY text_score DESC, "takenAt" DESC, "assetId" LIMIT :first
  ) texts
) found
LEFT JOIN LATERAL (SELECT id FROM asset {selection} AND id = found."assetId") kept ON true
ORDER BY kept.id IS NULL, found.text_score DESC, found."takenAt" DESC, kept.id LIMIT :limit

-- name: bounds_of_texts
-- Texts by what they score at most by themselves, then newest first: that negated, when they were
-- taken (negated seconds), the ID, and the bound.
SELECT -text_score, -coalesce(extract(epoch FROM "takenAt")::float8, 'Infinity'), "assetId",
  text_score
FROM (
  SELECT "assetId", "takenAt", text_score FROM {bounds_of_all} d
  ORDER BY text_score DESC, "takenAt" DESC, "assetId" LIMIT :first
) texts

-- name: outlined_texts
-- What texts gives, of those with the highest bounds; with each what outlined has.
SELECT kept.id, NULL AS cosine, kept.text_score, kept.every, looked_at,
  count(kept.id) OVER () AS kept,
  kept.text_score > others OR (kept.text_score = others AND at_most = others)
FROM {outline} LEFT JOIN LATERAL (
  SELECT id, text_score, every, "takenAt" FROM asset CROSS JOIN LATERAL {texts_of_outline} found
  {selection} AND id = outline."assetId"
) kept ON true
ORDER BY kept.id IS NULL, kept.text_score DESC, kept."takenAt" DESC, kept.id LIMIT :limit

-- name: newest_perfect
-- Those of the newest texts that could not match better, newest first.
SELECT asset.id, NULL AS cosine, newest.text_score, true AS every
FROM {texts_of_newest} newest JOIN asset ON asset.id = newest."assetId"
{selection} AND newest.text_score >= :perfect
ORDER BY newest."takenAt" DESC, asset.id LIMIT :limit

-- name: newest
SELECT asset.id, NULL AS cosine, 0 AS text_score, true AS every
FROM asset {selection} AND {not_excluded}
ORDER BY asset."fileCreatedAt" DESC, asset.id LIMIT :limit

-- name: newest_with_text
SELECT asset.id, NULL AS cosine, 0 AS text_score, true AS every
FROM asset JOIN immich_aio.document ON document."assetId" = asset.id {selection} AND {not_excluded}
ORDER BY asset."fileCreatedAt" DESC, asset.id LIMIT :limit

-- name: nearest
-- Those whose texts do not count, in the vector index's order. (To read a vector takes long: each is
-- read once, for the order and the cosine.)
SELECT id, 1 - distance AS cosine, 0 AS text_score, false AS every
FROM (
  SELECT asset.id, smart_search.embedding <=> :embedding::vector AS distance
  FROM smart_search JOIN asset ON asset.id = smart_search."assetId"
  {selection} AND {not_excluded} AND {no_text}
  ORDER BY distance LIMIT :limit
) nearest

-- name: nearest_unknown
-- Those that were not found by their texts, in that order.
SELECT id, 1 - distance AS cosine, 0 AS text_score, false AS every
FROM (
  SELECT asset.id, smart_search.embedding <=> :embedding::vector AS distance
  FROM smart_search JOIN asset ON asset.id = smart_search."assetId"
  {selection} AND {not_excluded} AND asset.id NOT IN (SELECT unnest(:known_ids::uuid[]))
  ORDER BY distance LIMIT :limit
) nearest

-- name: nearest_texts
-- Those whose texts count, in that order.
SELECT id, 1 - distance AS cosine, text_score, every
FROM (
  SELECT asset.id, smart_search.embedding <=> :embedding::vector AS distance, d.text_score, d.every
  FROM smart_search CROSS JOIN LATERAL {texts_of_vector} d
  JOIN asset ON asset.id = smart_search."assetId"
  {selection}
  ORDER BY distance LIMIT :limit
) nearest

-- name: texts_by_meaning
-- The same in the order of the index over the vectors beside the texts, put in the order of their
-- scores window by window. (Immich's own vectors take long to read: those of the best tell.)
SELECT best.id, 1 - (smart_search.embedding <=> :embedding::vector) AS cosine,
  best.text_score, best.every
FROM (
  SELECT *, row_number() OVER (
    ORDER BY (place - 1) / :window, :text_weight * text_score - distance DESC, id
  ) AS rank
  FROM (
    SELECT *, row_number() OVER () AS place FROM (
      SELECT asset.id, d.text_score, d.every, d.distance
      FROM {texts_by_meaning} d JOIN asset ON asset.id = d."assetId" {selection}
      ORDER BY d.distance LIMIT :first
    ) near
  ) placed
  ORDER BY rank LIMIT :limit
) best LEFT JOIN smart_search ON smart_search."assetId" = best.id
ORDER BY best.rank

-- name: near_in_meaning
d.embedding::halfvec({dimensions}) <#> :rounded::halfvec

-- name: with_meaning
-- (Written out, for the planner must see at once that the index has them all.)
vector_dims(d.embedding) = {dimensions}

-- name: exact
-- Every asset that has a vector or a text that counts, scored, best first. (OFFSET 0 has each cosine
-- computed once.)
SELECT id, cosine, text_score, every FROM (
  SELECT asset.id, nullif(1 - (smart_search.embedding <=> :embedding::vector), 'NaN') AS cosine,
    coalesce(text.text_score, 0) AS text_score, coalesce(text.every, false) AS every
  FROM asset
  LEFT JOIN smart_search ON smart_search."assetId" = asset.id
  LEFT JOIN LATERAL {texts_of_asset} text ON true
  {selection} AND {not_excluded} AND {wanted}
  OFFSET 0
) scored
ORDER BY coalesce(cosine, 0) + :text_weight * text_score DESC, id
LIMIT :limit

-- name: all_wanted
(smart_search.embedding IS NOT NULL OR text.text_score IS NOT NULL)

-- name: rest_of_texts
(text.text_score IS NOT NULL AND asset.id <> ALL(:found_ids::uuid[]))

-- name: rest_without_text
(smart_search.embedding IS NOT NULL AND text.text_score IS NULL
  AND asset.id <> ALL(:found_ids::uuid[]))

-- name: with_copy
-- (Written so that no index is taken for it: it holds for almost all.)
vector_dims(d.embedding) IS NOT DISTINCT FROM :dimensions

-- name: without_copy
(vector_dims(d.embedding) IS NULL OR vector_dims(d.embedding) < :dimensions
  OR vector_dims(d.embedding) > :dimensions)

-- name: of_half
d.grams @> :half::int4[]

-- name: not_found
-- (As a subquery, which is hashed: a list is gone through for each text before PostgreSQL 15.)
d."assetId" NOT IN (SELECT unnest(:found_ids::uuid[]))

-- name: no_texts
(SELECT NULL::float8 AS text_score, false AS every WHERE false)

-- name: no_text_that_counts
NOT EXISTS (SELECT FROM {texts} d)

-- name: nothing_excluded
NOT EXISTS (
  SELECT FROM immich_aio.document d WHERE d."assetId" = asset.id AND {excluded}
)
