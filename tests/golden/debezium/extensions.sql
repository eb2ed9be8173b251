-- Types of extensions, which the tests' own PostgreSQL has not: what row_to_json makes of this table is in the file extensions.jsonl.
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree;
CREATE TABLE extension_types (
  id int PRIMARY KEY, c_hstore hstore, c_citext citext, c_ltree ltree, a_hstore hstore[], a_citext citext[], a_ltree ltree[], c_lquery lquery
);
INSERT INTO extension_types VALUES
  (1, 'k1=>v1, "k 2"=>NULL', 'MixedCase', 'top.science.astro', array['a=>1'::hstore], '{Ab,cD}', '{a.b,c}', '*.science.*'),
  (2, hstore(array['a','b','c'], array['1','{"x": 1}','"']), 'ÄÖ', 'A_1.b.C', array['a=>NULL'::hstore], '{ZZ}', '{z}', 'a.*{1,2}'),
  (3, '', '', '', '{}', '{}', '{}', NULL);
