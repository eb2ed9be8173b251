"""Every type that PostgreSQL has, and values that take each to its limits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from forwarder.database.quoting import literal
from tests.packaging import ROOT

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

# Kinds of types that an application defines, and a type of each.
SCHEMA = """
    CREATE TYPE public.mood AS ENUM ('sad', 'ähm "x"', ',{}', 'NULL');
    CREATE DOMAIN public.positive AS integer CHECK (value > 0);
    CREATE DOMAIN public.tags AS text[];
    CREATE TYPE public.textrange AS RANGE (subtype = text, multirange_type_name = public.textmultirange);
    CREATE TYPE public.pair AS (a integer, b text);
    CREATE DOMAIN public.pair_domain AS public.pair;
    CREATE TYPE public.nested AS (
        p public.pair, ps public.pair[], r int4range, j jsonb, m integer[], n numeric, t timestamptz, d interval, f float8, b bytea
    );
"""

# What nobody can store: their input functions refuse everything.
_UNSTORABLE = {
    "gtsvector",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_ndistinct",
    "pg_node_tree",
}

# Types of columns that forwarder.capture() needs no care for: a table that has no others is captured in a way of its own.
PLAIN = re.split(
    r",\s+",
    """bigint, bigint[], bit, bit varying, boolean, boolean[], bytea, bytea[], character, character[], character varying,
    character varying[], cidr, date, date[], double precision, double precision[], inet, integer, integer[], interval,
    interval[], json, json[], jsonb, jsonb[], macaddr, macaddr8, name, numeric, numeric[], oid, public.mood, public.positive,
    real, real[], smallint, smallint[], text, text[], time with time zone, time without time zone, timestamp with time zone,
    timestamp with time zone[], timestamp without time zone, timestamp without time zone[], tsvector, uuid, uuid[], xid, xid8""",
)

# Each type's values as its input function takes them. What some release does not take yet is left out there.
_VALUES: dict[str, Sequence[str]] = {
    '"char"': ("a", "", r"\001", r"\377", '"'),
    "aclitem": ("postgres=arwdDxt/postgres", "=r/postgres", "pg_monitor=r*/postgres"),
    "bigint": ("0", "-9223372036854775808", "9223372036854775807"),
    "bit": ("0", "1"),
    "bit varying": ("", "0", "1010101"),
    "boolean": ("true", "false"),
    "box": ("(1,2),(3,4)", "(Infinity,-Infinity),(NaN,0)", "(1e-300,-1e300),(0.1,-0)"),
    "bytea": (r"\x", r"\x00ff5c27", r"\x" + "00" * 3000),
    "character": ("a", "a   ", "", " ", "ä€😀"),
    "character varying": ("", "a", "ä€😀", "a  "),
    "cid": ("0", "4294967295"),
    "cidr": ("10.0.0.0/8", "::ffff:1.2.3.0/120", "0.0.0.0/0", "2001:db8::/32"),
    "circle": ("<(1,2),3>", "<(0.1,-0.1),0>", "<(NaN,1),Infinity>"),
    "date": ("2026-03-01", "infinity", "-infinity", "4713-11-24 BC", "0044-03-15 BC", "5874897-12-31"),
    "datemultirange": ("{}", "{[2026-01-01,2026-02-01),[2027-01-01,)}", "{(,)}", "{[infinity,infinity]}"),
    "daterange": ("empty", "[2026-01-01,2026-02-01)", "(,)", "[-infinity,infinity]"),
    "double precision": (
        "0",
        "-0",
        "0.1",
        "0.30000000000000004",
        "1e22",
        "9007199254740993",
        "1.7976931348623157e308",
        "5e-324",
        "NaN",
        "Infinity",
        "-Infinity",
    ),
    "inet": ("10.0.0.1", "10.0.0.1/8", "::1", "2001:db8::1/64"),
    "information_schema.cardinal_number": ("0", "7"),
    "information_schema.character_data": ("", "ä"),
    "information_schema.sql_identifier": ('ä"',),
    "information_schema.time_stamp": ("2026-03-29 02:30:00.12+02",),
    "information_schema.yes_or_no": ("YES", "NO"),
    "int2vector": ("1", "1 2 3"),
    "int4multirange": ("{}", "{[1,3),(5,8]}"),
    "int4range": ("empty", "[1,3)", "(,)"),
    "int8multirange": ("{}", "{(,1),[5,)}"),
    "int8range": ("empty", "[1,9223372036854775807)", "(,5]"),
    "integer": ("0", "-2147483648", "2147483647"),
    "interval": (
        "0",
        "1 year -2 mons +3 days -04:05:06.789",
        "P-1Y2M-3DT4H",
        "178000000 years",
        "-178000000 years",
        "-00:00:00.000001",
        "2562047788:00:54.775807",
        "infinity",
        "-infinity",
    ),
    "json": (
        '{ "a" : 1,  "a":2 }',
        r'{"a":"\u00e9\/","b":"x\ny"}',
        '[1,[2,{"x":null}]]',
        "[]",
        "{}",
        "1.00",
        "-0",
        "1E+2",
        "1e999999",
        "true",
        '"a"',
        '""',
        '"null"',
        r'"a\nb \" \\"',
    ),
    "jsonb": ('{"b":[null,true],"a":1.00}', "[]", "{}", "1e100", "true", r'"a\nb é \" \\"', '""', '"null"'),
    "jsonpath": ("$", 'strict $."a".b[*] ? (@.x > 1.50)', "lax $.**{1 to 3}"),
    "line": ("{1,2,3}", "{0.1,-1,1e300}"),
    "lseg": ("[(1,2),(3,4)]", "[(0.1,1e300),(NaN,-Infinity)]"),
    "macaddr": ("08:00:2b:01:02:03",),
    "macaddr8": ("08:00:2b:01:02:03:04:05",),
    "money": ("0", "-92233720368547758.08", "92233720368547758.07", "1234.56"),
    "name": ("a", "", "x" * 63, "Ä\"'\\"),
    "numeric": (
        "0",
        "0.00",
        "-0.10",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e131071",
        "1e-16383",
        "1." + "3" * 200,
        "123456789012345678901234567890.0123456789000",
    ),
    "nummultirange": ("{}", "{[1.00,2.0),(3,4]}"),
    "numrange": ("empty", "[1.00,2.0)", "(1,NaN)", "(-Infinity,)"),
    "oid": ("0", "4294967295"),
    "oidvector": ("1", "1 2 3"),
    "path": ("[(1,2),(3,4)]", "((1,2),(3,4),(0.1,1e-300))"),
    "pg_lsn": ("0/0", "FFFFFFFF/FFFFFFFF"),
    "pg_snapshot": ("10:20:10,14,15", "1:1:"),
    "point": ("(1,2)", "(0.1,-0)", "(NaN,Infinity)"),
    "polygon": ("((1,2),(3,4),(5,6))", "((0.1,1e300))"),
    "public.mood": ("sad", 'ähm "x"', ",{}", "NULL"),
    "public.nested": (
        '("(1,a)","{""(2,b)"",NULL}","[1,2)","{""a"": null}","{{1,2},{3,4}}",1.00,infinity,-1 day,5e-324,\\\\x00ff)',
        "(,,,,,,,,,)",
        "(,{},empty,[],{},NaN,2026-03-29 02:30:00+02,1 mon,-0,)",
    ),
    "public.pair": ("(1,a)", "(,)", '(1,"x ""y"" \n")', '(,"")'),
    "public.pair_domain": ("(1,a)", "(,)"),
    "public.positive": ("1", "2147483647"),
    "public.tags": ('{a,NULL,"x y"}', "{}", "{{a,b},{c,d}}"),
    "public.textmultirange": ("{}", '{[a,b),["x ,""",)}'),
    "public.textrange": ("empty", "[a,b)", '["a ,""","ä\\\\"]', "(,)"),
    "real": ("0", "-0", "1.1", "16777217", "3.4028235e38", "1e-45", "NaN", "Infinity", "-Infinity"),
    "refcursor": ("c", '"ä'),
    "regclass": ("pg_catalog.pg_class", "-", "4294967294"),
    "regcollation": ('pg_catalog."C"', "-", "4294967294"),
    "regconfig": ("pg_catalog.english", "-", "4294967294"),
    "regdictionary": ("pg_catalog.simple", "-", "4294967294"),
    "regnamespace": ("pg_catalog", "public", "-", "4294967294"),
    "regoper": ("0", "4294967294", "pg_catalog.|/"),
    "regoperator": ("pg_catalog.+(integer,integer)", "pg_catalog.-(NONE,integer)", "0"),
    "regproc": ("pg_catalog.now", "-", "4294967294"),
    "regprocedure": ("pg_catalog.now()", "pg_catalog.abs(integer)", "-", "4294967294"),
    "regrole": ("postgres", "-", "4294967294"),
    "regtype": ("integer", "timestamp with time zone", "public.mood", '"char"', "text[]", "-", "4294967294"),
    "smallint": ("0", "-32768", "32767"),
    "text": (
        "",
        " a ",
        "NULL",
        "null",
        "ä€😀e\u0301",
        "\"'\\/",
        "a\nb\r\n\tc\x08\x0c",
        "\x01\x1f\x7f\u2028\u2029\ufeff\uffff",
        "{}",
        "[1]",
        r"\u0041",
        "x" * 5000,
        # Compressed it is still too long to be kept within the row.
        "".join(hashlib.sha256(b"%d" % number).hexdigest() for number in range(300)),
    ),
    "tid": ("(0,0)", "(4294967295,65535)"),
    "time with time zone": ("00:00+00", "24:00:00-15:59:59", "23:59:59.999999+15:59:59", "12:00:00.1+05:30"),
    "time without time zone": ("00:00", "24:00", "23:59:59.999999"),
    "timestamp with time zone": (
        "2026-03-29 02:30:00.123456+02",
        "1900-01-01 00:00:00+00:17:30",
        "4713-11-24 00:00:00+00 BC",
        "294276-12-31 23:59:59.999999+00",
        "infinity",
        "-infinity",
    ),
    "timestamp without time zone": (
        "2026-03-29 02:30:00.123456",
        "4713-11-24 00:00:00 BC",
        "294276-12-31 23:59:59.999999",
        "infinity",
        "-infinity",
    ),
    "tsmultirange": ("{}", '{["2026-01-01 00:00:00","2026-02-01 00:00:00"),(2027-01-01,)}'),
    "tsquery": ("'fat' & ('rat' | !'cat':*A) <2> 'x'", "", "'a''b'"),
    "tsrange": ("empty", "[2026-01-01,2026-02-01 00:00:00.5)", "[-infinity,infinity]"),
    "tstzmultirange": ("{}", '{["2026-01-01 00:00:00+02",2026-02-01)}'),
    "tstzrange": ("empty", "[2026-01-01 00:00:00+02,2026-02-01)", "(,infinity)"),
    "tsvector": ("'a':1A 'b c':2,3B 'd''e'", "", r"'\\'"),
    "txid_snapshot": ("10:20:10,14,15",),
    "uuid": ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "xid": ("0", "4294967295"),
    "xid8": ("0", "18446744073709551615"),
    "xml": ('<a b="c">ä &amp;\n</a>', '<?xml version="1.0"?><a/>', "", " <a/> "),
}

# Types by the name that PostgreSQL gives them; not those of the rows of the catalog's tables.
_TYPES = """
    SELECT format_type(type.oid, NULL) AS name, type.typarray <> 0 AS has_arrays
    FROM pg_type AS type
    LEFT JOIN pg_class AS class ON class.oid = type.typrelid
    WHERE type.typtype <> 'p' AND (class.relkind IS NULL OR class.relkind = 'c')
      AND NOT EXISTS (SELECT FROM pg_type AS element WHERE element.typarray = type.oid)
    ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """A type, some of its values in SQL, and some arrays of them, if it has any."""

    name: str
    values: Sequence[str]
    arrays: Sequence[str]
    # Whether it can be the type of a primary key.
    has_order: bool

    @property
    def columns(self) -> Mapping[str, Sequence[str]]:
        """Types of columns, and values of each: its own, and that of its arrays."""
        return {self.name: self.values} | ({f"{self.name}[]": self.arrays} if self.arrays else {})


async def types(connection: Connection, *, without: Collection[str]) -> Sequence[Type]:
    """Those of which this server can store values, of arrays not those named.

    Releases differ: of the values here each takes what it knows, and a type of which there are none here is an error.
    """
    await connection.execute("SET search_path = pg_catalog")
    found = []
    for name, has_arrays in await connection.fetch(_TYPES):
        if name in _UNSTORABLE:
            continue
        assert name in _VALUES, f"there are no values of type {name} here"
        values = [f"{literal(value)}::{name}" for value in _VALUES[name]]
        values = [value for value in values if await _succeeds(connection, f"SELECT ({value})::text")]
        # PostgreSQL may have been built without the library for XML.
        assert values or name == "xml"
        if values:
            arrays = _arrays(name, values) if has_arrays and f"{name}[]".removeprefix("public.") not in without else ()
            has_order = await _succeeds(
                connection, f"CREATE TEMP TABLE probe (one {name} PRIMARY KEY); DROP TABLE probe"
            )
            found.append(Type(name=name, values=values, arrays=arrays, has_order=has_order))
    await connection.execute("RESET search_path")
    return found


async def _succeeds(connection: Connection, statement: str) -> bool:
    try:
        await connection.execute(statement)
    except (asyncpg.DataError, asyncpg.FeatureNotSupportedError, asyncpg.UndefinedObjectError):
        return False
    return True


def _arrays(name: str, values: Sequence[str]) -> Sequence[str]:
    first, last = values[0], values[-1]
    texts = (
        f"ARRAY[{', '.join(values)}, NULL]",
        "'{}'",
        f"ARRAY[ARRAY[{first}, NULL], ARRAY[{last}, {first}]]",
        "NULL",
    )
    return [f"{text}::{name}[]" for text in texts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A value that an image does not carry; None: PostgreSQL makes no row of the image at all."""

    type: str
    value: str
    comes_back_as: str | None

    async def literals(self, connection: Connection) -> Sequence[str]:
        """The value, and what it comes back as, as PostgreSQL writes them."""
        await connection.execute("SET search_path = public")
        values = [value for value in (self.value, self.comes_back_as) if value is not None]
        return [await connection.fetchval(f"SELECT format('%L', ({value})::{self.type})") for value in values]


_LOSS = re.compile(r"^\| `(.+?)` \| `(.+?)` \| (?:`(.+?)`|refused) \|", re.MULTILINE)


def documented_losses() -> Sequence[Loss]:
    """Those that docs/formats.md tells consumers of, in its table."""
    text = (ROOT / "docs" / "formats.md").read_text()
    _, _, section = text.partition("\n## What JSON does not carry\n")
    table, _, _ = section.partition("\n## ")
    return [Loss(type=type, value=value, comes_back_as=back or None) for type, value, back in _LOSS.findall(table)]
