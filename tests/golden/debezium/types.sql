-- One column of every type, and the rows that are there before a reader starts (the snapshot).
CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy');
CREATE TYPE address AS (street text, zip int);
CREATE DOMAIN price AS numeric(12,3) CHECK (VALUE >= 0);
CREATE DOMAIN label AS varchar(30);
CREATE DOMAIN amount AS numeric;
CREATE TABLE every_type (
  id bigint PRIMARY KEY,
  c_bool boolean, c_int2 smallint, c_int4 integer, c_int8 bigint, c_oid oid,
  c_numeric numeric, c_numeric_10_2 numeric(10,2), c_numeric_38_10 numeric(38,10), c_numeric_5 numeric(5), c_numeric_3_m2 numeric(3,-2),
  c_float4 real, c_float8 double precision, c_money money,
  c_text text, c_varchar varchar(20), c_char char(5), c_char1 char(1), c_qchar "char", c_name name, c_bytea bytea,
  c_date date, c_time time, c_time3 time(3), c_time0 time(0), c_timetz timetz,
  c_timestamp timestamp, c_timestamp3 timestamp(3), c_timestamp0 timestamp(0),
  c_timestamptz timestamptz, c_timestamptz3 timestamptz(3), c_interval interval,
  c_uuid uuid, c_json json, c_jsonb jsonb,
  a_bool boolean[], a_int2 smallint[], a_int4 integer[], a_int8 bigint[], a_numeric numeric[], a_numeric_10_2 numeric(10,2)[],
  a_float8 double precision[], a_text text[], a_varchar varchar(20)[], a_char char(3)[], a_bytea bytea[], a_date date[], a_time time[],
  a_timetz timetz[], a_timestamp timestamp[], a_timestamptz timestamptz[], a_interval interval[], a_uuid uuid[], a_json json[], a_jsonb jsonb[],
  a_enum mood[], a_inet inet[], a_int4range int4range[], a_address address[], a_money money[], a_point point[], a_price price[],
  c_int4range int4range, c_int8range int8range, c_numrange numrange, c_tsrange tsrange, c_tstzrange tstzrange, c_daterange daterange,
  c_int4multirange int4multirange, c_tstzmultirange tstzmultirange,
  c_enum mood, c_price price, c_label label, c_amount amount, c_address address,
  c_inet inet, c_cidr cidr, c_macaddr macaddr, c_macaddr8 macaddr8, c_bit bit(1), c_bit8 bit(8), c_varbit16 varbit(16), c_varbit varbit,
  c_tsvector tsvector, c_tsquery tsquery,
  c_point point, c_line line, c_lseg lseg, c_box box, c_path path, c_polygon polygon, c_circle circle,
  c_pg_lsn pg_lsn, c_xid8 xid8, c_jsonpath jsonpath, c_regclass regclass,
  c_generated integer GENERATED ALWAYS AS (c_int4 / 2) STORED
);
-- 1: typical
INSERT INTO every_type VALUES (1,
  true, 12, 1234, 1234567890123, 4711,
  123.4500, 99.90, 12345.6789, 42, 12345,
  1.5, 0.1, 1234.56,
  'hello', 'varchar', 'ab', 'x', 'y', 'a_name', '\x00deadbeef',
  '2024-02-29', '13:14:15.123456', '13:14:15.123', '13:14:15', '13:14:15.123456+02',
  '2024-02-29 13:14:15.123456', '2024-02-29 13:14:15.123', '2024-02-29 13:14:15',
  '2024-02-29 13:14:15.123456+02', '2024-02-29 13:14:15.120+00', '1 year 2 mons 3 days 04:05:06.789',
  '6f1e3e2a-0b1c-4d5e-8f90-a1b2c3d4e5f6', '{"b": 1,  "a": [1, null, "x"], "b": 2}', '{"b": 1, "a": [1.50, null, "x"]}',
  '{t,f}', '{1,2}', '{1,NULL,3}', '{1,9007199254740993}', '{1.50,2.25}', '{1.50,NULL}',
  '{0.1,1e300}', '{a,"b c",NULL,"NULL","q\"uote"}', '{v1,v2}', '{a,bcd}', '{"\\x00ff","\\x"}', '{2024-02-29,NULL}', '{13:14:15.123456}',
  '{13:14:15+02}', '{"2024-02-29 13:14:15.123456"}', '{"2024-02-29 13:14:15.123456+02"}', '{"1 day 02:00:00"}', '{6f1e3e2a-0b1c-4d5e-8f90-a1b2c3d4e5f6}',
  array['{"a":1}'::json, 'null'::json], array['{"a": 1}'::jsonb, '[1, 2]'::jsonb],
  '{sad,"very happy"}', '{10.0.0.1,::1/64}', '{"[1,5)"}', array[row('Main St', 123)::address], array[1.5::money], array['(1,2)'::point], array[1.5::price],
  '[1,5)', '[1,)', '[1.5,2.5]', '[2024-01-01 00:00,2024-01-02 00:00)', '[2024-01-01 00:00+00,2024-01-02 00:00+00)', '[2024-01-01,2024-01-31]',
  '{[1,3),[5,8)}', '{[2024-01-01 00:00+00,2024-01-02 00:00+00)}',
  'ok', 12.500, 'a label', 7.10, row('Main "St"', 12345),
  '192.168.1.5/24', '10.1.0.0/16', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', B'1', B'10101010', B'101', B'1111000011',
  'the quick:2 fox:3A', 'quick & !fox',
  '(1.5,2)', '{1,-1,0}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '<(1,2),3>',
  '16/B374D848', '123456789012', '$.a[*]?(@ > 1)', 'pg_class');
-- 2: the largest
INSERT INTO every_type VALUES (2,
  true, 32767, 2147483647, 9223372036854775807, 4294967295,
  repeat('9', 60)::numeric + 0.123456789012345678901234567890, 99999999.99, 9999999999999999999999999999.9999999999, 99999, 99900,
  '3.4028235e38', '1.7976931348623157e308', '92233720368547758.07',
  E'tab\t newline\n quote" back\\ slash/ bell\x07 ü € 😀 ' || chr(8232) || '<>&''', repeat('é', 20), 'abcde', '€', 'z', repeat('n', 63), decode(repeat('ff', 40), 'hex'),
  '9999-12-31', '24:00:00', '23:59:59.999', '23:59:59', '23:59:59.999999-15:59',
  '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59.999', '9999-12-31 23:59:59',
  '9999-12-31 23:59:59.999999+00', '9999-12-31 23:59:59.999+00', '178000000 years',
  'ffffffff-ffff-ffff-ffff-ffffffffffff', '"a string"', '12345678901234567890.123456789',
  '{{t,f},{f,NULL}}', '{32767}', '{{1,2},{3,4}}', '{9223372036854775807}', array[repeat('9', 40)::numeric], '{99999999.99}',
  '{1.7976931348623157e308}', array[array['a','b'],array['c',NULL]], '{""}', '{€€€}', '{"\\xffff"}', '{9999-12-31}', '{24:00:00}',
  '{23:59:59.999999-15:59}', '{"9999-12-31 23:59:59.999999"}', '{"9999-12-31 23:59:59.999999+00"}', '{"-1 mons"}', '{ffffffff-ffff-ffff-ffff-ffffffffffff}',
  array['1'::json], array['"x"'::jsonb],
  '{ok}', '{255.255.255.255}', '{"(,)"}', array[row(NULL, NULL)::address], array['92233720368547758.07'::money], array['(1e300,-1e300)'::point], array[999999999.999::price],
  '(,2147483647)', '(,)', '(,)', '(,)', '(,)', '(,)',
  '{(,)}', '{(,)}',
  'very happy', 999999999.999, repeat('l', 30), 1e100, row(repeat('s', 40), 2147483647),
  '2001:db8::ff00:42:8329/128', '2001:db8::/32', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff', B'1', B'11111111', B'1111111111111111', repeat('1', 70)::varbit,
  to_tsvector('simple', 'a b c'), 'a | b <-> c',
  '(1e300,-1e300)', '{1e10,2,3}', '[(1,2),(3,4)]', '(10,20),(-10,-20)', '((0,0),(5,5))', '((0,0),(0,1),(1,1),(1,0))', '<(0,0),0>',
  'FFFFFFFF/FFFFFFFF', '18446744073709551615', 'strict $', 'every_type');
-- 3: the smallest
INSERT INTO every_type (id, c_bool, c_int2, c_int4, c_int8, c_oid, c_numeric, c_numeric_10_2, c_numeric_38_10, c_numeric_5, c_numeric_3_m2, c_float4, c_float8, c_money,
  c_text, c_varchar, c_char, c_char1, c_bytea, c_date, c_time, c_time3, c_time0, c_timetz, c_timestamp, c_timestamp3, c_timestamp0, c_timestamptz, c_timestamptz3, c_interval,
  c_uuid, c_json, c_jsonb, a_int4, a_text, a_timestamptz, c_int4range, c_tstzrange, c_int4multirange, c_bit, c_bit8, c_varbit, c_tsvector)
VALUES (3, false, -32768, -2147483648, -9223372036854775808, 0, 1e-30, -99999999.99, -9999999999999999999999999999.9999999999, 0, -100, '1.17549e-38', '-5e-324', '-92233720368547758.08',
  '', '', '', '', '\x', '0001-01-01', '00:00', '00:00', '00:00', '00:00+15:59', '0001-01-01 00:00', '0001-01-01 00:00', '0001-01-01 00:00', '0001-01-01 00:00+00', '0001-01-01 00:00+00', '-1 year -2 days +03:00:00',
  '00000000-0000-0000-0000-000000000000', 'null', 'null', '{}', '[-2:0]={x,y,z}', '{}', 'empty', 'empty', '{}', B'0', B'00000000', '', '');
-- 4: all NULL
INSERT INTO every_type (id) VALUES (4);
-- 5: everyday values whose text form is easy to get wrong
INSERT INTO every_type (id, c_numeric, c_numeric_10_2, c_float4, c_float8, c_money, c_date, c_time, c_timestamp, c_timestamptz, c_interval, c_jsonb, c_json, a_numeric, c_amount)
VALUES (5, 0, 0, 1e20, 123456789.123, 0, '1969-12-31', '01:02:03', '1969-12-31 23:59:59.5', '2024-07-01 12:00:00-07', '00:00:00', '{}', ' {"big": 12345678901234567890, "f": 1e2, "u": "\u00e9"} ', '{0,100,1e10}', 100);

-- Values that have no number or no calendar day: each in a table of its own, since a reader may stop at one.
CREATE TABLE sp_float (id int PRIMARY KEY, f4 real, f8 double precision, a_f8 double precision[]);
INSERT INTO sp_float VALUES (1, 'NaN', 'NaN', '{NaN}'), (2, 'Infinity', 'Infinity', '{Infinity}'), (3, '-Infinity', '-Infinity', '{-Infinity}');
CREATE TABLE sp_numeric (id int PRIMARY KEY, n numeric, n2 numeric(10,2));
INSERT INTO sp_numeric VALUES (1, 'NaN', 'NaN');
CREATE TABLE sp_time (id int PRIMARY KEY, d date, ts timestamp, tstz timestamptz);
INSERT INTO sp_time VALUES (1, 'infinity', 'infinity', 'infinity'), (2, '-infinity', '-infinity', '-infinity'), (3, '0044-03-15 BC', '0044-03-15 12:00 BC', '0044-03-15 12:00+00 BC'),
  (4, '4713-01-01 BC', '4713-01-01 00:00 BC', '4713-01-01 00:00+00 BC'), (5, '12024-01-01', '12024-01-01 00:00', '12024-01-01 00:00+00'), (6, '5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00');

-- The tables that operations.sql changes.
CREATE TABLE t_default (id int PRIMARY KEY, name text, n numeric(10,2), note text);
CREATE TABLE t_full (id int PRIMARY KEY, name text, n numeric(10,2), note text); ALTER TABLE t_full REPLICA IDENTITY FULL;
CREATE TABLE t_index (id int PRIMARY KEY, code text NOT NULL UNIQUE, name text); ALTER TABLE t_index REPLICA IDENTITY USING INDEX t_index_code_key;
CREATE TABLE t_compound (b text, a int, v text, PRIMARY KEY (a, b));
CREATE TABLE t_nopk (id int, name text);
CREATE TABLE t_nopk_full (id int, name text); ALTER TABLE t_nopk_full REPLICA IDENTITY FULL;
CREATE TABLE t_part (id int, day date, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE t_part_2024 PARTITION OF t_part FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE t_part_2025 PARTITION OF t_part FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE t_toast (id int PRIMARY KEY, big text, bigs text[], blob bytea, doc jsonb, n int);
CREATE TABLE t_toast_full (LIKE t_toast INCLUDING ALL); ALTER TABLE t_toast_full REPLICA IDENTITY FULL;
CREATE TABLE "Odd Name" ("Id" int PRIMARY KEY, "a.b" text, "quo""te" text);
CREATE SCHEMA sales; CREATE TABLE sales.t_default (id uuid PRIMARY KEY, name text);
CREATE TABLE done (id int PRIMARY KEY);
ALTER TABLE t_toast ALTER big SET STORAGE EXTERNAL, ALTER bigs SET STORAGE EXTERNAL, ALTER blob SET STORAGE EXTERNAL, ALTER doc SET STORAGE EXTERNAL;
ALTER TABLE t_toast_full ALTER big SET STORAGE EXTERNAL, ALTER bigs SET STORAGE EXTERNAL, ALTER blob SET STORAGE EXTERNAL, ALTER doc SET STORAGE EXTERNAL;
INSERT INTO t_default VALUES (1, 'before the snapshot', 1.50, NULL);
INSERT INTO t_full VALUES (1, 'before the snapshot', 1.50, NULL);
INSERT INTO t_part VALUES (1, '2024-06-01', 'before the snapshot');
INSERT INTO t_nopk VALUES (1, 'before the snapshot');
