-- What a search sets for its transaction.

-- name: for_texts
-- The planner does not know that to read all grams of a table is slow.
SET LOCAL enable_seqscan = off

-- name: for_bounds
-- A plan for any words would take half as long again as one for these; and one process is to do it.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
  set_config('parallel_setup_cost', '1e9', true)

-- name: for_many_texts
-- Two processes share them, where the server's own settings allow it. The planner knows neither how
-- many texts have several grams nor how long it takes to look into one.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
  set_config('parallel_setup_cost', '0', true), set_config('parallel_tuple_cost', '0', true),
  set_config('min_parallel_table_scan_size', '0', true),
  set_config('max_parallel_workers_per_gather',
    least(current_setting('max_parallel_workers_per_gather')::int, 1)::text, true)

-- name: for_hnsw
-- The order must come from the index, page after page: a plan that sorts is another order.
SELECT set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true),
  set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true),
  set_config('max_parallel_workers_per_gather', '0', true),
  set_config('hnsw.ef_search', '64', true),
  -- Relaxed is faster and finds more; windows are put in order afterwards.
  set_config('hnsw.iterative_scan', 'relaxed_order', true),
  set_config('hnsw.max_scan_tuples', '100000', true)

-- name: for_meaning
-- As for_hnsw, for the index over the vectors beside the texts, which is small.
SELECT set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true),
  set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true),
  set_config('max_parallel_workers_per_gather', '0', true),
  set_config('hnsw.ef_search', :ef_search, true),
  set_config('hnsw.iterative_scan', 'relaxed_order', true),
  -- Else it ends after a thousand; beyond so many, which filters may need, to score all is faster.
  set_config('hnsw.scan_mem_multiplier', '16', true),
  set_config('hnsw.max_scan_tuples', '4000', true)

-- name: for_old_hnsw
-- Before pgvector 0.8 the index gives this many rows and no more; the rest is scored one by one.
SELECT set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true),
  set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true),
  set_config('max_parallel_workers_per_gather', '0', true),
  set_config('hnsw.ef_search', '1000', true)

-- name: for_vchordrq
SELECT set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true),
  set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true),
  set_config('max_parallel_workers_per_gather', '0', true),
  set_config('vchordrq.probes', :probes, true)

-- name: for_anything
SELECT set_config('enable_sort', 'on', true), set_config('enable_hashjoin', 'on', true),
  set_config('enable_mergejoin', 'on', true), set_config('enable_seqscan', 'on', true)
