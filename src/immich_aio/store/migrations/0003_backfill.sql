-- How far back-fills are. A row a task that is being done or was done last; and of its photos only
-- those whose jobs are queued, or came to nothing.

CREATE TABLE immich_aio.backfill (
  task text PRIMARY KEY,
  -- Which photos: as it was asked for on the command line.
  wish jsonb NOT NULL,
  "startedAt" timestamptz NOT NULL DEFAULT now(),
  "finishedAt" timestamptz,
  paused boolean NOT NULL DEFAULT false,
  total int8 NOT NULL,
  done int8 NOT NULL DEFAULT 0,
  -- For how long somebody was at it.
  seconds float8 NOT NULL DEFAULT 0,
  -- The last photo that was taken, by when it came to Immich and its id; newest come first.
  "reachedAt" timestamptz,
  "reachedId" uuid
);
CREATE TABLE immich_aio.backfill_photo (
  task text NOT NULL,
  "assetId" uuid NOT NULL,
  -- What stood in Immich's tables before its job was queued; it is another one when the job is done.
  mark text,
  tries int2 NOT NULL DEFAULT 1,
  failed boolean NOT NULL DEFAULT false,
  PRIMARY KEY (task, "assetId")
);
