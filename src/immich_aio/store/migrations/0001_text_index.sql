-- The text index. Nothing here or in later steps is of a type or an operator class that PostgreSQL or
-- Immich's own pgvector does not bring, so that a dump restores wherever Immich's own does, and no
-- extension that only search uses is needed; nothing refers to Immich's tables.

CREATE TABLE immich_aio.document (
  "assetId" uuid PRIMARY KEY,
  folded text COLLATE "C" NOT NULL,
  words text COLLATE "C" NOT NULL,
  confidence real NOT NULL,
  grams int4[] NOT NULL,
  -- Of the visible lines that the rest was made from.
  signature uuid NOT NULL
);
CREATE INDEX document_grams_idx ON immich_aio.document USING gin (grams) WITH (fastupdate = off);

-- One row: by what the documents were made, and up to where Immich was followed.
CREATE TABLE immich_aio.state (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  segmenter text,
  format int4,
  "followedAt" timestamptz,
  -- No row that a transaction before this one wrote is still to be looked at.
  horizon xid8,
  -- In which table of which server that number has its meaning.
  place text
);
INSERT INTO immich_aio.state DEFAULT VALUES;
