SELECT greatest({{ int .Values.workers.least }}, least({{ int .Values.workers.most }}, depth, greatest((depth + {{ int .Values.workers.perWorker }} - 1) / {{ int .Values.workers.perWorker }}, (oldest + {{ mul 1000000 (int64 .Values.workers.stepSeconds) }} - 1) / {{ mul 1000000 (int64 .Values.workers.stepSeconds) }})))::integer
FROM (
  SELECT count(*) FILTER (WHERE ready_at <= now OR owner IS NOT NULL) AS depth, coalesce(max(now - ready_at) FILTER (WHERE ready_at <= now), 0) AS oldest
  FROM versions, (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) AS clock
  WHERE state IN ('failed', 'leased', 'queued', 'staged', 'valid')
) AS backlog
