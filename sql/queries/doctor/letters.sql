-- How many dead letters each sink has, and how many of them wait for a stream that cannot be written to, which sends them by itself afterwards.
SELECT
    letter.sink,
    count(*) AS letters,
    count(*) FILTER (WHERE letter.code = 'no-stream') AS stranded
FROM forwarder.dead_letter AS letter
GROUP BY letter.sink
ORDER BY letter.sink
