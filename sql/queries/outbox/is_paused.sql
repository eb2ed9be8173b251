-- Whether the capture of any table is paused.
SELECT cardinality(forwarder.paused_tables()) > 0
