-- An asset's CLIP vector and date beside its text, so that texts are scored and put in order without
-- looking for them: that is four times as fast. Half precision takes half the room and time, where
-- pgvector has it (0.7 and newer); the types are otherwise those of Immich's own columns.

ALTER TABLE immich_aio.document
  -- Which version of Immich's row the vector is a copy of.
  ADD COLUMN "embeddingVersion" xid,
  ADD COLUMN "takenAt" timestamptz;
DO $$
BEGIN
  IF to_regtype('halfvec') IS NULL THEN
    ALTER TABLE immich_aio.document ADD COLUMN embedding vector;
  ELSE
    ALTER TABLE immich_aio.document ADD COLUMN embedding halfvec;
  END IF;
END $$;
ALTER TABLE immich_aio.document ALTER COLUMN embedding SET STORAGE PLAIN;
-- Enough of the most frequent grams to tell how many texts have a frequent word.
ALTER TABLE immich_aio.document ALTER COLUMN grams SET STATISTICS 300;
