-- Which words a text cannot hold, told without reading it (store/text/word_bits.py). Texts of before
-- are made anew; until then nothing is ruled out for them.

ALTER TABLE immich_aio.document
  ADD COLUMN "wordBits" bytea NOT NULL DEFAULT decode(repeat('ff', 128), 'hex');
ALTER TABLE immich_aio.document ALTER COLUMN "wordBits" DROP DEFAULT;

-- A copy of a vector is its direction, its length being 1, so that a product is a cosine; where there
-- is none, it is as it is. (Before pgvector 0.7, which has no half precision either, it takes longer.)
DO $$
BEGIN
  IF to_regtype('halfvec') IS NULL THEN
    CREATE FUNCTION immich_aio.copy_of(embedding vector) RETURNS vector
      LANGUAGE sql IMMUTABLE PARALLEL SAFE AS '
        SELECT CASE WHEN vector_norm(embedding) = 0 THEN embedding ELSE (
          SELECT array_agg(number / vector_norm(embedding) ORDER BY place)::vector
          FROM unnest(embedding::real[]) WITH ORDINALITY AS part (number, place)
        ) END';
  ELSE
    CREATE FUNCTION immich_aio.copy_of(embedding vector) RETURNS halfvec
      LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT l2_normalize(embedding)::halfvec';
  END IF;
END $$;

-- The newest texts, for words that very many have.
CREATE INDEX document_date_idx ON immich_aio.document ("takenAt");
