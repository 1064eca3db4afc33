-- Finds the texts beside which no vector of Immich's present length stands, few as they are, so that
-- all others are scored without a look at Immich's own: only that can be shared by two processes.

CREATE INDEX document_dimensions_idx ON immich_aio.document ((vector_dims(embedding)));
