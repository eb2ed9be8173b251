"""The upper bounds of histograms, in seconds."""

# Of statements and requests: a millisecond where all is near, and ten seconds where they are given up.
CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Of requests to a sink. They were so before there were others.
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# From a commit to the acknowledgement: milliseconds when all is well, an hour after an outage.
LATENCY_SECONDS = (*REQUEST_SECONDS, 30.0, 60.0, 300.0, 900.0, 3600.0)
# Of the event loop, which is late by a fraction of a millisecond when it has little to do.
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
