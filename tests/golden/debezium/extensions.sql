-- Types that the tests' own PostgreSQL has not: those of extensions, and xml. The file extensions.jsonl has what row_to_json makes of the table.
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree;
CREATE TABLE extension_types (
  id int PRIMARY KEY, c_hstore hstore, c_citext citext, c_ltree ltree, a_hstore hstore[], a_citext citext[], a_ltree ltree[], c_lquery lquery, c_xml xml
);
INSERT INTO extension_types VALUES
  (1, 'k1=>v1, "k 2"=>NULL', 'MixedCase', 'top.science.astro', array['a=>1'::hstore], '{Ab,cD}', '{a.b,c}', '*.science.*', '<a b="c">text</a>'),
  (2, hstore(array['a','b','c'], array['1','{"x": 1}','"']), 'ÄÖ', 'A_1.b.C', array['a=>NULL'::hstore], '{ZZ}', '{z}', 'a.*{1,2}', '<?xml version="1.0"?><r/>'),
  (3, '', '', '', '{}', '{}', '{}', NULL, '');
