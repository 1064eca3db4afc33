-- Takes out of an Immich database what the earlier immich-all-in-one's fork of Immich has put in, so
-- that stock Immich starts on it: it refuses a database with a migration that it does not know.
-- The texts in ocr_info are dropped with it; they are read anew by Jobs > OCR > All.
-- Back up first. Then, with Immich stopped:
--
--   docker compose exec -T database psql -U postgres -d immich -v ON_ERROR_STOP=1 \
--       < from-immich-all-in-one.sql

BEGIN;

DROP TABLE IF EXISTS public.ocr_info;
DELETE FROM public.kysely_migrations WHERE name LIKE '%-CreateOCRInfo';

-- It made its own text search configuration the database's default.
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I RESET default_text_search_config', current_database());
END $$;
DROP TEXT SEARCH CONFIGURATION IF EXISTS public.chinese;
-- So that a dump restores where zhparser is missing. With zhparser.yaml: CREATE EXTENSION zhparser.
DROP EXTENSION IF EXISTS zhparser;

COMMIT;
