-- Whether a table ($1) has our trigger with the id $2.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_trigger AS trigger
    WHERE trigger.tgrelid = $1 AND trigger.tgname = '00_forwarder_capture' AND split_part(encode(trigger.tgargs, 'escape'), '\000', 1) = $2::integer::text
)
