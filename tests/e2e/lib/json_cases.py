# SPDX-License-Identifier: MIT
"""What is JSON and what is not: the kinds of the public JSONTestSuite, as values of a member."""

GOOD = [
    b"[]", b"[[]   ]", b'[""]', b'[1,null,"1",{}]', b"[1\n]", b"-0", b"0e+1", b"1E22", b"1E-2",
    b"123.456e78", b"-100000000000000000000", b"123123e-10000000", b"1e-2", b"20e1",
    b'{"a":"b","a":"c"}', b'{"":0}', b'{"a\\u0000b":1}', b'"\\u0060\\u012a\\u12AB"',
    b'"\\uD801\\udc37"', b'"\\"\\\\\\/\\b\\f\\n\\r\\t"', b'"a/*b*/c/*d//e"', b'"\x7f"',
    b'"\xc3\xa9\xe2\x80\xa8"', b'"\xf4\x8f\xbf\xbf"', b"null", b"true", b"false"]

BAD = [
    # arrays and words
    b"[1 true]", b"[,1]", b"[1,,2]", b"[1,]", b"[,]", b"[3[4]]", b"[1:2]", b"[1}", b"[\x0b]",
    b"[\x0c]", b"[\xc2\xa0]", b"[*]", b"nul", b"True", b"NULL", b"undefined", b"nan", b"NaN",
    b"Infinity", b"-Infinity", b"+Inf", b"-NaN", b"a\xc3\xa5",
    # numbers
    b"-01", b"01", b"-012", b"012.5", b"1.", b"-2.", b"2.e3", b".1", b"-.5", b"0.e1", b"1.0e+",
    b"1.0e", b"0E", b"1eE2", b"+1", b"++1", b"- 1", b"1 000", b"0x1", b"1+2", b"1.2.3", b"1a",
    b"-foo", b"\xef\xbc\x91", b"1\xe5",
    # objects
    b'{"a"}', b'{"a":}', b"{:1}", b"{,}", b"{1:1}", b"{a:1}", b"{'a':0}", b'{"a":1,}',
    b'{"a"::1}', b'{"a","b"}', b'{"a":1 "b":2}', b"{null:null}", b'{"a":1]', b"{[}",
    b'{"a":"b",/**/}', b'{"a":1/*c*/}', b'{"a":/*x*/1}', b"/**/1", b"1//\n",
    # strings
    b"'a'", b'"a\nb"', b'"a\tb"', b'"\x1f"', b'"a\0a"', b'"\\x00"', b'"\\a"', b'"\\\'"',
    b'"\\u00A"', b'"\\u123g"', b'"\\U0041"', b'"\\\xe5"', b'"\\u\xe5"', b'"\\\0"', b"\\n", b"abc"]
