"""What our dashboard shows."""

from __future__ import annotations

from deploy.monitoring.panels import Panel, Query, Row, quantile, rate, stages

SEARCHES = "immich_aio_search_seconds"
OURS = '{outcome=~"ours|by_text"}'
"""Searches that the companion answered itself."""

AT_A_GLANCE = Row(
    "At a glance",
    (
        Panel(
            "Services that answer",
            (Query('sum(up{job=~"gateway|ai|companion"})'),),
            kind="stat",
            width=4,
        ),
        Panel(
            "Answered, per minute",
            (Query("60 * sum(rate(immich_aio_gateway_stage_seconds_count{stage='backend'}[5m]))"),),
            kind="stat",
            width=4,
        ),
        Panel(
            "Requests that wait",
            (Query("sum(immich_aio_gateway_waiting)"),),
            kind="stat",
            width=4,
            warn=500,
        ),
        Panel(
            "Backends away",
            (Query("sum(1 - immich_aio_gateway_backend_up)"),),
            kind="stat",
            width=4,
            warn=1,
        ),
        Panel(
            "Search, 95th percentile",
            (Query(quantile(0.95, SEARCHES, where=OURS).replace("$__rate_interval", "1h")),),
            "s",
            "Of those that the companion answered, in the last hour.",
            kind="stat",
            width=4,
        ),
        Panel(
            "Index lag",
            (Query("max(immich_aio_index_lag_seconds)"),),
            "s",
            "Time since Immich's tables were last looked at.",
            kind="stat",
            width=4,
            warn=60,
        ),
    ),
)

WORK = Row(
    "Immich's machine learning, at the gateway",
    (
        Panel(
            "Throughput by task",
            (
                Query(
                    rate("immich_aio_gateway_stage_seconds_count", "task", "{stage='backend'}"),
                    "{{task}}",
                ),
            ),
            "ops",
        ),
        Panel(
            "Time by task, 95th percentile",
            (
                Query(
                    quantile(0.95, "immich_aio_gateway_stage_seconds", "task, stage", ""),
                    "{{task}}: {{stage}}",
                ),
            ),
            "s",
            "Waiting for a backend, and at the one that answered.",
        ),
        Panel(
            "Requests that wait",
            (Query("sum by (task) (immich_aio_gateway_waiting)", "{{task}}"),),
            help="Without a backend at the moment. The places are WAITING_ROOM (1,000).",
            stacked=True,
        ),
        Panel(
            "In hand, by backend",
            (
                Query(
                    "sum by (backend, task) (immich_aio_gateway_running)", "{{backend}}: {{task}}"
                ),
            ),
            stacked=True,
        ),
        Panel(
            "Tries that failed",
            (
                Query(
                    rate("immich_aio_gateway_failures_total", "backend, kind"),
                    "{{backend}}: {{kind}}",
                ),
            ),
            "ops",
            "They are tried again, so a job is lost only after JOB_WAIT.",
        ),
        Panel(
            "Backends: 1 up; breakers: 0 closed, 2 open",
            (
                Query("immich_aio_gateway_backend_up", "{{backend}} up"),
                Query("immich_aio_gateway_breaker", "{{backend}}: {{task}}"),
            ),
        ),
        Panel(
            "Time to make replies, 95th percentile",
            (Query(quantile(0.95, "immich_aio_gateway_convert_seconds")),),
            "s",
        ),
        Panel(
            "Text queries whose vector was kept",
            (
                Query(
                    rate("immich_aio_gateway_text_cache_total", "outcome"),
                    "{{outcome}}",
                ),
            ),
            "ops",
        ),
        Panel(
            "Uploads in hand",
            (Query("immich_aio_gateway_body_bytes", "{{place}}"),),
            "bytes",
            stacked=True,
        ),
    ),
)

ENGINES = Row(
    "Models, in the AI service",
    (
        stages("immich_aio_ocr_stage_seconds", "OCR: time by stage"),
        stages("immich_aio_clip_stage_seconds", "Chinese-CLIP: time by stage", "kind, stage"),
        stages("immich_aio_faces_stage_seconds", "Faces: time by stage"),
        Panel(
            "Queues",
            tuple(
                Query(f'sum(immich_aio_{engine}_waiting{{job="ai"}})', engine)
                for engine in ("ocr", "clip", "faces")
            ),
        ),
        Panel(
            "Running, and workers",
            tuple(
                Query(f'sum(immich_aio_{engine}_{what}{{job="ai"}})', f"{engine}: {what}")
                for engine in ("ocr", "clip", "faces")
                for what in ("running", "workers")
            ),
        ),
        Panel(
            "Models loaded",
            tuple(
                Query(f'max(immich_aio_{engine}_loaded{{job="ai"}})', engine)
                for engine in ("ocr", "clip", "faces")
            ),
            help="1 while in memory; MODEL_TTL says how long one stays that is not asked.",
        ),
        Panel(
            "Lines read, faces found, per second",
            (
                Query(rate("immich_aio_ocr_lines_total", where='{job="ai"}'), "lines"),
                Query(rate("immich_aio_faces_total", where='{job="ai"}'), "faces"),
            ),
            "ops",
        ),
    ),
)

SEARCH = Row(
    "Search, at the companion",
    (
        Panel(
            "Searches by who answered",
            (
                Query(
                    rate("immich_aio_search_seconds_count", "outcome"),
                    "{{outcome}}",
                ),
            ),
            "ops",
        ),
        Panel(
            "Time of a search",
            tuple(
                Query(quantile(share, SEARCHES, where=OURS), f"{share:.0%}")
                for share in (0.5, 0.95)
            ),
            "s",
        ),
        Panel(
            "Requests that may be ours, by what came of them",
            (
                Query(
                    rate("immich_aio_companion_answers_total", "interceptor, outcome"),
                    "{{interceptor}}: {{outcome}}",
                ),
            ),
            "ops",
            "ours; instead: Immich was asked otherwise; passed, timeout, error: asked as it came.",
        ),
        Panel(
            "Immich answers the companion",
            (Query("min(immich_aio_companion_immich_up)"),),
        ),
        Panel(
            "Index: lag, and whether search works",
            (
                Query("max(immich_aio_index_lag_seconds)", "lag in seconds"),
                Query("min(immich_aio_search_ready)", "search works"),
            ),
        ),
    ),
)

PROCESSES = Row(
    "Processes",
    (
        Panel(
            "Memory",
            (
                Query(
                    'process_resident_memory_bytes{job=~"gateway|ai|companion"}',
                    "{{job}}",
                ),
            ),
            "bytes",
        ),
        Panel(
            "Cores in use",
            (
                Query(
                    "rate(process_cpu_seconds_total"
                    '{job=~"gateway|ai|companion"}[$__rate_interval])',
                    "{{job}}",
                ),
            ),
        ),
        Panel(
            "Open files and connections",
            (Query('process_open_fds{job=~"gateway|ai|companion"}', "{{job}}"),),
        ),
        Panel(
            "Requests by status",
            (
                Query(
                    rate("immich_aio_request_seconds_count", "job, status"),
                    "{{job}}: {{status}}",
                ),
            ),
            "ops",
        ),
        Panel(
            "Time of a request, 95th percentile",
            (
                Query(
                    quantile(0.95, "immich_aio_request_seconds", "job, route"), "{{job}} {{route}}"
                ),
            ),
            "s",
        ),
        Panel(
            "Versions",
            (Query("immich_aio_build_info", "{{service}} {{version}}"),),
        ),
    ),
)

IMMICH = Row(
    "Immich's own",
    (
        Panel(
            "Jobs under way",
            (
                Query("sum(immich_queues_ocr_active)", "OCR"),
                Query("sum(immich_queues_smart_search_active)", "smart search"),
                Query("sum(immich_queues_face_detection_active)", "face detection"),
            ),
            help="Needs IMMICH_TELEMETRY_INCLUDE, which monitoring.yaml sets.",
        ),
        Panel(
            "Jobs done and failed, per second",
            (
                Query(rate("immich_jobs_ocr_success_total"), "OCR: done"),
                Query(rate("immich_jobs_ocr_failed_total"), "OCR: failed"),
                Query(
                    rate("immich_jobs_smart_search_success_total"),
                    "smart search: done",
                ),
                Query(
                    rate("immich_jobs_smart_search_failed_total"),
                    "smart search: failed",
                ),
            ),
            "ops",
        ),
        Panel("Immich's workers", (Query('up{job="immich"}', "{{worker}}"),)),
    ),
)

ROWS = (AT_A_GLANCE, WORK, ENGINES, SEARCH, PROCESSES, IMMICH)

OF_OTHERS = {
    "up": "Prometheus's own",
    "immich_queues_ocr_active": "Immich: immich.queues.<queue>.active",
    "immich_queues_smart_search_active": "the same",
    "immich_queues_face_detection_active": "the same",
    "immich_jobs_ocr_success_total": "Immich: immich.jobs.<job>.<status>",
    "immich_jobs_ocr_failed_total": "the same",
    "immich_jobs_smart_search_success_total": "the same",
    "immich_jobs_smart_search_failed_total": "the same",
}
"""Metrics that are not ours, and where their names are from."""
